import type { DuckDBAppender, DuckDBConnection, DuckDBType } from '@duckdb/node-api'
import { PstraceError } from '../model/error.ts'
import type { TableRows } from '../model/rows.ts'
import { CHUNK_ROWS, ChunkWriter, type Halves, ZERO } from './chunk.ts'
import {
  BIGINT,
  BOOLEAN,
  DOUBLE,
  DuckDBEnumType,
  DuckDBStructType,
  INTEGER,
  STRUCT,
  UBIGINT,
  UINTEGER,
  VARCHAR,
} from './duckdb.ts'
import { allColumns, rowKindOf } from './schema.ts'
import { StringPool } from './string-pool.ts'
import type { ColumnDefinition, SqlType, TableDefinition } from './tables/definition.ts'

/** What appended rows belong to. `base` is added to every moment (`ColumnDefinition.moment`). */
export interface RowOwner {
  readonly traceId: number
  readonly runId?: number
  readonly base?: Halves
}

const DUCKDB_TYPES: Readonly<Record<SqlType, DuckDBType>> = {
  INTEGER,
  UINTEGER,
  BIGINT,
  DOUBLE,
  BOOLEAN,
  UBIGINT,
  VARCHAR,
  JSON: VARCHAR,
}

/** Appends RowBuffers to one table; rows are in the database after `flush`. */
export class TableAppender {
  readonly #definition: TableDefinition
  readonly #columns: readonly ColumnDefinition[]
  readonly #appender: DuckDBAppender
  readonly #writer: ChunkWriter
  readonly #pool: StringPool
  readonly #checked = new WeakSet<TableRows['columns']>()
  /** Values of the columns that the table stores as ENUM. */
  readonly #enums: readonly (EnumCodes | undefined)[]
  #closed = false

  private constructor(definition: TableDefinition, appender: DuckDBAppender, pool: StringPool) {
    this.#definition = definition
    this.#columns = allColumns(definition)
    this.#appender = appender
    this.#pool = pool
    const actualTypes = columnTypes(appender)
    const types = this.#columns.map(({ type }, i) => {
      const actual = actualTypes[i]
      return actual instanceof DuckDBEnumType ? actual : DUCKDB_TYPES[type]
    })
    this.#enums = types.map((type) =>
      type instanceof DuckDBEnumType ? new EnumCodes(type.values) : undefined,
    )
    this.#writer = new ChunkWriter(
      definition.nested === true ? [toStruct(this.#columns, types)] : types,
    )
  }

  static async open(
    connection: DuckDBConnection,
    definition: TableDefinition,
    pool: StringPool = new StringPool(),
    catalog?: 'temp',
  ): Promise<TableAppender> {
    const { name, schema } = definition
    const appender = await connection.createAppender(name, schema ?? null, catalog ?? null)
    return new TableAppender(definition, appender, pool)
  }

  /** Appends all rows of `rows`; the caller clears the buffer. Columns the buffer lacks become NULL. */
  append(rows: TableRows, owner: RowOwner): void {
    this.#check(rows)
    for (let from = 0; from < rows.length; from += CHUNK_ROWS) {
      const count = Math.min(CHUNK_ROWS, rows.length - from)
      this.#writer.start(count)
      for (let i = 0; i < this.#columns.length; i++) {
        const column = this.#columns[i]
        if (column !== undefined) this.#setColumn(i, column, rows, owner, from, count)
      }
      this.#appender.appendDataChunk(this.#writer.chunk)
    }
  }

  flush(): void {
    this.#appender.flushSync()
  }

  /** Closes without the rows that are not flushed. */
  discard(): void {
    if (this.#closed) return
    this.#closed = true
    this.#appender.clear()
    this.#appender.closeSync()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#appender.closeSync()
  }

  /** The name that its rows came under. */
  get #name(): string {
    return this.#definition.partOf ?? this.#definition.name
  }

  #setColumn(
    index: number,
    column: ColumnDefinition,
    rows: TableRows,
    owner: RowOwner,
    from: number,
    count: number,
  ): void {
    const writer = this.#writer
    if (this.#definition.scope !== 'catalogue' && index === 0) {
      writer.setConstant(index, owner.traceId, 4, count)
      return
    }
    if (this.#definition.scope === 'run' && index === 1) {
      if (owner.runId === undefined) writer.setNulls(index, count)
      else writer.setConstant(index, owner.runId, 4, count)
      return
    }
    const source = rows.columns[column.name]
    if (source === undefined) writer.setNulls(index, count)
    else if (source.kind === 'int') writer.setIntegers(index, source.values, from, count)
    else if (source.kind === 'wide')
      writer.setWide(index, source.lo, source.hi, from, count, source.valid)
    else if (source.kind === 'text') {
      const codes = this.#enums[index]
      if (codes !== undefined) {
        const where = `${this.#name}.${column.name}`
        writer.setEnums(index, codes.of(source.strings, where), source.codes, from, count)
        return
      }
      const strings = this.#pool.indexOfList(source.strings)
      writer.setStrings(index, this.#pool, strings, source.codes, from, count, undefined)
    } else if (source.kind === 'shape') return
    else if (column.type === 'INTEGER')
      writer.setIntegersFromNumbers(index, source.values, from, count)
    else if (column.type === 'DOUBLE') writer.setDoubles(index, source.values, from, count)
    else if (column.type === 'BOOLEAN') writer.setBooleans(index, source.values, from, count)
    else {
      const base = column.moment === true ? (owner.base ?? ZERO) : ZERO
      writer.setBigints(index, source.values, from, count, base)
    }
  }

  #check(rows: TableRows): void {
    if (this.#checked.has(rows.columns)) return
    this.#checked.add(rows.columns)
    for (const [name, { kind }] of Object.entries(rows.columns)) {
      const column = this.#definition.columns.find((candidate) => candidate.name === name)
      if (column === undefined)
        throw new PstraceError('unknown_column', `table ${this.#name} has no column ${name}`)
      if (rowKindOf(column) !== kind)
        throw new PstraceError(
          'wrong_column_kind',
          `column ${this.#name}.${name} is ${column.type}; rows of kind ${kind} do not fit, expected ${rowKindOf(column)}`,
        )
    }
  }
}

/** Types of a table's columns, or of the fields of its one STRUCT. */
function columnTypes(appender: DuckDBAppender): readonly DuckDBType[] {
  const types = Array.from({ length: appender.columnCount }, (_, i) => appender.columnType(i))
  const [first] = types
  return first instanceof DuckDBStructType ? first.entryTypes : types
}

/** The STRUCT with a field for each column. */
export function toStruct(
  columns: readonly { readonly name: string }[],
  types: readonly DuckDBType[],
): DuckDBType {
  return STRUCT(Object.fromEntries(columns.map(({ name }, i) => [name, types[i] ?? VARCHAR])))
}

/** Codes of an ENUM for the strings of text columns. */
class EnumCodes {
  readonly #codes: ReadonlyMap<string, number>
  readonly #known = new WeakMap<readonly string[], number[]>()

  constructor(values: readonly string[]) {
    this.#codes = new Map(values.map((value, code) => [value, code]))
  }

  /** By position in `strings`, which may have grown since the last call. */
  of(strings: readonly string[], where: string): readonly number[] {
    let known = this.#known.get(strings)
    if (known === undefined) {
      known = []
      this.#known.set(strings, known)
    }
    for (let i = known.length; i < strings.length; i++) {
      const code = this.#codes.get(strings[i] ?? '')
      if (code === undefined)
        throw new PstraceError(
          'unknown_value',
          `column ${where} cannot hold "${strings[i]}"; expected one of ${[...this.#codes.keys()].join(', ')}`,
        )
      known.push(code)
    }
    return known
  }
}
