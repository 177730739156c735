import type { Kernel } from './kernel.ts'
import type { Steps } from './steps.ts'
import type { Thread } from './thread.ts'

/** The thread waits for memory without reclaiming: a span of its own, and memory pressure while it lasts. */
export function* throttleSpan(kernel: Kernel, thread: Thread, wait: Steps): Steps {
  const { pressure, recorder, scheduler, tally } = kernel
  scheduler.account(thread)
  const start = scheduler.now
  const before = thread.parts.slice()
  const parent = thread.span
  const span = recorder.openSpan()
  thread.span = span
  const entered = pressure.enter(thread, start)
  kernel.note('throttle-begin', -1, 0)
  yield* wait
  pressure.leave(thread, scheduler.now, entered)
  scheduler.account(thread)
  thread.span = parent
  recorder.closeSpan(span, 'throttle', thread, parent, start, scheduler.now, 0, before)
  tally.stall(thread, start, scheduler.now, false)
}
