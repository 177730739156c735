import { numbersOf, textsOf } from '../cells.ts'
import { type EventHandler, handle, type IngestContext } from '../context.ts'
import { NumberField, TextField } from '../fields.ts'
import { IO, LOCK } from '../parts.ts'
import { BLOCKED, READY, SLEEPING, type Task, type Tasks, UNKNOWN } from '../tasks.ts'

/** prev_state of a task that will not run again: EXIT_DEAD, EXIT_ZOMBIE (include/linux/sched.h, all versions). */
const DEAD_BITS = 0x10 | 0x20

/** Scheduler state after a switch-out, or -1 if the task ends. */
function stateOf(bits: number): number {
  if ((bits & DEAD_BITS) !== 0) return -1
  if ((bits & 0x02) !== 0) return BLOCKED
  // Interruptible, stopped, traced, parked, idle; a preempted or runnable task has none of these.
  return (bits & 0xcd) !== 0 ? SLEEPING : READY
}

function stateOfText(text: string): number {
  const letter = text.charAt(0)
  if (letter === 'R' || letter === '') return READY
  if (letter === 'D') return BLOCKED
  return letter === 'X' || letter === 'Z' || letter === 'x' ? -1 : SLEEPING
}

/** include/trace/events/sched.h: sched_switch. Its comm fields are authoritative, unlike saved_cmdlines. */
export function schedSwitch(context: IngestContext, drop: (task: Task) => void): EventHandler {
  const { tasks, timeline } = context
  const prevTid = new NumberField(['prev_pid'])
  const nextTid = new NumberField(['next_pid'])
  const prevState = new NumberField(['prev_state'])
  const prevStateText = new TextField(['prev_state'])
  const prevComm = new TextField(['prev_comm'])
  const nextComm = new TextField(['next_comm'])
  const fields = [prevTid, nextTid, prevState, prevStateText, prevComm, nextComm]
  return handle(fields, (row, cpu, task) => {
    // Compact scheduling events of Perfetto do not name the thread before the first and after a loss.
    if (prevTid.there) {
      const tid = prevTid.get(row)
      const prev = task.tid === tid ? task : tasks.at(tid, cpu)
      if (prevComm.there) nameTask(tasks, prev, prevComm, row)
      const state = prevStateText.there
        ? stateOfText(prevStateText.get(row))
        : stateOf(prevState.get(row))
      // Nothing else was on the CPU since the loss that hid how it got there.
      if (prev.state === UNKNOWN) timeline.resume(prev, context.lostUntil(cpu))
      timeline.switchOut(prev, cpu, state < 0 ? SLEEPING : state)
      if (state < 0 && prev.tid !== 0) {
        drop(prev)
        tasks.retire(prev.tid)
      }
    }
    const next = tasks.at(nextTid.get(row), cpu)
    nameTask(tasks, next, nextComm, row)
    timeline.switchIn(next, cpu)
  })
}

/** Gives the task the row's name, if it is not the one that it was given last. */
function nameTask(tasks: Tasks, task: Task, field: TextField, row: number): void {
  const code = field.code(row)
  const { dictionary } = field
  // Comparing codes is cheaper than strings, which are equal but mostly not the same object.
  if (task.nameCode === code && task.nameFrom === dictionary) return
  tasks.rename(task, field.get(row))
  task.nameCode = code
  task.nameFrom = dictionary
}

/** include/trace/events/sched.h: sched_waking (by the waker) or, where only that is recorded, sched_wakeup. */
export function schedWaking(context: IngestContext): EventHandler {
  const { clock, tasks, timeline } = context
  const tid = new NumberField(['pid'])
  const comm = new TextField(['comm'])
  const rows = context.tables.buffers.wakeups
  const times = numbersOf(rows, 'ts_ns')
  const wakers = numbersOf(rows, 'waker_task_id')
  const wokens = numbersOf(rows, 'task_id')
  const reasons = textsOf(rows, 'reason')
  const sched = rows.code('reason', 'sched')
  return handle([tid, comm], (row, cpu, waker) => {
    const woken = tasks.at(tid.get(row), cpu)
    const name = comm.get(row)
    if (name !== '' && name !== woken.comm) tasks.rename(woken, name)
    timeline.wake(woken, waker)
    const added = rows.add()
    times.values[added] = clock.now
    wakers.values[added] = waker.id
    wokens.values[added] = woken.id
    reasons.codes[added] = sched
  })
}

/** include/trace/events/sched.h: sched_process_fork: the child's tid is a new task from here on. */
export function fork(context: IngestContext): EventHandler {
  const { tasks } = context
  const child = new NumberField(['child_pid'])
  const comm = new TextField(['child_comm'])
  return handle([child, comm], (row, cpu) => {
    tasks.retire(child.get(row))
    tasks.rename(tasks.at(child.get(row), cpu), comm.get(row))
  })
}

/** Android common kernels: sched_blocked_reason {pid, caller, io_wait}, emitted when the task is woken. */
export function blockedReason(context: IngestContext): EventHandler {
  const { tasks, timeline } = context
  const tid = new NumberField(['pid'])
  const io = new NumberField(['io_wait', 'iowait'])
  return handle([tid, io], (row) => {
    const task = tasks.find(tid.get(row))
    if (task === undefined || !(task.lastSleepNs > 0)) return
    timeline.relabelSleep(task, io.get(row) !== 0 ? IO : LOCK)
  })
}
