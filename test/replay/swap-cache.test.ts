import { describe, expect, it } from 'vitest'
import { policies } from '../../src/policies/index.ts'
import { replay } from '../../src/replay/replay.ts'
import { based, CountingBackend, plainContents, plan } from './build.ts'
import { RowCollector } from './rows.ts'

const [kswapd] = policies
const RESIDENT = 640
const UNMAP = 1000

/** kswapd reclaims with so many pages free, fewer than any mark: its own allocations may take them all. */
function run(free: number, lru: 'classic' | 'mglru', orders = (_: number): number => 0) {
  if (kswapd === undefined) throw new Error('there is no policy')
  const rows = new RowCollector()
  const workload = plan({
    ...{ cpus: 1, free, min: 200, low: 300, high: 400, resident: RESIDENT, lru, orders },
    tasks: [{ rows: [{ op: 'sleep', arg: 1e9 }] }],
    costs: { unmap: UNMAP, store: 2000 },
  })
  const log: string[] = []
  const { summary } = replay(
    { ...workload, machine: { ...workload.machine, recordPagesPerSlot: based(0.01) } },
    {
      policy: kswapd,
      backend: new CountingBackend(),
      contents: plainContents,
      checkEveryNs: 1_000_000,
      sink: rows.sink,
      log: ({ event }) => log.push(event),
    },
  )
  const sum = (column: string): number =>
    rows.numbers('shrink_batches', column).reduce((all, value) => all + value, 0)
  return {
    log,
    swapOuts: summary.swapOuts,
    activated: sum('nr_activate'),
    reclaimed: sum('nr_reclaimed'),
    kswapdNs: Math.round(summary.kswapdBusyShare * summary.workNs),
  }
}

describe.each(['classic', 'mglru'] as const)('with the %s lists', (lru) => {
  it('a page is activated where nobody has memory for a node of the swap cache’s tree', () => {
    const { activated, kswapdNs, reclaimed, swapOuts } = run(0, lru)
    expect(swapOuts).toBe(0)
    expect(reclaimed).toBe(0)
    expect(activated).toBeGreaterThanOrEqual(RESIDENT)
    expect(kswapdNs).toBe(activated * UNMAP)
  })

  it('it goes out where one page is left for a slab', () => {
    const { activated, reclaimed, swapOuts } = run(100, lru)
    expect(swapOuts).toBeGreaterThan(300)
    expect(reclaimed).toBe(swapOuts)
    expect(activated).toBe(0)
  })
})

it('a folio for which the tree cannot grow is split, and its pages stay', () => {
  const { log, swapOuts } = run(0, 'classic', (page) => (page === 0 ? 2 : 0))
  expect(log.filter((event) => event === 'split')).toEqual(['split'])
  expect(swapOuts).toBe(0)
})
