import { MIGRATION_COST_NS } from '../model/idle-average.ts'
import { NEWIDLE_SCALE } from '../workload/types.ts'
import { type Busiest, FULLY_BUSY, HAS_SPARE, IMBALANCE_PCT, OVERLOADED } from './balance-groups.ts'
import type { Cpu } from './cpu.ts'
import { CAPACITY, loadOf, updateSignals, utilOf } from './load-signals.ts'
import { NodeBalance } from './node-balance.ts'
import type { Thread } from './thread.ts'

/** A busy CPU balances so much more seldom (busy_factor). */
const BUSY_FACTOR = 16
/** After so many rounds in vain threads are moved that ran lately (cache_nice_tries). */
const CACHE_NICE_TRIES = 1
/** The same between nodes. */
const CACHE_NICE_TRIES_ACROSS = 2
/** Each round in vain halves what a thread's load counts for, until nothing is left of it (shr_bound()). */
const MOST_SHIFTS = 30
const MS = 1_000_000

export interface Move {
  readonly from: Cpu
  readonly place: number
}

/**
 * Load balancing between CPUs (kernel/sched/fair.c, sched_balance_rq() and its callers, 6.1 to 6.12): between those of a node, which share a
 * cache, each a group of its own, and after that between nodes. A CPU that becomes idle looks for a waiting thread only if it is idle for long
 * enough on average to be worth what looking cost at most, and as often as looking helped before (NI_RANDOM, where the kernel has it);
 * afterwards ticks of busy CPUs have it look.
 */
export class LoadBalance {
  readonly #nodes: readonly (readonly Cpu[])[]
  readonly #across: NodeBalance | undefined
  readonly #idleScan: number[]
  readonly #cpus: readonly Cpu[]
  readonly #threads: readonly Thread[]
  readonly #draw: () => number
  readonly #rations: boolean
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
    const count = 1 + Math.max(...cpus.map(({ node }) => node))
    const nodes = Array.from({ length: count }, (_, node) =>
      cpus.filter((cpu) => cpu.node === node),
    )
    this.#nodes = nodes
    const used = nodes.filter(({ length }) => length > 0)
    if (used.length > 1) this.#across = new NodeBalance(used, threads)
    this.#idleScan = nodes.map((node) => node.length)
    for (const cpu of cpus) cpu.balanceIntervalNs = this.#minIntervalOf(cpu)
  }

  /** SIS_UTIL: CPUs that a wake-up looks at for an idle one, on the CPU's node. */
  idleScanOf(cpu: Cpu): number {
    return this.#idleScan[cpu.node] as number
  }

  #peersOf(cpu: Cpu): readonly Cpu[] {
    return this.#nodes[cpu.node] as readonly Cpu[]
  }

  #minIntervalOf(cpu: Cpu): number {
    return this.#peersOf(cpu).length * MS
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
    const move = this.#moveTo(cpu, now, this.#longest(cpu)) ?? this.#newlyIdleNode(cpu, now)
    cpu.countNewidle(move === undefined ? 0 : Math.floor((NEWIDLE_SCALE + weight / 2) / weight))
    return move
  }

  /** After its node's CPUs it looks at the other nodes, if it is idle for long enough for both. */
  #newlyIdleNode(cpu: Cpu, now: number): Move | undefined {
    if (this.#across === undefined || cpu.avgIdleNs < 2 * cpu.newidleCostNs) return undefined
    return this.#moveAcross(cpu, now, this.#across.busiest(cpu, now))
  }

  /** When the CPU may balance next, were it to be idle or busy as it is. */
  dueAt(cpu: Cpu): number {
    const within = dueAt(cpu, cpu.balancedAt, cpu.balanceIntervalNs)
    if (this.#across === undefined) return within
    const { at, intervalNs } = this.#across.lookOf(cpu)
    return Math.min(within, dueAt(cpu, at, intervalNs))
  }

  /** sched_balance_domains() on a tick. */
  balance(cpu: Cpu, now: number): Move | undefined {
    const within =
      this.#across === undefined || now >= dueAt(cpu, cpu.balancedAt, cpu.balanceIntervalNs)
        ? this.#balanceWithin(cpu, now)
        : undefined
    return within ?? this.#balanceAcross(cpu, now)
  }

  #balanceWithin(cpu: Cpu, now: number): Move | undefined {
    cpu.balancedAt = now
    this.#lookForOverload()
    this.#updateIdleScan(cpu, now)
    const from = cpu.isIdle ? this.#longest(cpu) : this.#busiest(cpu, now)
    if (from === undefined) {
      cpu.balanceFailed = 0
      cpu.balanceIntervalNs = 2 * this.#minIntervalOf(cpu)
      return undefined
    }
    cpu.balanceIntervalNs = this.#minIntervalOf(cpu)
    const move = this.#moveTo(cpu, now, from)
    cpu.balanceFailed = move === undefined ? cpu.balanceFailed + 1 : 0
    return move
  }

  #balanceAcross(cpu: Cpu, now: number): Move | undefined {
    const across = this.#across
    const look = across?.lookOf(cpu)
    if (across === undefined || look === undefined || now < dueAt(cpu, look.at, look.intervalNs))
      return undefined
    look.at = now
    if (!across.looksFor(cpu)) return undefined
    const from = across.busiest(cpu, now)
    const move = this.#moveAcross(cpu, now, from)
    across.balanced(cpu, { moved: from && move !== undefined })
    return move
  }

  #moveTo(cpu: Cpu, now: number, from: Busiest | undefined): Move | undefined {
    if (from === undefined) return undefined
    const isPinnedByCache = cpu.balanceFailed <= CACHE_NICE_TRIES
    const place = this.#placeFor(cpu, from, { now, failed: cpu.balanceFailed, isPinnedByCache })
    return place < 0 ? undefined : { from: from.cpu, place }
  }

  #moveAcross(cpu: Cpu, now: number, from: Busiest | undefined): Move | undefined {
    if (from === undefined || this.#across === undefined) return undefined
    const { failed } = this.#across.lookOf(cpu)
    const isPinnedByCache = failed <= CACHE_NICE_TRIES_ACROSS
    const place = this.#placeFor(cpu, from, { now, failed, isPinnedByCache })
    return place < 0 ? undefined : { from: from.cpu, place }
  }

  /** For an idle CPU: another with most threads, one of which waits. */
  #longest(cpu: Cpu): Busiest | undefined {
    let from: Cpu | undefined
    for (const other of this.#peersOf(cpu))
      if (other !== cpu && other.load > 1 && other.load > (from?.load ?? 0)) from = other
    return from && { cpu: from, imbalance: Number.POSITIVE_INFINITY }
  }

  /** The busiest other CPU, if its load is too much more than this one's: then what evens them out. */
  #busiest(cpu: Cpu, now: number): Busiest | undefined {
    const own = this.#kindOf(cpu, now)
    let total = 0
    let from: Cpu | undefined
    let most = 0
    const peers = this.#peersOf(cpu)
    for (const other of peers) {
      const load = loadOf(other, this.#threads, now)
      total += load
      if (other === cpu || load <= most || this.#kindOf(other, now) !== OVERLOADED) continue
      most = load
      from = other
    }
    const average = total / peers.length
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
    { cpu: from, imbalance, isUtil = false }: Busiest,
    of: { readonly now: number; readonly failed: number; readonly isPinnedByCache: boolean },
  ): number {
    return from.queue.findIndex((thread) => {
      if (thread.allowed[cpu.index] !== 1) return false
      if (of.isPinnedByCache && of.now - thread.ranUntil < MIGRATION_COST_NS) return false
      updateSignals(thread, of.now)
      const amount = isUtil ? Math.max(thread.utilAvg, thread.utilEst) : thread.loadAvg
      return amount / (1 << Math.min(of.failed, MOST_SHIFTS)) <= imbalance
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
  #updateIdleScan(of: Cpu, now: number): void {
    const peers = this.#peersOf(of)
    let sum = 0
    for (const cpu of peers) sum += utilOf(cpu, this.#threads, now)
    const mean = sum / peers.length
    const taken = Math.min(
      CAPACITY,
      (mean * mean * IMBALANCE_PCT * IMBALANCE_PCT) / (10_000 * CAPACITY),
    )
    this.#idleScan[of.node] = Math.floor(((CAPACITY - taken) * peers.length) / CAPACITY)
  }
}

function dueAt(cpu: Cpu, at: number, intervalNs: number): number {
  return at + (cpu.isIdle ? intervalNs : intervalNs * BUSY_FACTOR - MS)
}

function isOverloaded(cpu: Cpu): boolean {
  return cpu.competitors > 1
}
