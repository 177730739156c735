import { type EventBatch, type EventWindow, WINDOW_ROWS } from './batch.ts'
import type { RecordFormat } from './event-format.ts'
import type { IssueLog } from './issues.ts'
import { BatchBuilder, Dictionaries, type RecordBytes } from './record-decoder.ts'

/** Raw records in one buffer's order. Records begin at multiples of 4 and end inside `bytes`. */
export interface RecordBlock {
  readonly cpu: number
  readonly instance: number
  bytes: Uint8Array
  /** The same memory. */
  words: Uint32Array
  /** Nanoseconds since the reader's base. */
  ts: Float64Array
  start: Uint32Array
  size: Uint32Array
  count: number
  /** The first record not yet taken. */
  next: number
  /** Byte in the file (or of the packed chunk that holds it) of a record. */
  position(record: number): number
}

/** Blocks of one cpu's buffer, in its order. */
export interface RecordStream extends RecordBlock {
  /** Replaces the block by the next one with records; false at the end. */
  load(): boolean
}

/** Formats by event id, for all streams of a reader. */
export class FormatTable {
  readonly records: RecordFormat[] = []
  /** Index in `records` by id, -1 = no such event. */
  readonly byId = new Int32Array(65_536).fill(-1)

  /** False when the id is taken: the first description counts, as in libtraceevent. */
  add(record: RecordFormat): boolean {
    const { id } = record.format
    if ((this.byId[id] as number) >= 0) return false
    this.byId[id] = this.records.length
    this.records.push(record)
    return true
  }
}

/** Rows of a window: their records and columns, about 150 bytes each, stay in a core's second cache (1 MiB) until all is done with them. */
const ROWS = Math.min(WINDOW_ROWS, 4096)
const RECORD_BYTES = 1 << 21
/** Most rows that batches may keep room for between windows. */
const MAX_IDLE_ROWS = 8 * ROWS

/** Builds windows: copies records in their total order, then decodes them format by format. */
export class WindowBuilder {
  readonly #formats: FormatTable
  readonly #issues: IssueLog
  readonly #littleEndian: boolean
  readonly #typeOffset: number
  readonly #dictionaries = new Dictionaries()
  /** By instance, then by index of the format. */
  readonly #builders: (BatchBuilder | undefined)[] = []
  readonly #made: BatchBuilder[] = []
  readonly #active: BatchBuilder[] = []
  readonly #batch = new Uint16Array(ROWS)
  readonly #row = new Uint32Array(ROWS)
  readonly #records: RecordBytes
  /** The blocks' records lie in #records; others are copied to it. */
  readonly #isShared: boolean
  readonly #capacity: number
  #used = 0
  #length = 0
  #firstSeq = 0
  #full = false

  constructor(
    options: {
      formats: FormatTable
      issues: IssueLog
    } & (
      | {
          littleEndian: boolean
          /** Longest record that a block can hold. */
          maxRecordBytes: number
        }
      | {
          /** Where all blocks' records lie, and stay until the window is finished. */
          records: RecordBytes
        }
    ),
  ) {
    this.#formats = options.formats
    this.#issues = options.issues
    this.#typeOffset = options.formats.records[0]?.common.typeOffset ?? 0
    this.#isShared = 'records' in options
    if ('records' in options) {
      this.#records = options.records
      this.#capacity = RECORD_BYTES
    } else {
      this.#capacity = Math.max(RECORD_BYTES, (options.maxRecordBytes + 3) & ~3)
      const bytes = new Uint8Array(this.#capacity)
      const { littleEndian } = options
      this.#records = { bytes, words: new Uint32Array(bytes.buffer), littleEndian }
    }
    this.#littleEndian = this.#records.littleEndian
  }

  /** True when the next record needs a new window. */
  get full(): boolean {
    return this.#full
  }

  /** Takes records from `block` while they are before untils[which] (or at it, if `orEqual`) and the window has room. */
  take(block: RecordBlock, untils: Float64Array, which: number, orEqual: boolean): void {
    const until = untils[which] as number
    const { ts, start, size, count, bytes, words, cpu } = block
    const { byId, records } = this.#formats
    const base = block.instance * records.length
    const typeAt = this.#littleEndian ? this.#typeOffset : this.#typeOffset + 1
    const typeHighAt = this.#littleEndian ? this.#typeOffset + 1 : this.#typeOffset
    const ownWords = this.#records.words
    const isShared = this.#isShared
    const capacity = this.#capacity
    let used = this.#used
    let length = this.#length
    let i = block.next
    for (; i < count; i++) {
      const time = ts[i] as number
      if (!(time < until || (orEqual && time === until))) break
      const from = start[i] as number
      const recordBytes = size[i] as number
      if (length === ROWS || used + recordBytes + 3 > capacity) {
        this.#full = true
        break
      }
      const id =
        recordBytes <= typeAt || recordBytes <= typeHighAt
          ? -1
          : (bytes[from + typeAt] as number) | ((bytes[from + typeHighAt] as number) << 8)
      const slot = id < 0 ? -1 : (byId[id] as number)
      if (slot < 0) {
        this.#reportUnknown(id, block.position(i))
        continue
      }
      const builder = this.#builders[base + slot] ?? this.#addBuilder(slot, block.instance)
      if (recordBytes < builder.minBytes) {
        this.#reportShort(builder, recordBytes, block.position(i))
        continue
      }
      const row = builder.length
      if (row === builder.capacity) builder.grow()
      if (row === 0) {
        builder.windowIndex = this.#active.length
        this.#active.push(builder)
      }
      builder.ts[row] = time
      builder.cpu[row] = cpu
      builder.start[row] = isShared ? from : used
      builder.size[row] = recordBytes
      builder.length = row + 1
      this.#batch[length] = builder.windowIndex
      this.#row[length] = row
      length++
      if (isShared) {
        used += (recordBytes + 3) & ~3
        continue
      }
      let to = used >>> 2
      const lastWord = (from + recordBytes + 3) >>> 2
      for (let word = from >>> 2; word < lastWord; word++) ownWords[to++] = words[word] as number
      used = to << 2
    }
    block.next = i
    this.#used = used
    this.#length = length
  }

  /** Ends the window and begins the next; `undefined` when it has no rows. */
  finish(): EventWindow | undefined {
    const batches: EventBatch[] = []
    for (const builder of this.#active) {
      batches.push(builder.decode(this.#records, this.#dictionaries))
    }
    const length = this.#length
    const firstSeq = this.#firstSeq
    this.#firstSeq += length
    this.#length = 0
    this.#used = 0
    this.#full = false
    this.#rest()
    if (length === 0) return undefined
    return { firstSeq, length, batches, batch: this.#batch, row: this.#row }
  }

  #rest(): void {
    for (const builder of this.#active) builder.length = 0
    let rows = 0
    for (const builder of this.#made) rows += builder.capacity
    if (rows > MAX_IDLE_ROWS)
      for (const builder of this.#made) if (builder.windowIndex === -1) builder.release()
    for (const builder of this.#active) builder.windowIndex = -1
    this.#active.length = 0
    this.#dictionaries.trim()
  }

  #addBuilder(slot: number, instance: number): BatchBuilder {
    const { records } = this.#formats
    const builder = new BatchBuilder(records[slot] as RecordFormat, instance)
    const index = instance * records.length + slot
    while (this.#builders.length <= index) this.#builders.push(undefined)
    this.#builders[index] = builder
    this.#made.push(builder)
    return builder
  }

  #reportUnknown(id: number, at: number): void {
    const what =
      id < 0
        ? 'A record is too short to name its event.'
        : `The file does not describe event ${id}.`
    this.#issues.add('unknown_event', 'error', at, what, id)
  }

  #reportShort(builder: BatchBuilder, size: number, at: number): void {
    const { system, name } = builder.record.format
    this.#issues.add(
      'short_record',
      'error',
      at,
      `A record of ${system}:${name} has ${size} bytes, its format needs ${builder.minBytes}.`,
      `${system}:${name}`,
    )
  }
}

const END = Float64Array.of(Number.POSITIVE_INFINITY)

/** Merges streams by (ts, cpu, instance); within a stream nothing is reordered. */
export class StreamMerge {
  readonly #streams: readonly RecordStream[]
  /** Time of each stream's next record. */
  readonly #heads: Float64Array
  /** Stream indices; the least (head, index) first. Streams are in order of (cpu, instance), so the index breaks ties. */
  readonly #heap: Int32Array
  #size = 0

  constructor(streams: readonly RecordStream[]) {
    this.#streams = [...streams].sort((a, b) => a.cpu - b.cpu || a.instance - b.instance)
    this.#heads = new Float64Array(streams.length)
    this.#heap = new Int32Array(streams.length)
    for (const [index, stream] of this.#streams.entries())
      if (stream.load()) {
        this.#heads[index] = headOf(stream)
        this.#heap[this.#size++] = index
      }
    for (let i = (this.#size >> 1) - 1; i >= 0; i--) this.#sink(i)
  }

  /** Moves records into the window until it is full; false when the streams have ended. */
  fill(window: WindowBuilder): boolean {
    const heap = this.#heap
    while (this.#size > 0) {
      const index = heap[0] as number
      const stream = this.#streams[index] as RecordStream
      if (this.#size === 1) window.take(stream, END, 0, true)
      else {
        let other = heap[1] as number
        if (this.#size > 2 && this.#isBefore(heap[2] as number, other)) other = heap[2] as number
        window.take(stream, this.#heads, other, index < other)
      }
      if (stream.next < stream.count || stream.load()) this.#heads[index] = headOf(stream)
      else heap[0] = heap[--this.#size] as number
      this.#sink(0)
      if (window.full) return true
    }
    return false
  }

  #isBefore(a: number, b: number): boolean {
    const headA = this.#heads[a] as number
    const headB = this.#heads[b] as number
    return headA < headB || (headA === headB && a < b)
  }

  #sink(from: number): void {
    const heap = this.#heap
    const size = this.#size
    for (let parent = from; ; ) {
      let child = 2 * parent + 1
      if (child >= size) return
      if (child + 1 < size && this.#isBefore(heap[child + 1] as number, heap[child] as number))
        child++
      const least = heap[child] as number
      const above = heap[parent] as number
      if (!this.#isBefore(least, above)) return
      heap[parent] = least
      heap[child] = above
      parent = child
    }
  }
}

function headOf(stream: RecordStream): number {
  return stream.ts[stream.next] as number
}
