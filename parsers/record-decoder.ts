import type { Column, EventBatch, FieldSpec } from './batch.ts'
import type { FieldPlan, RecordFormat } from './event-format.ts'
import { ByteDictionary } from './string-dictionary.ts'

/** True when the machine that runs this is little endian. */
export const HOST_LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1

/** The records of a window: one buffer, each record at a multiple of 4. */
export interface RecordBytes {
  readonly bytes: Uint8Array
  readonly words: Uint32Array
  /** Byte order of the records. */
  readonly littleEndian: boolean
}

/** Where strings go; replaced by empty ones when they grow too large, so that memory stays bounded. */
export class Dictionaries {
  /** Fixed char arrays: task names and the like. */
  fixed = new ByteDictionary()
  dynamic = new ByteDictionary()

  /** To be called between windows. */
  trim(): void {
    if (isLarge(this.fixed)) this.fixed = new ByteDictionary()
    if (isLarge(this.dynamic)) this.dynamic = new ByteDictionary()
  }
}

const MAX_STRINGS = 1 << 18
const MAX_STRING_BYTES = 1 << 25

function isLarge(dictionary: ByteDictionary): boolean {
  return dictionary.length > MAX_STRINGS || dictionary.bytesUsed > MAX_STRING_BYTES
}

interface FixedWidth {
  readonly type: 'number'
  values: Int32Array | Uint32Array
}
interface Wide {
  readonly type: 'wide'
  lo: Uint32Array
  hi: Uint32Array
}
interface Text {
  readonly type: 'text'
  codes: Uint32Array
}
interface Variable {
  readonly type: 'variable'
  starts: Uint32Array
  bytes: Uint8Array
  lo: Uint32Array
  hi: Uint32Array
}
type Storage = FixedWidth | Wide | Text | Variable

const FIRST_ROWS = 64

/** Collects one window's records of one format in one instance, then decodes them column by column. */
export class BatchBuilder {
  readonly record: RecordFormat
  readonly instance: number
  readonly minBytes: number
  /** Index among the window's batches; -1 while it has no rows. */
  windowIndex = -1
  length = 0
  capacity = 0
  ts = new Float64Array(0)
  cpu = new Int32Array(0)
  /** Byte index of each record in the window's bytes, and its length. */
  start = new Uint32Array(0)
  size = new Uint32Array(0)
  #tid = new Int32Array(0)
  #flags = new Uint16Array(0)
  readonly #storage: Storage[]

  constructor(record: RecordFormat, instance: number) {
    this.record = record
    this.instance = instance
    this.minBytes = record.minBytes
    this.#storage = record.plans.map(newStorage)
  }

  grow(): void {
    this.capacity = Math.max(FIRST_ROWS, this.capacity * 2)
    this.ts = copied(this.ts, new Float64Array(this.capacity))
    this.cpu = copied(this.cpu, new Int32Array(this.capacity))
    this.start = copied(this.start, new Uint32Array(this.capacity))
    this.size = copied(this.size, new Uint32Array(this.capacity))
  }

  /** Gives its memory back; only when it has no rows. */
  release(): void {
    this.capacity = 0
    this.ts = new Float64Array(0)
    this.cpu = new Int32Array(0)
    this.start = new Uint32Array(0)
    this.size = new Uint32Array(0)
    this.#tid = new Int32Array(0)
    this.#flags = new Uint16Array(0)
    for (let i = 0; i < this.#storage.length; i++)
      this.#storage[i] = newStorage(this.record.plans[i] as FieldPlan)
  }

  /** Fills the columns from the records collected since the window began. */
  decode(records: RecordBytes, dictionaries: Dictionaries): EventBatch {
    const { format, plans, common } = this.record
    if (this.#tid.length < this.length) {
      this.#tid = new Int32Array(this.capacity)
      this.#flags = new Uint16Array(this.capacity)
    }
    if (common.pidOffset >= 0) this.#decodeFour(records, common.pidOffset, this.#tid)
    if (common.flagsOffset >= 0) this.#decodeFlags(records, common)
    const columns: Column[] = []
    for (let i = 0; i < plans.length; i++) {
      const storage = this.#storage[i] as Storage
      columns.push(
        this.#decodeField(
          records,
          plans[i] as FieldPlan,
          storage,
          format.fields[i] as FieldSpec,
          dictionaries,
        ),
      )
    }
    return {
      format,
      length: this.length,
      ts: this.ts,
      cpu: this.cpu,
      tid: this.#tid,
      flags: this.#flags,
      columns,
      instance: this.instance,
    }
  }

  #decodeField(
    records: RecordBytes,
    plan: FieldPlan,
    storage: Storage,
    field: FieldSpec,
    dictionaries: Dictionaries,
  ): Column {
    if (storage.type === 'number') {
      if (storage.values.length < this.length)
        storage.values = plan.signed
          ? new Int32Array(this.capacity)
          : new Uint32Array(this.capacity)
      if (plan.size === 4) this.#decodeFour(records, plan.offset, storage.values)
      else if (plan.size === 2) this.#decodeTwo(records, plan, storage.values)
      else this.#decodeOne(records.bytes, plan, storage.values)
      return { kind: plan.signed ? 'i32' : 'u32', field, values: storage.values }
    }
    if (storage.type === 'wide') {
      if (storage.lo.length < this.length) {
        storage.lo = new Uint32Array(this.capacity)
        storage.hi = new Uint32Array(this.capacity)
      }
      const { littleEndian } = records
      this.#decodeFour(records, plan.offset, littleEndian ? storage.lo : storage.hi)
      this.#decodeFour(records, plan.offset + 4, littleEndian ? storage.hi : storage.lo)
      return { kind: plan.signed ? 'i64' : 'u64', field, lo: storage.lo, hi: storage.hi }
    }
    if (storage.type === 'text') {
      if (storage.codes.length < this.length) storage.codes = new Uint32Array(this.capacity)
      const dictionary = plan.place === 'fixed' ? dictionaries.fixed : dictionaries.dynamic
      this.#decodeText(records, plan, storage.codes, dictionary)
      return { kind: 'string', field, codes: storage.codes, dictionary }
    }
    if (storage.starts.length < this.length + 1) storage.starts = new Uint32Array(this.capacity + 1)
    if (plan.kind === 'bytes') {
      this.#decodeBytes(records, plan, storage)
      return { kind: 'bytes', field, starts: storage.starts, bytes: storage.bytes }
    }
    this.#decodeList(records, plan, storage)
    return { kind: 'list', field, starts: storage.starts, lo: storage.lo, hi: storage.hi }
  }

  #decodeFour(records: RecordBytes, offset: number, values: Int32Array | Uint32Array): void {
    const { start, length } = this
    const { words, bytes, littleEndian } = records
    if ((offset & 3) === 0 && littleEndian === HOST_LITTLE_ENDIAN) {
      // Two loops, so that each has one array type.
      if (values instanceof Int32Array)
        for (let r = 0; r < length; r++)
          values[r] = words[((start[r] as number) + offset) >>> 2] as number
      else
        for (let r = 0; r < length; r++)
          values[r] = words[((start[r] as number) + offset) >>> 2] as number
      return
    }
    for (let r = 0; r < length; r++)
      values[r] = readFour(bytes, (start[r] as number) + offset, littleEndian)
  }

  #decodeTwo(records: RecordBytes, plan: FieldPlan, values: Int32Array | Uint32Array): void {
    const { start, length } = this
    const { bytes, littleEndian } = records
    const shift = plan.signed ? 16 : 0
    for (let r = 0; r < length; r++)
      values[r] =
        (readTwo(bytes, (start[r] as number) + plan.offset, littleEndian) << shift) >> shift
  }

  #decodeOne(bytes: Uint8Array, plan: FieldPlan, values: Int32Array | Uint32Array): void {
    const { start, length } = this
    const shift = plan.signed ? 24 : 0
    for (let r = 0; r < length; r++)
      values[r] = ((bytes[(start[r] as number) + plan.offset] as number) << shift) >> shift
  }

  #decodeFlags(records: RecordBytes, common: RecordFormat['common']): void {
    const { start, length } = this
    const { bytes, words, littleEndian } = records
    const { flagsOffset, preemptOffset } = common
    if (flagsOffset === 2 && preemptOffset === 3 && littleEndian && HOST_LITTLE_ENDIAN) {
      const flags = this.#flags
      for (let r = 0; r < length; r++)
        flags[r] = (words[(start[r] as number) >>> 2] as number) >>> 16
      return
    }
    for (let r = 0; r < length; r++) {
      const at = start[r] as number
      const preempt = preemptOffset < 0 ? 0 : (bytes[at + preemptOffset] as number)
      this.#flags[r] = (bytes[at + flagsOffset] as number) | (preempt << 8)
    }
  }

  #decodeText(
    records: RecordBytes,
    plan: FieldPlan,
    codes: Uint32Array,
    dictionary: ByteDictionary,
  ): void {
    const { length, start, size } = this
    const { bytes, words } = records
    if (
      plan.place === 'fixed' &&
      plan.offset % 4 === 0 &&
      plan.size % 4 === 0 &&
      HOST_LITTLE_ENDIAN
    ) {
      const end = plan.offset + plan.size
      if (plan.size === 16 && end <= this.minBytes) {
        for (let r = 0; r < length; r++)
          codes[r] = dictionary.internFourWords(words, ((start[r] as number) + plan.offset) >>> 2)
        return
      }
      for (let r = 0; r < length; r++) {
        const at = start[r] as number
        codes[r] =
          end <= (size[r] as number)
            ? dictionary.internWords(words, (at + plan.offset) >>> 2, plan.size)
            : dictionary.intern(bytes, at + plan.offset, at + (size[r] as number))
      }
      return
    }
    for (let r = 0; r < length; r++) {
      this.#locate(records, plan, r)
      codes[r] = dictionary.intern(bytes, this.#from, this.#to)
    }
  }

  #decodeBytes(records: RecordBytes, plan: FieldPlan, storage: Variable): void {
    const { length } = this
    let used = 0
    for (let r = 0; r < length; r++) {
      storage.starts[r] = used
      this.#locate(records, plan, r)
      const count = this.#to - this.#from
      if (used + count > storage.bytes.length)
        storage.bytes = copied(storage.bytes, new Uint8Array(roomFor(used + count)))
      for (let i = 0; i < count; i++)
        storage.bytes[used + i] = records.bytes[this.#from + i] as number
      used += count
    }
    storage.starts[length] = used
  }

  #decodeList(records: RecordBytes, plan: FieldPlan, storage: Variable): void {
    const { length } = this
    const { bytes, littleEndian } = records
    const { elementSize, signed } = plan
    let used = 0
    for (let r = 0; r < length; r++) {
      storage.starts[r] = used
      this.#locate(records, plan, r)
      const count = Math.floor((this.#to - this.#from) / elementSize)
      if (used + count > storage.lo.length) {
        storage.lo = copied(storage.lo, new Uint32Array(roomFor(used + count)))
        storage.hi = copied(storage.hi, new Uint32Array(storage.lo.length))
      }
      let at = this.#from
      for (let i = 0; i < count; i++, at += elementSize) {
        if (elementSize === 8) {
          storage.lo[used + i] = readFour(bytes, littleEndian ? at : at + 4, littleEndian)
          storage.hi[used + i] = readFour(bytes, littleEndian ? at + 4 : at, littleEndian)
          continue
        }
        let value: number
        if (elementSize === 4) value = readFour(bytes, at, littleEndian)
        else if (elementSize === 2) value = readTwo(bytes, at, littleEndian)
        else value = bytes[at] as number
        if (signed) value = (value << (32 - 8 * elementSize)) >> (32 - 8 * elementSize)
        storage.lo[used + i] = value
        storage.hi[used + i] = signed && value < 0 ? 0xffffffff : 0
      }
      used += count
    }
    storage.starts[length] = used
  }

  #from = 0
  #to = 0

  /** Sets #from and #to to a variable field's bytes, never outside the record. */
  #locate(records: RecordBytes, plan: FieldPlan, row: number): void {
    const record = this.start[row] as number
    const end = record + (this.size[row] as number)
    let from = record + plan.offset
    let to: number
    if (plan.place === 'fixed') to = from + plan.size
    else if (plan.place === 'tail') to = end
    else {
      // include/trace/stages/stage2_data_offsets.h (6.12): length << 16 | offset.
      const location = readFour(records.bytes, from, records.littleEndian) >>> 0
      from = (plan.place === 'data_loc' ? record : from + 4) + (location & 0xffff)
      to = from + (location >>> 16)
    }
    this.#from = Math.min(from, end)
    this.#to = Math.max(this.#from, Math.min(to, end))
  }
}

function newStorage(plan: FieldPlan): Storage {
  const { kind } = plan
  if (kind === 'i64' || kind === 'u64')
    return { type: 'wide', lo: new Uint32Array(0), hi: new Uint32Array(0) }
  if (kind === 'string') return { type: 'text', codes: new Uint32Array(0) }
  if (kind === 'bytes' || kind === 'list')
    return {
      type: 'variable',
      starts: new Uint32Array(0),
      bytes: new Uint8Array(0),
      lo: new Uint32Array(0),
      hi: new Uint32Array(0),
    }
  return { type: 'number', values: new Uint32Array(0) }
}

function readFour(bytes: Uint8Array, at: number, littleEndian: boolean): number {
  const b0 = bytes[at] as number
  const b1 = bytes[at + 1] as number
  const b2 = bytes[at + 2] as number
  const b3 = bytes[at + 3] as number
  return littleEndian
    ? b0 | (b1 << 8) | (b2 << 16) | (b3 << 24)
    : b3 | (b2 << 8) | (b1 << 16) | (b0 << 24)
}

function readTwo(bytes: Uint8Array, at: number, littleEndian: boolean): number {
  const b0 = bytes[at] as number
  const b1 = bytes[at + 1] as number
  return littleEndian ? b0 | (b1 << 8) : b1 | (b0 << 8)
}

function roomFor(length: number): number {
  return Math.max(1024, 2 ** Math.ceil(Math.log2(length)))
}

/** `to`, beginning with what `from` holds: how growing columns move. */
export function copied<A extends Float64Array | Int32Array | Uint32Array | Uint8Array>(
  from: A,
  to: A,
): A {
  to.set(from)
  return to
}
