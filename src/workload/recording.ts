import { RECLAIM_WB_ANON } from '../model/lru.ts'
import type { CpuSpeeds } from './cpu-speeds.ts'

/**
 * The recorded events that a workload is made from, merged in the trace's total order. Everything that happened in reclaim is here;
 * what goes into the workload is decided by its readers.
 */

/** Columns a, b, c, d of each kind. Swap entries are type * 2^40 + offset; addresses are page numbers. */
export const EVENT = {
  /** a = tid that leaves, b = its state (STATE), c = tid that runs next. */
  switch: 0,
  /** a = tid, b = target cpu. */
  waking: 1,
  wakeup: 2,
  /** Reclaim asks for the folio to be written: a = its first entry, b = its order. */
  gate: 3,
  gateReturn: 4,
  /** a = pfn, b = reclaim flags, c = entry where it was made up (UNSEEN_ENTRIES). */
  written: 5,
  /** Begin and end of a store, by whoever does it: a = its first entry, b = its order. */
  store: 6,
  storeReturn: 7,
  /** a = its first entry, b = its order. */
  read: 8,
  /** a = page number of the faulting address. */
  fault: 9,
  faultReturn: 10,
  /** a = requested, b = scanned, c = taken, d = lru (0 inactive anon, 2 inactive file). */
  isolate: 11,
  /** a = scanned, b = reclaimed, c = flags, d = priority. */
  batchEnd: 12,
  /** a = order, b = gfp flags. */
  directBegin: 13,
  /** a = reclaimed. */
  directEnd: 14,
  kswapdWake: 15,
  kswapdSleep: 16,
  /** In the context of the waker. a = order, b = gfp flags, c = node. */
  wakeKswapd: 17,
  /** a = reclaimable, b = available, c = effective min, d = node * 16 + zone index. */
  retry: 18,
  slabBegin: 19,
  /** a = objects freed. */
  slabEnd: 20,
  /** a = slot. */
  slotFree: 21,
  /** Reclaim for a memory cgroup. */
  memcgBegin: 22,
  /** a = reclaimed. */
  memcgEnd: 23,
} as const
/** A task reclaims for itself: its time belongs to no demand. */
export const BEGINS_RECLAIM: ReadonlySet<number> = new Set([EVENT.directBegin, EVENT.memcgBegin])
export const ENDS_RECLAIM: ReadonlySet<number> = new Set([EVENT.directEnd, EVENT.memcgEnd])
/** Entries from here on stand for pages whose entry no probe told: swap types are fewer. */
export const UNSEEN_ENTRIES = 2 ** 50
/** The idle thread of each CPU. */
export const IDLE_TID = 0
/** Of events that were lost: whose they were is not known, nor what time they took. */
export const LOST_TID = -1

const OF_FOLIOS: ReadonlySet<number> = new Set([EVENT.gate, EVENT.store, EVENT.read])

/** Base pages that an event is about; 1 where it does not tell an order. */
export function pagesOfEvent(recording: Pick<Recording, 'kind' | 'b'>, event: number): number {
  return OF_FOLIOS.has(recording.kind[event] ?? -1) ? 1 << (recording.b[event] ?? 0) : 1
}

/** Is it a write of an anonymous page? */
export function isAnonWrite(recording: Pick<Recording, 'kind' | 'b'>, event: number): boolean {
  return (
    recording.kind[event] === EVENT.written && ((recording.b[event] ?? 0) & RECLAIM_WB_ANON) !== 0
  )
}

/** Of a write where no probe on the gate tells its entry: a made-up one, or one that is no other's. */
export function entryOfWrite(recording: Pick<Recording, 'c'>, event: number): number {
  const made = recording.c[event] ?? 0
  return made >= UNSEEN_ENTRIES ? made : -1 - event
}
export type EventKind = (typeof EVENT)[keyof typeof EVENT]

/** What a task that leaves the CPU does next. */
export const STATE = { runnable: 0, sleeping: 1, blocked: 2, gone: 3 } as const

export interface RecordedTask {
  readonly taskId: number
  /** -1 = not known. */
  readonly tgid: number
  readonly tid: number
  readonly comm: string
  readonly kind: string
  /** Path of its control group; absent = not known. */
  readonly cgroup?: string | undefined
}

export interface Sample {
  readonly ns: number
  readonly value: number
}

export interface RecordedZone {
  readonly node: number
  readonly name: string
  /** -1 = not known. */
  readonly startPfn: number
  readonly spanned: number
  readonly managed: number
  readonly min: number
  readonly low: number
  readonly high: number
  readonly basis: 'snapshot' | 'inferred'
}

/** Pages that went to one place, by the time at which they were given to swap. */
export interface RecordedPlaces {
  readonly ns: Float64Array
  /** As in columns of events. */
  readonly entry: Float64Array
}

export interface RecordedIos {
  readonly length: number
  /** major:minor. */
  readonly device: readonly (string | undefined)[]
  /** Operation flags, as blktrace has them. */
  readonly op: readonly (string | undefined)[]
  readonly sectors: Float64Array
  readonly issueNs: Float64Array
  readonly doneNs: Float64Array
}

/** A stretch of one CPU in which events were lost; `events` is undefined where their number is not known. */
export interface RecordedGap {
  readonly cpu: number
  readonly startNs: number
  readonly endNs: number
  readonly events: number | undefined
}

/** Times are ns from the trace's start. */
export interface Recording {
  readonly name: string
  readonly length: number
  readonly ns: Float64Array
  readonly cpu: Uint8Array
  readonly tid: Int32Array
  readonly kind: Uint8Array
  readonly a: Float64Array
  readonly b: Float64Array
  readonly c: Float64Array
  readonly d: Float64Array
  readonly cpus: number
  /** Absent = all alike. */
  readonly cpuSpeeds?: CpuSpeeds
  /** By CPU: mean frequency, kHz, 0 = not known; absent = of none. */
  readonly frequencies?: readonly number[]
  readonly pageSize: number
  readonly endNs: number
  /** `uname -r` of the recorded kernel; absent = not known. */
  readonly kernelRelease?: string
  /** Last known name of each tid. */
  readonly tasks: ReadonlyMap<number, RecordedTask>
  readonly zones: readonly RecordedZone[]
  /** Samples by name, in time order. */
  readonly samples: ReadonlyMap<string, readonly Sample[]>
  /** Files read beside the trace, by name: counters and settings before and after. */
  readonly snapshot: Readonly<Record<string, unknown>>
  readonly swapKinds: readonly string[]
  /** Pages that zswap refused: they went on to the device below it. Absent = none. */
  readonly refusals?: RecordedPlaces
  /** Zero pages, where the trace tells them: zswap is not asked for one. */
  readonly zeroPages?: RecordedPlaces
  /** When unmovable allocations took whole chunks of others' for good; absent = not recorded. */
  readonly chunkClaims?: Float64Array
  /** Completed requests to block devices, by time of issue; absent = none. */
  readonly ios?: RecordedIos
  /** Names of events in the trace, as recorded. */
  readonly events: ReadonlySet<string>
  readonly losses: number
  /** Where events were lost; absent = not known. */
  readonly gaps?: readonly RecordedGap[]
}

/** Collects events of one trace and puts them into total order. */
export class RecordingBuilder {
  #length = 0
  #rank = new Float64Array(1 << 16)
  #columns = {
    ns: new Float64Array(1 << 16),
    a: new Float64Array(1 << 16),
    b: new Float64Array(1 << 16),
    c: new Float64Array(1 << 16),
    d: new Float64Array(1 << 16),
  }
  #cpu = new Uint8Array(1 << 16)
  #tid = new Int32Array(1 << 16)
  #kind = new Uint8Array(1 << 16)

  add(
    rank: number,
    kind: EventKind,
    ns: number,
    cpu: number,
    tid: number,
    a: number,
    b: number,
    c: number,
    d: number,
  ): void {
    const row = this.#length++
    if (row === this.#rank.length) this.#grow()
    this.#rank[row] = rank
    this.#kind[row] = kind
    this.#cpu[row] = cpu
    this.#tid[row] = tid
    const columns = this.#columns
    columns.ns[row] = ns
    columns.a[row] = a
    columns.b[row] = b
    columns.c[row] = c
    columns.d[row] = d
  }

  /** All events of a recording, at ranks 0, 1 and so on; `third` has their column c. */
  addAll(recording: Recording, third: (event: number) => number): void {
    const { a, b, length } = recording
    for (let i = 0; i < length; i++) this.addWith(recording, i, a[i] ?? 0, b[i] ?? 0, third(i))
  }

  /** One event of a recording, at its place as rank, with other columns a, b and c. */
  addWith(recording: Recording, i: number, a: number, b: number, c: number): void {
    const { ns, cpu, tid, d } = recording
    const kind = recording.kind[i] as EventKind
    this.add(i, kind, ns[i] ?? 0, cpu[i] ?? 0, tid[i] ?? 0, a, b, c, d[i] ?? 0)
  }

  /** Columns in the order of rank; rank is unique. */
  finish(): Pick<Recording, 'length' | 'ns' | 'cpu' | 'tid' | 'kind' | 'a' | 'b' | 'c' | 'd'> {
    const length = this.#length
    const rank = this.#rank
    const order = Uint32Array.from({ length }, (_, row) => row)
    order.sort((x, y) => (rank[x] ?? 0) - (rank[y] ?? 0))
    const pick = <A extends Float64Array | Uint8Array | Int32Array>(from: A, to: A): A => {
      for (let i = 0; i < length; i++) to[i] = from[order[i] ?? 0] ?? 0
      return to
    }
    const columns = this.#columns
    return {
      length,
      ns: pick(columns.ns, new Float64Array(length)),
      cpu: pick(this.#cpu, new Uint8Array(length)),
      tid: pick(this.#tid, new Int32Array(length)),
      kind: pick(this.#kind, new Uint8Array(length)),
      a: pick(columns.a, new Float64Array(length)),
      b: pick(columns.b, new Float64Array(length)),
      c: pick(columns.c, new Float64Array(length)),
      d: pick(columns.d, new Float64Array(length)),
    }
  }

  #grow(): void {
    const size = this.#rank.length * 2
    const floats = (from: Float64Array): Float64Array<ArrayBuffer> => {
      const to = new Float64Array(size)
      to.set(from)
      return to
    }
    this.#rank = floats(this.#rank)
    const columns = this.#columns
    this.#columns = {
      ns: floats(columns.ns),
      a: floats(columns.a),
      b: floats(columns.b),
      c: floats(columns.c),
      d: floats(columns.d),
    }
    const cpu = new Uint8Array(size)
    cpu.set(this.#cpu)
    this.#cpu = cpu
    const tid = new Int32Array(size)
    tid.set(this.#tid)
    this.#tid = tid
    const kind = new Uint8Array(size)
    kind.set(this.#kind)
    this.#kind = kind
  }
}
