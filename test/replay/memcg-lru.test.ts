import { expect, it } from 'vitest'
import { Lruvec } from '../../src/replay/lruvec.ts'
import { MemcgLru, type MemcgMove } from '../../src/replay/memcg-lru.ts'
import { rootMemcg } from '../../src/replay/memcgs.ts'
import type { NodeState } from '../../src/replay/node-state.ts'

const NODE = { index: 0 } as NodeState

/** Cgroups by number in the bins that are drawn in this order, and then always in the first. */
function open(bins: readonly number[]) {
  const lruvecs = bins.map((_, index) => new Lruvec(index, rootMemcg(), NODE, undefined))
  const drawn = [...bins]
  return { lru: new MemcgLru(lruvecs, () => drawn.shift() ?? 0), lruvecs }
}

/** One reclaimer's walk: the cgroups it comes to. */
function walk(
  lru: MemcgLru,
  decide: (index: number) => { to: MemcgMove; isOver?: boolean },
): number[] {
  const seen: number[] = []
  const steps = lru.walk(function* (lruvec) {
    seen.push(lruvec.index)
    yield
    return { isOver: false, ...decide(lruvec.index) }
  })
  while (steps.next().done !== true);
  return seen
}

const young = () => ({ to: 'young' as const })

it('a walk takes the oldest generation bin by bin, each in the order of arrival', () => {
  const { lru } = open([2, 0, 2, 7])
  expect(walk(lru, young)).toEqual([1, 0, 2, 3])
})

it('cgroups that were aged come after all others: the next walk takes those that the last one left', () => {
  const { lru } = open([0, 1, 2, 3])
  const first = walk(lru, (index) => ({ to: 'young', isOver: index === 1 }))
  expect(first).toEqual([0, 1])
  expect(walk(lru, young)).toEqual([2, 3])
  // The generation is empty, the next one is the oldest.
  expect(walk(lru, young)).toEqual([0, 1, 2, 3])
})

it('one that is moved to the tail of its generation gets a second turn there', () => {
  const { lru, lruvecs } = open([0, 0, 0])
  const moved = lruvecs[0] as Lruvec
  const seen = walk(lru, (index) => ({
    to: index === 0 && !lru.isAtTail(moved) ? 'tail' : 'young',
  }))
  expect(seen).toEqual([0, 1, 2, 0])
})

it('one that stays keeps its place', () => {
  const { lru } = open([0, 0])
  expect(walk(lru, () => ({ to: 'stays' }))).toEqual([0, 1])
  expect(walk(lru, () => ({ to: 'stays' }))).toEqual([0, 1])
})

it('a walker whose cgroup another one took along begins its bin again', () => {
  const { lru, lruvecs } = open([0, 0, 0])
  const seen: number[] = []
  const slow = lru.walk(function* (lruvec) {
    seen.push(lruvec.index)
    yield
    return { to: 'stays', isOver: false }
  })
  slow.next()
  lru.move(lruvecs[0] as Lruvec, 'young')
  while (slow.next().done !== true);
  expect(seen).toEqual([0, 1, 2])
})
