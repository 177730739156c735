import { TASK_OPS, type Workload } from './types.ts'

const ALLOC = TASK_OPS.indexOf('alloc')

/** How many rows of its demand each task does, by task id; a task that is not listed does all. */
export type DemandRows = ReadonlyMap<number, number>

/** The same machine asked for less: every task ends after its rows. Load outside the demand stays whole. */
export function cutDemand(workload: Workload, rows: DemandRows): Workload {
  return {
    ...workload,
    tasks: workload.tasks.map((task) => {
      const end = rows.get(task.taskId)
      if (task.kind === 'background' || end === undefined || end >= task.op.length) return task
      return {
        ...task,
        op: task.op.subarray(0, end),
        cpuNs: task.cpuNs.subarray(0, end),
        arg: task.arg.subarray(0, end),
      }
    }),
  }
}

/** Rows and pages asked for by the demand of a workload. */
export function countDemand(workload: Workload): { readonly rows: number; readonly pages: number } {
  let rows = 0
  let pages = 0
  for (const { kind, op } of workload.tasks) {
    if (kind === 'background') continue
    rows += op.length
    for (let row = 0; row < op.length; row++) if (op[row] === ALLOC) pages++
  }
  return { rows, pages }
}
