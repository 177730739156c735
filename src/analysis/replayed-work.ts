import type { DuckDBConnection } from '@duckdb/node-api'
import { readRows } from './query.ts'
import type { ResolvedSelection } from './selection.ts'

/** The recording is compared over the work that was replayed, no more. */
export function cutRecording(
  selection: ResolvedSelection,
  startOffsetNs: number,
  recordedWorkNs: number | null,
): ResolvedSelection {
  return {
    ...selection,
    windowed: true,
    subjects: selection.subjects.map((subject) => {
      if (subject.runId !== null) return subject
      const startNs = subject.firstNs + BigInt(Math.round(startOffsetNs))
      const workEnd =
        recordedWorkNs === null ? subject.lastNs : startNs + BigInt(Math.round(recordedWorkNs))
      const endNs = workEnd < subject.lastNs ? workEnd : subject.lastNs
      return { ...subject, startNs, endNs, windows: [[startNs, endNs + 1n]] as const }
    }),
  }
}

/** Cuts the recording to the work of the latest selected run, unless the user chose a part of the time or no run. Needs the views. */
export async function cutToReplayedWork(
  connection: DuckDBConnection,
  selection: ResolvedSelection,
): Promise<ResolvedSelection> {
  if (selection.windowed || !selection.subjects.some(({ runId }) => runId === null))
    return selection
  const [run] = await readRows<{ offset_ns: number | null; work_ns: number | null }>(
    connection,
    `SELECT try_cast(json_extract_string(config, '$.startOffsetNs') AS DOUBLE) AS offset_ns,
       try_cast(json_extract_string(config, '$.recordedWorkNs') AS DOUBLE) AS work_ns
     FROM runs ORDER BY run_id DESC LIMIT 1`,
  )
  if (run === undefined || run.work_ns === null) return selection
  return cutRecording(selection, run.offset_ns ?? 0, run.work_ns)
}
