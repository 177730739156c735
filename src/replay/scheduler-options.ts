import { DEFAULT_TICK_NS, type Machine, type Newidle } from '../workload/types.ts'
import { Cfs } from './cfs.ts'
import { Eevdf } from './eevdf.ts'
import type { FairClass } from './fair-class.ts'
import { type KernelRules, rulesOf } from './kernel-rules.ts'
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
  /** The CPU has no thread from now on. */
  onIdle(cpu: number): void
  wakeLatency(): number
  /** To a thread that had run for so long before it left its CPU, ns; NaN = it has not run. On a CPU of that speed, ns at speed 1. */
  switchCost(ranNs: number, speed: number): number
  /** 32 random bits. */
  random(): number
  /** Has what the run is for got any further since the last call? Asked seldom. */
  isFurther(): boolean
}

type SchedulerRules = Pick<
  KernelRules,
  'baseSliceNs' | 'delaysDequeue' | 'fairClass' | 'keepsEstimateOfWaiters' | 'rationsNewidle'
>

export interface SchedulerOptions extends SchedulerRules {
  /** Time between two ticks (1 / CONFIG_HZ). */
  readonly tickNs: number
  /** By CPU; those that are not there are as a freshly booted kernel has them. */
  readonly newidle: readonly Newidle[]
  /** Do ticks move threads between CPUs? */
  readonly balances: boolean
}

export const DEFAULT_SCHEDULER: SchedulerOptions = {
  tickNs: DEFAULT_TICK_NS,
  ...rulesOf({ zeroMap: { value: true, basis: 'default' } }),
  newidle: [],
  balances: true,
}

/** As the recorded kernel. */
export function schedulerOf(machine: Machine): SchedulerOptions {
  const { scheduler } = machine
  const options = { ...DEFAULT_SCHEDULER, ...rulesOf(machine) }
  if (scheduler === undefined) return options
  const newidle = scheduler.newidle.map(({ value }) => value)
  return { ...options, tickNs: scheduler.tickNs.value, newidle }
}

/** Times grow with the number of CPUs, 8 at most (SCHED_TUNABLESCALING_LOG). */
function scaleOf(cpus: number): number {
  return 32 - Math.clz32(Math.min(8, cpus))
}

/** With the kernel's times: sysctl_sched_base_slice, or the three of 6.1. */
export function openFairClass(options: SchedulerOptions, cpus: number): FairClass {
  const scale = scaleOf(cpus)
  if (options.fairClass === 'eevdf')
    return new Eevdf({ ...options, sliceNs: options.baseSliceNs * scale })
  return new Cfs({
    latencyNs: 6_000_000 * scale,
    minGranularityNs: 750_000 * scale,
    wakeupGranularityNs: 1_000_000 * scale,
  })
}
