import type { ColumnRows, RowBuffer } from '../model/rows.ts'
import { ROWS_COLUMNS, ROWS_LENGTH, ROWS_ROOM } from './assembly/_layout.ts'
import type { Following } from './follow-kernel.ts'

/** Rows that WebAssembly adds (assembly/_rows.ts) straight to the arrays of their buffer, which lie in its memory. */
export class KernelRows {
  readonly place: number
  readonly #rows: RowBuffer
  /** How many rows there are and fit, both 0 while TypeScript has the buffer, and where the columns are. */
  readonly #head: Int32Array
  readonly #columns: readonly ColumnRows[]

  /** `names` are all columns, by their number. */
  constructor(following: Following, rows: RowBuffer, names: readonly string[]) {
    this.#rows = rows
    this.place = following.room(ROWS_COLUMNS + 4 * names.length)
    this.#head = following.integers(this.place, ROWS_COLUMNS / 4 + names.length)
    this.#columns = names.map((name) => {
      const column = rows.columns[name]
      if (column === undefined) throw new TypeError(`${rows.table} has no ${name}`)
      return column
    })
    if (names.length < Object.keys(rows.columns).length)
      throw new TypeError(`${rows.table} has columns that are not set`)
  }

  get length(): number {
    return Math.max(this.#head[ROWS_LENGTH / 4] as number, this.#rows.length)
  }

  /** The buffer, with all rows that were added; WebAssembly asks for it again before it adds another. */
  take(): RowBuffer {
    this.#rows.length = this.length
    this.#head[ROWS_LENGTH / 4] = 0
    this.#head[ROWS_ROOM / 4] = 0
    return this.#rows
  }

  /** Shows WebAssembly where there is room for rows. */
  lend(): void {
    const rows = this.take()
    if (rows.length === rows.capacity) rows.grow()
    const head = this.#head
    head[ROWS_LENGTH / 4] = rows.length
    head[ROWS_ROOM / 4] = rows.capacity
    for (const [i, column] of this.#columns.entries())
      head[ROWS_COLUMNS / 4 + i] = addressOf(column)
  }
}

function addressOf(column: ColumnRows): number {
  if (column.kind === 'wide') throw new TypeError('a row has values of one word only')
  const isNumber = column.kind === 'number' || column.kind === 'int'
  return (isNumber ? column.values : column.codes).byteOffset
}
