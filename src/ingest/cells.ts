import type { ColumnRows, NumberRows, RowBuffer, ShapeRows, TextRows } from '../model/rows.ts'

/** A number column of a table that gets many rows; `values` changes when the buffer grows. */
export function numbersOf(rows: RowBuffer, name: string): NumberRows {
  const column: ColumnRows | undefined = rows.columns[name]
  if (column?.kind !== 'number') throw new TypeError(`${rows.table} has no numbers ${name}`)
  return column
}

/** A view into the rows: it holds what is added later. */
export function textsOf(rows: RowBuffer, name: string): TextRows {
  const column: ColumnRows | undefined = rows.columns[name]
  if (column?.kind !== 'text') throw new TypeError(`${rows.table} has no texts ${name}`)
  return column
}

/** The column that stands for what rows have in common. */
export function shapesOf(rows: RowBuffer): ShapeRows {
  const column: ColumnRows | undefined = rows.columns['shape']
  if (column?.kind !== 'shape') throw new TypeError(`${rows.table} has no shapes`)
  return column
}
