import type { Database } from '../database/database.ts'
import { rowKinds } from '../database/schema.ts'
import { beginTrace, completeTrace } from '../database/states.ts'
import { RowBuffer } from '../model/rows.ts'
import type { Workload } from '../workload/types.ts'

const FORMAT = 'workload'

/** A trace without events, to which runs of a workload belong that no recording stands beside; returns its id. */
export async function addWorkloadTrace(
  database: Database,
  name: string,
  workload: Workload,
): Promise<number> {
  const { machine } = workload
  const traceId = await beginTrace(database, {
    name,
    format: FORMAT,
    page_size: machine.pageSize,
    cpus: machine.cpus.length,
    nodes: machine.nodes.length,
    start_ns: 0,
    end_ns: 0,
  })
  const tasks = new RowBuffer('tasks', rowKinds('tasks'))
  for (const { taskId, tid, comm, kind } of workload.tasks) {
    const row = tasks.add()
    tasks.number(row, 'task_id', taskId)
    tasks.number(row, 'tid', tid)
    tasks.text(row, 'comm', comm)
    tasks.text(row, 'kind', kind === 'background' ? 'user' : kind)
  }
  await database.append(tasks, { traceId })
  await completeTrace(database, traceId)
  return traceId
}

/** A workload that was read from a file is a trace of its own, but no recording. */
export async function hasRecordings(database: Database): Promise<boolean> {
  const [row] = await database.query(
    `SELECT count(*) AS n FROM traces WHERE format IS DISTINCT FROM '${FORMAT}' AND state = 'complete'`,
  )
  return Number(row?.['n'] ?? 0) > 0
}

/** The trace of that workload, of an earlier command or made now. */
export async function openWorkloadTrace(
  database: Database,
  name: string,
  workload: Workload,
): Promise<number> {
  const [known] = await database.query(
    `SELECT max(trace_id) AS id FROM traces WHERE name = ? AND format = '${FORMAT}' AND state = 'complete'`,
    [name],
  )
  const id = known?.['id']
  return id === null || id === undefined ? addWorkloadTrace(database, name, workload) : Number(id)
}
