import type { Figure } from '../analysis/figure.ts'
import type { SubjectFigures } from '../analysis/figures.ts'
import type { RunOutcome } from './run-policy.ts'

/**
 * What the engine knows better than the rows: a run's length is when its last task had consumed its demand, not when its last row
 * ends; the pool's peak lies between samples.
 */
export function withSummary(figures: readonly Figure[], summary: RunOutcome['summary']): Figure[] {
  const known: Readonly<Record<string, number | undefined>> = {
    work_ns: summary.workNs,
    pool_peak_bytes: summary.poolPeakBytes,
    app_user_ns: summary.appUserNs,
    app_sys_ns: summary.appSysNs,
  }
  return figures.map((figure) => {
    const value = known[figure.metric]
    return value === undefined ? figure : { ...figure, value, lo: value, hi: value }
  })
}

/** Adds what only the replay itself counts to the figures of its run; recordings and runs of other commands stay as they are. */
export function withSummaries(
  subjects: readonly SubjectFigures[],
  runs: readonly { readonly runId: number; readonly result: RunOutcome }[],
): SubjectFigures[] {
  return subjects.map((subject) => {
    const run = runs.find(({ runId }) => runId === subject.runId)
    if (run === undefined) return subject
    return { ...subject, figures: withSummary(subject.figures, run.result.summary) }
  })
}
