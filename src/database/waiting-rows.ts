import { RowBuffer } from '../model/rows.ts'
import type { RowOwner, TableAppender } from './append.ts'
import { kindsOf } from './schema.ts'
import type { TableDefinition } from './tables/definition.ts'

/** Rows that raw rows refer to, gathered for their appender. */
export class WaitingRows {
  readonly #table: TableDefinition
  readonly #appender: TableAppender
  readonly #owner: RowOwner
  #rows: RowBuffer

  constructor(table: TableDefinition, appender: TableAppender, owner: RowOwner) {
    this.#table = table
    this.#appender = appender
    this.#owner = owner
    this.#rows = this.#newRows()
  }

  get length(): number {
    return this.#rows.length
  }

  /** Adds a row; a text by its column, a number likewise. */
  add(cells: Readonly<Record<string, string | number>>): void {
    const row = this.#rows.add()
    for (const [name, value] of Object.entries(cells))
      if (typeof value === 'string') this.#rows.text(row, name, value)
      else this.#rows.number(row, name, value)
  }

  append(): void {
    this.#appender.append(this.#rows, this.#owner)
    this.#rows.clear()
  }

  /** Appends, and forgets the texts that were met so far. */
  renew(): void {
    this.append()
    this.#rows = this.#newRows()
  }

  flush(): void {
    this.append()
    this.#appender.flush()
  }

  /** Closes without the rows that are not flushed. */
  discard(): void {
    this.#appender.discard()
  }

  close(): void {
    this.append()
    this.#appender.close()
  }

  #newRows(): RowBuffer {
    return new RowBuffer(this.#table.name, kindsOf(this.#table.columns))
  }
}
