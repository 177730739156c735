import { type ColumnRows, RowBuffer, type ShapeList, type ValueKind } from './rows.ts'

const FIRST_SLOTS = 1024
const NONE = -1

/**
 * Combinations of values that many rows have in common, each once, numbered from 0 in the order in which they came. Set a
 * row's values by position in `cells` (a text's code from `codeOf`; NaN = NULL, of a text -1), then call `find`.
 */
export class Shapes implements ShapeList {
  readonly first = 0
  readonly names: readonly string[]
  readonly rows: RowBuffer
  readonly cells: Float64Array
  readonly #columns: readonly ColumnRows[]
  /** `cells` of every combination, one after the other. */
  #values: Float64Array
  #hashes = new Int32Array(FIRST_SLOTS)
  #slots = new Int32Array(FIRST_SLOTS).fill(NONE)

  constructor(table: string, kinds: Readonly<Record<string, ValueKind>>) {
    this.names = Object.keys(kinds)
    this.rows = new RowBuffer(table, kinds)
    this.cells = new Float64Array(this.names.length)
    this.#columns = Object.values(this.rows.columns)
    this.#values = new Float64Array(this.names.length * FIRST_SLOTS)
  }

  get length(): number {
    return this.rows.length
  }

  position(name: string): number {
    return this.names.indexOf(name)
  }

  isText(name: string): boolean {
    return this.rows.columns[name]?.kind === 'text'
  }

  codeOf(name: string, text: string | undefined): number {
    return text === undefined ? NONE : this.rows.code(name, text)
  }

  /** Number of the combination in `cells`. */
  find(): number {
    return this.#findAt(this.cells, 0)
  }

  /** Numbers of `length` combinations that lie one after the other in `values`. */
  findAll(values: Float64Array, length: number, found: Int32Array): void {
    const width = this.cells.length
    for (let row = 0; row < length; row++) found[row] = this.#findAt(values, row * width)
  }

  #findAt(from: Float64Array, start: number): number {
    const width = this.cells.length
    let hash = 0
    for (let i = 0; i < width; i++) {
      hash = Math.imul(hash ^ (from[start + i] ?? 0), 0x9e3779b1)
      hash ^= hash >>> 15
    }
    const slots = this.#slots
    const values = this.#values
    const mask = slots.length - 1
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const known = slots[at] ?? NONE
      if (known === NONE) return this.#add(from, start, hash, at)
      if (this.#hashes[known] !== hash) continue
      let same = 0
      for (let i = 0; i < width; i++) {
        const value = from[start + i] ?? 0
        const other = values[known * width + i] ?? 0
        if (value === other || (Number.isNaN(value) && Number.isNaN(other))) same++
      }
      if (same === width) return known
    }
  }

  #add(from: Float64Array, start: number, hash: number, slot: number): number {
    const width = this.cells.length
    const number = this.rows.add()
    for (let i = 0; i < width; i++) {
      const value = from[start + i] ?? Number.NaN
      this.#values[number * width + i] = value
      const column = this.#columns[i]
      if (column?.kind === 'number') column.values[number] = value
      else if (column?.kind === 'text') column.codes[number] = value
    }
    this.#slots[slot] = number
    this.#hashes[number] = hash
    if (this.rows.length * 2 > this.#slots.length) this.#grow()
    return number
  }

  #grow(): void {
    const size = this.#slots.length * 2
    const hashes = new Int32Array(size)
    hashes.set(this.#hashes)
    this.#hashes = hashes
    const values = new Float64Array(size * this.cells.length)
    values.set(this.#values)
    this.#values = values
    this.#slots = new Int32Array(size).fill(NONE)
    const mask = size - 1
    for (let number = 0; number < this.rows.length; number++) {
      let at = (hashes[number] ?? 0) & mask
      while (this.#slots[at] !== NONE) at = (at + 1) & mask
      this.#slots[at] = number
    }
  }
}
