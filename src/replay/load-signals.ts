import type { Cpu } from './cpu.ts'
import { RUNNABLE, RUNNING, type Thread } from './thread.ts'

/** Load of one thread that always wants to run, and the capacity of a CPU (SCHED_CAPACITY_SCALE). */
export const CAPACITY = 1024
/** Time in which what was is worth half: y^32 = 1/2, in periods of 1024 * 1024 ns (kernel/sched/pelt.h). */
const HALF_LIFE_NS = 32 * 1024 * 1024
/** Nothing is left that counts: less than a millionth of CAPACITY. */
const MOST_HALVINGS = 30
/** UTIL_EST_MARGIN: a smaller difference is none. */
const ESTIMATE_MARGIN = Math.floor(CAPACITY / 100)
const STEPS = 32
/** By 32nds of a half-life: its 32nd root of 1/2 is five square roots. */
const LEFT = Float64Array.from({ length: STEPS }, (_, step) => {
  let left = 1
  let root = 0.5
  for (let bit = STEPS / 2; bit >= 1; bit /= 2) {
    root = Math.sqrt(root)
    if ((step & bit) !== 0) left *= root
  }
  return left
})

/** Per-entity load tracking: brings a thread's signals up to now, in the state it had until then. */
export function updateSignals(thread: Thread, now: number): void {
  const elapsed = now - thread.signalsAt
  if (elapsed <= 0) return
  thread.signalsAt = now
  const left = halved(elapsed / HALF_LIFE_NS)
  const { state } = thread
  const wants = state === RUNNING || state === RUNNABLE || thread.delayed ? CAPACITY : 0
  const runs = state === RUNNING ? CAPACITY : 0
  thread.loadAvg = wants + (thread.loadAvg - wants) * left
  thread.utilAvg = runs + (thread.utilAvg - runs) * left
}

/**
 * What is left after so many half-lives (decay_load()), with operations that are the same on every machine: whole halvings, a table for 32nds
 * as runnable_avg_yN_inv is, and the series of e^x for the rest (below a 32nd; what is left out is less than 10^-10).
 */
function halved(times: number): number {
  if (times >= MOST_HALVINGS) return 0
  const steps = Math.floor(times * STEPS)
  const x = (steps / STEPS - times) * Math.LN2
  const rest = 1 + x * (1 + x * (1 / 2 + x * (1 / 6 + x * (1 / 24))))
  if (steps === 0) return rest
  return ((LEFT[steps % STEPS] as number) * rest) / (1 << Math.floor(steps / STEPS))
}

/** Of all threads that were here last, those that sleep too, whose part decays. */
function sumOf(
  signal: 'loadAvg' | 'utilAvg',
  cpu: Cpu,
  threads: readonly Thread[],
  now: number,
): number {
  let sum = 0
  for (const thread of threads)
    if (thread.cpu === cpu.index) {
      updateSignals(thread, now)
      sum += signal === 'loadAvg' ? thread.loadAvg : thread.utilAvg
    }
  return sum
}

/** cpu_load() */
export function loadOf(cpu: Cpu, threads: readonly Thread[], now: number): number {
  return sumOf('loadAvg', cpu, threads, now)
}

/** cpu_util_cfs(): what its threads used lately, or what those that run or wait are expected to. */
export function utilOf(cpu: Cpu, threads: readonly Thread[], now: number): number {
  const util = sumOf('utilAvg', cpu, threads, now)
  let expected = cpu.current?.utilEst ?? 0
  for (const thread of cpu.queue) expected += thread.utilEst
  return Math.min(Math.max(util, expected), CAPACITY)
}

/** util_est_update() of a thread that goes to sleep: more counts at once, less by a quarter. */
export function estimateUtil(thread: Thread): void {
  const less = thread.utilEst - thread.utilAvg
  if (less <= 0) thread.utilEst = thread.utilAvg
  else if (less >= ESTIMATE_MARGIN) thread.utilEst -= less / 4
}

/** The same since 6.8: what a thread used that had to wait says nothing of what it would use. */
export function estimateUtilUnlessWaited(thread: Thread): void {
  const hadToWait = thread.utilAvg + ESTIMATE_MARGIN < thread.loadAvg
  if (!hadToWait || thread.utilEst <= thread.utilAvg) estimateUtil(thread)
}
