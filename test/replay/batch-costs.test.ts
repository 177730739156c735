import { describe, expect, it } from 'vitest'
import { kswapd } from '../../src/policies/kswapd.ts'
import { replay } from '../../src/replay/replay.ts'
import { COSTS, type Cost, type CostName, type Workload } from '../../src/workload/types.ts'
import { CountingBackend, plainContents } from './build.ts'
import { RowCollector } from './rows.ts'
import { pressure } from './scenarios.ts'

const BATCH_NS = 10_000

/** Of scanning only what a batch costs, and isolating it. */
function withCosts(lru: 'classic' | 'mglru', isolateNs: number): Workload {
  const workload = pressure({ pages: 6000, touches: 3000, lru })
  const fixed = (fixedNs: number): Cost => ({ ...workload.costs.unmap, fixedNs })
  const ofNothing = Object.fromEntries(COSTS.map((name) => [name, fixed(0)]))
  const given = { store: fixed(100_000), batch: fixed(BATCH_NS), isolate: fixed(isolateNs) }
  const costs = { ...ofNothing, ...given } as Record<CostName, Cost>
  return { ...workload, costs }
}

/** Time of all threads in their batches, and how many of these freed something or nothing. */
function run(workload: Workload) {
  const rows = new RowCollector()
  const { threads } = replay(workload, {
    policy: kswapd,
    backend: new CountingBackend(3),
    contents: plainContents,
    sink: rows.sink,
  }).summary
  const batches = rows
    .of('shrink_batches')
    .filter((row) => Number(row['nr_taken']) > 0 && !String(row['lru']).startsWith('active'))
  const freeing = batches.filter((row) => Number(row['nr_reclaimed']) > 0).length
  return {
    spentNs: threads.reduce((sum, { scanNs, fileNs }) => sum + scanNs + fileNs, 0),
    freeing,
    vain: batches.length - freeing,
  }
}

describe.each(['classic', 'mglru'] as const)('a batch of the %s LRU', (lru) => {
  it.each([
    ['a fifth of it where nothing is told of isolating', 0, BATCH_NS / 5, BATCH_NS],
    ['what isolating takes', BATCH_NS / 2, BATCH_NS / 2, BATCH_NS],
    ['isolating alone where that takes longer', 3 * BATCH_NS, 3 * BATCH_NS, 3 * BATCH_NS],
  ])(
    'that frees something costs what is told of batches, one in vain %s',
    (_, isolateNs, vainNs, freeingNs) => {
      const { spentNs, freeing, vain } = run(withCosts(lru, isolateNs))
      expect(vain).toBeGreaterThan(0)
      expect(freeing).toBeGreaterThan(0)
      // kswapd may be in one when the run ends.
      const unfinishedNs = spentNs - vain * vainNs - freeing * freeingNs
      expect(unfinishedNs).toBeGreaterThanOrEqual(0)
      expect(unfinishedNs).toBeLessThanOrEqual(freeingNs)
    },
  )
})
