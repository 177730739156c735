import { PstraceError } from '../../model/error.ts'

export const FIRST_LENGTH = 1024
const MOST_SLOTS = 0x3fffffff

type Column = Uint8Array | Int16Array | Int32Array | Uint32Array | Float64Array

/** What backends that compress know of every swap slot, in columns that grow with the highest slot used. */
export class SlotTable {
  /** What the slot holds, in the backend's own numbers; 0 = nothing. */
  kind = new Uint8Array(FIRST_LENGTH)
  /** Of its object in the pool. */
  handle = new Int32Array(FIRST_LENGTH)
  page = new Int32Array(FIRST_LENGTH)
  storedNs = new Float64Array(FIRST_LENGTH)
  /** The eight bytes that a same-filled page repeats. */
  #sameLow = new Uint32Array(FIRST_LENGTH)
  #sameHigh = new Uint32Array(FIRST_LENGTH)
  readonly #backend: string

  constructor(backend: string) {
    this.#backend = backend
  }

  get length(): number {
    return this.kind.length
  }

  /** There is a row for the slot afterwards. */
  reach(slot: number): void {
    if (slot < this.kind.length) return
    if (!Number.isInteger(slot) || slot < 0 || slot > MOST_SLOTS)
      throw new PstraceError(
        'slot-range',
        `${this.#backend}: slot is ${slot}; expected an integer from 0 to ${MOST_SLOTS}`,
      )
    let length = this.kind.length
    while (length <= slot) length *= 2
    this.grow(length)
  }

  /** What the slot holds; never nothing. */
  held(slot: number): number {
    const kind = this.kind[slot] ?? 0
    if (kind === 0)
      throw new PstraceError('slot-empty', `${this.#backend}: slot ${slot} holds nothing`)
    return kind
  }

  ageNs(slot: number, nowNs: number): number {
    return nowNs - (this.storedNs[slot] ?? 0)
  }

  keepWords(slot: number, page: Uint8Array): void {
    this.#sameLow[slot] = wordAt(page, 0)
    this.#sameHigh[slot] = wordAt(page, 4)
  }

  /** The same-filled page of `keepWords` again. */
  fillWords(slot: number, page: Uint8Array): void {
    for (let at = 0; at < page.length; at += 8) {
      putWord(page, at, this.#sameLow[slot] ?? 0)
      putWord(page, at + 4, this.#sameHigh[slot] ?? 0)
    }
  }

  protected grow(length: number): void {
    this.kind = grown(this.kind, new Uint8Array(length))
    this.handle = grown(this.handle, new Int32Array(length))
    this.page = grown(this.page, new Int32Array(length))
    this.storedNs = grown(this.storedNs, new Float64Array(length))
    this.#sameLow = grown(this.#sameLow, new Uint32Array(length))
    this.#sameHigh = grown(this.#sameHigh, new Uint32Array(length))
  }
}

/** A column with room for more, the old rows in it. */
export function grown<A extends Column>(from: A, to: A): A {
  to.set(from)
  return to
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] ?? 0) |
      ((bytes[at + 1] ?? 0) << 8) |
      ((bytes[at + 2] ?? 0) << 16) |
      ((bytes[at + 3] ?? 0) << 24)) >>>
    0
  )
}

function putWord(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word & 0xff
  bytes[at + 1] = (word >>> 8) & 0xff
  bytes[at + 2] = (word >>> 16) & 0xff
  bytes[at + 3] = word >>> 24
}
