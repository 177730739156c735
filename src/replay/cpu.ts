import { averageIdle, MIGRATION_COST_NS } from '../model/idle-average.ts'
import { FRESH_NEWIDLE, type Newidle } from '../workload/types.ts'
import { NS_AT_FIRST, type Thread } from './thread.ts'
import { Wakees } from './wakees.ts'

/** Newidle statistics are halved when so many are counted. */
const NEWIDLE_CALLS = 1024

/** A CPU with its fair run queue. */
export class Cpu {
  readonly index: number
  readonly node: number
  readonly speed: number
  current: Thread | undefined = undefined
  /** Waiting threads, in the order in which they came. */
  readonly queue: Thread[] = []
  /** Threads that sleep and still compete (EEVDF). */
  readonly delayed: Thread[] = []
  /** Leaving idle: the queue's thread runs when the CPU's event comes. */
  waking = false
  needResched = false
  /** Page tables of threads with memory are loaded, whatever runs. */
  holdsMemory = false
  /** From which tick on `current` may lose the CPU, and when its progress was last taken. */
  preemptAt = NS_AT_FIRST
  progressAt = NS_AT_FIRST
  minVruntime = NS_AT_FIRST
  /** Virtual runtime at which `current` began its slice (CFS). */
  sliceVruntime = NS_AT_FIRST
  /** Virtual runtime of `current` when the fair class last looked at it (EEVDF). */
  seenVruntime = NS_AT_FIRST
  /** `current` is not disturbed in its slice (EEVDF). */
  keepsSlice = false
  /** Who is to run next (CFS). */
  next: Thread | undefined = undefined
  last: Thread | undefined = undefined
  /** Of its idle thread: whom interrupts wake. */
  readonly idleWakees = new Wakees()
  busyNs = NS_AT_FIRST
  /** When it became idle, Infinity = its idle time is not to be counted. */
  idleSince = NS_AT_FIRST
  avgIdleNs = NS_AT_FIRST
  newidleRatio: number
  readonly newidleCostNs: number
  balancedAt = NS_AT_FIRST
  balanceIntervalNs = NS_AT_FIRST
  balanceFailed = 0
  /** When it looks for work, called out of idle by another's tick. */
  calledAt = NS_AT_FIRST
  #newidleCalls = NEWIDLE_CALLS / 2
  #newidleFound: number
  readonly #mostIdleNs: number

  constructor(index: number, node: number, speed: number, newidle: Newidle = FRESH_NEWIDLE) {
    this.index = index
    this.node = node
    this.speed = speed
    this.preemptAt = Number.POSITIVE_INFINITY
    this.progressAt = 0
    this.minVruntime = 0
    this.sliceVruntime = 0
    this.seenVruntime = 0
    this.busyNs = 0
    this.idleSince = Number.POSITIVE_INFINITY
    // max_idle_balance_cost is the most that a look cost, and no less than the other.
    this.#mostIdleNs = 2 * Math.max(MIGRATION_COST_NS, newidle.costNs)
    this.avgIdleNs = this.#mostIdleNs
    this.newidleRatio = newidle.ratio
    this.newidleCostNs = newidle.costNs
    this.#newidleFound = Math.floor(newidle.ratio / 2)
    this.balancedAt = 0
    this.balanceIntervalNs = 0
    this.calledAt = Number.POSITIVE_INFINITY
  }

  get isIdle(): boolean {
    return this.current === undefined && this.queue.length === 0
  }

  /** When work of so many ns at speed 1 ends that begins at `now`: a whole ns later at least, so that what rounding leaves of it ends too. */
  endOf(ns: number, now: number): number {
    return now + Math.ceil(this.speed === 1 ? ns : ns / this.speed)
  }

  /** Threads that run or wait here. */
  get load(): number {
    return this.queue.length + (this.current === undefined ? 0 : 1)
  }

  /** The same with those that sleep but have not left. */
  get competitors(): number {
    return this.load + this.delayed.length
  }

  /** Somebody competes with `current`. */
  get isContended(): boolean {
    return this.queue.length > 0 || this.delayed.length > 0
  }

  /** vruntime of a thread whose program runs: its elapsed time is not progress on work. Returns that time, ns. */
  charge(now: number): number {
    const { current } = this
    const elapsed = now - this.progressAt
    if (current === undefined || elapsed <= 0) return 0
    current.vruntime += elapsed
    this.busyNs += elapsed
    this.progressAt = now
    return elapsed
  }

  /** Takes the work done by the CPU's thread since the last look. */
  progress(now: number): void {
    const elapsed = this.charge(now)
    const { current } = this
    if (elapsed === 0 || current === undefined || current.spinning) return
    // Parts of a ns count: a slow CPU that is looked at often does no more than that between two looks.
    const done = elapsed * this.speed
    current.work = done < current.work ? current.work - done : 0
  }

  /** A thread is woken on the idle CPU. */
  endIdle(now: number): void {
    if (this.idleSince === Number.POSITIVE_INFINITY) return
    this.avgIdleNs = averageIdle(this.avgIdleNs, now - this.idleSince, this.#mostIdleNs)
    this.idleSince = Number.POSITIVE_INFINITY
  }

  /** update_newidle_stats() */
  countNewidle(found: number): void {
    this.#newidleFound += found
    if (++this.#newidleCalls < NEWIDLE_CALLS) return
    this.newidleRatio = this.#newidleFound
    this.#newidleCalls = NEWIDLE_CALLS / 2
    this.#newidleFound = Math.floor(this.#newidleFound / 2)
  }
}
