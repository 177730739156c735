import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PageContents } from '../../src/memory/contents/contents.ts'
import { policies } from '../../src/policies/index.ts'
import { kcompressd } from '../../src/policies/kcompressd.ts'
import { kswapd } from '../../src/policies/kswapd.ts'
import type { Policy } from '../../src/policies/policy.ts'
import type { ReplayLogEvent } from '../../src/replay/log-events.ts'
import { Random } from '../../src/replay/random.ts'
import { replay } from '../../src/replay/replay.ts'
import { PlainSlots } from '../../src/replay/slots.ts'
import type { Workload } from '../../src/workload/types.ts'
import { CountingBackend, plainContents, plan, type Row } from './build.ts'
import { RowCollector } from './rows.ts'

const ORDER = 4
const PAGES = 1 << ORDER
const FOLIOS = 400
const STORE_NS = 1000
/** A zero page's way, which is the gate's. */
const GATE_NS = 1
const UNMAP_NS = 100
const MANY_EVENTS = 100_000

/** Many folios of 16 pages, in memory; kswapd wants a few of them out. */
function largeFolios(...then: Row[]): Workload {
  return plan({
    cpus: 2,
    free: 200,
    min: 10,
    low: 210,
    high: 200 + 8 * PAGES - 1,
    managed: 0,
    resident: FOLIOS,
    pages: FOLIOS,
    orders: () => ORDER,
    tasks: [{ rows: [{ op: 'sleep', arg: 1e9 }, ...then] }],
    costs: { store: STORE_NS, storeSame: GATE_NS, unmap: UNMAP_NS },
  })
}

/** The same below min, where each page of a worker's store has to look for memory. */
function scarce(): Workload {
  return plan({
    ...{ cpus: 2, free: 186, min: 190, low: 210, high: 300, managed: 0 },
    ...{ resident: 4, pages: 4, orders: () => 2 },
    tasks: [{ rows: [{ op: 'sleep', arg: 1e7 }] }],
    costs: { store: STORE_NS, storeSame: GATE_NS, unmap: UNMAP_NS },
  })
}

/** A task allocates folios of 16 pages, more than there is memory for, waits and ends. */
function allocatedUntilExit(folios: number): Workload {
  const rows = Array.from(
    { length: folios },
    (_, page): Row => ({ op: 'alloc', cpuNs: 1e6, arg: page }),
  )
  return plan({
    cpus: 2,
    free: 400,
    min: 10,
    low: 100,
    high: 130,
    managed: 0,
    pages: folios,
    orders: () => ORDER,
    // The run goes on after the first one's end.
    tasks: [
      { rows: [...rows, { op: 'sleep', arg: 1e9 }, { op: 'exit' }] },
      { rows: [{ op: 'sleep', arg: 3e9 }] },
    ],
    costs: { store: STORE_NS, storeSame: GATE_NS, unmap: UNMAP_NS },
  })
}

function run(workload: Workload, policy: Policy, more: Partial<Parameters<typeof replay>[1]> = {}) {
  const rows = new RowCollector()
  const log: ReplayLogEvent[] = []
  const backend = new CountingBackend(4)
  const { summary } = replay(workload, {
    policy,
    backend,
    contents: plainContents,
    checkEveryNs: 100_000,
    sink: rows.sink,
    log: (event) => log.push(event),
    ...more,
  })
  const outs = [...rows.of('swapouts')].sort(
    (a, b) => Number(a['swapout_id']) - Number(b['swapout_id']),
  )
  return { summary, outs, log, backend, batches: rows.of('shrink_batches') }
}

describe('a folio of 16 pages', () => {
  it('is one swap-out of 16 slots in a row, unmapped and stored page by page', () => {
    const { outs, backend, summary } = run(largeFolios(), kswapd)
    for (const [place, row] of outs.entries()) {
      expect(row['folio_order']).toBe(ORDER)
      expect(row['swap_offset']).toBe(place * PAGES)
      expect(Number(row['stored_ns']) - Number(row['start_ns'])).toBe(PAGES * STORE_NS)
      expect(row['compressed_bytes']).toBe(PAGES * 1365)
    }
    expect(backend.stored.size).toBe(outs.length * PAGES)
    expect(summary.stores).toBe(outs.length * PAGES)
  })

  it('counts as 16 where pages are counted: two fill a batch of 32', () => {
    const { batches, outs } = run(largeFolios(), kswapd)
    const writing = batches.filter((row) => Number(row['nr_dirty']) > 0)
    const taken = writing.map((row) => Number(row['nr_taken']))
    expect(Math.max(...taken)).toBe(2 * PAGES)
    const freed = writing.map((row) => Number(row['nr_reclaimed']))
    expect(freed.reduce((all, pages) => all + pages)).toBe(outs.length * PAGES)
  })

  it('is one entry of a queue, whose 256 places hold 4096 pages', () => {
    // A worker that finds memory below min would compress once more.
    const tunables = { 'pstrace.memalloc': 1 }
    const { outs, summary } = run(largeFolios(), kcompressd, { tunables })
    expect(summary.queuePeak).toBe(256)
    const stored = outs.filter((row) => row['path'] === 'queued' && row['stored_ns'] !== null)
    expect(stored.length).toBeGreaterThan(20)
    for (const row of stored)
      expect(Number(row['stored_ns']) - Number(row['start_ns'])).toBe(PAGES * STORE_NS - GATE_NS)
  })

  it('has memory looked for once for each page that finds none, where its worker has no reserves', () => {
    // A pool page for each page: kswapd's reclaim leaves nothing above min for most of them.
    const backend = new CountingBackend(1)
    const tunables = { 'pstrace.memalloc': 0 }
    let events = 0
    const log = () => {
      if (++events > MANY_EVENTS) throw new Error('the same page looks for memory again and again')
    }
    const { outs, summary } = run(scarce(), kcompressd, { backend, tunables, log })
    const stored = outs.filter((row) => row['path'] === 'queued' && row['stored_ns'] !== null)
    expect(summary.writestalls).toBeGreaterThan(stored.length)
    expect(summary.writestalls).toBeLessThanOrEqual(4 * stored.length)
  })

  it('is split where no 16 slots are in a row, and its pages go out one by one', () => {
    // Twenty slots: the second folio finds four, none of them 16 in a row.
    const { outs, log } = run(largeFolios(), kswapd, { slots: new PlainSlots(20) })
    expect(outs.map((row) => row['folio_order'])).toEqual([ORDER, 0, 0, 0, 0])
    expect(log.filter(({ event }) => event === 'split').map(({ value }) => value)).toContain(15)
  })

  it('is zero only if all its pages are', () => {
    const zeroExcept = (page: number): PageContents => ({
      ...plainContents,
      fill(content, version, slot, target) {
        if (content === page) return plainContents.fill(content, version, slot, target)
        target.fill(0)
        return -2
      },
    })
    const pathsOf = (contents: PageContents) =>
      run(largeFolios(), kcompressd, { contents }).outs.map((row) => row['place'])
    expect(new Set(pathsOf(zeroExcept(-1)))).toEqual(new Set(['zero']))
    // The content of the first folio's second page.
    expect(pathsOf(zeroExcept(FOLIOS)).slice(0, 2)).toEqual(['zram', 'zero'])
  })
})

/** Tells how slots are given back. */
class WatchedSlots extends PlainSlots {
  readonly given: string[] = []

  override free(slot: number, cpu?: number): void {
    this.given.push('slot')
    super.free(slot, cpu)
  }

  override freeFolio(slot: number, order: number, cpu?: number): void {
    this.given.push(`folio of order ${order}`)
    super.freeFolio(slot, order, cpu)
  }
}

class BypassedBackend extends CountingBackend {
  readonly traits = {
    synchronousIo: true,
    swapinBypass: true,
    exclusiveLoads: false,
    shrinkerOnReclaimQueue: false,
  }
}

describe('the slots of a folio that was swapped out', () => {
  const touched = (backend: CountingBackend): readonly string[] => {
    const slots = new WatchedSlots()
    const { outs } = run(largeFolios({ op: 'touch', arg: 0 }), kswapd, { slots, backend })
    expect(outs.map((row) => row['page_id'])).toContain(1)
    return slots.given
  }

  it('are given back together when it comes back through the swap cache, one by one where a fault goes past that', () => {
    expect(touched(new CountingBackend(4))).toEqual(['folio of order 4'])
    expect(touched(new BypassedBackend(4))).toEqual(Array(PAGES).fill('slot'))
  })

  it('are given back together when its task ends', () => {
    const slots = new WatchedSlots()
    const { outs } = run(allocatedUntilExit(40), kswapd, { slots })
    expect(outs.length).toBeGreaterThan(5)
    expect(slots.given).toEqual(Array(outs.length).fill('folio of order 4'))
  })
})

/** A task that allocates and touches folios of all orders; those with `named` pages come back page by page. */
function mixed(seed: number, lru: 'classic' | 'mglru', named = false): Workload {
  const random = new Random(seed, 0)
  const rows: Row[] = []
  const orders: number[] = []
  const folio: number[] = []
  for (let count = 0; count < 120; count++) {
    const first = orders.length
    const order = random.below(5)
    rows.push({ op: 'alloc', cpuNs: 20_000 + random.below(20_000), arg: first })
    orders.push(order)
    folio.push(named && order > 0 ? first : -1)
    if (named && order > 0)
      for (let part = 1; part < 1 << order; part++) {
        orders.push(0)
        folio.push(first)
      }
    rows.push({ op: 'touch', cpuNs: 9000, arg: random.below(orders.length) })
  }
  const pages = orders.length
  rows.push({ op: 'exit', cpuNs: 100 })
  return plan({
    cpus: 3,
    free: 260,
    min: 60,
    low: 90,
    high: 120,
    managed: 0,
    pages,
    lru,
    orders: (page) => orders[page] ?? 0,
    ...(named ? { folios: (page: number) => folio[page] ?? -1 } : {}),
    tasks: [{ rows, hasMemory: true }],
    boostStep: 8,
    boostMax: 20,
    boostEvery: 16,
    costs: {
      store: [20_000, 70_000, 30_000],
      unmap: 3000,
      scanKept: 500,
      freeClean: 500,
      batch: 2000,
      slab: 500,
      swapIn: 9000,
      push: 900,
      wake: 900,
      wakeLatency: 40_000,
    },
  })
}

describe('folios of many orders', () => {
  it.each(policies.map((policy) => [policy.name, policy] as const))(
    'are neither lost nor stored twice under %s',
    (_name, policy) => {
      const seen = { folios: 0, back: 0 }
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 1e9 }),
          fc.constantFrom('classic' as const, 'mglru' as const),
          fc.boolean(),
          (seed, lru, named) => {
            const { outs, summary } = run(mixed(seed, lru, named), policy, {
              checkEveryNs: 1_000_000,
            })
            seen.folios += outs.filter((row) => Number(row['folio_order']) > 0).length
            seen.back += summary.swapIns
          },
        ),
        { numRuns: 4 },
      )
      expect(seen.folios).toBeGreaterThan(100)
      expect(seen.back).toBeGreaterThan(100)
    },
  )

  it.each(['classic', 'mglru'] as const)(
    'come back page by page where their pages have names, each to go out alone (%s lists)',
    (lru) => {
      const { outs, log, summary } = run(mixed(5, lru, true), kswapd, {
        slots: new PlainSlots(700),
      })
      const loads = log.filter(({ event }) => event === 'load')
      expect(loads.length).toBeGreaterThan(20)
      expect(new Set(loads.map(({ value }) => value))).toEqual(new Set([1]))
      const large = outs.filter((row) => Number(row['folio_order']) > 0)
      expect(large.length).toBeGreaterThan(20)
      // A folio goes out whole once: what comes back of it is single pages.
      expect(new Set(large.map((row) => row['page_id'])).size).toBe(large.length)
      expect(summary.swapOuts).toBe(
        outs.reduce((pages, row) => pages + (1 << Number(row['folio_order'])), 0),
      )
    },
  )

  it('are watched: a policy that stores one twice is caught', () => {
    const twice: Policy = {
      ...kcompressd,
      *submit(folio, node) {
        const end = yield* kcompressd.submit(folio, node)
        if (end === 'queued' && folio % 10 === 0 && !node.store(folio)) yield
        return end
      },
    }
    expect(() => run(mixed(1, 'classic'), twice)).toThrow(
      /more than it had|is not on its way to swap/,
    )
  })
})
