import type { Column, EventBatch, StringDictionary } from '../../parsers/batch.ts'
import {
  ABSENT,
  EVENT_FIELDS,
  EVENT_KIND,
  F64,
  FIELD_BYTES,
  FIELD_HIGH,
  FIELD_KIND,
  FIELD_VALUES,
  I32,
  I64,
  U32,
  U64,
} from './assembly/_layout.ts'
import type { EventHandler } from './context.ts'
import { findField, NumberField } from './fields.ts'
import type { Following } from './follow-kernel.ts'
import type { Task } from './task.ts'

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
    for (const field of this.#fields) isHeld = field.bind(batch) && isHeld
    this.#bound = isHeld ? batch.columns : undefined
  }

  event(row: number, cpu: number, task: Task): void {
    this.#following.kernel.run(this.place, row, cpu, task.place)
  }

  /** What a code means in the batch; undefined = nothing. */
  textOf(field: number, code: number): string | undefined {
    const place = this.#fields[field]
    const text = place?.dictionary?.get(code) ?? ''
    return text === '' && place?.isOptional === true ? undefined : text
  }
}

/** Where the kernel finds one field: in the reader's columns where they lie in its memory, else in a copy. */
class FieldPlace {
  dictionary: StringDictionary | undefined = undefined
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
    this.dictionary = column?.kind === 'string' ? column.dictionary : undefined
    if (column === undefined) return this.#set(ABSENT, 0, 0)
    if (this.#field.isText === true) return this.#bindCodes(column, batch.length)
    if (column.kind === 'string') return this.#copyTexts(column, batch.length)
    if (this.#field.isPrinted === true) return this.#set(ABSENT, 0, 0)
    if (this.#field.isWide === true && (column.kind === 'i64' || column.kind === 'u64'))
      return this.#bindHalves(column, batch.length)
    if (column.valid !== undefined) return this.#copyNumbers(batch)
    switch (column.kind) {
      case 'i32':
      case 'u32':
        if (!this.#following.holds(column.values)) return this.#copyNumbers(batch)
        return this.#set(column.kind === 'i32' ? I32 : U32, column.values.byteOffset, 0)
      case 'i64':
      case 'u64':
        if (!this.#following.holds(column.lo)) return this.#copyNumbers(batch)
        return this.#bindHalves(column, batch.length)
      default:
        return this.#copyNumbers(batch)
    }
  }

  #bindCodes(column: Column, length: number): boolean {
    if (column.kind !== 'string') return this.#set(ABSENT, 0, 0)
    const { codes, dictionary } = column
    const number = this.#following.numberOf(dictionary)
    if (this.#following.holds(codes)) return this.#set(U32, codes.byteOffset, number)
    const place = this.#roomFor(4 * length)
    this.#following.integers(place, length).set(codes.subarray(0, length))
    this.#set(U32, place, number)
    return false
  }

  #bindHalves({ kind, lo, hi }: Column & { kind: 'i64' | 'u64' }, length: number): boolean {
    const kindOfHalves = kind === 'i64' ? I64 : U64
    const following = this.#following
    if (following.holds(lo)) return this.#set(kindOfHalves, lo.byteOffset, hi.byteOffset)
    const place = this.#roomFor(8 * length)
    following.integers(place, length).set(lo.subarray(0, length))
    following.integers(place + 4 * length, length).set(hi.subarray(0, length))
    this.#set(kindOfHalves, place, place + 4 * length)
    return false
  }

  #copyTexts({ codes, dictionary }: Column & { kind: 'string' }, length: number): boolean {
    const { numberOf } = this.#field
    if (numberOf === undefined) return this.#set(ABSENT, 0, 0)
    const place = this.#roomFor(4 * length)
    const copy = this.#following.integers(place, length)
    for (let row = 0; row < length; row++) copy[row] = numberOf(dictionary.get(codes[row] ?? 0))
    this.#set(I32, place, 0)
    return false
  }

  #copyNumbers(batch: EventBatch): boolean {
    const { length } = batch
    this.#number.bind(batch)
    const place = this.#roomFor(8 * length)
    const copy = this.#following.floats(place, length)
    for (let row = 0; row < length; row++) copy[row] = this.#number.get(row)
    this.#set(F64, place, 0)
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

  #set(kind: number, values: number, high: number): true {
    this.#words[FIELD_KIND / 4] = kind
    this.#words[FIELD_VALUES / 4] = values
    this.#words[FIELD_HIGH / 4] = high
    return true
  }
}
