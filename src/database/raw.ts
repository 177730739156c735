import type { DuckDBAppender, DuckDBConnection, DuckDBType } from '@duckdb/node-api'
import type { Column, EventBatch, EventFormat, FieldSpec, WideColumn } from '../../parsers/batch.ts'
import { toStruct } from './append.ts'
import { CHUNK_ROWS, ChunkWriter, type Halves } from './chunk.ts'
import {
  BIGINT,
  BLOB,
  DOUBLE,
  HUGEINT,
  INTEGER,
  LIST,
  UBIGINT,
  UINTEGER,
  VARCHAR,
} from './duckdb.ts'
import {
  changeRawTable,
  createRawTable,
  PACKED_RAW_COLUMNS,
  PACKED_RAW_SCHEMA,
  type RawColumn,
  rawViewStatements,
  readRawColumns,
  STRING_NUMBER,
} from './packed-raw.ts'
import { RawShapes } from './raw-shapes.ts'
import { RawStrings } from './raw-strings.ts'
import { RAW_COLUMNS } from './schema.ts'
import type { StringPool } from './string-pool.ts'

/** Types of raw columns; the class decides whether a later trace's field fits a column. */
const TYPES: Readonly<Record<string, { class: string; type: DuckDBType }>> = {
  INTEGER: { class: 'number', type: INTEGER },
  UINTEGER: { class: 'number', type: UINTEGER },
  BIGINT: { class: 'number', type: BIGINT },
  UBIGINT: { class: 'number', type: UBIGINT },
  HUGEINT: { class: 'number', type: HUGEINT },
  DOUBLE: { class: 'number', type: DOUBLE },
  VARCHAR: { class: 'text', type: VARCHAR },
  BLOB: { class: 'bytes', type: BLOB },
  'BIGINT[]': { class: 'list', type: LIST(BIGINT) },
  'UBIGINT[]': { class: 'list', type: LIST(UBIGINT) },
}

/** A field that had to be stored under another name because an earlier trace gave the column another class. */
export interface RenamedField {
  readonly table: string
  readonly field: string
  readonly column: string
}

/** Appends event batches to `raw."system:event"`, creating tables and adding columns as formats need them. */
export class RawTables {
  readonly renamed: RenamedField[] = []
  readonly #connection: DuckDBConnection
  readonly #pool: StringPool
  readonly #traceId: number
  readonly #base: Halves
  readonly #tables = new Map<string, RawTable>()
  readonly #byFormat = new Map<EventFormat, RawTable>()
  #shapes: RawShapes | undefined
  #strings: RawStrings | undefined

  constructor(connection: DuckDBConnection, pool: StringPool, traceId: number, base: Halves) {
    this.#connection = connection
    this.#pool = pool
    this.#traceId = traceId
    this.#base = base
  }

  /** `seq[i]` is the rank of row i in the trace's total order. */
  async append(batch: EventBatch, seq: Float64Array): Promise<void> {
    if (batch.length === 0) return
    let table = this.#byFormat.get(batch.format)
    if (table?.takes(batch) !== true)
      table = await this.#open(batch, { isWide: table !== undefined })
    table.append(batch, seq)
  }

  flush(): void {
    this.#shapes?.rows.flush()
    this.#strings?.rows.flush()
    for (const table of this.#tables.values()) table.flush()
  }

  /** Closes without the rows that are not flushed. */
  discard(): void {
    for (const table of this.#tables.values()) table.discard()
    this.#shapes?.rows.discard()
    this.#strings?.rows.discard()
    this.#forget()
  }

  close(): void {
    this.#shapes?.rows.close()
    this.#strings?.rows.close()
    for (const table of this.#tables.values()) table.close()
    this.#forget()
  }

  #forget(): void {
    this.#shapes = undefined
    this.#strings = undefined
    this.#tables.clear()
    this.#byFormat.clear()
  }

  /** `isWide`: numbers of 64 bits came that the table did not take, and may come of other fields. */
  async #open(batch: EventBatch, options: { isWide: boolean }): Promise<RawTable> {
    const { format } = batch
    const name = `${format.system}:${format.name}`
    // Two formats of one trace may share a name (a probe defined anew): the table is extended for the second.
    this.#tables.get(name)?.close()
    const columns = await this.#prepare(name, batch, options)
    this.#shapes ??= await RawShapes.open(this.#connection, this.#traceId, this.#base)
    this.#strings ??= await RawStrings.open(this.#connection, this.#traceId)
    const appender = await this.#connection.createAppender(name, PACKED_RAW_SCHEMA)
    const table = new RawTable(appender, columns, this.#pool, {
      shapes: this.#shapes,
      strings: this.#strings,
    })
    this.#tables.set(name, table)
    for (const [known] of this.#byFormat)
      if (`${known.system}:${known.name}` === name) this.#byFormat.delete(known)
    this.#byFormat.set(format, table)
    return table
  }

  /** Makes the table hold the format's fields; returns its columns with the field each takes, if any. */
  async #prepare(
    name: string,
    { format, length, columns: values }: EventBatch,
    { isWide }: { isWide: boolean },
  ): Promise<readonly TargetColumn[]> {
    const columns = await readRawColumns(this.#connection, name)
    const isNew = columns.length === 0
    if (isNew) columns.push(...PACKED_RAW_COLUMNS)
    let changed = isNew
    const fieldOf = new Map<string, number>()
    const used = new Set([...PACKED_RAW_COLUMNS, ...RAW_COLUMNS].map(({ name: column }) => column))
    for (const [i, field] of format.fields.entries()) {
      const shown = shownType(field)
      const type =
        isWide && shown !== 'VARCHAR' ? wideType(field) : keptType(field, values[i], length)
      const column = this.#place(name, field.name, shown, { columns, used })
      used.add(column.toLowerCase())
      fieldOf.set(column, i)
      const at = columns.findIndex((known) => known.name === column)
      const known = columns[at]
      if (known === undefined) {
        changed = true
        const comment = `Field ${field.name} of the kernel's event: ${field.type}.`
        columns.push({ name: column, type, shown, comment })
        continue
      }
      // Text stays as the table has it: DuckDB would not turn numbers into the strings that they stand for.
      if (shown === 'VARCHAR') continue
      const wider = { type: widerType(known.type, type), shown: widerType(known.shown, shown) }
      if (wider.type === known.type && wider.shown === known.shown) continue
      changed = true
      columns[at] = { ...known, ...wider }
    }
    if (changed) {
      const table = isNew ? createRawTable(name, columns) : changeRawTable(name, columns)
      await this.#connection.run([table, ...rawViewStatements(name, columns)].join(';\n'))
    }
    return columns.map((column) => ({ ...column, field: fieldOf.get(column.name) }))
  }

  #place(
    table: string,
    field: string,
    type: string,
    taken: { readonly columns: readonly RawColumn[]; readonly used: ReadonlySet<string> },
  ): string {
    const wanted = TYPES[type]?.class
    const fits = (name: string): boolean => {
      const lower = name.toLowerCase()
      if (taken.used.has(lower)) return false
      const known = taken.columns.find((column) => column.name.toLowerCase() === lower)
      return known === undefined || (known.name === name && TYPES[known.shown]?.class === wanted)
    }
    if (fits(field)) return field
    let column = `${field}__${wanted}`
    for (let i = 2; !fits(column); i++) column = `${field}__${wanted}${i}`
    this.renamed.push({ table, field, column })
    return column
  }
}

interface TargetColumn {
  readonly name: string
  readonly type: string
  /** Index of the format's field; undefined = the format lacks it. */
  readonly field: number | undefined
}

class RawTable {
  readonly #appender: DuckDBAppender
  readonly #writer: ChunkWriter
  readonly #columns: readonly TargetColumn[]
  readonly #pool: StringPool
  readonly #shapes: RawShapes
  readonly #strings: RawStrings
  #closed = false

  constructor(
    appender: DuckDBAppender,
    columns: readonly TargetColumn[],
    pool: StringPool,
    { shapes, strings }: { shapes: RawShapes; strings: RawStrings },
  ) {
    this.#appender = appender
    this.#columns = columns
    this.#pool = pool
    this.#shapes = shapes
    this.#strings = strings
    const types = columns.map(({ type }) => TYPES[type]?.type ?? BLOB)
    this.#writer = new ChunkWriter([toStruct(columns, types)])
  }

  /** False where a number does not fit into what its column is kept in. */
  takes({ length, columns }: EventBatch): boolean {
    return this.#columns.every(({ type, field }) => {
      const column = field === undefined ? undefined : columns[field]
      if (column?.kind !== 'i64' && column?.kind !== 'u64') return true
      if (type === wideType(column.field)) return true
      return widerType(type, keptType(column.field, column, length)) === type
    })
  }

  append(batch: EventBatch, seq: Float64Array): void {
    const writer = this.#writer
    const shapes = this.#shapes.of(batch, seq)
    for (let from = 0; from < batch.length; from += CHUNK_ROWS) {
      const count = Math.min(CHUNK_ROWS, batch.length - from)
      writer.start(count)
      writer.setIntegers(0, shapes, from, count)
      writer.setLowHalves(1, seq, from, count)
      writer.setLowHalves(2, batch.ts, from, count)
      for (let i = PACKED_RAW_COLUMNS.length; i < this.#columns.length; i++) {
        const target = this.#columns[i]
        const column = target?.field === undefined ? undefined : batch.columns[target.field]
        if (target === undefined || column === undefined) writer.setNulls(i, count)
        else this.#setField(i, target.type, column, from, count)
      }
      this.#appender.appendDataChunk(writer.chunk)
    }
  }

  flush(): void {
    if (!this.#closed) this.#appender.flushSync()
  }

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

  #setField(index: number, type: string, column: Column, from: number, count: number): void {
    const writer = this.#writer
    const { valid } = column
    switch (column.kind) {
      case 'i32':
      case 'u32':
      case 'f64':
        if (type === 'DOUBLE') {
          const values = Float64Array.from(column.values.subarray(from, from + count))
          writer.setDoubles(index, values, 0, count, valid?.subarray(from, from + count))
        } else if (type === 'HUGEINT')
          writer.setHugeWidened(index, column.values, from, count, valid)
        else if (!isNarrow(type)) writer.setWidened(index, column.values, from, count, valid)
        else if (column.values instanceof Float64Array) {
          writer.setIntegersFromNumbers(index, column.values, from, count)
          writer.setValidity(index, valid, from, count)
        } else writer.setIntegers(index, column.values, from, count, valid)
        break
      case 'i64':
      case 'u64':
        if (type === 'HUGEINT') {
          const signed = column.kind === 'i64'
          writer.setHuge(index, column.lo, column.hi, from, count, { signed, valid })
        } else if (isNarrow(type)) writer.setIntegers(index, column.lo, from, count, valid)
        else writer.setWide(index, column.lo, column.hi, from, count, valid)
        break
      case 'string': {
        if (type === STRING_NUMBER) {
          const numbers = this.#strings.of(column.dictionary)
          writer.setNumbers(index, numbers, column.codes, from, count, valid)
          break
        }
        const strings = this.#pool.indexOfDictionary(column.dictionary)
        writer.setStrings(index, this.#pool, strings, column.codes, from, count, valid)
        break
      }
      case 'bytes':
        writer.setBlobs(index, column.starts, column.bytes, from, count, valid)
        break
      case 'list': {
        const element = column.field.element ?? 'u32'
        const wide = element === 'i64' || element === 'u64'
        const signed = element === 'i32' || element === 'i64'
        const options = { wide, signed, valid }
        writer.setLists(index, column.starts, column.lo, column.hi, from, count, options)
        break
      }
    }
  }
}

/** The type that the view shows a field in. */
function shownType(field: FieldSpec): string {
  return field.kind === 'i32' || field.kind === 'u32' ? 'BIGINT' : wideType(field)
}

/** The type that holds all values of a field. */
function wideType(field: FieldSpec): string {
  switch (field.kind) {
    case 'i32':
      return 'INTEGER'
    case 'u32':
      return 'UINTEGER'
    case 'i64':
      return 'BIGINT'
    case 'u64':
      return 'UBIGINT'
    case 'f64':
      return 'DOUBLE'
    case 'string':
      return 'VARCHAR'
    case 'bytes':
      return 'BLOB'
    case 'list':
      return field.element === 'u64' ? 'UBIGINT[]' : 'BIGINT[]'
  }
}

/** The type that holds what a column has of a field. */
function keptType(field: FieldSpec, column: Column | undefined, length: number): string {
  if (isName(field)) return STRING_NUMBER
  if (column?.kind === 'u64' && !hasHigh(column, length)) return 'UINTEGER'
  if (column?.kind === 'i64' && !hasSigned(column, length)) return 'INTEGER'
  return wideType(field)
}

/** Strings of a fixed length are names, of tasks and devices; others may be as many as there are rows. */
function isName({ kind, type, size }: FieldSpec): boolean {
  return kind === 'string' && size > 0 && !/^__(data|rel)_loc\b/.test(type)
}

/** True when a number does not fit into 32 bits without sign. */
function hasHigh({ hi, valid }: WideColumn, length: number): boolean {
  let seen = 0
  for (let i = 0; i < length; i++) seen |= hi[i] ?? 0
  if (seen === 0 || valid === undefined) return seen !== 0
  return hi.subarray(0, length).some((high, i) => high !== 0 && valid[i] === 1)
}

/** True when a number does not fit into 32 bits with its sign. */
function hasSigned({ lo, hi, valid }: WideColumn, length: number): boolean {
  let seen = 0
  for (let i = 0; i < length; i++) seen |= (hi[i] ?? 0) ^ ((lo[i] ?? 0) >> 31)
  if (seen === 0 || valid === undefined) return seen !== 0
  return hi
    .subarray(0, length)
    .some((high, i) => (high | 0) !== (lo[i] ?? 0) >> 31 && valid[i] === 1)
}

/** Integers, narrowest first. */
const INTEGERS: readonly { type: string; bits: number; signed: boolean }[] = [
  { type: 'INTEGER', bits: 32, signed: true },
  { type: 'UINTEGER', bits: 32, signed: false },
  { type: 'BIGINT', bits: 64, signed: true },
  { type: 'UBIGINT', bits: 64, signed: false },
  { type: 'HUGEINT', bits: 128, signed: true },
]

function isNarrow(type: string): boolean {
  return type === 'INTEGER' || type === 'UINTEGER'
}

/** The type that holds all values of both: signed and unsigned 64 bits meet in HUGEINT. */
function widerType(known: string, wanted: string): string {
  if (known === wanted || TYPES[known]?.class !== 'number') return known
  if (known === 'DOUBLE' || wanted === 'DOUBLE') return 'DOUBLE'
  const both = INTEGERS.filter(({ type }) => type === known || type === wanted)
  const holdsBoth = INTEGERS.find(({ bits, signed }) =>
    both.every((one) => (one.signed === signed ? bits >= one.bits : signed && bits > one.bits)),
  )
  return holdsBoth?.type ?? 'HUGEINT'
}
