import { describe, expect, it } from 'vitest'
import { UNSEEN_ENTRIES } from '../../src/workload/recording.ts'
import { drawTouches } from '../../src/workload/unseen-touches.ts'

interface Moved {
  readonly ns: number
  readonly entry: number
  /** The task whose memory cgroup it was evicted for. */
  readonly forMemcgOf?: number
}

/** Entry n goes out at n ns. */
const out = (from: number, to: number): Moved[] =>
  Array.from({ length: to - from }, (_, k) => ({ ns: from + k, entry: from + k }))

interface Known {
  readonly recent?: number
  readonly allocatedNs?: readonly number[]
  readonly inSwap?: number
  /** Resident at the start, beside the stored ones, which come first. */
  readonly kept?: number
}

/** Each entry is one page, and the first ones are the pages that are stored. */
function draw(
  stores: readonly Moved[],
  back: readonly (readonly [ns: number, entry: number])[],
  { recent = 4, allocatedNs = [], inSwap = 0, kept = 100 }: Known = {},
) {
  const stored = 1 + Math.max(...stores.map(({ entry }) => (entry < UNSEEN_ENTRIES ? entry : 0)))
  const resident = stored + kept
  const length = resident + allocatedNs.length + inSwap
  const touches = back.map(([ns, entry]) => ({ ns, entry }))
  const found = drawTouches(
    stores,
    touches,
    {
      ...{ length, resident, inSwap, allocatedNs: Float64Array.from(allocatedNs) },
      ofStore: Int32Array.from(stores, ({ entry }) => entry),
      ofTouch: Int32Array.from(touches, ({ entry }) => entry),
    },
    recent,
  )
  const counts = touches.map(() => 0)
  for (const touch of found.withTouch) counts[touch] = (counts[touch] ?? 0) + 1
  return { counts, length, pages: Array.from(found.page) }
}

describe('touches of pages in memory', () => {
  it('are as likely as those of the pages evicted last, each of which was one of so many that are out', () => {
    const back = [
      [20, 9],
      [21, 6],
      [22, 8],
    ] as const
    const { counts } = draw(out(0, 10), back, { kept: 12_000 })
    // Of the four evicted last three, and then two, are left.
    for (const [touch, chance] of [1 / 4, 1 / 3, 1 / 2].entries())
      expect((counts[touch] ?? 0) / 12_000 / chance).toBeCloseTo(1, 1)
  })

  it('are not told by the return of a page evicted long before', () => {
    expect(draw(out(0, 10), [[20, 5]]).counts).toEqual([0])
    expect(draw(out(0, 10), [[20, 0]]).counts).toEqual([0])
    expect(draw(out(0, 10), [[8, 5]]).counts[0]).toBeGreaterThan(0)
  })

  it('are not told by a few that were evicted', () => {
    expect(draw(out(0, 3), [[20, 1]]).counts).toEqual([0])
  })

  it('are told of an entry by the page that it holds then', () => {
    const again = [...out(0, 10), { ns: 30, entry: 3 }]
    const { counts } = draw(again, [
      [20, 3],
      [40, 3],
      [50, 3],
    ])
    expect(counts.map((count) => count > 0)).toEqual([false, true, false])
  })

  it('are not told by an entry that was drawn, or where a page was found in memory', () => {
    const stores = [...out(0, 5), { ns: 5, entry: UNSEEN_ENTRIES + 1 }]
    const { pages } = draw(stores, [
      [20, UNSEEN_ENTRIES + 1],
      [21, -1],
    ])
    expect(pages).toEqual([])
  })

  it('are not told by a page that was evicted for a memory cgroup, which is none of those evicted last', () => {
    const ofCgroup = out(0, 10).map((store) => ({ ...store, forMemcgOf: 7 }))
    expect(draw(ofCgroup, [[20, 9]]).counts).toEqual([0])
    const { counts } = draw([...out(0, 9), ...ofCgroup.slice(9)], [[20, 8]], { kept: 12_000 })
    // Three of the last four are.
    expect((counts[0] ?? 0) / 12_000).toBeCloseTo(1 / 3, 1)
  })

  it('meet a page that has come back', () => {
    // Of four pages three are out for good, one came back; a fifth goes and comes.
    const rounds = Array.from({ length: 20 }, (_, round) => 55 + 10 * round)
    const { counts, pages } = draw(
      [...out(0, 4), ...rounds.map((ns) => ({ ns, entry: 4 }))],
      [[50, 3], ...rounds.map((ns) => [ns + 5, 4] as const)],
      { recent: 1, kept: 0 },
    )
    const later = pages.slice(counts[0])
    expect(later.length).toBeGreaterThan(5)
    expect(new Set(later)).toEqual(new Set([3]))
  })

  it('meet no page that is out, that comes later, or that the swap-in itself brings back', () => {
    const { length, pages } = draw(out(0, 40), [[50, 39]], {
      ...{ recent: 1, kept: 10, inSwap: 30 },
      allocatedNs: [10, 49, 51, 60],
    })
    // Kept ones and those allocated before; one in seven of all.
    expect(pages.length).toBeGreaterThan(0)
    expect(pages.length).toBeLessThan(length / 2)
    expect(pages.every((page) => page >= 40 && page < 52)).toBe(true)
  })
})
