import { nodeOfComm, TASK_KINDS, type TaskKind, taskKindOf } from '../model/task-kind.ts'
import {
  ACCOUNTED,
  GATE,
  HELD_END,
  HELD_START,
  IN_FAULT,
  IN_VAIN_NS,
  ISOLATE_LRU,
  ISOLATE_NS,
  ISOLATE_SCANNED,
  ISOLATE_TAKEN,
  KIND,
  KSWAPD_OPEN,
  LAST_CPU,
  LAST_NS,
  NAME_CODE,
  NAME_LOW,
  NODE,
  NONE,
  READY_NS,
  SINCE_BLOCKED,
  SLAB_SCANNED,
  SLAB_SHRINKER,
  SLAB_START,
  SLEEP_NS,
  SLEEP_START,
  SPAN,
  SPAN_CONTEXT,
  SPANS,
  STORES,
  TASK_BYTES,
  TASK_ID,
  TASK_INDEX,
  TID,
  TOTALS,
  UNLABELLED,
  UNMAP_START,
  WOKEN_IN_BATCH,
} from './assembly/_layout.ts'
import type { Following } from './follow-kernel.ts'
import type { OpenSwapout } from './open-swapout.ts'
import { PARTS } from './parts.ts'
import type { OpenSpan } from './spans.ts'

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

/** mm/internal.h. */
const MAX_RECLAIM_RETRIES = 16

/** Fields of the record that are not known at first. */
const UNKNOWN_FIELDS = [
  ACCOUNTED,
  HELD_START,
  HELD_END,
  UNMAP_START,
  SLEEP_START,
  SINCE_BLOCKED,
  ISOLATE_NS,
  ISOLATE_TAKEN,
  ISOLATE_SCANNED,
  ISOLATE_LRU,
  SLAB_START,
  SLAB_SCANNED,
  SPAN,
  IN_VAIN_NS,
]

/** One thread from its first to its last event; a reused tid is a new task. What the kernel needs of it lies in a record (assembly/_layout.ts). */
export class Task {
  /** Of its record. */
  readonly place: number
  readonly id: number
  readonly tid: number
  /** NaN where the trace does not tell. */
  tgid: number
  comm: string
  /** Who made it, where that was seen. */
  parent: Task | undefined = undefined
  readonly firstNs: number
  readonly totals: Float64Array
  /** Innermost last; see `enter` and `leave`. */
  readonly spans: OpenSpan[] = []
  faultAddress = Number.NaN
  cgroup: string | undefined = undefined
  /** Its group is that of the unified hierarchy. */
  cgroupUnified = false
  readonly reads: OpenRead[] = []
  #reclaimsInVain = 0
  readonly slices: { name: string; ts: number }[] = []
  #faultNs = Number.NaN
  #store: OpenSwapout | undefined = undefined
  readonly #numbers: Float64Array
  readonly #words: Int32Array

  /** `index` is its place among all; `ts` and `cpu` are those of its first event. */
  constructor(
    following: Following,
    index: number,
    who: { id: number; tid: number; tgid: number; comm: string },
    ts: number,
    cpu: number,
  ) {
    const { id, tid, tgid, comm } = who
    this.place = following.room(TASK_BYTES)
    this.#numbers = following.floats(this.place, TASK_BYTES / 8)
    this.#words = following.integers(this.place, TASK_BYTES / 4)
    this.totals = following.floats(this.place + TOTALS, PARTS.length)
    this.id = id
    this.tid = tid
    this.tgid = tgid
    this.comm = comm
    this.firstNs = ts
    for (const field of UNKNOWN_FIELDS) this.#numbers[field / 8] = Number.NaN
    for (const field of [SPAN_CONTEXT, SLAB_SHRINKER]) this.#words[field / 4] = NONE
    this.forgetName()
    this.#numbers[TASK_ID / 8] = id
    this.#numbers[LAST_NS / 8] = ts
    this.#words[TASK_INDEX / 4] = index
    this.#words[TID / 4] = Number.isNaN(tid) ? NONE : tid
    this.#words[LAST_CPU / 4] = cpu
    this.kind = taskKindOf(comm)
    this.node = nodeOfComm(comm) ?? Number.NaN
  }

  /** It was made while the trace was recorded, and has done nothing yet. */
  get isNewborn(): boolean {
    return this.parent !== undefined && this.lastNs === this.firstNs
  }

  get lastNs(): number {
    return this.#numbers[LAST_NS / 8] as number
  }

  get lastCpu(): number {
    return this.#words[LAST_CPU / 4] as number
  }

  get kind(): TaskKind {
    return TASK_KINDS[this.#words[KIND / 4] as number] as TaskKind
  }

  set kind(kind: TaskKind) {
    this.#words[KIND / 4] = TASK_KINDS.indexOf(kind)
  }

  get node(): number {
    return this.#numbers[NODE / 8] as number
  }

  set node(node: number) {
    this.#numbers[NODE / 8] = node
  }

  /** Up to here time is accounted for. */
  get accountedNs(): number {
    return this.#numbers[ACCOUNTED / 8] as number
  }

  /** Time on CPU since the last event that tells what it was for. */
  get unlabelledNs(): number {
    return this.#numbers[UNLABELLED / 8] as number
  }

  set unlabelledNs(ns: number) {
    this.#numbers[UNLABELLED / 8] = ns
  }

  get lastSleepStart(): number {
    return this.#numbers[SLEEP_START / 8] as number
  }

  get lastSleepNs(): number {
    return this.#numbers[SLEEP_NS / 8] as number
  }

  get lastReadyNs(): number {
    return this.#numbers[READY_NS / 8] as number
  }

  /** The waker had a batch or a folio in hand: it unlocked a folio. */
  get wokenInBatch(): boolean {
    return this.#words[WOKEN_IN_BATCH / 4] !== 0
  }

  /** CPU time between the end of the last uninterruptible sleep and now, NaN if another event came between. */
  get sinceBlockedNs(): number {
    return this.#numbers[SINCE_BLOCKED / 8] as number
  }

  set sinceBlockedNs(ns: number) {
    this.#numbers[SINCE_BLOCKED / 8] = ns
  }

  /** Its reclaim for its cgroup ended; after as many in vain as the kernel tries before it slows a task down, a sleep is that. */
  reclaimed(pages: number, ns: number): void {
    this.#reclaimsInVain = pages === 0 ? this.#reclaimsInVain + 1 : 0
    this.#numbers[IN_VAIN_NS / 8] = this.#reclaimsInVain >= MAX_RECLAIM_RETRIES ? ns : Number.NaN
  }

  get kswapdOpen(): boolean {
    return this.#words[KSWAPD_OPEN / 4] !== 0
  }

  set kswapdOpen(isOpen: boolean) {
    this.#words[KSWAPD_OPEN / 4] = isOpen ? 1 : 0
  }

  /** End of the last isolation of a batch, while what follows is taken to be scanning. */
  get isolateNs(): number {
    return this.#numbers[ISOLATE_NS / 8] as number
  }

  set isolateNs(ns: number) {
    this.#numbers[ISOLATE_NS / 8] = ns
  }

  /** Begin of the fault that it handles, NaN = none. */
  get faultNs(): number {
    return this.#faultNs
  }

  set faultNs(ns: number) {
    this.#faultNs = ns
    this.#words[IN_FAULT / 4] = Number.isNaN(ns) ? 0 : 1
  }

  /** Place of the swap-out that is in the gate, 0 = none. */
  get gate(): number {
    return this.#words[GATE / 4] as number
  }

  /** What it stores, maybe for others. */
  get store(): OpenSwapout | undefined {
    return this.#store
  }

  set store(swapout: OpenSwapout | undefined) {
    this.#store = swapout
    this.#words[STORES / 4] = swapout === undefined ? 0 : 1
  }

  /** It was renamed otherwise than by the name in an event of its scheduling. */
  forgetName(): void {
    this.#words[NAME_CODE / 4] = NONE
    // No name begins with such bytes.
    this.#words[NAME_LOW / 4] = NONE
  }

  /** A span begins. */
  enter(span: OpenSpan): void {
    this.spans.push(span)
    this.#noteSpans(span)
  }

  /** The innermost span ends. */
  leave(): OpenSpan | undefined {
    const span = this.spans.pop()
    this.#noteSpans(this.spans[this.spans.length - 1])
    return span
  }

  /** What swap-outs are done for now, as far as the spans tell: a code of CONTEXTS. */
  get spanContext(): number {
    return this.#words[SPAN_CONTEXT / 4] as number
  }

  #noteSpans(innermost: OpenSpan | undefined): void {
    this.#words[SPANS / 4] = this.spans.length
    this.#numbers[SPAN / 8] = innermost?.id ?? Number.NaN
    this.#words[SPAN_CONTEXT / 4] = innermost?.context ?? NONE
  }
}
