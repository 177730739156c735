import { IMBALANCE_PCT } from './balance-groups.ts'
import type { Cpu } from './cpu.ts'
import { loadOf } from './load-signals.ts'
import type { Thread } from './thread.ts'

/** imbalance_pct of CPUs that share a cache: half of what is above 100 favours the CPU where the thread was (WA_BIAS). */
const PREVIOUS_BIAS = 1 + (IMBALANCE_PCT - 100) / 200

export interface WakeContext {
  readonly cpus: readonly Cpu[]
  readonly threads: readonly Thread[]
  readonly now: number
  /** CPU of the thread that wakes; that where the thread slept for a timer, which was set there. */
  readonly wakerCpu: number
  /** The thread is not drawn to its waker (wake_wide()). */
  readonly isWide: boolean
  /** How many CPUs of the node are looked at for an idle one (SIS_UTIL). */
  readonly idleScan: number
}

/**
 * Where a woken thread goes (select_task_rq_fair() without the slow path, 6.1 to 6.12): the waker's CPU or its own (wake_affine), whichever is
 * idle, then the one it was on before, then an idle one of its node if the machine is not too busy to look for one, else the first choice.
 */
export function selectCpu(thread: Thread, context: WakeContext): Cpu {
  const { cpus, idleScan } = context
  const previous = thread.cpu
  if (thread.allowed[previous] !== 1) return leastLoaded(thread, cpus)
  const own = cpus[previous] as Cpu
  const target = affineTarget(thread, own, context)
  if (target.isIdle) return target
  if (own.isIdle) return own
  const recent = cpus[thread.recentCpu] as Cpu
  thread.recentCpu = previous
  if (recent !== own && recent !== target && canIdleOn(recent, thread, target)) return recent
  let left = idleScan + 1
  if (left === 1) return target
  let best: Cpu | undefined
  for (let step = 1; step <= cpus.length; step++) {
    const cpu = cpus[(target.index + step) % cpus.length] as Cpu
    if (cpu.node !== target.node || thread.allowed[cpu.index] !== 1) continue
    if (--left <= 0) break
    if (cpu.isIdle && (best === undefined || cpu.speed > best.speed)) best = cpu
  }
  return best ?? target
}

function canIdleOn(cpu: Cpu, thread: Thread, target: Cpu): boolean {
  return cpu.isIdle && cpu.node === target.node && thread.allowed[cpu.index] === 1
}

/** wake_affine(): the waker's CPU, where with the thread it has less to do than the thread's own. */
function affineTarget(
  thread: Thread,
  own: Cpu,
  { cpus, threads, now, wakerCpu, isWide }: WakeContext,
): Cpu {
  if (isWide || wakerCpu === own.index || thread.allowed[wakerCpu] !== 1) return own
  if (own.isIdle) return own
  const waker = cpus[wakerCpu] as Cpu
  const load = loadOf(waker, threads, now) + thread.loadAvg
  const ownLoad = Math.max(0, loadOf(own, threads, now) - thread.loadAvg)
  return load < ownLoad * PREVIOUS_BIAS ? waker : own
}

/** Its CPU was taken from it. */
function leastLoaded(thread: Thread, cpus: readonly Cpu[]): Cpu {
  let best: Cpu | undefined
  for (const cpu of cpus)
    if (thread.allowed[cpu.index] === 1 && (best === undefined || cpu.load < best.load)) best = cpu
  return best ?? (cpus[thread.cpu] as Cpu)
}
