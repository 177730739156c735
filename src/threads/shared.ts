import { PstraceError } from '../model/error.ts'
import type { Operations, PolicyLayout, Program, TunableValues } from '../policies/policy.ts'

/** Words of a lock or of a queue's head. */
const QUEUE_HEADER = 4
const HEAD = 0
const LENGTH = 1
const GUARD = 2
const WAKES = 3

/** What the threads of one run share: plain memory, so that each builds its own view of it. */
export interface SharedState {
  readonly control: SharedArrayBuffer
  readonly queues: SharedArrayBuffer
  readonly folios: SharedArrayBuffer
  /** Times of each folio, ns since `began`, as doubles. */
  readonly times: SharedArrayBuffer
  /** What each thread has waited for locks: times, and ns. */
  readonly waits: SharedArrayBuffer
  readonly pages: SharedArrayBuffer
  readonly folioCount: number
  readonly pageSize: number
  readonly capacities: readonly number[]
  readonly locks: number
  readonly cells: number
  readonly tunables: TunableValues
  readonly cpus: number
  /** process.hrtime() at the run's start: one clock for all threads of a process. */
  readonly began: readonly [number, number]
}

const STOP = 0
const ITEMS = 1
const STARTS = 2
const DONES = 3
const PENDING = 4
const CONTROL_HEADER = 8

/** Columns of `folios`: where each folio came in each order, who stored it, and its compressed size. */
const STARTED = 0
const DONE = 1
const STORED_BY = 2
const BYTES = 3
const FOLIO_COLUMNS = 4

/** Columns of `times`. */
const SCANNED_AT = 0
const SUBMITTED_AT = 1
const HANDED_AT = 2
const STARTED_AT = 3
const STORED_AT = 4
const TIME_COLUMNS = 5

const LOCK_WAITS = 0
const LOCK_WAIT_NS = 1
const WAIT_COLUMNS = 2

/** Allocates what all threads of a run see; `threads` counts the one of kswapd. */
export function openShared(
  layout: PolicyLayout,
  given: Pick<SharedState, 'folioCount' | 'pageSize' | 'pages' | 'tunables' | 'cpus'> & {
    readonly threads: number
  },
): SharedState {
  const { threads, ...rest } = given
  const capacities = layout.queues.map(({ capacity }) => capacity)
  const words = capacities.reduce((sum, capacity) => sum + QUEUE_HEADER + capacity, 0)
  const shared: SharedState = {
    ...rest,
    control: new SharedArrayBuffer(
      (CONTROL_HEADER + layout.locks.length + layout.cells.length) * 4,
    ),
    queues: new SharedArrayBuffer(Math.max(1, words) * 4),
    folios: new SharedArrayBuffer(given.folioCount * FOLIO_COLUMNS * 4),
    times: new SharedArrayBuffer(given.folioCount * TIME_COLUMNS * 8),
    waits: new SharedArrayBuffer(threads * WAIT_COLUMNS * 8),
    began: process.hrtime(),
    capacities,
    locks: layout.locks.length,
    cells: layout.cells.length,
  }
  new Int32Array(shared.control)[ITEMS] = layout.items
  return shared
}

/** A policy's operations on real threads, with Atomics: who has to wait blocks, so that a program yields only where the run is over. */
export class ThreadExecutor implements Operations {
  result = false
  readonly #shared: SharedState
  readonly #control: Int32Array
  readonly #queues: Int32Array
  readonly #folios: Int32Array
  readonly #times: Float64Array
  readonly #waits: Float64Array
  readonly #pages: Uint8Array
  readonly #offsets: number[] = []
  readonly #compress: (page: Uint8Array) => number
  readonly #thread: number

  constructor(shared: SharedState, thread: number, compress: (page: Uint8Array) => number) {
    this.#shared = shared
    this.#control = new Int32Array(shared.control)
    this.#queues = new Int32Array(shared.queues)
    this.#folios = new Int32Array(shared.folios)
    this.#times = new Float64Array(shared.times)
    this.#waits = new Float64Array(shared.waits, thread * WAIT_COLUMNS * 8, WAIT_COLUMNS)
    this.#pages = new Uint8Array(shared.pages)
    this.#compress = compress
    this.#thread = thread
    let offset = 0
    for (const capacity of shared.capacities) {
      this.#offsets.push(offset)
      offset += QUEUE_HEADER + capacity
    }
  }

  /** Runs one submit or one life of a worker to its end; a worker's ends early, with `undefined`, once the run is over. */
  run<End>(program: Program<End>): End | undefined {
    const step = program.next()
    return step.done === true ? step.value : undefined
  }

  get cpus(): number {
    return this.#shared.cpus
  }

  get initial(): TunableValues {
    return this.#shared.tunables
  }

  /** They keep their values: nobody writes them while threads run. */
  get tunables(): TunableValues {
    return this.#shared.tunables
  }

  length(queue: number): number {
    return Atomics.load(this.#queues, this.#offset(queue) + LENGTH)
  }

  read(cell: number): number {
    return Atomics.load(this.#control, this.#cell(cell))
  }

  /** ns since `began`, the same on every thread. */
  now(): number {
    const [seconds, rest] = process.hrtime(this.#shared.began as [number, number])
    return seconds * 1e9 + rest
  }

  /** Unmapping the folio takes the reclaimer `ns`: a CPU is busy for so long. */
  scan(folio: number, ns: number): void {
    const row = folio * TIME_COLUMNS
    const start = this.now()
    this.#times[row + SCANNED_AT] = start
    let now = start
    while (now - start < ns) now = this.now()
    this.#times[row + SUBMITTED_AT] = now
  }

  handed(folio: number): void {
    this.#times[folio * TIME_COLUMNS + HANDED_AT] = this.now()
  }

  /** The folio goes back to the list instead of being stored. */
  giveBack(folio: number): void {
    this.#times[folio * TIME_COLUMNS + HANDED_AT] = this.now()
    Atomics.add(this.#control, DONES, 1)
  }

  /** The folio's start is ranked now: it was popped, or its inline store begins. */
  start(folio: number): void {
    this.#folios[folio * FOLIO_COLUMNS + STARTED] = Atomics.add(this.#control, STARTS, 1) + 1
  }

  store(folio: number): true {
    const { pageSize } = this.#shared
    const row = folio * FOLIO_COLUMNS
    if (Atomics.compareExchange(this.#folios, row + STORED_BY, 0, this.#thread + 1) !== 0)
      throw new PstraceError('threads-invariant', `folio ${folio} is stored twice`)
    const start = folio * pageSize
    this.#times[folio * TIME_COLUMNS + STARTED_AT] = this.now()
    this.#folios[row + BYTES] = this.#compress(this.#pages.subarray(start, start + pageSize))
    this.#times[folio * TIME_COLUMNS + STORED_AT] = this.now()
    Atomics.store(this.#folios, row + DONE, Atomics.add(this.#control, DONES, 1) + 1)
    Atomics.notify(this.#control, DONES)
    return true
  }

  /** Sleeps until every folio is stored; false after `patienceMs` without one. */
  awaitStores(patienceMs: number): boolean {
    for (;;) {
      const done = Atomics.load(this.#control, DONES)
      if (done >= this.#shared.folioCount) return true
      if (Atomics.wait(this.#control, DONES, done, patienceMs) === 'timed-out') return false
    }
  }

  stop(): void {
    Atomics.store(this.#control, STOP, 1)
    Atomics.notify(this.#control, PENDING)
    for (const offset of this.#offsets) {
      Atomics.add(this.#queues, offset + WAKES, 1)
      Atomics.notify(this.#queues, offset + WAKES)
    }
  }

  /** A pool thread's next item; false when the run is over. */
  awaitItem(): boolean {
    for (;;) {
      if (Atomics.load(this.#control, STOP) === 1) return false
      const pending = Atomics.load(this.#control, PENDING)
      if (pending === 0) Atomics.wait(this.#control, PENDING, 0)
      else if (Atomics.compareExchange(this.#control, PENDING, pending, pending - 1) === pending)
        return true
    }
  }

  lock(lock: number): true {
    this.#lock(this.#control, CONTROL_HEADER + lock)
    return true
  }

  tryLock(lock: number): boolean {
    return Atomics.compareExchange(this.#control, CONTROL_HEADER + lock, 0, 1) === 0
  }

  unlock(lock: number): void {
    this.#unlock(this.#control, CONTROL_HEADER + lock)
  }

  /** The push has already raised the queue's wake-up count; who sleeps on it is woken there. */
  wake(): true {
    this.result = false
    return true
  }

  pause(ns: number): true {
    Atomics.wait(this.#control, CONTROL_HEADER - 1, 0, ns / 1e6)
    return true
  }

  queueWork(): true {
    Atomics.add(this.#control, PENDING, 1)
    Atomics.notify(this.#control, PENDING, 1)
    return true
  }

  allocItem(): boolean {
    for (;;) {
      const items = Atomics.load(this.#control, ITEMS)
      if (items === 0) return false
      if (Atomics.compareExchange(this.#control, ITEMS, items, items - 1) === items) return true
    }
  }

  freeItem(): void {
    Atomics.add(this.#control, ITEMS, 1)
  }

  write(cell: number, value: number): void {
    Atomics.store(this.#control, this.#cell(cell), value)
  }

  add(cell: number, value: number): void {
    Atomics.add(this.#control, this.#cell(cell), value)
  }

  #cell(cell: number): number {
    return CONTROL_HEADER + this.#shared.locks + cell
  }

  #offset(queue: number): number {
    const offset = this.#offsets[queue]
    if (offset === undefined)
      throw new PstraceError('policy-layout', `queue ${queue} is not declared`)
    return offset
  }

  /** 0 free, 1 held, 2 held and somebody sleeps on it. */
  #lock(words: Int32Array, place: number): void {
    if (Atomics.compareExchange(words, place, 0, 1) === 0) return
    const start = this.now()
    while (Atomics.exchange(words, place, 2) !== 0) Atomics.wait(words, place, 2)
    const waits = this.#waits
    waits[LOCK_WAITS] = (waits[LOCK_WAITS] as number) + 1
    waits[LOCK_WAIT_NS] = (waits[LOCK_WAIT_NS] as number) + this.now() - start
  }

  #unlock(words: Int32Array, place: number): void {
    if (Atomics.exchange(words, place, 0) === 2) Atomics.notify(words, place, 1)
  }

  push(queue: number, folio: number): true {
    const words = this.#queues
    const offset = this.#offset(queue)
    const capacity = this.#shared.capacities[queue] as number
    this.#lock(words, offset + GUARD)
    const length = words[offset + LENGTH] as number
    if (length < capacity) {
      const place = ((words[offset + HEAD] as number) + length) % capacity
      words[offset + QUEUE_HEADER + place] = folio
      Atomics.store(words, offset + LENGTH, length + 1)
      Atomics.add(words, offset + WAKES, 1)
    }
    this.#unlock(words, offset + GUARD)
    Atomics.notify(words, offset + WAKES, 1)
    this.result = length < capacity
    return true
  }

  pop(queue: number): number {
    const words = this.#queues
    const offset = this.#offset(queue)
    const capacity = this.#shared.capacities[queue] as number
    this.#lock(words, offset + GUARD)
    const length = words[offset + LENGTH] as number
    let folio = -1
    if (length > 0) {
      const head = words[offset + HEAD] as number
      folio = words[offset + QUEUE_HEADER + head] as number
      words[offset + HEAD] = (head + 1) % capacity
      Atomics.store(words, offset + LENGTH, length - 1)
      // Under the guard: ranks are given in the order of the pops.
      this.start(folio)
    }
    this.#unlock(words, offset + GUARD)
    return folio
  }

  /** False: the run ended while the worker slept. */
  wait(queue: number): boolean {
    const words = this.#queues
    const offset = this.#offset(queue)
    for (;;) {
      const wakes = Atomics.load(words, offset + WAKES)
      if (Atomics.load(words, offset + LENGTH) > 0) return true
      if (Atomics.load(this.#control, STOP) === 1) return false
      Atomics.wait(words, offset + WAKES, wakes)
    }
  }
}

/** Order and sizes of a finished run, by folio in the order of submission. */
export interface FolioRecords {
  readonly startRank: Int32Array
  readonly doneRank: Int32Array
  /** 0 = the submitting thread, then workers from 1. */
  readonly storedBy: Int32Array
  readonly compressedBytes: Int32Array
  /** Times, ns since reclaim began with the first folio: it begins with this one, submits it, is done with it; its store begins and ends. NaN = never. */
  readonly scannedAt: Float64Array
  readonly submittedAt: Float64Array
  readonly handedAt: Float64Array
  readonly startedAt: Float64Array
  readonly storedAt: Float64Array
  /** By thread: the submitting one, then workers. */
  readonly lockWaits: readonly { readonly waits: number; readonly ns: number }[]
}

/** Times in ns after the first folio was scanned. Only when no thread works any more. */
export function readFolios(shared: SharedState): FolioRecords {
  const folios = new Int32Array(shared.folios)
  const times = new Float64Array(shared.times)
  const waits = new Float64Array(shared.waits)
  // Threads are started before the first folio: their start is no part of the run.
  const first = times[SCANNED_AT] ?? 0
  const timesOf = (index: number): Float64Array =>
    Float64Array.from({ length: shared.folioCount }, (_, folio) => {
      const at = times[folio * TIME_COLUMNS + index] as number
      return at === 0 ? Number.NaN : at - first
    })
  const column = (index: number, less: number): Int32Array =>
    Int32Array.from(
      { length: shared.folioCount },
      (_, folio) => (folios[folio * FOLIO_COLUMNS + index] as number) - less,
    )
  return {
    startRank: column(STARTED, 0),
    doneRank: column(DONE, 0),
    storedBy: column(STORED_BY, 1),
    compressedBytes: column(BYTES, 0),
    scannedAt: timesOf(SCANNED_AT),
    submittedAt: timesOf(SUBMITTED_AT),
    handedAt: timesOf(HANDED_AT),
    startedAt: timesOf(STARTED_AT),
    storedAt: timesOf(STORED_AT),
    lockWaits: Array.from({ length: waits.length / WAIT_COLUMNS }, (_, thread) => ({
      waits: waits[thread * WAIT_COLUMNS + LOCK_WAITS] as number,
      ns: waits[thread * WAIT_COLUMNS + LOCK_WAIT_NS] as number,
    })),
  }
}
