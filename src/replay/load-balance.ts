import { MIGRATION_COST_NS } from '../model/idle-average.ts'
import { NEWIDLE_SCALE } from '../workload/types.ts'
import type { Cpu } from './cpu.ts'
import { CAPACITY, loadOf, updateSignals, utilOf } from './load-signals.ts'
import type { Thread } from './thread.ts'

/** imbalance_pct where caches are shared. */
export const IMBALANCE_PCT = 117
/** A busy CPU balances so much more seldom (busy_factor). */
const BUSY_FACTOR = 16
/** After so many rounds in vain threads are moved that ran lately (cache_nice_tries). */
const CACHE_NICE_TRIES = 1
/** Each round in vain halves what a thread's load counts for, until nothing is left of it (shr_bound()). */
const MOST_SHIFTS = 30
const MS = 1_000_000

const HAS_SPARE = 0
const FULLY_BUSY = 1
const OVERLOADED = 2

interface Busiest {
  readonly cpu: Cpu
  readonly imbalance: number
}

export interface Move {
  readonly from: Cpu
  readonly place: number
}

/**
 * Load balancing between CPUs (kernel/sched/fair.c, sched_balance_rq() and its callers, 6.1 to 6.12), each CPU a group of its own. A CPU that
 * becomes idle looks for a waiting thread only if it is idle for long enough on average to be worth what looking cost at most, and as often as
 * looking helped before (NI_RANDOM, where the kernel has it); afterwards ticks of busy CPUs have it look.
 */
export class LoadBalance {
  /** SIS_UTIL: CPUs that a wake-up looks at for an idle one. */
  idleScan: number
  readonly #cpus: readonly Cpu[]
  readonly #threads: readonly Thread[]
  readonly #draw: () => number
  readonly #rations: boolean
  readonly #minIntervalNs: number
  /** root_domain.overloaded: some CPU had two threads when one joined it; until a look at all finds that none has. */
  #isOverloaded = true

  constructor(
    cpus: readonly Cpu[],
    threads: readonly Thread[],
    { draw, rationsNewidle }: { readonly draw: () => number; readonly rationsNewidle: boolean },
  ) {
    this.#cpus = cpus
    this.#threads = threads
    this.#draw = draw
    this.#rations = rationsNewidle
    this.idleScan = cpus.length
    this.#minIntervalNs = cpus.length * MS
    for (const cpu of cpus) cpu.balanceIntervalNs = this.#minIntervalNs
  }

  get hasWaiting(): boolean {
    for (const cpu of this.#cpus) if (cpu.load > 1) return true
    return false
  }

  /** The CPU has another thread (add_nr_running()). */
  joined(cpu: Cpu): void {
    if (isOverloaded(cpu)) this.#isOverloaded = true
  }

  /** sched_balance_newidle(): what a CPU that runs out of threads takes from another. */
  newlyIdle(cpu: Cpu, now: number): Move | undefined {
    if (!this.#isOverloaded || cpu.avgIdleNs < cpu.newidleCostNs) return undefined
    const weight = 1 + cpu.newidleRatio
    if (this.#rations && this.#draw() % NEWIDLE_SCALE > weight) {
      cpu.countNewidle(0)
      return undefined
    }
    this.#lookForOverload()
    const from = this.#longest(cpu)?.cpu
    const place =
      from === undefined
        ? -1
        : this.#placeFor(cpu, from, {
            now,
            failed: cpu.balanceFailed,
            imbalance: Number.POSITIVE_INFINITY,
          })
    cpu.countNewidle(place < 0 ? 0 : Math.floor((NEWIDLE_SCALE + weight / 2) / weight))
    return from === undefined || place < 0 ? undefined : { from, place }
  }

  /** When the CPU may balance next, were it to be idle or busy as it is. */
  dueAt(cpu: Cpu): number {
    const interval = cpu.isIdle ? cpu.balanceIntervalNs : cpu.balanceIntervalNs * BUSY_FACTOR - MS
    return cpu.balancedAt + interval
  }

  /** sched_balance_domains() on a tick. */
  balance(cpu: Cpu, now: number): Move | undefined {
    cpu.balancedAt = now
    this.#lookForOverload()
    this.#updateIdleScan(now)
    const from = cpu.isIdle ? this.#longest(cpu) : this.#busiest(cpu, now)
    if (from === undefined) {
      cpu.balanceFailed = 0
      cpu.balanceIntervalNs = 2 * this.#minIntervalNs
      return undefined
    }
    cpu.balanceIntervalNs = this.#minIntervalNs
    const place = this.#placeFor(cpu, from.cpu, {
      now,
      failed: cpu.balanceFailed,
      imbalance: from.imbalance,
    })
    cpu.balanceFailed = place < 0 ? cpu.balanceFailed + 1 : 0
    return place < 0 ? undefined : { from: from.cpu, place }
  }

  /** For an idle CPU: another with most threads, one of which waits. */
  #longest(cpu: Cpu): Busiest | undefined {
    let from: Cpu | undefined
    for (const other of this.#cpus)
      if (other !== cpu && other.load > 1 && other.load > (from?.load ?? 0)) from = other
    return from && { cpu: from, imbalance: Number.POSITIVE_INFINITY }
  }

  /** The busiest other CPU, if its load is too much more than this one's: then what evens them out. */
  #busiest(cpu: Cpu, now: number): Busiest | undefined {
    const own = this.#kindOf(cpu, now)
    let total = 0
    let from: Cpu | undefined
    let most = 0
    for (const other of this.#cpus) {
      const load = loadOf(other, this.#threads, now)
      total += load
      if (other === cpu || load <= most || this.#kindOf(other, now) !== OVERLOADED) continue
      most = load
      from = other
    }
    const average = total / this.#cpus.length
    const load = loadOf(cpu, this.#threads, now)
    if (
      from === undefined ||
      own === HAS_SPARE ||
      load >= most ||
      load >= average ||
      (own === OVERLOADED && 100 * most <= IMBALANCE_PCT * load)
    )
      return undefined
    return { cpu: from, imbalance: Math.min(most - average, average - load) }
  }

  /** detach_tasks(): place of the one that has waited longest of those that may go, -1 = none. */
  #placeFor(
    cpu: Cpu,
    from: Cpu,
    of: { readonly now: number; readonly failed: number; readonly imbalance: number },
  ): number {
    return from.queue.findIndex((thread) => {
      if (thread.allowed[cpu.index] !== 1) return false
      const isHot = of.now - thread.ranUntil < MIGRATION_COST_NS
      if (isHot && of.failed <= CACHE_NICE_TRIES) return false
      updateSignals(thread, of.now)
      return thread.loadAvg / (1 << Math.min(of.failed, MOST_SHIFTS)) <= of.imbalance
    })
  }

  #kindOf(cpu: Cpu, now: number): number {
    const util = utilOf(cpu, this.#threads, now)
    const runnable = loadOf(cpu, this.#threads, now)
    const isFull = util * IMBALANCE_PCT > CAPACITY * 100
    const isCrowded = runnable * 100 > CAPACITY * IMBALANCE_PCT
    if (cpu.load > 1) return isFull || isCrowded ? OVERLOADED : FULLY_BUSY
    return isFull || isCrowded ? FULLY_BUSY : HAS_SPARE
  }

  #lookForOverload(): void {
    this.#isOverloaded = this.#cpus.some(isOverloaded)
  }

  /** update_idle_cpu_scan() */
  #updateIdleScan(now: number): void {
    let sum = 0
    for (const cpu of this.#cpus) sum += utilOf(cpu, this.#threads, now)
    const mean = sum / this.#cpus.length
    const taken = Math.min(
      CAPACITY,
      (mean * mean * IMBALANCE_PCT * IMBALANCE_PCT) / (10_000 * CAPACITY),
    )
    this.idleScan = Math.floor(((CAPACITY - taken) * this.#cpus.length) / CAPACITY)
  }
}

function isOverloaded(cpu: Cpu): boolean {
  return cpu.competitors > 1
}
