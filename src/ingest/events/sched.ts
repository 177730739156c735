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
