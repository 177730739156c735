import type { ColumnRows, RowBuffer } from '../model/rows.ts'
import { ROWS_COLUMNS, ROWS_LENGTH, ROWS_ROOM } from './assembly/_layout.ts'
import type { Following } from './follow-kernel.ts'

/** Rows that are still in the processor's cache when they are taken. */
const ROOM = 2048

interface Column {
  readonly to: ColumnRows
  readonly from: Float64Array | Int32Array
}

/** Rows that WebAssembly adds (assembly/_rows.ts), until they go to their table's buffer. */
export class StagedRows {
  readonly place: number
  readonly #rows: RowBuffer
  readonly #head: Int32Array
  readonly #columns: readonly Column[]

  /** `names` are the columns that it sets, by their number. */
  constructor(following: Following, rows: RowBuffer, names: readonly string[]) {
    this.#rows = rows
    this.place = following.room(ROWS_COLUMNS + 4 * names.length)
    this.#head = following.integers(this.place, ROWS_COLUMNS / 4 + names.length)
    this.#head[ROWS_ROOM / 4] = ROOM
    this.#columns = names.map((name, i) => {
      const to = rows.columns[name]
      if (to === undefined || to.kind === 'wide')
        throw new TypeError(`${rows.table} has no ${name} of one word`)
      const from =
        to.kind === 'number'
          ? following.floats(following.room(8 * ROOM), ROOM)
          : following.integers(following.room(4 * ROOM), ROOM)
      this.#head[ROWS_COLUMNS / 4 + i] = from.byteOffset
      return { to, from }
    })
  }

  /** The buffer, with all rows that were added. */
  get rows(): RowBuffer {
    this.take()
    return this.#rows
  }

  /** Moves the rows to the buffer. */
  take(): void {
    const length = this.#head[ROWS_LENGTH / 4] as number
    if (length === 0) return
    this.#head[ROWS_LENGTH / 4] = 0
    const first = this.#rows.extend(length)
    for (const { to, from } of this.#columns) {
      const added = from.subarray(0, length)
      if (to.kind === 'number' || to.kind === 'int') to.values.set(added, first)
      else if (to.kind !== 'wide') to.codes.set(added, first)
    }
  }
}
