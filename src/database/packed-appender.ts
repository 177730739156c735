import type { DuckDBConnection } from '@duckdb/node-api'
import { type ColumnRows, RowBuffer, type TableRows } from '../model/rows.ts'
import { type RowOwner, rowKindOf, TableAppender } from './append.ts'
import { type PackedTable, qualifiedName } from './packed.ts'
import { queryRows } from './query.ts'
import type { StringPool } from './string-pool.ts'

/** Shapes that are remembered; when there are more, the next ones are told apart from these no longer. */
const MOST_SHAPES = 1 << 15
const SLOTS = MOST_SHAPES * 4
const NONE = -1

/** The columns of one buffer that make up a row's shape, beside its owner. */
interface SharedColumns {
  readonly numbers: readonly { readonly name: string; readonly at: number }[]
  readonly texts: readonly {
    readonly name: string
    readonly at: number
    /** Code among the shapes' own strings, by the buffer's code. */
    readonly codes: number[]
  }[]
  /** The columns that are written row by row. */
  readonly others: readonly string[]
}

/** Appends RowBuffers to a packed table (packed.ts). */
export class PackedAppender {
  readonly #shapes: TableAppender
  readonly #rows: TableAppender
  readonly #known: KnownShapes
  readonly #bound = new WeakMap<TableRows['columns'], SharedColumns>()
  readonly #names: readonly string[]
  #shapeOfRow = new Float64Array(0)
  #closed = false

  private constructor(
    table: PackedTable,
    shapes: TableAppender,
    rows: TableAppender,
    nextShape: number,
  ) {
    this.#shapes = shapes
    this.#rows = rows
    this.#names = table.shapes.columns.slice(1).map(({ name }) => name)
    const kinds = Object.fromEntries(
      table.shapes.columns.map((column) => [column.name, rowKindOf(column)]),
    )
    this.#known = new KnownShapes(new RowBuffer(table.shapes.name, kinds), this.#names, nextShape)
  }

  static async open(
    connection: DuckDBConnection,
    table: PackedTable,
    pool: StringPool,
  ): Promise<PackedAppender> {
    const [last] = await queryRows(
      connection,
      `SELECT coalesce(max(shape), 0) AS shape FROM ${qualifiedName(table.shapes)}`,
    )
    const shapes = await TableAppender.open(connection, table.shapes, pool)
    const rows = await TableAppender.open(connection, table.rows, pool)
    return new PackedAppender(table, shapes, rows, Number(last?.['shape'] ?? 0) + 1)
  }

  append(rows: TableRows, owner: RowOwner): void {
    const { length } = rows
    if (length === 0) return
    const bound = this.#bind(rows.columns)
    const known = this.#known
    known.begin(owner, bound, rows)
    if (this.#shapeOfRow.length < length) this.#shapeOfRow = new Float64Array(length * 2)
    known.find(length, this.#shapeOfRow)
    // Rows without their shape would belong to nobody: the shapes are in the database first.
    if (known.added.length > 0) {
      this.#shapes.append(known.added, owner)
      this.#shapes.flush()
      known.added.clear()
    }
    const columns: Record<string, ColumnRows> = {
      shape: { kind: 'number', values: this.#shapeOfRow },
    }
    for (const name of bound.others) {
      const column = rows.columns[name]
      if (column !== undefined) columns[name] = column
    }
    this.#rows.append({ table: rows.table, length, columns }, owner)
  }

  flush(): void {
    this.#rows.flush()
  }

  discard(): void {
    if (this.#closed) return
    this.#closed = true
    this.#rows.discard()
    this.#shapes.discard()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#rows.close()
    this.#shapes.close()
  }

  #bind(columns: TableRows['columns']): SharedColumns {
    let bound = this.#bound.get(columns)
    if (bound !== undefined) return bound
    const numbers: { name: string; at: number }[] = []
    const texts: { name: string; at: number; codes: number[] }[] = []
    const others: string[] = []
    for (const [name, { kind }] of Object.entries(columns)) {
      const at = this.#names.indexOf(name)
      if (at < 0) others.push(name)
      else if (kind === 'text') texts.push({ name, at, codes: [] })
      else numbers.push({ name, at })
    }
    bound = { numbers, texts, others }
    this.#bound.set(columns, bound)
    return bound
  }
}

/** The shapes given out so far, by their values: a hash table with open addressing. */
class KnownShapes {
  /** Shapes that are not in the database yet. */
  readonly added: RowBuffer
  readonly #names: readonly string[]
  /** Values of remembered shape k, by column; texts by the code in `added`. */
  readonly #values: readonly Float64Array[]
  readonly #numbers = new Float64Array(MOST_SHAPES)
  readonly #hashes = new Int32Array(MOST_SHAPES)
  readonly #slots = new Int32Array(SLOTS).fill(NONE)
  #length = 0
  #next: number
  #owner: RowOwner = { traceId: Number.NaN }
  #columns: SharedColumns = { numbers: [], texts: [], others: [] }
  #numberSources: Float64Array[] = []
  #textSources: Int32Array[] = []
  #rowHashes = new Int32Array(0)

  constructor(added: RowBuffer, names: readonly string[], next: number) {
    this.added = added
    this.#names = names
    this.#values = names.map(() => new Float64Array(MOST_SHAPES))
    this.#next = next
  }

  /** The rows that the next `find` is about. */
  begin(owner: RowOwner, columns: SharedColumns, rows: TableRows): void {
    const { traceId, runId } = this.#owner
    if (owner.traceId !== traceId || owner.runId !== runId || columns !== this.#columns)
      this.#forget()
    this.#owner = owner
    this.#columns = columns
    this.#numberSources = columns.numbers.map(({ name }) => {
      const column = rows.columns[name]
      return column?.kind === 'number' ? column.values : new Float64Array(0)
    })
    this.#textSources = columns.texts.map(({ name, codes }) => {
      const column = rows.columns[name]
      if (column?.kind !== 'text') return new Int32Array(0)
      for (let i = codes.length; i < column.strings.length; i++)
        codes.push(this.added.code(name, column.strings[i] ?? ''))
      return column.codes
    })
  }

  /** Writes the number of each row's shape. */
  find(length: number, shapes: Float64Array): void {
    if (this.#rowHashes.length < length) this.#rowHashes = new Int32Array(length * 2)
    const hashes = this.#rowHashes
    hashes.fill(0, 0, length)
    for (const values of this.#numberSources) mixNumbers(hashes, values, length)
    for (const codes of this.#textSources) mixNumbers(hashes, codes, length)
    for (let row = 0; row < length; row++) shapes[row] = this.#find(row, hashes[row] ?? 0)
  }

  #find(row: number, hash: number): number {
    const slots = this.#slots
    for (let at = (hash ^ (hash >>> 15)) & (SLOTS - 1); ; at = (at + 1) & (SLOTS - 1)) {
      const known = slots[at] ?? NONE
      if (known === NONE) return this.#add(row, hash, at)
      if (this.#hashes[known] === hash && this.#isLike(known, row)) return this.#numbers[known] ?? 0
    }
  }

  #isLike(known: number, row: number): boolean {
    const { numbers, texts } = this.#columns
    for (let i = 0; i < numbers.length; i++) {
      const value = this.#numberSources[i]?.[row]
      const other = this.#values[numbers[i]?.at ?? 0]?.[known]
      if (value !== other && !(Number.isNaN(value) && Number.isNaN(other))) return false
    }
    for (let i = 0; i < texts.length; i++) {
      const text = texts[i]
      const code = text?.codes[this.#textSources[i]?.[row] ?? NONE] ?? NONE
      if (code !== this.#values[text?.at ?? 0]?.[known]) return false
    }
    return true
  }

  #add(row: number, hash: number, slot: number): number {
    let at = slot
    if (this.#length === MOST_SHAPES) {
      this.#forget()
      at = (hash ^ (hash >>> 15)) & (SLOTS - 1)
    }
    const known = this.#length++
    const shape = this.#next++
    this.#slots[at] = known
    this.#hashes[known] = hash
    this.#numbers[known] = shape
    const { added } = this
    const to = added.add()
    added.number(to, 'shape', shape)
    const { numbers, texts } = this.#columns
    const { traceId, runId } = this.#owner
    for (const name of this.#names) {
      if (name === 'trace_id') added.number(to, name, traceId)
      else if (name === 'run_id') added.number(to, name, runId ?? Number.NaN)
    }
    for (let i = 0; i < numbers.length; i++) {
      const { name, at: column } = numbers[i] ?? { name: '', at: 0 }
      const value = this.#numberSources[i]?.[row] ?? Number.NaN
      added.number(to, name, value)
      const values = this.#values[column]
      if (values !== undefined) values[known] = value
    }
    for (let i = 0; i < texts.length; i++) {
      const text = texts[i]
      if (text === undefined) continue
      const code = text.codes[this.#textSources[i]?.[row] ?? NONE] ?? NONE
      const column = added.columns[text.name]
      if (column?.kind === 'text') column.codes[to] = code
      const values = this.#values[text.at]
      if (values !== undefined) values[known] = code
    }
    return shape
  }

  #forget(): void {
    this.#length = 0
    this.#slots.fill(NONE)
  }
}

function mixNumbers(hashes: Int32Array, values: Float64Array | Int32Array, length: number): void {
  for (let i = 0; i < length; i++) {
    const mixed = Math.imul((hashes[i] ?? 0) ^ (values[i] ?? 0), 0x9e3779b1)
    hashes[i] = mixed ^ (mixed >>> 13)
  }
}
