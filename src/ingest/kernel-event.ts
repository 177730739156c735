import type {
  Column,
  ColumnKind,
  EventBatch,
  EventFormat,
  FieldSpec,
  StringDictionary,
} from '../../parsers/batch.ts'
import {
  ABSENT,
  EVENT_FIELDS,
  EVENT_KIND,
  F64,
  FIELD_BYTES,
  FIELD_HIGH,
  FIELD_KIND,
  FIELD_STRIDE,
  FIELD_VALUES,
  I32,
  I64,
  NAME,
  NAME_BYTES,
  U32,
  U64,
} from './assembly/_layout.ts'
import type { EventHandler } from './context.ts'
import { findField, findSpec, NumberField } from './fields.ts'
import type { Following } from './follow-kernel.ts'
import type { Task } from './task.ts'

/** Numbers that the kernel reads in records, by the kind of their column. */
const KINDS_IN_RECORDS: Readonly<Partial<Record<ColumnKind, { kind: number; size: number }>>> = {
  i32: { kind: I32, size: 4 },
  u32: { kind: U32, size: 4 },
  i64: { kind: I64, size: 8 },
  u64: { kind: U64, size: 8 },
}

/** A field that the kernel reads. */
export interface KernelField {
  readonly names: readonly string[]
  /** It is a string's code; else a number. */
  readonly isText?: true
  /** It is there only where it is printed. */
  readonly isPrinted?: true
  /** Its halves are read, not a number that may be rounded. */
  readonly isWide?: true
  /** An empty string tells nothing. */
  readonly isOptional?: true
  /** Number that stands for a text where the field is one. */
  numberOf?(text: string): number
}

/** An event that the kernel follows by itself: tells it where the fields of a batch are. */
export class KernelEvent implements EventHandler {
  readonly fields: readonly string[]
  /** Of its record. */
  readonly place: number
  readonly #following: Following
  readonly #fields: readonly FieldPlace[]
  readonly #note: (batch: EventBatch) => void
  #bound: EventBatch['columns'] | undefined

  /** The fields are in the order of assembly/follow.ts; `note` is told of each batch. */
  constructor(
    following: Following,
    kind: number,
    fields: readonly KernelField[],
    note: (batch: EventBatch) => void = () => {},
  ) {
    this.#note = note
    this.#following = following
    this.fields = fields.flatMap(({ names }) => names)
    this.place = following.room(EVENT_FIELDS + FIELD_BYTES * fields.length)
    following.integers(this.place, 1)[EVENT_KIND / 4] = kind
    this.#fields = fields.map(
      (field, i) => new FieldPlace(following, this.place + EVENT_FIELDS + FIELD_BYTES * i, field),
    )
  }

  bind(batch: EventBatch): void {
    this.#note(batch)
    // A reader may have one list of columns for many windows.
    if (batch.columns === this.#bound) return
    let isHeld = true
    for (const field of this.#fields)
      isHeld = (batch.isUndecoded === true ? field.bindRecords(batch) : field.bind(batch)) && isHeld
    this.#bound = isHeld ? batch.columns : undefined
  }

  event(row: number, cpu: number, task: Task): void {
    this.#following.kernel.run(this.place, row, cpu, task.place)
  }

  /** It finds its fields in records that are not decoded. */
  readsRecords(format: EventFormat): boolean {
    return this.#fields.every((field) => field.isInRecords(format))
  }

  /** What a code means in the batch, or what the bytes are there; undefined = nothing. */
  textOf(field: number, code: number): string | undefined {
    const place = this.#fields[field]
    const text = place?.textOf(code) ?? ''
    return text === '' && place?.isOptional === true ? undefined : text
  }
}

/** Where the kernel finds one field: in the reader's columns or records where they lie in its memory, else in a copy. */
class FieldPlace {
  #dictionary: StringDictionary | undefined = undefined
  #isBytes = false
  readonly #following: Following
  readonly #field: KernelField
  readonly #words: Int32Array
  readonly #number: NumberField
  #copyPlace = 0
  #copyBytes = 0

  constructor(following: Following, place: number, field: KernelField) {
    this.#following = following
    this.#field = field
    this.#words = following.integers(place, FIELD_BYTES / 4)
    this.#number = new NumberField(field.names)
  }

  get isOptional(): boolean {
    return this.#field.isOptional === true
  }

  /** False if it has to be bound anew even to the same columns. */
  bind(batch: EventBatch): boolean {
    const column = findField(batch, this.#field.names)
    this.#dictionary = column?.kind === 'string' ? column.dictionary : undefined
    if (column === undefined) return this.#set(ABSENT)
    if (this.#field.isText === true) return this.#bindCodes(column, batch.length)
    if (column.kind === 'string') return this.#copyTexts(column, batch.length)
    if (this.#field.isPrinted === true) return this.#set(ABSENT)
    if (this.#field.isWide === true && (column.kind === 'i64' || column.kind === 'u64'))
      return this.#bindHalves(column, batch.length)
    if (column.valid !== undefined) return this.#copyNumbers(batch)
    switch (column.kind) {
      case 'i32':
      case 'u32':
        if (!this.#following.holds(column.values)) return this.#copyNumbers(batch)
        return this.#set(column.kind === 'i32' ? I32 : U32, { values: column.values.byteOffset })
      case 'i64':
      case 'u64':
        if (!this.#following.holds(column.lo)) return this.#copyNumbers(batch)
        return this.#bindHalves(column, batch.length)
      default:
        return this.#copyNumbers(batch)
    }
  }

  isInRecords(format: EventFormat): boolean {
    const spec = findSpec(format, this.#field.names)
    return spec === undefined || this.#kindInRecords(spec) !== undefined
  }

  bindRecords({ format }: EventBatch): boolean {
    const spec = findSpec(format, this.#field.names)
    const kind = spec === undefined ? ABSENT : (this.#kindInRecords(spec) ?? ABSENT)
    this.#isBytes = kind === NAME
    const at = spec?.offset ?? 0
    return this.#set(kind, { values: at, high: at + 4, stride: 1 })
  }

  /** Undefined = it is nothing that the kernel reads there. */
  #kindInRecords({ kind, size, offset }: FieldSpec): number | undefined {
    if (this.#field.isPrinted === true || offset < 0) return undefined
    if (kind === 'string')
      return this.#field.isText === true && size === NAME_BYTES ? NAME : undefined
    if (this.#field.isText === true) return undefined
    return size === KINDS_IN_RECORDS[kind]?.size ? KINDS_IN_RECORDS[kind]?.kind : undefined
  }

  textOf(code: number): string | undefined {
    return this.#isBytes ? this.#following.textAt(code, NAME_BYTES) : this.#dictionary?.get(code)
  }

  #bindCodes(column: Column, length: number): boolean {
    if (column.kind !== 'string') return this.#set(ABSENT)
    const { codes, dictionary } = column
    const number = this.#following.numberOf(dictionary)
    if (this.#following.holds(codes))
      return this.#set(U32, { values: codes.byteOffset, high: number })
    const place = this.#roomFor(4 * length)
    this.#following.integers(place, length).set(codes.subarray(0, length))
    this.#set(U32, { values: place, high: number })
    return false
  }

  #bindHalves({ kind, lo, hi }: Column & { kind: 'i64' | 'u64' }, length: number): boolean {
    const kindOfHalves = kind === 'i64' ? I64 : U64
    const following = this.#following
    if (following.holds(lo))
      return this.#set(kindOfHalves, { values: lo.byteOffset, high: hi.byteOffset })
    const place = this.#roomFor(8 * length)
    following.integers(place, length).set(lo.subarray(0, length))
    following.integers(place + 4 * length, length).set(hi.subarray(0, length))
    this.#set(kindOfHalves, { values: place, high: place + 4 * length })
    return false
  }

  #copyTexts({ codes, dictionary }: Column & { kind: 'string' }, length: number): boolean {
    const { numberOf } = this.#field
    if (numberOf === undefined) return this.#set(ABSENT)
    const place = this.#roomFor(4 * length)
    const copy = this.#following.integers(place, length)
    for (let row = 0; row < length; row++) copy[row] = numberOf(dictionary.get(codes[row] ?? 0))
    this.#set(I32, { values: place })
    return false
  }

  #copyNumbers(batch: EventBatch): boolean {
    const { length } = batch
    this.#number.bind(batch)
    const place = this.#roomFor(8 * length)
    const copy = this.#following.floats(place, length)
    for (let row = 0; row < length; row++) copy[row] = this.#number.get(row)
    this.#set(F64, { values: place, stride: 8 })
    return false
  }

  #roomFor(bytes: number): number {
    if (bytes <= this.#copyBytes) return this.#copyPlace
    const { memory } = this.#following
    if (this.#copyBytes > 0) memory.release(this.#copyPlace, this.#copyBytes)
    this.#copyPlace = memory.allocate(bytes)
    this.#copyBytes = bytes
    return this.#copyPlace
  }

  #set(kind: number, { values = 0, high = 0, stride = 4 } = {}): true {
    this.#words[FIELD_KIND / 4] = kind
    this.#words[FIELD_VALUES / 4] = values
    this.#words[FIELD_HIGH / 4] = high
    this.#words[FIELD_STRIDE / 4] = stride
    return true
  }
}
