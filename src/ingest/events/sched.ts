import { SWITCH_EVENT, WAKEUP_EVENT, WAKING_EVENT } from '../assembly/_layout.ts'
import { type EventHandler, handle, type IngestContext } from '../context.ts'
import { NumberField, TextField } from '../fields.ts'
import { KernelEvent } from '../kernel-event.ts'
import { IO, LOCK } from '../parts.ts'

// Bits of prev_state (include/linux/sched.h, all versions), as assembly/follow.ts reads them.
const RUNNABLE_BITS = 0
const INTERRUPTIBLE_BIT = 1
const UNINTERRUPTIBLE_BIT = 2
const DEAD_BIT = 0x10

function bitsOfText(text: string): number {
  const letter = text.charAt(0)
  if (letter === 'R' || letter === '') return RUNNABLE_BITS
  if (letter === 'D') return UNINTERRUPTIBLE_BIT
  return letter === 'X' || letter === 'Z' || letter === 'x' ? DEAD_BIT : INTERRUPTIBLE_BIT
}

/** include/trace/events/sched.h: sched_switch. Its comm fields are authoritative, unlike saved_cmdlines. */
export function schedSwitch({ following }: IngestContext, note: () => void): KernelEvent {
  const fields = [
    { names: ['prev_pid'] },
    { names: ['next_pid'] },
    { names: ['prev_state'], numberOf: bitsOfText },
    { names: ['prev_comm'], isText: true },
    { names: ['next_comm'], isText: true },
  ] as const
  return new KernelEvent(following, SWITCH_EVENT, fields, note)
}

const WOKEN = [{ names: ['pid'] }, { names: ['comm'], isText: true, isOptional: true }] as const

/** include/trace/events/sched.h: sched_waking, by the waker. */
export function schedWaking({ following }: IngestContext, note: () => void): KernelEvent {
  return new KernelEvent(following, WAKING_EVENT, WOKEN, note)
}

/** include/trace/events/sched.h: sched_wakeup, which counts where only that is recorded. */
export function schedWakeup({ following }: IngestContext): KernelEvent {
  return new KernelEvent(following, WAKEUP_EVENT, WOKEN)
}

/** include/trace/events/sched.h: sched_process_fork, by the parent. */
export function fork(context: IngestContext): EventHandler {
  const { tasks } = context
  const child = new NumberField(['child_pid'])
  const comm = new TextField(['child_comm'])
  return handle([child, comm], (row, cpu, parent) => {
    const tid = child.get(row)
    // task_newtask, which tells more, comes right before it.
    if (tasks.find(tid)?.isNewborn !== true) tasks.begin(tid, comm.get(row), cpu, parent)
  })
}

/** CLONE_THREAD of include/uapi/linux/sched.h. */
const CLONE_THREAD = 0x10000

/** include/trace/events/task.h: task_newtask {pid, comm, clone_flags, oom_score_adj}, by the parent. */
export function newTask(context: IngestContext): EventHandler {
  const { tasks } = context
  const pid = new NumberField(['pid'])
  const comm = new TextField(['comm'])
  const flags = new NumberField(['clone_flags'])
  return handle([pid, comm, flags], (row, cpu, parent) => {
    const child = tasks.begin(pid.get(row), comm.get(row), cpu, parent)
    // What lies above these bits would be lost in a 32-bit number.
    const isThread = Math.floor(flags.get(row) / CLONE_THREAD) % 2 === 1
    child.tgid = isThread ? parent.tgid : child.tid
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
