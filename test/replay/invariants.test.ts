import { expect, it } from 'vitest'
import type { StoreRequest, StoreResult } from '../../src/memory/backends/backend.ts'
import type { PageContents } from '../../src/memory/contents/contents.ts'
import { kcompressd } from '../../src/policies/kcompressd.ts'
import { kswapd } from '../../src/policies/kswapd.ts'
import { parallel } from '../../src/policies/parallel.ts'
import type { Policy } from '../../src/policies/policy.ts'
import { checkOrder, checkPages, checkQueued, checkStores } from '../../src/replay/invariants.ts'
import * as P from '../../src/replay/pages.ts'
import { Lane } from '../../src/replay/ranks.ts'
import { type ReplayOptions, replay } from '../../src/replay/replay.ts'
import { PlainSlots } from '../../src/replay/slots.ts'
import { Stores } from '../../src/replay/store.ts'
import { CountingBackend, plainContents, plan } from './build.ts'
import { pressure } from './scenarios.ts'

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
    'a page in memory that is on no list and that nobody has isolated',
    (pages) => {
      pages.remove(0)
    },
    holdsAll,
    /1 folios in memory are on no list at 7 ns; reclaim has taken 0 off them/,
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

it.each<readonly [string, readonly number[], number, RegExp]>([
  ['a folio in no queue and no hands', [], 0, /was given 1 folios; 0 wait/],
  ['a folio in two queues', [0, 0], 0, /page 0 waits in a queue twice/],
  ['a folio that waits after it was stored', [2], 1, /page 2 .* not on its way/],
])('finds %s', (_what, queued, inHands, message) => {
  const pages = somePages()
  pages.state[0] = P.QUEUED
  expect(() => checkQueued(pages, { policy: 'any', queued, inHands })).toThrow(message)
  expect(() => checkQueued(pages, { policy: 'any', queued: [0], inHands: 0 })).not.toThrow()
})

it('finds a store whose folio is in another state, and a folio that nobody stores any more', () => {
  const pages = somePages()
  expect(() => checkStores(pages, 7, 0)).not.toThrow()
  expect(() => checkStores(pages, 7, 1)).toThrow(/1 stores are under way at 7 ns; 0 folios are/)
  pages.state[2] = P.STORING
  expect(() => checkStores(pages, 7, 1)).not.toThrow()
  expect(() => checkStores(pages, 7, 0)).toThrow(/0 stores are under way at 7 ns; 1 folios are/)
})

it('finds a store that begins before an older one, and an end out of order where nobody stores beside kswapd', () => {
  const lane = new Lane()
  const [first, second] = [lane.submit(), lane.submit()]
  lane.start(first)
  lane.start(second)
  lane.finish(second)
  expect(() => checkOrder(lane, 0, false)).not.toThrow()
  expect(() => checkOrder(lane, 0, true)).toThrow(/0 stores began and 1 ended before/)
  const [third, fourth] = [lane.submit(), lane.submit()]
  lane.start(fourth)
  lane.start(third)
  expect(() => checkOrder(lane, 0, false)).toThrow(/1 stores began/)
})

it('takes isolated pages for sound', () => {
  const pages = somePages()
  pages.remove(0)
  pages.isolated = 1
  expect(checkPages(pages, 7, holdsAll)).toBe(2)
})

const runWith =
  (policy: Policy, more: Partial<ReplayOptions> = {}) =>
  () =>
    replay(pressure({ pages: 6000, touches: 500 }), {
      policy,
      backend: new CountingBackend(3),
      contents: plainContents,
      checkEveryNs: 100_000_000,
      ...more,
    })

it('a run ends whose policy says that it keeps the order and does not', () => {
  const claims: Policy = {
    ...kcompressd,
    layout: (node, tunables) => ({ ...kcompressd.layout(node, tunables), keepsOrder: true }),
  }
  expect(runWith(kcompressd)).not.toThrow()
  expect(runWith(claims)).toThrow(/stores began .* under a policy that keeps the order/)
})

it('a run ends whose policy counts more workers than it may have', () => {
  const counts: Policy = {
    ...parallel,
    *submit(folio, node) {
      const end = yield* parallel.submit(folio, node)
      node.add(1, 1)
      return end
    },
  }
  expect(runWith(counts)).toThrow(/has 2 in running_workers; at most 1/)
})

it.each(['classic', 'mglru'] as const)(
  'a run ends in which a page that reclaim kept does not come back on its list (%s)',
  (lru) => {
    const addHeads = P.Pages.prototype.addHeads
    P.Pages.prototype.addHeads = function (folios, from, to) {
      addHeads.call(this, folios, from, to - from > 20 ? to - 1 : to)
    }
    try {
      const run = () =>
        replay(pressure({ pages: 1500, touches: 500, tasks: 2, lru }), {
          policy: kcompressd,
          backend: new CountingBackend(3),
          contents: plainContents,
        })
      expect(run).toThrow(/folios in memory are on no list/)
    } finally {
      P.Pages.prototype.addHeads = addHeads
    }
  },
)

it('a run ends in which a page keeps its state while it is stored', () => {
  const { addHead } = P.Pages.prototype
  const { begin } = Stores.prototype
  const seen: P.Pages[] = []
  P.Pages.prototype.addHead = function (page) {
    seen[0] = this
    addHead.call(this, page)
  }
  Stores.prototype.begin = function (thread, node, page, ...more) {
    const [pages] = seen
    const before = pages?.state[page] ?? P.FREE
    const ns = begin.call(this, thread, node, page, ...more)
    pages?.state.fill(before, page, page + 1)
    return ns
  }
  try {
    expect(runWith(kswapd)).toThrow(/stores are under way at \d+ ns; \d+ folios are being stored/)
  } finally {
    P.Pages.prototype.addHead = addHead
    Stores.prototype.begin = begin
  }
})

it('a run ends in which one slot is written for two pages', () => {
  const slots = new PlainSlots()
  const allocate = slots.allocate.bind(slots)
  slots.allocate = (page, order) => Math.min(7, allocate(page, order))
  // Zero pages: the backend, which would see it too, is not asked.
  const contents: PageContents = {
    ...plainContents,
    fill(_page, _version, _slot, target) {
      target.fill(0)
      return -2
    },
  }
  expect(runWith(kcompressd, { slots, contents })).toThrow(
    /slot 7 is written for page \d+ while it holds/,
  )
})

it('a run ends whose pool has other pages than were taken for it', () => {
  class Miscounting extends CountingBackend {
    override store(request: StoreRequest): StoreResult {
      const result = super.store(request)
      return this.stored.size === 300 ? { ...result, poolPagesTaken: 2 } : result
    }
  }
  const options = { policy: kswapd, contents: plainContents, checkEveryNs: 1_000_000 }
  expect(() => replay(pressure(), { ...options, backend: new Miscounting(3) })).toThrow(
    /the pool has \d+ pages, \d+ were taken for it/,
  )
})
