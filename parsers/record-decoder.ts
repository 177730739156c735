import type { Column, FieldSpec } from './batch.ts'
import type { FieldPlan } from './event-format.ts'
import { ByteDictionary } from './string-dictionary.ts'

/** True when the machine that runs this is little endian. */
export const HOST_LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1

/** Records of a window, each at a multiple of 4. */
export interface RecordBytes {
  readonly bytes: Uint8Array
  /** The same memory. */
  readonly words: Uint32Array
  /** Byte order of the records. */
  readonly littleEndian: boolean
}

/** Those of one event: where each record begins, and its length. */
export interface RecordPlaces {
  readonly records: RecordBytes
  readonly start: Uint32Array
  readonly size: Uint32Array
  readonly length: number
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

/** Decodes a field whose bytes are not at one place in every record, or are many: a string, bytes or a list. */
export class VariableField {
  readonly #field: FieldSpec
  readonly #plan: FieldPlan
  #starts = new Uint32Array(0)
  /** Of a string its code. */
  #lo = new Uint32Array(0)
  #hi = new Uint32Array(0)
  #bytes = new Uint8Array(0)
  #from = 0
  #to = 0

  constructor(field: FieldSpec, plan: FieldPlan) {
    this.#field = field
    this.#plan = plan
  }

  /** Gives its memory back. */
  release(): void {
    this.#starts = new Uint32Array(0)
    this.#lo = new Uint32Array(0)
    this.#hi = new Uint32Array(0)
    this.#bytes = new Uint8Array(0)
  }

  decode(places: RecordPlaces, dictionaries: Dictionaries): Column {
    const field = this.#field
    const { kind, place } = this.#plan
    if (kind === 'string') {
      const dictionary = place === 'fixed' ? dictionaries.fixed : dictionaries.dynamic
      this.#decodeText(places, dictionary)
      return { kind, field, codes: this.#lo, dictionary }
    }
    if (this.#starts.length < places.length + 1)
      this.#starts = new Uint32Array(roomFor(places.length + 1))
    if (kind === 'bytes') {
      this.#decodeBytes(places)
      return { kind, field, starts: this.#starts, bytes: this.#bytes }
    }
    this.#decodeList(places)
    return { kind: 'list', field, starts: this.#starts, lo: this.#lo, hi: this.#hi }
  }

  #decodeText(places: RecordPlaces, dictionary: ByteDictionary): void {
    const { records, length, start, size } = places
    const { bytes, words } = records
    if (this.#lo.length < length) this.#lo = new Uint32Array(roomFor(length))
    const codes = this.#lo
    const plan = this.#plan
    if (
      plan.place === 'fixed' &&
      plan.offset % 4 === 0 &&
      plan.size % 4 === 0 &&
      HOST_LITTLE_ENDIAN
    ) {
      const end = plan.offset + plan.size
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
      this.#locate(places, r)
      codes[r] = dictionary.intern(bytes, this.#from, this.#to)
    }
  }

  #decodeBytes(places: RecordPlaces): void {
    const { length } = places
    const { bytes } = places.records
    let used = 0
    for (let r = 0; r < length; r++) {
      this.#starts[r] = used
      this.#locate(places, r)
      const count = this.#to - this.#from
      if (used + count > this.#bytes.length)
        this.#bytes = copied(this.#bytes, new Uint8Array(roomFor(used + count)))
      for (let i = 0; i < count; i++) this.#bytes[used + i] = bytes[this.#from + i] as number
      used += count
    }
    this.#starts[length] = used
  }

  #decodeList(places: RecordPlaces): void {
    const { length } = places
    const { bytes, littleEndian } = places.records
    const { elementSize, signed } = this.#plan
    let used = 0
    for (let r = 0; r < length; r++) {
      this.#starts[r] = used
      this.#locate(places, r)
      const count = Math.floor((this.#to - this.#from) / elementSize)
      if (used + count > this.#lo.length) {
        this.#lo = copied(this.#lo, new Uint32Array(roomFor(used + count)))
        this.#hi = copied(this.#hi, new Uint32Array(this.#lo.length))
      }
      let at = this.#from
      for (let i = 0; i < count; i++, at += elementSize) {
        if (elementSize === 8) {
          this.#lo[used + i] = readFour(bytes, littleEndian ? at : at + 4, littleEndian)
          this.#hi[used + i] = readFour(bytes, littleEndian ? at + 4 : at, littleEndian)
          continue
        }
        let value: number
        if (elementSize === 4) value = readFour(bytes, at, littleEndian)
        else if (elementSize === 2) value = readTwo(bytes, at, littleEndian)
        else value = bytes[at] as number
        if (signed) value = (value << (32 - 8 * elementSize)) >> (32 - 8 * elementSize)
        this.#lo[used + i] = value
        this.#hi[used + i] = signed && value < 0 ? 0xffffffff : 0
      }
      used += count
    }
    this.#starts[length] = used
  }

  /** Sets #from and #to to the field's bytes, never outside the record. */
  #locate({ records, start, size }: RecordPlaces, row: number): void {
    const plan = this.#plan
    const record = start[row] as number
    const end = record + (size[row] as number)
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
  return Math.max(64, 2 ** Math.ceil(Math.log2(length)))
}

/** `to`, beginning with what `from` holds: how growing columns move. */
export function copied<A extends Float64Array | Int32Array | Uint32Array | Uint8Array>(
  from: A,
  to: A,
): A {
  to.set(from)
  return to
}
