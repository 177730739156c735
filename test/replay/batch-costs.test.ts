import { describe, expect, it } from 'vitest'
import { kcompressd } from '../../src/policies/kcompressd.ts'
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

describe('pages that isolation passes over because a worker may not write them', () => {
  const MIN_LRU_BATCH = 64
  const NONE: Cost = { samples: new Float64Array(0), fixedNs: 0, basis: 'default', n: 0, from: '' }

  /** Times of the worker's calls where nothing else of them takes time and nobody disturbs them. */
  function callsOfWorker(given: Partial<Record<CostName, Cost>>): ReadonlySet<number> {
    const workload = withCosts('mglru', 0)
    const cpu = workload.machine.cpus[0]
    if (cpu === undefined) throw new Error('no CPU')
    const calls = new Set<number>()
    let begun = 0
    replay(
      { ...workload, costs: { ...workload.costs, batch: NONE, ...given } },
      {
        policy: kcompressd,
        backend: new CountingBackend(3),
        contents: plainContents,
        cpus: [cpu, cpu, cpu, cpu],
        log: ({ event, ns, thread }) => {
          if (!thread.startsWith('kcompressd')) return
          if (event === 'direct-begin') begun = ns
          if (event === 'direct') calls.add(ns - begun)
        },
      },
    )
    return calls
  }

  it('cost what scans in vain tell, and a third of the median of a page kept where none do', () => {
    const fullScans = 24 * MIN_LRU_BATCH
    const told = callsOfWorker({ skip: { ...NONE, fixedNs: 10 } })
    expect(told).toContain(fullScans * 10)
    const samples = Float64Array.of(100, 100, 100, 100, 100, 100, 100, 10_000)
    expect(callsOfWorker({ scanKept: { ...NONE, samples } })).toContain(fullScans * 33)
  })
})
