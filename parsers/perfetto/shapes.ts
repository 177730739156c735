import type { EventFormat, FieldSpec } from '../batch.ts'
import type { FieldPlan, RecordFormat } from '../event-format.ts'
import { HOST_LITTLE_ENDIAN } from '../record-decoder.ts'
import { FormatTable } from '../window.ts'

export type ShapeKind = 'i32' | 'u32' | 'i64' | 'u64' | 'string'

export interface ShapeField {
  /** In the event's message; 0 where fields go by name. */
  readonly number: number
  readonly name: string
  readonly kind: ShapeKind
}

/** Bytes before an event's own fields: u16 type, u8 flags, u8 0, i32 tid, as a kernel's record has them. */
export const HEAD_BYTES = 8
/** Most bytes of a record: strings are found by u16 offset and length. */
export const MAX_RECORD_BYTES = 65_532
const MAX_FORMATS = 60_000
export const NARROW = 0
const WIDE = 1
export const TEXT = 2
/** Fields from this one on are taken as present in every event. */
const MASKED_FIELDS = 31
const COMMON = { typeOffset: 0, typeSize: 2, flagsOffset: 2, preemptOffset: 3, pidOffset: 4 }

/**
 * How events of one kind are written as records: every field at a fixed place, strings behind as with __data_loc. Events that lack
 * fields get their own format with the fields they have, so that "absent" is never read as 0.
 */
export class Shape {
  readonly system: string
  readonly name: string
  readonly fields: readonly ShapeField[]
  /** Byte of each field in a record. */
  readonly offsets: Int32Array
  /** NARROW, WIDE or TEXT of each field. */
  readonly classes: Uint8Array
  /** Index in `fields` by field number; -1 = not known. */
  readonly byNumber: Int32Array
  /** Bytes of a record without strings. */
  readonly fixedBytes: number
  readonly #id: number
  readonly #table: FormatTable
  readonly #types = new Map<number, number>()
  #lastMask = -1
  #lastType = -1

  constructor(
    table: FormatTable,
    event: { system: string; name: string; id: number; fields: readonly ShapeField[] },
  ) {
    this.#table = table
    this.system = event.system
    this.name = event.name
    this.#id = event.id
    this.fields = event.fields
    this.offsets = new Int32Array(event.fields.length)
    this.classes = Uint8Array.from(event.fields, ({ kind }) =>
      kind === 'string' ? TEXT : isWide(kind) ? WIDE : NARROW,
    )
    const most = event.fields.reduce((max, field) => Math.max(max, field.number), 0)
    this.byNumber = new Int32Array(most + 1).fill(-1)
    let at = HEAD_BYTES
    for (const [index, field] of event.fields.entries()) {
      this.offsets[index] = at
      at += isWide(field.kind) ? 8 : 4
      this.byNumber[field.number] = index
    }
    this.fixedBytes = at
  }

  /** The format of an event that has exactly the fields of `mask` (bit i: field i). */
  formatOf(mask: number): EventFormat {
    return this.#recordFormat(mask).format
  }

  /** Record type of such events; -1 when there are too many formats. */
  typeOf(mask: number): number {
    if (mask === this.#lastMask) return this.#lastType
    let type = this.#types.get(mask)
    if (type === undefined) {
      const { records, byId } = this.#table
      type = records.length < MAX_FORMATS ? records.length : -1
      if (type >= 0) {
        byId[type] = type
        records.push(this.#recordFormat(mask))
      }
      this.#types.set(mask, type)
    }
    this.#lastMask = mask
    this.#lastType = type
    return type
  }

  get fullMask(): number {
    return maskOf(this.fields.length)
  }

  #recordFormat(mask: number): RecordFormat {
    const specs: FieldSpec[] = []
    const plans: FieldPlan[] = []
    for (const [index, field] of this.fields.entries()) {
      if (index < MASKED_FIELDS && ((mask >>> index) & 1) === 0) continue
      const signed = field.kind === 'i32' || field.kind === 'i64'
      specs.push({
        name: field.name,
        type: TYPES[field.kind],
        offset: -1,
        size: -1,
        signed,
        kind: field.kind,
      })
      plans.push({
        kind: field.kind,
        place: field.kind === 'string' ? 'data_loc' : 'fixed',
        offset: this.offsets[index] as number,
        size: isWide(field.kind) ? 8 : 4,
        elementSize: 1,
        signed,
      })
    }
    return {
      format: { system: this.system, name: this.name, id: this.#id, fields: specs, printFmt: '' },
      plans,
      minBytes: this.fixedBytes,
      common: COMMON,
      undecodable: undefined,
    }
  }
}

const TYPES: Readonly<Record<ShapeKind, string>> = {
  i32: 'int32',
  u32: 'uint32',
  i64: 'int64',
  u64: 'uint64',
  string: 'string',
}

function isWide(kind: ShapeKind): boolean {
  return kind === 'i64' || kind === 'u64'
}

function maskOf(fields: number): number {
  return fields >= MASKED_FIELDS ? 0x7fff_ffff : 2 ** fields - 1
}

/** Bit of a field in a mask. */
export function bitOf(index: number): number {
  return index < MASKED_FIELDS ? 1 << index : 0
}

/** Records of one block, written field by field. */
export class RecordWriter {
  bytes = new Uint8Array(1 << 16)
  words = new Uint32Array(this.bytes.buffer)
  /** End of the last finished record. */
  used = 0
  /** End of the record being written. */
  #end = 0
  /** A string of it did not fit. */
  cut = false

  clear(): void {
    this.used = 0
  }

  /** Begins a record that will have at most `stringBytes` bytes of strings. */
  begin(shape: Shape, stringBytes: number): void {
    const room = shape.fixedBytes + stringBytes + 8
    if (this.used + room > this.bytes.length) this.#grow(this.used + room)
    const first = this.used >>> 2
    const last = (this.used + shape.fixedBytes) >>> 2
    for (let i = first; i < last; i++) this.words[i] = 0
    this.#end = this.used + shape.fixedBytes
    this.cut = false
  }

  number(offset: number, value: number): void {
    this.words[(this.used + offset) >>> 2] = value
  }

  wide(offset: number, hi: number, lo: number): void {
    const word = (this.used + offset) >>> 2
    this.words[word] = HOST_LITTLE_ENDIAN ? lo : hi
    this.words[word + 1] = HOST_LITTLE_ENDIAN ? hi : lo
  }

  text(offset: number, from: Uint8Array, start: number, end: number): void {
    let length = end - start
    const at = this.#end - this.used
    if (at + length > MAX_RECORD_BYTES) {
      length = Math.max(0, MAX_RECORD_BYTES - at)
      this.cut = true
    }
    const { bytes } = this
    let to = this.#end
    for (let i = 0; i < length; i++) bytes[to++] = from[start + i] as number
    this.#end = to
    this.words[(this.used + offset) >>> 2] = length * 65_536 + at
  }

  /** Ends the record; returns its bytes. The next one begins at `used`. */
  finish(type: number, flags: number, tid: number): number {
    const word = this.used >>> 2
    this.words[word] = HOST_LITTLE_ENDIAN
      ? type | ((flags & 0xff) << 16)
      : (type << 16) | ((flags & 0xff) << 8)
    this.words[word + 1] = tid
    const size = this.#end - this.used
    this.used = (this.#end + 3) & ~3
    return size
  }

  #grow(bytes: number): void {
    const grown = new Uint8Array(2 ** Math.ceil(Math.log2(bytes)))
    grown.set(this.bytes.subarray(0, this.used))
    this.bytes = grown
    this.words = new Uint32Array(grown.buffer)
  }
}

const MAX_SHAPES = 4096

/** Every kind of event that the trace has, by how the trace names it. */
export class Shapes {
  readonly table = new FormatTable()
  readonly formats: EventFormat[] = []
  readonly #shapes: Shape[] = []

  /** `undefined` when there are too many. */
  add(event: {
    system: string
    name: string
    id: number
    fields: readonly ShapeField[]
  }): Shape | undefined {
    if (this.#shapes.length >= MAX_SHAPES) return undefined
    const shape = new Shape(this.table, event)
    this.#shapes.push(shape)
    this.formats.push(shape.formatOf(shape.fullMask))
    return shape
  }
}
