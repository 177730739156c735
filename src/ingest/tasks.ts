import type { StringDictionary } from '../../parsers/batch.ts'
import { nodeOfComm, type TaskKind, taskKindOf } from '../model/task-kind.ts'
import type { Clock } from './clock.ts'
import { PARTS } from './parts.ts'
import type { OpenSpan } from './spans.ts'
import type { OpenSwapout } from './swapouts.ts'

export const UNKNOWN = 0
export const RUNNING = 1
export const READY = 2
export const SLEEPING = 3
export const BLOCKED = 4

/** A page read that waits for the end of its fault or of zswap_load. */
export interface OpenRead {
  ts: number
  cpu: number
  type: number
  offset: number
  /** NaN until zswap_load returned. */
  loaded: number
  /** Known before the fault's end only when the entry was given back within it; else 0. */
  page: number
  swapoutId: number
}

/**
 * 0 as V8 keeps floating-point numbers: a field that begins as a small integer changes the layout of all tasks, and so discards the code
 * compiled for them, when it gets its first time.
 */
const NO_TIME = -0

/** One thread from its first to its last event; a reused tid is a new task. */
export class Task {
  readonly id: number
  readonly tid: number
  /** NaN where the trace does not tell. */
  readonly tgid: number
  comm: string
  /** The name that a switch gave it last, -1 = it was renamed since: a code of the dictionary. */
  nameCode = -1
  nameFrom: StringDictionary | undefined = undefined
  kind: TaskKind
  node: number
  firstNs: number
  /** Has a number from the start: V8 makes a new object for every time in a field that was undefined once. */
  lastNs = Number.NaN
  lastCpu: number

  /** Scheduler state, and since when. */
  state = UNKNOWN
  since = NO_TIME
  /** Up to here time is accounted for. */
  accountedNs = Number.NaN
  /** Time on CPU since the last event that tells what it was for. */
  unlabelledNs = NO_TIME
  /** Pieces of that time, [start, end, cpu] each, that thread_states still waits for. */
  readonly unlabelled: number[] = []
  /** Start of the current run on a CPU or of its yet unlabelled rest. */
  pieceStart = NO_TIME
  /** Last thread_states row held back so that equal neighbours merge. */
  heldStart = Number.NaN
  heldEnd = Number.NaN
  heldCpu = 0
  heldDoing = 0
  /** Start of the unmapping that ended where the row held back, a store on the same CPU, begins; held back too. */
  unmapStart = Number.NaN
  readonly totals = new Float64Array(PARTS.length)
  lastSleepStart = Number.NaN
  lastSleepNs = NO_TIME
  lastSleepPart = 0
  lastReadyNs = NO_TIME
  lastWaker: Task | undefined = undefined
  /** The waker had a batch or a folio in hand: it unlocked a folio. */
  wokenInBatch = false
  /** A sleep ended or goes on that no switch-in has followed yet. */
  slept = false
  /** CPU time between the end of the last uninterruptible sleep and now, NaN if another event came between. */
  sinceBlockedNs = Number.NaN

  /** Innermost last. */
  readonly spans: OpenSpan[] = []
  kswapdOpen = false
  gate: OpenSwapout | undefined = undefined
  gateEndNs = Number.NaN
  store: OpenSwapout | undefined = undefined
  storeStartNs = Number.NaN
  slabStartNs = Number.NaN
  slabNode = Number.NaN
  slabScanned = Number.NaN
  slabName: string | undefined = undefined
  isolateNs = Number.NaN
  isolateLru = Number.NaN
  isolateScanned = Number.NaN
  isolateTaken = Number.NaN
  faultNs = Number.NaN
  faultAddress = Number.NaN
  cgroup: string | undefined = undefined
  /** Its group is that of the unified hierarchy. */
  cgroupUnified = false
  readonly reads: OpenRead[] = []
  readonly slices: { name: string; ts: number }[] = []

  constructor(id: number, tid: number, tgid: number, comm: string, ts: number, cpu: number) {
    this.id = id
    this.tid = tid
    this.tgid = tgid
    this.comm = comm
    this.kind = taskKindOf(comm)
    this.node = nodeOfComm(comm) ?? Number.NaN
    this.firstNs = ts
    this.lastNs = ts
    this.lastCpu = cpu
  }

  /** Reclaiming, or storing for others: its time on CPU is split by what it is for. */
  get reclaims(): boolean {
    return this.spans.length > 0 || this.kind === 'kswapd' || this.store !== undefined
  }
}

const PAGE_BITS = 10
const PAGE_TIDS = 1 << PAGE_BITS
const MOST_TIDS = 1 << 22

/** Every task met, by tid; the idle tasks, all tid 0, by CPU. */
export class Tasks {
  readonly all: Task[] = []
  /** By tid, in pages: the kernel's tids stay below 2^22 (PID_MAX_LIMIT). */
  readonly #current: (Task | undefined)[][] = []
  readonly #strange = new Map<number, Task>()
  /** Who did what the trace does not say (Perfetto's compact wakings after a loss, samples). */
  readonly #nobody = new Task(Number.NaN, Number.NaN, Number.NaN, '', Number.NaN, Number.NaN)
  readonly #idle: Task[] = []
  readonly #kinds = new Map<string, TaskKind>()
  readonly #comms: ReadonlyMap<number, string>
  readonly #tgids: readonly ReadonlyMap<number, number>[]
  readonly #clock: Clock

  /** `tgids`: the first that has a task tells its group; readers may still add to theirs. */
  constructor(
    clock: Clock,
    comms: ReadonlyMap<number, string>,
    tgids: readonly ReadonlyMap<number, number>[],
  ) {
    this.#clock = clock
    this.#comms = comms
    this.#tgids = tgids
  }

  /** The task that the clock's event is of or names. */
  at(tid: number, cpu: number): Task {
    if (tid === 0) return this.#idleOf(cpu)
    if (tid < 0) return this.#nobody
    let task = this.#current[tid >>> PAGE_BITS]?.[tid & (PAGE_TIDS - 1)]
    if (task === undefined || task.tid !== tid)
      task = this.#strange.get(tid) ?? this.#add(tid, this.#comms.get(tid) ?? '', cpu)
    task.lastNs = this.#clock.now
    return task
  }

  find(tid: number): Task | undefined {
    return tid >= 0 && tid < MOST_TIDS
      ? this.#current[tid >>> PAGE_BITS]?.[tid & (PAGE_TIDS - 1)]
      : this.#strange.get(tid)
  }

  rename(task: Task, comm: string): void {
    if (task.comm === comm || task.tid === 0 || task === this.#nobody) return
    task.comm = comm
    task.nameCode = -1
    const kind = this.#kindOf(comm)
    // A kworker that was seen storing pages stays a compressor when its name gets its pool's suffix.
    if (task.kind !== 'compressor' || kind === 'kswapd') task.kind = kind
    if (kind === 'kswapd' || kind === 'kcompactd') task.node = nodeOfComm(comm) ?? task.node
  }

  #kindOf(comm: string): TaskKind {
    let kind = this.#kinds.get(comm)
    if (kind === undefined) {
      kind = taskKindOf(comm)
      this.#kinds.set(comm, kind)
    }
    return kind
  }

  /** The tid's next event belongs to another task. */
  retire(tid: number): void {
    this.#put(tid, undefined)
  }

  #add(tid: number, comm: string, cpu: number): Task {
    const { now } = this.#clock
    const task = new Task(this.all.length + 1, tid, this.#tgidOf(tid), comm, now, cpu)
    this.all.push(task)
    this.#put(tid, task)
    return task
  }

  #tgidOf(tid: number): number {
    for (const tgids of this.#tgids) {
      const tgid = tgids.get(tid)
      if (tgid !== undefined) return tgid
    }
    return Number.NaN
  }

  #put(tid: number, task: Task | undefined): void {
    if (!(tid >= 0 && tid < MOST_TIDS)) {
      if (task === undefined) this.#strange.delete(tid)
      else this.#strange.set(tid, task)
      return
    }
    let page = this.#current[tid >>> PAGE_BITS]
    if (page === undefined) {
      page = Array.from({ length: PAGE_TIDS }, () => undefined)
      this.#current[tid >>> PAGE_BITS] = page
    }
    page[tid & (PAGE_TIDS - 1)] = task
  }

  #idleOf(cpu: number): Task {
    let task = this.#idle[cpu]
    if (task === undefined) {
      task = new Task(this.all.length + 1, 0, 0, `swapper/${cpu}`, this.#clock.now, cpu)
      this.all.push(task)
      this.#idle[cpu] = task
    }
    task.lastNs = this.#clock.now
    return task
  }
}
