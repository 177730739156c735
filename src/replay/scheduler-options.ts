import type { Thread } from './thread.ts'

export interface SchedulerHooks {
  /** The thread was in its state, doing what it does on its CPU, from `start` to `end`; never empty. Undefined: nobody wants to know. */
  readonly onInterval: ((thread: Thread, start: number, end: number) => void) | undefined
  /** A moment asked for with `at` has come. */
  onMoment(value: number): void
  onWake(thread: Thread, waker: Thread | undefined): void
  /** The thread's state, or the CPU it is on, has changed. */
  onState(thread: Thread): void
  /** The CPU goes to another thread than the one it ran last. */
  onSwitch(thread: Thread): void
  wakeLatency(): number
  switchCost(): number
}

export interface SchedulerOptions {
  readonly sliceNs: number
  readonly creditNs: number
  readonly balanceNs: number
}

/** Numbers of a kernel with 1000 Hz on few CPUs; replay-model.md section 3 tells how little hangs on each. */
export const DEFAULT_SCHEDULER: SchedulerOptions = {
  sliceNs: 2_000_000,
  creditNs: 1_000_000,
  balanceNs: 64_000_000,
}
