import { expect, it } from 'vitest'
import { checkPages } from '../../src/replay/invariants.ts'
import * as P from '../../src/replay/pages.ts'
import { plan } from './build.ts'

/** Pages 0 to 3: on a list; free; stored and still in memory, slot 5; swapped out, slot 6. */
function somePages(): P.Pages {
  const { pages } = plan({ free: 1, min: 0, low: 0, high: 0, pages: 4, tasks: [] })
  const made = new P.Pages(pages, 1, { multiGeneration: false })
  made.state.set([P.RESIDENT, P.FREE, P.STORED, P.SWAPPED])
  made.slot.set([-1, -1, 5, 6])
  made.addHead(0)
  made.addHead(2)
  return made
}

const holdsAll = (): boolean => true

it('counts the frames of sound pages', () => {
  expect(checkPages(somePages(), 7, holdsAll)).toBe(2)
})

it.each<readonly [string, (pages: P.Pages) => void, (slot: number) => boolean, RegExp]>([
  ['a page whose slot was emptied', () => {}, (slot) => slot !== 6, /page 3 at 7 ns: is lost/],
  [
    'two pages with one slot',
    (pages) => {
      pages.slot[3] = 5
    },
    holdsAll,
    /page 3 at 7 ns: has slot 5, as page 2 has/,
  ],
  [
    'a swapped page without a slot',
    (pages) => {
      pages.slot[3] = -1
    },
    holdsAll,
    /page 3 .* without a slot/,
  ],
  [
    'a queued page without a slot',
    (pages) => {
      pages.state[0] = P.QUEUED
    },
    holdsAll,
    /page 0 .* without a slot/,
  ],
  [
    'a free page on a list',
    (pages) => {
      pages.state[0] = P.FREE
    },
    holdsAll,
    /page 0 .* is on a list/,
  ],
  [
    'lists that count wrongly',
    (pages) => {
      pages.sizes[0] = 3
    },
    holdsAll,
    /the lists count 3 pages at 7 ns; 2 are on them/,
  ],
])('finds %s', (_what, breaks, holds, message) => {
  const pages = somePages()
  breaks(pages)
  expect(() => checkPages(pages, 7, holds)).toThrow(message)
})
