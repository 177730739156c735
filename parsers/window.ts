import type { EventBatch, EventFormat, EventWindow } from './batch.ts'
import { WINDOW_ROWS } from './batch.ts'
import { BatchBuilder } from './batch-builder.ts'
import { isWhole, type RecordFormat } from './event-format.ts'
import type { IssueLog } from './issues.ts'
import type { Wants } from './reader.ts'
import { Dictionaries, HOST_LITTLE_ENDIAN } from './record-decoder.ts'
import type { RecordMemory } from './record-memory.ts'
import { StreamTable } from './stream-table.ts'

/** Raw records in one buffer's order. Records begin at multiples of 4 and end inside `bytes`. */
export interface RecordBlock {
  readonly cpu: number
  readonly instance: number
  /** The window's memory, if the arrays lie in it; else they are copied there. */
  readonly memory?: RecordMemory
  bytes: Uint8Array
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

const EVENT_IDS = 65_536

/** Formats by event id, for all streams of a reader. */
export class FormatTable {
  readonly records: RecordFormat[] = []
  /** Index in `records` by id, -1 = no such event. */
  readonly byId = new Int32Array(EVENT_IDS).fill(-1)

  /** False when the id is taken: the first description counts, as in libtraceevent. */
  add(record: RecordFormat): boolean {
    const { id } = record.format
    if ((this.byId[id] as number) >= 0) return false
    this.byId[id] = this.records.length
    this.records.push(record)
    return true
  }
}

/** Rows of a window: their columns, about 100 bytes each, stay in a core's second cache (1 MiB) until all is done with them. */
const ROWS = Math.min(WINDOW_ROWS, 8192)
const KEPT_BYTES = 1 << 21
/** Most rows that batches may keep room for between windows. */
const MAX_IDLE_ROWS = 8 * ROWS
const NAME_BYTES = 16

/** Why the kernel's `fill` ended; see assembly/records.ts. */
const ENDED = 0
const FULL = 1
const LOAD = 2
const UNKNOWN = 3
const SHORT = 4
const GROW = 5

/** Builds windows: merges the records of streams by (ts, cpu, instance) into columns; within a stream nothing is reordered. */
export class WindowBuilder {
  readonly #formats: FormatTable
  readonly #issues: IssueLog
  /** Where the arrays of its windows lie. */
  readonly memory: RecordMemory
  readonly #streams: StreamTable
  readonly #dictionaries = new Dictionaries()
  /** By their place in memory. */
  readonly #builders = new Map<number, BatchBuilder>()
  /** By instance: places of builders by event id, 0 = none yet. */
  readonly #tables: Uint32Array[] = []
  readonly #batch: Uint16Array
  readonly #row: Uint32Array
  readonly #ts: Float64Array
  readonly #cpu: Int32Array
  readonly #tid: Int32Array
  /** Places of the builders that have rows. */
  readonly #active: Uint32Array
  readonly #names: Uint8Array
  readonly #kept
  #wants: Wants = () => undefined
  #wantsRecords: (format: EventFormat) => boolean = () => false
  #firstSeq = 0

  constructor(options: {
    formats: FormatTable
    issues: IssueLog
    memory: RecordMemory
    /** Byte order of the records. */
    littleEndian: boolean
    /** Longest record that a block can hold. */
    maxRecordBytes: number
  }) {
    const { memory, formats, littleEndian } = options
    this.#formats = formats
    this.#issues = options.issues
    this.memory = memory
    this.#streams = new StreamTable(memory)
    const { kernel } = memory
    this.#row = memory.words(ROWS)
    const batch = memory.allocate(2 * ROWS)
    this.#batch = new Uint16Array(memory.buffer, batch, ROWS)
    this.#ts = memory.floats(ROWS)
    this.#cpu = memory.integers(ROWS)
    this.#tid = memory.integers(ROWS)
    this.#active = memory.words(ROWS)
    this.#names = memory.bytes(kernel.NAME_SLOTS.value * kernel.NAME_SLOT_BYTES.value)
    this.#names.fill(0)
    const room = Math.max(KEPT_BYTES, (options.maxRecordBytes + 3) & ~3)
    const words = memory.words(room / 4)
    const bytes = new Uint8Array(memory.buffer, words.byteOffset, room)
    this.#kept = { bytes, words, littleEndian }
    kernel.rowOf.value = this.#row.byteOffset
    kernel.batchOf.value = this.#batch.byteOffset
    kernel.timeOf.value = this.#ts.byteOffset
    kernel.cpuOf.value = this.#cpu.byteOffset
    kernel.tidOf.value = this.#tid.byteOffset
    kernel.active.value = this.#active.byteOffset
    kernel.names.value = this.#names.byteOffset
    kernel.kept.value = words.byteOffset
    kernel.keptRoom.value = room
    kernel.most.value = ROWS
    kernel.isSwapped.value = littleEndian ? 0 : 1
    kernel.typeOffset.value = formats.records[0]?.common.typeOffset ?? 0
  }

  /** Merges these streams from now on; they have ended or none were before. */
  begin(streams: readonly RecordStream[]): void {
    this.#streams.begin(streams, (instance) => this.#tableOf(instance).byteOffset)
  }

  /** To be called before the first `fill`. */
  wantOnly(wants: Wants): void {
    this.#wants = wants
  }

  /** Only for streams whose records stay in the memory, where they are, until the next window; to be called before the first `fill`. */
  wantRecords(wants: (format: EventFormat) => boolean): void {
    if (HOST_LITTLE_ENDIAN && this.#kept.littleEndian) this.#wantsRecords = wants
  }

  /** Moves records into the window until it is full; false when the streams have ended. */
  fill(): boolean {
    const { kernel } = this.memory
    for (;;) {
      const reason = kernel.fill()
      if (reason === LOAD) this.#streams.load(kernel.at.value)
      else if (reason === UNKNOWN) this.#meet(kernel.at.value)
      else if (reason === SHORT) this.#passShort(kernel.at.value)
      else if (reason === GROW) this.#builders.get(kernel.at.value)?.grow()
      else if (reason === ENDED || reason === FULL) {
        this.#streams.settleAll()
        return reason === FULL
      } else this.#learnName(kernel.at.value)
    }
  }

  /** Ends the window and begins the next; `undefined` when it has no rows. */
  finish(): EventWindow | undefined {
    const { kernel } = this.memory
    const length = kernel.length.value
    const batches: EventBatch[] = []
    const count = kernel.activeCount.value
    for (let i = 0; i < count; i++) {
      const builder = this.#builders.get(this.#active[i] as number) as BatchBuilder
      batches.push(builder.finish(this.#kept, this.#dictionaries))
    }
    const firstSeq = this.#firstSeq
    this.#firstSeq += length
    kernel.clear()
    this.#rest(batches.length)
    if (length === 0) return undefined
    const [batch, row, ts, cpu, tid] = [this.#batch, this.#row, this.#ts, this.#cpu, this.#tid]
    return { firstSeq, length, batches, batch, row, ts, cpu, tid }
  }

  /** What a stream's next record is that no builder takes yet: an event met for the first time, or none. */
  #meet(index: number): void {
    const stream = this.#streams.settled(index)
    const id = this.#idOf(stream)
    const slot = id < 0 ? -1 : (this.#formats.byId[id] as number)
    const record = this.#formats.records[slot]
    if (record === undefined) {
      this.#reportUnknown(id, stream.position(stream.next))
      this.#streams.skip(index)
      return
    }
    const builder = new BatchBuilder(
      record,
      stream.instance,
      this.memory,
      isWhole(record) && this.#wantsRecords(record.format) ? 'records' : this.#wants(record.format),
    )
    this.#builders.set(builder.place, builder)
    this.#tableOf(stream.instance)[id] = builder.place
  }

  /** Event id of the stream's next record; -1 if it is too short to have one. */
  #idOf({ bytes, start, size, next }: RecordStream): number {
    const at = this.memory.kernel.typeOffset.value
    if ((size[next] as number) < at + 2) return -1
    const from = (start[next] as number) + at
    const [low, high] = this.#kept.littleEndian ? [from, from + 1] : [from + 1, from]
    return (bytes[low] as number) | ((bytes[high] as number) << 8)
  }

  #passShort(index: number): void {
    const stream = this.#streams.settled(index)
    const builder = this.#builders.get(this.#tableOf(stream.instance)[this.#idOf(stream)] as number)
    if (builder !== undefined)
      this.#reportShort(
        builder.record,
        stream.size[stream.next] as number,
        stream.position(stream.next),
      )
    this.#streams.skip(index)
  }

  #learnName(place: number): void {
    const bytes = new Uint8Array(this.memory.buffer, place, NAME_BYTES)
    this.memory.kernel.learnName(this.#dictionaries.fixed.intern(bytes, 0, NAME_BYTES))
  }

  #tableOf(instance: number): Uint32Array {
    let table = this.#tables[instance]
    if (table === undefined) {
      table = this.memory.words(EVENT_IDS)
      table.fill(0)
      this.#tables[instance] = table
    }
    return table
  }

  #rest(active: number): void {
    let rows = 0
    for (const builder of this.#builders.values()) rows += builder.capacity
    if (rows > MAX_IDLE_ROWS) {
      const resting = new Set(this.#builders.keys())
      for (let i = 0; i < active; i++) resting.delete(this.#active[i] as number)
      for (const place of resting) this.#builders.get(place)?.release()
    }
    const { fixed } = this.#dictionaries
    this.#dictionaries.trim()
    if (this.#dictionaries.fixed !== fixed) this.#names.fill(0)
  }

  #reportUnknown(id: number, at: number): void {
    const what =
      id < 0
        ? 'A record is too short to name its event.'
        : `The file does not describe event ${id}.`
    this.#issues.add('unknown_event', 'error', at, what, id)
  }

  #reportShort({ format, minBytes }: RecordFormat, size: number, at: number): void {
    const event = `${format.system}:${format.name}`
    this.#issues.add(
      'short_record',
      'error',
      at,
      `A record of ${event} has ${size} bytes, its format needs ${minBytes}.`,
      event,
    )
  }
}
