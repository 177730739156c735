import type { Figure, SubjectFigures } from '../analysis/figures.ts'
import type { RunResult } from '../replay/replay.ts'

/** A run's length is when its last task had consumed its demand, not when its last row ends. */
export function withRunTime(figures: readonly Figure[], workNs: number): Figure[] {
  return figures.map((figure) =>
    figure.metric === 'work_ns' ? { ...figure, value: workNs, lo: workNs, hi: workNs } : figure,
  )
}

export function withRunTimes(
  subjects: readonly SubjectFigures[],
  runs: readonly { readonly runId: number; readonly result: RunResult }[],
): SubjectFigures[] {
  return subjects.map((subject) => {
    const run = runs.find(({ runId }) => runId === subject.runId)
    if (run === undefined) return subject
    return { ...subject, figures: withRunTime(subject.figures, run.result.summary.workNs) }
  })
}
