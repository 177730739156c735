import { readRows } from '../analysis/query.ts'
import { createViews } from '../analysis/views.ts'
import type { Reading } from './reading.ts'
import { cutRecording } from './replay-runs.ts'

/** Beside runs, the recording is looked at over the work that they replayed, unless the user chose a part. */
export async function cutToReplayedWork({ connection, selection }: Reading): Promise<void> {
  if (selection.windowed || !selection.subjects.some(({ runId }) => runId === null)) return
  const [run] = await readRows<{ offset_ns: number | null; work_ns: number | null }>(
    connection,
    `SELECT try_cast(json_extract_string(config, '$.startOffsetNs') AS DOUBLE) AS offset_ns,
       try_cast(json_extract_string(config, '$.recordedWorkNs') AS DOUBLE) AS work_ns
     FROM runs ORDER BY run_id DESC LIMIT 1`,
  )
  if (run === undefined || run.work_ns === null) return
  const cut = cutRecording(selection, run.offset_ns ?? 0, run.work_ns)
  await createViews(connection, cut)
}
