import { describe, expect, it } from 'vitest'
import { openBackend } from '../../src/memory/backends/index.ts'
import { openCodec } from '../../src/memory/codecs/index.ts'
import { openPool } from '../../src/memory/pools/index.ts'
import { policies } from '../../src/policies/index.ts'
import { AddressSpace } from '../../src/replay/address-space.ts'
import { type RunSummary, replay } from '../../src/replay/replay.ts'
import { AddressNeighbours } from '../../src/replay/swap-neighbours.ts'
import type { Workload } from '../../src/workload/types.ts'
import { CountingBackend, plainContents, plan, type Row } from './build.ts'
import { RowCollector } from './rows.ts'

const codec = await openCodec('lz4')

type Order = 'forwards' | 'scattered' | 'strided'

/** Fills memory with pages in order (strided: far apart), then touches them all again in the same order, or far apart. */
function scan(order: Order): Workload {
  const pages = 900
  const rows: Row[] = []
  for (let page = 0; page < pages; page++)
    rows.push({
      op: 'alloc',
      cpuNs: 50_000,
      arg: order === 'strided' ? (page * 397) % pages : page,
    })
  for (let touch = 0; touch < pages; touch++)
    rows.push({
      op: 'touch',
      cpuNs: 50_000,
      arg: order === 'scattered' ? (touch * 397) % pages : touch,
    })
  return plan({
    cpus: 4,
    free: 500,
    min: 20,
    low: 30,
    high: 40,
    pages,
    zeroMap: false,
    dirtied: 0,
    tasks: [{ rows }],
    costs: {
      store: 30_000,
      unmap: 5000,
      scanKept: 500,
      freeClean: 500,
      batch: 2000,
      swapIn: 20_000,
    },
  })
}

function run(
  order: Order,
  options: {
    readonly readahead?: number
    readonly by?: 'slot' | 'address'
    readonly backend?: 'disk' | 'zram'
    readonly policy?: string
  },
): { readonly summary: RunSummary; readonly rows: RowCollector } {
  const rows = new RowCollector()
  const backend =
    options.backend === 'zram'
      ? new CountingBackend(3)
      : openBackend('disk', {
          codec,
          openPool,
          pageSize: 4096,
          totalPages: 1000,
          nodes: 1,
          parameters: {},
        })
  const policy = policies.find(({ name }) => name === (options.policy ?? 'kswapd'))
  if (policy === undefined) throw new Error('no such policy')
  const { summary } = replay(scan(order), {
    policy,
    backend,
    contents: plainContents,
    checkEveryNs: 1_000_000,
    sink: rows.sink,
    ...(options.readahead === undefined ? {} : { readahead: options.readahead }),
    ...(options.by === undefined ? {} : { readaheadBy: options.by }),
  })
  return { summary, rows }
}

describe('readahead of swap', () => {
  it('off: every swap-in is a fault of its own', () => {
    const { summary, rows } = run('forwards', { readahead: 1 })
    expect(summary.readaheads).toBe(0)
    expect(new Set(rows.numbers('swapins', 'readahead'))).toEqual(new Set([0]))
  })

  it('on, and pages return in the order of their slots: most are there when they are touched', () => {
    const off = run('forwards', { readahead: 1 }).summary
    const { summary, rows } = run('forwards', { readahead: 8 })
    const ahead = rows.of('swapins').filter((row) => row['readahead'] === 1)
    expect(ahead.length).toBe(summary.readaheads)
    expect(summary.readaheads).toBeGreaterThan(summary.swapIns / 2)
    expect(summary.readaheadHits).toBeGreaterThan(summary.readaheads * 0.8)
    expect(summary.workNs).toBeLessThan(off.workNs)
  })

  it('reads at most the cluster, aligned, around the fault', () => {
    const { rows } = run('forwards', { readahead: 8 })
    let cluster: number[] = []
    for (const row of rows.of('swapins')) {
      const slot = Number(row['swap_offset'])
      if (row['readahead'] === 1) {
        cluster.push(slot)
        continue
      }
      for (const other of cluster) expect(Math.floor(other / 8)).toBe(Math.floor(slot / 8))
      expect(cluster.length).toBeLessThan(8)
      cluster = []
    }
  })

  it('where pages return from anywhere, the window shrinks and next to none is read for nothing', () => {
    const { summary } = run('scattered', { readahead: 8 })
    expect(summary.readaheads).toBeLessThan(summary.swapIns / 4)
  })

  it('on zram there is none, whatever vm.page-cluster says', () => {
    const off = run('forwards', { readahead: 1, backend: 'zram' }).summary
    expect(run('forwards', { readahead: 8, backend: 'zram' }).summary).toEqual(off)
  })

  it.each(policies.map(({ name }) => name))('loses no page under %s', (policy) => {
    const { summary } = run('scattered', { readahead: 16, policy })
    expect(summary.workUsed).toBe(1)
  })
})

describe('readahead by address', () => {
  /** Swapped out in an order that has nothing to do with addresses, then touched one after the other. */
  const windows = (faults: readonly number[], mostPages: number): (readonly number[])[] => {
    const { pages } = plan({ free: 1, min: 0, low: 0, high: 0, pages: 600, tasks: [] })
    const neighbours = new AddressNeighbours(new AddressSpace(pages), mostPages)
    return faults.map((page) => {
      const [start, end] = neighbours.window(page)
      return Array.from({ length: end - start }, (_, place) => neighbours.at(start + place))
    })
  }

  it('reads on both sides of a first fault, and on the side where the faults go', () => {
    // A mapping begins with four hits: eight pages, three of them before the fault's.
    expect(windows([100], 8)).toEqual([[97, 98, 99, 100, 101, 102, 103, 104]])
    // The next fault is the next page: from there on. Without hits the window is halved.
    expect(windows([100, 101], 8)[1]).toEqual([101, 102, 103, 104])
    expect(windows([100, 99], 8)[1]).toEqual([96, 97, 98, 99])
    expect(windows([100, 300, 500, 100], 8).map((read) => read.length)).toEqual([8, 4, 2, 1])
  })

  it('stays within the mapping and within the page table of the fault', () => {
    expect(windows([1], 8)).toEqual([[0, 1, 2, 3, 4, 5]])
    expect(windows([511], 8)).toEqual([[508, 509, 510, 511]])
    expect(windows([512], 8)).toEqual([[512, 513, 514, 515, 516]])
    expect(windows([598], 8)).toEqual([[595, 596, 597, 598, 599]])
  })

  it('finds what lies beside it in memory, where slots are given in another order', () => {
    const bySlot = run('strided', { readahead: 8 }).summary
    const byAddress = run('strided', { readahead: 8, by: 'address' }).summary
    const share = ({ readaheads, readaheadHits }: RunSummary) => readaheadHits / readaheads
    expect(share(byAddress)).toBeGreaterThan(0.8)
    expect(byAddress.readaheadHits).toBeGreaterThan(3 * bySlot.readaheadHits)
  })
})
