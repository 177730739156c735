import { createHash } from 'node:crypto'
import type { RowBuffer } from '../../src/model/rows.ts'
import type { RowSink } from '../../src/replay/recorder.ts'

export type PlainRow = Readonly<Record<string, number | string | null>>

/** Collects the rows of some tables as plain objects. */
export class RowCollector {
  readonly tables = new Map<string, PlainRow[]>()
  readonly sink: RowSink = (rows) => {
    const list = this.tables.get(rows.table) ?? []
    this.tables.set(rows.table, list)
    for (let row = 0; row < rows.length; row++) list.push(plainRow(rows, row))
  }

  of(table: string): readonly PlainRow[] {
    return this.tables.get(table) ?? []
  }

  numbers(table: string, column: string): number[] {
    return this.of(table).map((row) => {
      const value = row[column]
      return typeof value === 'number' ? value : Number.NaN
    })
  }
}

function plainRow(rows: RowBuffer, row: number): PlainRow {
  const plain: Record<string, number | string | null> = {}
  for (const [name, column] of Object.entries(rows.columns)) {
    if (column.kind === 'number') {
      const value = column.values[row] ?? Number.NaN
      plain[name] = Number.isNaN(value) ? null : value
    } else if (column.kind === 'text') plain[name] = column.strings[column.codes[row] ?? -1] ?? null
  }
  return plain
}

/** A digest of every row of every table, in the order in which they were written. */
export class RowDigest {
  readonly #hash = createHash('sha256')
  rows = 0
  readonly sink: RowSink = (rows) => {
    this.#hash.update(rows.table)
    this.rows += rows.length
    for (const [name, column] of Object.entries(rows.columns)) {
      this.#hash.update(name)
      if (column.kind === 'number') {
        const values = column.values.slice(0, rows.length)
        this.#hash.update(new Uint8Array(values.buffer))
      } else if (column.kind === 'text')
        for (let row = 0; row < rows.length; row++)
          this.#hash.update(column.strings[column.codes[row] ?? -1] ?? '\0')
    }
  }

  get hex(): string {
    return this.#hash.copy().digest('hex')
  }
}
