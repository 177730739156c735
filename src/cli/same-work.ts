import { countDemand, cutDemand, type DemandRows } from '../workload/cut.ts'
import type { Workload } from '../workload/types.ts'
import type { PlannedRun, RunPlan } from './run-plan.ts'
import type { FinishedRun, RunOutcome } from './run-policy.ts'

/** One run to make. */
export interface Job {
  readonly plan: RunPlan
  readonly run: PlannedRun
}

/** What all columns are cut to, because a run found no more pages to reclaim. */
export interface WorkCut {
  /** Of the demand's steps, the share that is done. */
  readonly share: number
  readonly exhaustedUnder: string
  readonly rows: DemandRows
  /** How long the recorded machine took for it; null where nothing recorded stands beside the workload. */
  readonly recordedWorkNs: number | null
}

export interface SameWorkOptions {
  /** The demand before any cut. */
  readonly workload: Workload
  /** How long the recorded machine took until it had asked for that many of the demand's pages. */
  readonly recordedNs: (pages: number) => number | null
  readonly execute: (job: Job, index: number) => Promise<FinishedRun>
  readonly discard: (run: FinishedRun) => Promise<void>
  readonly onCut: (cut: WorkCut) => void
}

/** A cut run ends its tasks earlier than the run that showed where to cut, so its need may differ by a little: each further cut takes this much more. */
const FURTHER_SHARE = 0.01
const MOST_CUTS = 8

/** Makes all runs. Where one exhausts the page stream, all are made again over the work that it had done by then: every run does the same work. */
export async function runAtSameWork(
  jobs: readonly Job[],
  options: SameWorkOptions,
): Promise<{ readonly runs: readonly FinishedRun[]; readonly cut: WorkCut | undefined }> {
  let cut: WorkCut | undefined
  for (let cuts = 0; ; cuts++) {
    const runs: FinishedRun[] = []
    let next: WorkCut | undefined
    for (const [index, job] of jobs.entries()) {
      const finished = await options.execute(cut === undefined ? job : cutJob(job, cut), index)
      runs.push(finished)
      if (!finished.result.exhausted || cuts === MOST_CUTS) continue
      next = cutAt(finished, cuts, options)
      break
    }
    if (next === undefined) return { runs, cut }
    for (const run of runs) await options.discard(run)
    options.onCut(next)
    cut = next
  }
}

function cutAt(finished: FinishedRun, cuts: number, options: SameWorkOptions): WorkCut {
  const rows = toRows(finished.result, 1 - cuts * FURTHER_SHARE)
  const whole = countDemand(options.workload)
  const done = countDemand(cutDemand(options.workload, rows))
  return {
    rows,
    share: whole.rows === 0 ? 1 : done.rows / whole.rows,
    exhaustedUnder: finished.policy,
    recordedWorkNs: options.recordedNs(done.pages),
  }
}

function toRows(result: RunOutcome, share: number): DemandRows {
  return new Map(
    result.progress
      .filter(({ kind }) => kind !== 'background')
      .map(({ taskId, done }) => [taskId, Math.floor(done * share)]),
  )
}

function cutJob({ plan, run }: Job, cut: WorkCut): Job {
  return {
    plan: { ...plan, workload: cutDemand(plan.workload, cut.rows) },
    run: {
      ...run,
      config: {
        ...run.config,
        recordedWorkNs: cut.recordedWorkNs,
        workUsed: cut.share,
        exhaustedUnder: cut.exhaustedUnder,
        demandRows: Object.fromEntries(cut.rows),
      },
    },
  }
}
