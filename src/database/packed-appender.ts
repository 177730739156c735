import type { DuckDBConnection } from '@duckdb/node-api'
import type { ColumnRows, ShapeList, TableRows } from '../model/rows.ts'
import { Shapes } from '../model/shapes.ts'
import { type RowOwner, TableAppender } from './append.ts'
import { type PackedTable, qualifiedName, shapeKinds } from './packed.ts'
import { queryRows } from './query.ts'
import type { StringPool } from './string-pool.ts'
import type { TableDefinition } from './tables/definition.ts'

/** Shapes that are told apart at a time where the rows' maker does not number them; more begin anew. */
const MOST_SHAPES = 1 << 16

/** Below the number of rows at which DuckDB's appender flushes by itself (204,800). */
const MOST_UNFLUSHED_ROWS = 100_000

/** Numbers of new shapes of a table; appenders to the same shapes take them from one. */
export interface ShapeNumbers {
  next: number
}

/** Numbers go on after the largest in the table: one writer at a time. */
export async function readShapeNumbers(
  connection: DuckDBConnection,
  shapes: TableDefinition,
): Promise<ShapeNumbers> {
  const [last] = await queryRows(
    connection,
    `SELECT coalesce(max(shape), 0) AS shape FROM ${qualifiedName(shapes)}`,
  )
  return { next: Number(last?.['shape'] ?? 0) + 1 }
}

/** How rows of one buffer get their shapes. */
interface Bound {
  readonly owner: RowOwner
  /** Columns that are written row by row. */
  readonly others: readonly string[]
  /** Columns of the shape by position; none where rows come with the number of their shape. */
  readonly numbers: readonly { readonly name: string; readonly at: number }[]
  readonly texts: readonly {
    readonly name: string
    readonly at: number
    readonly codes: number[]
  }[]
  own: Shapes
  /** The database's number of each shape. */
  readonly ids: number[]
}

/** Appends RowBuffers to a packed table (packed.ts). */
export class PackedAppender {
  readonly #table: PackedTable
  readonly #shapes: TableAppender
  readonly #rows: TableAppender
  readonly #bound = new WeakMap<TableRows['columns'], Bound>()
  readonly #numbers: ShapeNumbers
  #unflushedRows = 0
  #shapesWait = false
  #codes = new Int32Array(0)
  #cells = new Float64Array(0)
  #ids = new Int32Array(0)
  #closed = false

  private constructor(
    table: PackedTable,
    shapes: TableAppender,
    rows: TableAppender,
    numbers: ShapeNumbers,
  ) {
    this.#table = table
    this.#shapes = shapes
    this.#rows = rows
    this.#numbers = numbers
  }

  static async open(
    connection: DuckDBConnection,
    target: { readonly packed: PackedTable; readonly rows: TableDefinition },
    pool: StringPool,
    numbers: ShapeNumbers,
  ): Promise<PackedAppender> {
    const { packed } = target
    const shapes = await TableAppender.open(connection, packed.shapes, pool)
    const rows = await TableAppender.open(connection, target.rows, pool)
    return new PackedAppender(packed, shapes, rows, numbers)
  }

  append(rows: TableRows, owner: RowOwner): void {
    const { length, columns } = rows
    const bound = this.#bind(columns, owner)
    const { shape } = columns
    const given = shape?.kind === 'shape' ? shape : undefined
    const codes = given?.codes ?? this.#find(rows, bound)
    this.#number(given?.shapes ?? bound.own, bound)
    if (this.#ids.length < length) this.#ids = new Int32Array(length * 2)
    const ids = this.#ids
    lookUp(ids, codes, bound.ids, length)
    const written: Record<string, ColumnRows> = { shape: { kind: 'int', values: ids } }
    for (const name of bound.others) {
      const column = columns[name]
      if (column !== undefined) written[name] = column
    }
    if (this.#unflushedRows + length > MOST_UNFLUSHED_ROWS) this.flush()
    this.#unflushedRows += length
    this.#rows.append({ table: rows.table, length, columns: written }, owner)
  }

  flush(): void {
    this.#flushShapes()
    this.#rows.flush()
  }

  /** Rows without their shape would be nobody's: shapes are in the database before the rows that refer to them. */
  #flushShapes(): void {
    this.#unflushedRows = 0
    if (!this.#shapesWait) return
    this.#shapesWait = false
    this.#shapes.flush()
  }

  /** Closes without the rows that are not flushed. */
  discard(): void {
    if (this.#closed) return
    this.#closed = true
    this.#rows.discard()
    this.#shapes.discard()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#shapes.close()
    this.#rows.close()
  }

  #bind(columns: TableRows['columns'], owner: RowOwner): Bound {
    const known = this.#bound.get(columns)
    const { traceId, runId } = known?.owner ?? {}
    if (known !== undefined && traceId === owner.traceId && runId === owner.runId) return known
    const own = new Shapes(this.#table.shapes.name, shapeKinds(this.#table))
    const numbers: { name: string; at: number }[] = []
    const texts: { name: string; at: number; codes: number[] }[] = []
    const others: string[] = []
    for (const [name, { kind }] of Object.entries(columns)) {
      if (kind === 'shape') continue
      const at = own.position(name)
      if (at < 0) others.push(name)
      else if (kind === 'text') texts.push({ name, at, codes: [] })
      else numbers.push({ name, at })
    }
    const bound = { owner, others, numbers, texts, own, ids: [] }
    this.#bound.set(columns, bound)
    return bound
  }

  /** The number of each row's shape in `bound.own`. */
  #find(rows: TableRows, bound: Bound): Int32Array {
    if (bound.own.length > MOST_SHAPES) {
      bound.own = new Shapes(this.#table.shapes.name, shapeKinds(this.#table))
      bound.ids.length = 0
      for (const { codes } of bound.texts) codes.length = 0
    }
    const { own, numbers, texts } = bound
    const { length } = rows
    const width = own.names.length
    if (this.#cells.length < length * width) this.#cells = new Float64Array(length * width * 2)
    if (this.#codes.length < length) this.#codes = new Int32Array(length * 2)
    for (let at = 0; at < width; at++)
      fill(this.#cells, at, width, length, own.isText(own.names[at] ?? '') ? -1 : Number.NaN)
    for (const { name, at } of numbers) {
      const column = rows.columns[name]
      if (column?.kind === 'number') copyNumbers(this.#cells, at, width, length, column.values)
    }
    for (const { name, at, codes } of texts) {
      const column = rows.columns[name]
      if (column?.kind !== 'text') continue
      for (let i = codes.length; i < column.strings.length; i++)
        codes.push(own.codeOf(name, column.strings[i]))
      copyCodes(this.#cells, at, width, length, column.codes, codes)
    }
    own.findAll(this.#cells, length, this.#codes)
    return this.#codes
  }

  /** Appends the shapes that came since the last time. */
  #number(list: ShapeList, { owner, ids }: Bound): void {
    const from = ids.length - list.first
    const length = list.length - ids.length
    if (length === 0) return
    const numbers = new Int32Array(length)
    for (let i = 0; i < length; i++) {
      const number = this.#numbers.next++
      numbers[i] = number
      ids.push(number)
    }
    const columns: Record<string, ColumnRows> = {
      shape: { kind: 'int', values: numbers },
      trace_id: { kind: 'number', values: new Float64Array(length).fill(owner.traceId) },
    }
    if (owner.runId !== undefined)
      columns['run_id'] = {
        kind: 'number',
        values: new Float64Array(length).fill(owner.runId),
      }
    for (const [name, column] of Object.entries(list.rows.columns)) {
      if (column.kind === 'number')
        columns[name] = { kind: 'number', values: column.values.subarray(from) }
      else if (column.kind === 'text')
        columns[name] = { ...column, codes: column.codes.subarray(from) }
    }
    this.#shapes.append({ table: this.#table.shapes.name, length, columns }, owner)
    this.#shapesWait = true
  }
}

function lookUp(
  target: Int32Array,
  codes: Int32Array,
  ids: readonly number[],
  length: number,
): void {
  for (let i = 0; i < length; i++) target[i] = ids[codes[i] ?? 0] ?? 0
}

function fill(cells: Float64Array, at: number, width: number, length: number, value: number): void {
  for (let i = 0, to = at; i < length; i++, to += width) cells[to] = value
}

function copyNumbers(
  cells: Float64Array,
  at: number,
  width: number,
  length: number,
  values: Float64Array,
): void {
  for (let i = 0, to = at; i < length; i++, to += width) cells[to] = values[i] ?? 0
}

function copyCodes(
  cells: Float64Array,
  at: number,
  width: number,
  length: number,
  codes: Int32Array,
  own: readonly number[],
): void {
  for (let i = 0, to = at; i < length; i++, to += width) {
    const code = codes[i] ?? -1
    cells[to] = code < 0 ? -1 : (own[code] ?? -1)
  }
}
