import { readMemcgIndex } from './json-machine.ts'
import type { Json, JsonValues } from './json-values.ts'
import { TASK_OPS, type TaskOp, type WorkloadPages, type WorkloadTask } from './types.ts'

const TASK_KINDS = ['user', 'kworker', 'background'] as const

/** A task's long columns, when they do not stand in the JSON itself. */
export interface TaskColumns {
  readonly op: ArrayLike<number>
  readonly cpuNs: ArrayLike<number>
  readonly arg: ArrayLike<number>
}

/** What a task's numbers are checked against. */
interface TaskSurroundings {
  readonly columns: TaskColumns | undefined
  readonly pages: WorkloadPages
  /** How many there are. */
  readonly memcgs: number
}

const ALLOC: TaskOp = 'alloc'
const TOUCHES: readonly (TaskOp | undefined)[] = ['touch', 'reference']

/** The task at place `index` of a workload as JSON. */
export function readTask(
  values: JsonValues,
  json: Json,
  index: number,
  { columns, pages, memcgs }: TaskSurroundings,
): WorkloadTask {
  const at = `tasks[${index}]`
  const rows =
    columns === undefined
      ? readRows(values, json['rows'], `${at}.rows`)
      : {
          op: Uint8Array.from(columns.op),
          cpuNs: Float64Array.from(columns.cpuNs),
          arg: Float64Array.from(columns.arg),
        }
  checkPages(values, rows, pages, `${at}.rows`)
  return {
    taskId: values.number(json['taskId'] ?? index + 1, `${at}.taskId`),
    tid: values.number(json['tid'] ?? index + 1, `${at}.tid`),
    comm: values.text(json['comm'] ?? `task-${index}`, `${at}.comm`),
    kind: values.oneOf(json['kind'] ?? 'user', `${at}.kind`, TASK_KINDS),
    cpus: values
      .list(json['cpus'] ?? [], `${at}.cpus`)
      .map((cpu, k) => values.number(cpu, `${at}.cpus[${k}]`)),
    hasMemory: values.flag(json['hasMemory'] ?? json['kind'] !== 'background', `${at}.hasMemory`),
    ...values.optional(json, 'isProcess', `${at}.isProcess`, (value, place) =>
      values.flag(value, place),
    ),
    ...values.optional(json, 'memcg', `${at}.memcg`, (value, place) =>
      readMemcgIndex(values, value, place, memcgs),
    ),
    ...rows,
    startNs: values.amount(json['startNs'] ?? 0, `${at}.startNs`),
  }
}

type Rows = Pick<WorkloadTask, 'op' | 'cpuNs' | 'arg'>

function readRows(values: JsonValues, value: unknown, at: string): Rows {
  const rows = values.objects(value, at, (row, place) => ({
    op: TASK_OPS.indexOf(values.oneOf(row['op'], `${place}.op`, TASK_OPS)),
    cpuNs: values.amount(row['cpuNs'] ?? 0, `${place}.cpuNs`),
    arg: values.number(row['arg'] ?? 0, `${place}.arg`),
  }))
  return {
    op: Uint8Array.from(rows, ({ op }) => op),
    cpuNs: Float64Array.from(rows, ({ cpuNs }) => cpuNs),
    arg: Float64Array.from(rows, ({ arg }) => arg),
  }
}

function checkPages(values: JsonValues, { op, arg }: Rows, pages: WorkloadPages, at: string): void {
  for (let row = 0; row < op.length; row++) {
    const name = TASK_OPS[op[row] ?? 0]
    const value = arg[row] ?? 0
    const least = name === ALLOC ? -1 : 0
    if ((name === ALLOC || TOUCHES.includes(name)) && !(value >= least && value < pages.length))
      values.fail(`${at}[${row}].arg`, value, `a page_id below pages.length (${pages.length})`)
  }
}
