import type { Load } from './background.ts'
import type { TaskClock } from './clocks.ts'
import type { MemcgsOfTasks } from './memcgs.ts'
import type { FileReads } from './page-cache.ts'
import type { Touch } from './page-events.ts'
import type { Recording } from './recording.ts'
import { isProcess, type MemoryUsers } from './threads.ts'
import { TASK_OPS, type TaskOp, type WorkloadTask } from './types.ts'
import type { UnseenTouches } from './unseen-touches.ts'

const OP = Object.fromEntries(TASK_OPS.map((op, index) => [op, index])) as Readonly<
  Record<TaskOp, number>
>

export interface TaskParts {
  readonly startNs: number
  readonly halfNs: number
  readonly resident: number
  readonly allocations: {
    readonly length: number
    readonly task: Int32Array
    readonly own: Float64Array
  }
  readonly touches: readonly Touch[]
  readonly unseenTouches: UnseenTouches
  readonly identities: { readonly ofTouch: Int32Array; readonly folio: Int32Array | undefined }
  readonly file: FileReads
  readonly users: MemoryUsers
  readonly memcgs: MemcgsOfTasks
}

/** The task of a clock: what it asked for, in the order of its own time. `row` is its number among the clocks. */
export function buildTask(
  recording: Recording,
  clock: TaskClock,
  row: number,
  parts: TaskParts,
): WorkloadTask {
  const task = recording.tasks.get(clock.tid)
  const memcg = parts.memcgs.ofTask.get(clock.tid)
  return {
    taskId: task?.taskId ?? clock.tid,
    tid: clock.tid,
    comm: task?.comm ?? '',
    kind: task?.kind === 'kworker' ? 'kworker' : 'user',
    cpus: [],
    hasMemory: parts.users.owners.has(clock.tid),
    ...(memcg === undefined ? {} : { memcg }),
    ...toColumns(listOps(clock, row, parts)),
    startNs: Math.max(0, Math.round(clock.firstNs - parts.startNs)),
  }
}

/** Operations with the task's own time of each, ns; unordered. */
interface OpList {
  readonly ops: number[]
  readonly owns: number[]
  readonly args: number[]
}

function listOps(clock: TaskClock, row: number, parts: TaskParts): OpList {
  const { allocations, identities, resident, touches } = parts
  const list: OpList = { ops: [], owns: [], args: [] }
  add(list, 0, OP.mark, 0)
  add(list, clock.ownAt(parts.halfNs), OP.mark, 1)
  for (let n = 0; n < allocations.length; n++)
    if (allocations.task[n] === row && !isTail(identities.folio, resident + n))
      add(list, allocations.own[n] ?? 0, OP.alloc, resident + n)
  touches.forEach((touch, index) => {
    const page = identities.ofTouch[index] ?? -1
    if (touch.task === row && page >= 0) add(list, touch.own, OP.touch, page)
  })
  addUnseenTouches(list, clock, row, parts)
  clock.sleeps.lengths().forEach((ns, n) => {
    add(list, clock.sleepOwn.at(n), OP.sleep, ns)
  })
  for (let n = 0; n < clock.memcgPages.length; n++)
    add(list, clock.memcgOwn.at(n), OP.reclaim, clock.memcgPages.at(n))
  if (parts.file.task === row) addFileReads(list, clock, parts.file)
  return list
}

function add({ ops, owns, args }: OpList, own: number, op: number, arg: number): void {
  owns.push(own)
  ops.push(op)
  args.push(arg)
}

/** Pages are touched by whoever allocated them, those of the start by who makes the seen touch. */
function addUnseenTouches(
  list: OpList,
  clock: TaskClock,
  row: number,
  { allocations, resident, touches, unseenTouches }: TaskParts,
): void {
  const { length, page, withTouch } = unseenTouches
  for (let n = 0; n < length; n++) {
    const touched = page[n] ?? 0
    const seen = touches[withTouch[n] ?? 0]
    const owner = allocations.task[touched - resident] ?? seen?.task
    if (owner === row) add(list, clock.ownAt(seen?.ns ?? 0), OP.reference, touched)
  }
}

/** Reads at one moment of the task's own time are one operation. */
function addFileReads(list: OpList, clock: TaskClock, file: FileReads): void {
  const { ops, owns, args } = list
  for (let n = 0; n < file.ns.length; n++) {
    const own = clock.ownAt(file.ns[n] ?? 0)
    const last = owns.length - 1
    if (ops[last] === OP.file && owns[last] === own)
      args[last] = (args[last] ?? 0) + (file.pages[n] ?? 0)
    else add(list, own, OP.file, file.pages[n] ?? 0)
  }
}

/** In the order of own time, each with the time since the one before. */
function toColumns({ ops, owns, args }: OpList): Pick<WorkloadTask, 'op' | 'cpuNs' | 'arg'> {
  const order = Uint32Array.from(ops, (_, index) => index)
  order.sort((x, y) => (owns[x] ?? 0) - (owns[y] ?? 0) || x - y)
  // Sleeping on at the end is no demand.
  let length = order.length
  while (length > 0 && ops[order[length - 1] ?? 0] === OP.sleep) length--
  const op = new Uint8Array(length)
  const cpuNs = new Float64Array(length)
  const arg = new Float64Array(length)
  let before = 0
  for (let k = 0; k < length; k++) {
    const index = order[k] ?? 0
    const own = owns[index] ?? 0
    op[k] = ops[index] ?? 0
    arg[k] = args[index] ?? 0
    cpuNs[k] = Math.max(0, Math.round(own - before))
    before = own
  }
  return { op, cpuNs, arg }
}

/** A folio is allocated when its first page is. */
function isTail(folio: Int32Array | undefined, page: number): boolean {
  const first = folio?.[page] ?? -1
  return first >= 0 && first !== page
}

/** `taken` are task ids of others: what a task of the demand runs after it is a task of its own. */
export function buildLoad(
  recording: Recording,
  load: Load,
  taken: ReadonlySet<number>,
): WorkloadTask {
  const count = load.cpuNs.length
  const op = new Uint8Array(count * 2)
  const cpuNs = new Float64Array(count * 2)
  const arg = new Float64Array(count * 2)
  for (let k = 0; k < count; k++) {
    op[2 * k] = OP.sleep
    arg[2 * k] = Math.round(load.sleepNs[k] ?? 0)
    // The burst is spent before a sleep of no length.
    op[2 * k + 1] = OP.sleep
    cpuNs[2 * k + 1] = Math.round(load.cpuNs[k] ?? 0)
  }
  const task = recording.tasks.get(load.tid)
  const taskId = task?.taskId ?? load.tid
  return {
    taskId: taken.has(taskId) ? Math.max(...taken) + 1 : taskId,
    tid: load.tid,
    comm: task?.comm ?? '',
    kind: 'background',
    cpus: load.cpus,
    hasMemory: false,
    ...(task !== undefined && isProcess(task) ? { isProcess: true } : {}),
    op,
    cpuNs,
    arg,
    startNs: Math.max(0, Math.round(load.startNs)),
  }
}
