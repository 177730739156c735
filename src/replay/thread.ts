import type { Memcg } from './memcgs.ts'
import type { Steps } from './steps.ts'
import { Wakees } from './wakees.ts'

/** What a thread is; also decides whose stall is whose. */
export type ThreadKind = 'user' | 'kswapd' | 'worker' | 'background'

export const STATES = [
  'running',
  'runnable',
  'sleeping',
  'io',
  'lock',
  'nap',
  'throttle',
  'high',
] as const
export const RUNNING = 0
export const RUNNABLE = 1
export const SLEEPING = 2
export const IO = 3
export const LOCK = 4
export const NAP = 5
export const THROTTLE = 6
/** Slowed down for memory.high. */
export const HIGH = 7
/** Not yet started, or ended. */
export const ABSENT = 8

export const DOINGS = ['none', 'scan', 'unmap', 'store', 'slab', 'file'] as const
export const NONE = 0
export const SCAN = 1
export const UNMAP = 2
export const STORE = 3
export const SLAB = 4
export const FILE = 5

/** Where a thread's time went: running by what it did, then each other state. */
export const PARTS = DOINGS.length + STATES.length - 1

/**
 * What fields of times hold before their class sets them to 0: a field that begins as a small integer gives its objects another shape when it
 * first holds a larger number, and code that has met many shapes stays slow.
 */
export const NS_AT_FIRST = Number.NaN

/** What does not change of a thread. */
export interface ThreadIdentity {
  readonly taskId: number
  readonly tid: number
  readonly name: string
  readonly kind: ThreadKind
  readonly node: number
  /** CPUs it may run on, by index. */
  readonly allowed: Uint8Array
  /** Its address space takes part in unmapping: a flush interrupts it. */
  readonly hasMemory: boolean
  /** A program: where it runs, its page tables are loaded; absent = a kernel thread, which keeps those that are there. */
  readonly isProcess?: boolean
  /** Its memory cgroup, whose charge is what it allocates. */
  readonly memcg: Memcg
}

/** A class, so that all threads have one shape: the engine looks at one for nearly everything it does. */
export class Thread implements ThreadIdentity {
  readonly index: number
  readonly taskId: number
  readonly tid: number
  readonly name: string
  readonly kind: ThreadKind
  readonly node: number
  readonly allowed: Uint8Array
  readonly hasMemory: boolean
  readonly isProcess: boolean
  readonly memcg: Memcg
  /** Yields when it cannot go on at this instant: work is left, or it blocked itself. */
  program: Steps = EMPTY
  /** Programs that wait for `program` to end, the innermost last. */
  readonly callers: Steps[] = []
  entered = false
  state = ABSENT
  doing = NONE
  /** CPU of its last run, by index. */
  cpu: number
  vruntime = NS_AT_FIRST
  /** Virtual runtime at which its slice ends (EEVDF); between CPUs relative to `vruntime`. */
  deadline = NS_AT_FIRST
  /** What it was owed when it left its queue, ns. */
  lag = NS_AT_FIRST
  /** It sleeps, but has had too much to leave the queue (EEVDF). */
  delayed = false
  /** Until when it ran on the CPU it is on; -Infinity = it has not. */
  ranUntil = NS_AT_FIRST
  /** Since when it runs, and how long it had run when it left a CPU last; NaN = it has not. */
  ranFrom = NS_AT_FIRST
  ranNs = NS_AT_FIRST
  /** CPU it was on before `cpu`, or the same. */
  recentCpu: number
  readonly wakees = new Wakees()
  /** Parts of 1,024 of lately that it wanted to run and ran, at `signalsAt`. */
  loadAvg = NS_AT_FIRST
  utilAvg = NS_AT_FIRST
  signalsAt = NS_AT_FIRST
  /** Of 1,024: what it is expected to use when it is woken (util_est). */
  utilEst = NS_AT_FIRST
  /** CPU time it still owes before its program goes on, ns at speed 1. */
  work = NS_AT_FIRST
  /** Above 0: keeps its CPU until the work is done. */
  preemptOff = 0
  /** Spins for a lock: its work ends when somebody says so, or `spinsFor` leaves its CPU. */
  spinning = false
  spinsFor: Thread | undefined = undefined
  /** Somebody spins for as long as it runs. */
  isSpunFor = false
  /** A switch was due while it spun; cleared by what it spun for. */
  lostSpin = false
  /** What it does next holds what the switch to it costs. */
  holdsSwitch = false
  /** Set by a wake-up with a meaning; cleared by who waits for it. */
  signal = false
  /** Time up to which `parts` is complete. */
  since = NS_AT_FIRST
  readonly parts = new Float64Array(PARTS)
  /** Innermost reclaim span, 0 = none. */
  span = 0
  /** Pages charged above a memory.high that it has not reclaimed for (memcg_nr_pages_over_high). */
  chargedOverHigh = 0

  constructor(index: number, identity: ThreadIdentity) {
    this.index = index
    this.taskId = identity.taskId
    this.tid = identity.tid
    this.name = identity.name
    this.kind = identity.kind
    this.node = identity.node
    this.allowed = identity.allowed
    this.hasMemory = identity.hasMemory
    this.isProcess = identity.isProcess === true
    this.memcg = identity.memcg
    this.cpu = Math.max(0, identity.allowed.indexOf(1))
    this.recentCpu = this.cpu
    this.vruntime = 0
    this.deadline = 0
    this.lag = 0
    this.ranUntil = Number.NEGATIVE_INFINITY
    this.loadAvg = 0
    this.utilAvg = 0
    this.signalsAt = 0
    this.utilEst = 0
    this.work = 0
    this.since = 0
  }
}

function* nothing(): Steps {}
const EMPTY = nothing()
