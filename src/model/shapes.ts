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
    const { cells } = this
    let hash = 0
    for (let i = 0; i < cells.length; i++) {
      hash = Math.imul(hash ^ (cells[i] ?? 0), 0x9e3779b1)
      hash ^= hash >>> 15
    }
    const slots = this.#slots
    const mask = slots.length - 1
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const known = slots[at] ?? NONE
      if (known === NONE) return this.#add(hash, at)
      if (this.#hashes[known] === hash && this.#isAt(known)) return known
    }
  }

  #isAt(known: number): boolean {
    const { cells } = this
    const values = this.#values
    const from = known * cells.length
    for (let i = 0; i < cells.length; i++) {
      const value = cells[i] ?? 0
      const other = values[from + i] ?? 0
      if (value !== other && !(Number.isNaN(value) && Number.isNaN(other))) return false
    }
    return true
  }

  #add(hash: number, slot: number): number {
    const number = this.rows.add()
    this.#values.set(this.cells, number * this.cells.length)
    for (let i = 0; i < this.cells.length; i++) {
      const column = this.#columns[i]
      if (column?.kind === 'number') column.values[number] = this.cells[i] ?? Number.NaN
      else if (column?.kind === 'text') column.codes[number] = this.cells[i] ?? NONE
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
