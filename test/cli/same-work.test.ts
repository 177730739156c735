import { describe, expect, it } from 'vitest'
import { planRuns } from '../../src/cli/run-plan.ts'
import type { FinishedRun } from '../../src/cli/run-policy.ts'
import { type Job, runAtSameWork, type WorkCut } from '../../src/cli/same-work.ts'
import { resolveReplay } from '../../src/config/replay.ts'
import { type RunResult, replay } from '../../src/replay/replay.ts'
import { countDemand } from '../../src/workload/cut.ts'
import { CountingBackend, plainContents, plan } from '../replay/build.ts'

const POLICIES = ['kswapd', 'kcompressd', 'parallel']

function workloadOf(pages: number) {
  return plan({
    free: 100,
    min: 10,
    low: 20,
    high: 30,
    tasks: [
      {
        rows: Array.from({ length: pages }, () => ({ op: 'alloc' as const, cpuNs: 1000, arg: -1 })),
      },
      {
        rows: [
          ...Array.from({ length: 20 }, () => ({ op: 'alloc' as const, cpuNs: 900, arg: -1 })),
          { op: 'sleep' as const, arg: 1e6 },
          { op: 'sleep' as const, arg: 1e6 },
        ],
      },
      { kind: 'background', rows: [{ op: 'sleep' as const, cpuNs: 100, arg: 1e6 }] },
    ],
    costs: { store: 1000, batch: 100, directEntry: 100 },
  })
}

/** Makes the runs on a backend that compresses nothing, in memory. */
async function runAll(pages: number) {
  const workload = workloadOf(pages)
  const request = resolveReplay({ policy: POLICIES, backend: 'zram', codec: 'lz4', seed: '1' })
  const runPlan = planRuns(request, workload)
  const made: { readonly job: Job; readonly result: RunResult }[] = []
  const kept = new Set<number>()
  const cuts: WorkCut[] = []
  const outcome = await runAtSameWork(
    runPlan.runs.map((run) => ({ plan: runPlan, run })),
    {
      workload,
      recordedNs: (asked) => asked * 7,
      onCut: (cut) => cuts.push(cut),
      discard: async ({ runId }) => {
        expect(kept.delete(runId)).toBe(true)
      },
      execute: async (job): Promise<FinishedRun> => {
        const result = replay(job.plan.workload, {
          policy: job.run.policy,
          backend: new CountingBackend(1),
          contents: plainContents,
        })
        const runId = made.push({ job, result })
        kept.add(runId)
        return { runId, policy: job.run.policy.name, config: job.run.config, result, figures: [] }
      },
    },
  )
  return { workload, made, kept, cuts, ...outcome }
}

describe('runs whose page stream lasts', () => {
  it('are made once, uncut', async () => {
    const { made, cut, runs, kept } = await runAll(60)
    expect(cut).toBeUndefined()
    expect(made).toHaveLength(POLICIES.length)
    expect(kept.size).toBe(POLICIES.length)
    for (const { config } of runs)
      expect([config.workUsed, config.exhaustedUnder, config.demandRows]).toEqual([1, null, null])
  })
})

describe('runs of which one exhausts the page stream', () => {
  it('all end at the same work, and none is exhausted any more', async () => {
    const { made, runs, kept, workload } = await runAll(1000)
    const last = made.filter((_, index) => kept.has(index + 1))
    expect(last.map(({ job }) => job.run.policy.name)).toEqual(POLICIES)
    const demands = last.map(({ job }) => countDemand(job.plan.workload))
    for (const demand of demands) expect(demand).toEqual(demands[0])
    expect(demands[0]?.pages).toBeLessThan(countDemand(workload).pages)
    for (const { result } of runs) {
      expect(result.exhausted).toBe(false)
      for (const task of result.progress)
        if (task.kind !== 'background') expect(task.done).toBe(task.rows)
    }
  })

  it('leave the load outside the demand whole', async () => {
    const { made, workload } = await runAll(1000)
    expect(made.at(-1)?.job.plan.workload.tasks.at(-1)).toBe(workload.tasks.at(-1))
  })

  it('say in their configuration how much was used, and cut the recording at the same pages', async () => {
    const { runs, cut, workload, made } = await runAll(1000)
    const used = made.at(-1)?.job.plan.workload ?? workload
    for (const { config } of runs) {
      expect(config.workUsed).toBe(countDemand(used).rows / countDemand(workload).rows)
      expect(config.workUsed).toBe(cut?.share)
      expect(config.recordedWorkNs).toBe(countDemand(used).pages * 7)
      expect(POLICIES).toContain(config.exhaustedUnder)
      expect(Object.keys(config.demandRows ?? {})).toEqual(['1', '2'])
    }
  })
})
