import { describe, expect, it } from 'vitest'
import { kswapd } from '../../src/policies/kswapd.ts'
import { replay } from '../../src/replay/replay.ts'
import { allocations, CountingBackend, plainContents, plan } from './build.ts'
import { RowCollector } from './rows.ts'

const FREE = 300
const LOW = 30

/** One task on the first of two nodes; only its CPU is that node's. */
function runOnFirstNode(pages: number, store = 3000) {
  const rows = new RowCollector()
  const { summary } = replay(
    plan({
      cpus: 2,
      nodes: 2,
      free: FREE,
      min: 20,
      low: LOW,
      high: 40,
      tasks: [{ cpus: [0], rows: allocations(pages, 1000) }],
      costs: { store, unmap: 1000, scanKept: 100, batch: 500 },
    }),
    {
      policy: kswapd,
      backend: new CountingBackend(3),
      contents: plainContents,
      checkEveryNs: 100_000,
      sink: rows.sink,
    },
  )
  return { summary, rows }
}

describe('the zone list over the nodes', () => {
  it('gives the pages of another node before anything is reclaimed', () => {
    const roomy = runOnFirstNode(2 * (FREE - LOW) - 100)
    expect(roomy.summary.kswapdWakes).toBe(0)
    expect(roomy.summary.swapOuts).toBe(0)
  })

  it('wakes the kswapd of every node when all are low', () => {
    const { rows } = runOnFirstNode(3 * FREE)
    const nodes = new Set(rows.of('kswapd_spans').map((row) => row['node']))
    expect([...nodes].sort()).toEqual([0, 1])
  })

  it('is what direct reclaim takes from: each call shrinks all its nodes', () => {
    const { rows } = runOnFirstNode(3 * FREE, 300_000)
    const direct = rows.of('reclaim_spans').filter((row) => row['kind'] === 'direct')
    expect(direct.length).toBeGreaterThan(1)
    // shrink_zones() goes through the nodes at each priority; whether one has anything unreferenced to write by then is another matter.
    for (const { task_id, start_ns, end_ns } of direct) {
      const own = rows
        .of('shrink_batches')
        .filter((row) => row['task_id'] === task_id)
        .filter(({ ts_ns }) => Number(ts_ns) >= Number(start_ns) && Number(ts_ns) <= Number(end_ns))
        .map((row) => row['node'])
      expect([...new Set(own)].sort()).toEqual([0, 1])
    }
  })
})
