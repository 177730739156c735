import type {
  DuckDBConnection,
  DuckDBResult,
  DuckDBValue,
  DuckDBTypeId as TypeId,
} from '@duckdb/node-api'
import {
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTypeId,
} from '../database/duckdb.ts'
import type { CellType, Result, ResultColumn, ResultStream, Unit, Value } from './result.ts'

export type QueryParameters = Readonly<Record<string, DuckDBValue>>

/** Runs `sql` and hands the rows over in chunks; nothing is held back in memory. */
export async function streamQuery(
  connection: DuckDBConnection,
  sql: string,
  parameters?: QueryParameters,
): Promise<ResultStream> {
  const result = await connection.stream(
    sql,
    parameters === undefined ? undefined : { ...parameters },
  )
  return { columns: toColumns(result), pieces: readPieces(result) }
}

/** Runs `sql` and reads all rows. */
export async function runQuery(
  connection: DuckDBConnection,
  sql: string,
  parameters?: QueryParameters,
): Promise<Result> {
  const stream = await streamQuery(connection, sql, parameters)
  const rows: (readonly Value[])[] = []
  for await (const piece of stream.pieces) rows.push(...piece)
  return { columns: stream.columns, rows }
}

/** Runs `sql` and returns row objects; integers within 2^53 as numbers. */
export async function readRows<Row extends object>(
  connection: DuckDBConnection,
  sql: string,
  parameters?: QueryParameters,
): Promise<Row[]> {
  const { columns, rows } = await runQuery(connection, sql, parameters)
  return rows.map(
    (row) => Object.fromEntries(columns.map(({ name }, i) => [name, row[i] ?? null])) as Row,
  )
}

function toColumns(result: DuckDBResult): ResultColumn[] {
  return result.deduplicatedColumnNames().map((name, i) => {
    const unit = unitOf(name)
    const type = toCellType(result.columnTypeId(i))
    return unit === undefined ? { name, type } : { name, type, unit }
  })
}

/** Column names carry their unit (house style), so a table can show it. */
function unitOf(name: string): Unit | undefined {
  if (name === 'start_ns' || name === 'end_ns' || name === 'ts_ns') return 'ns_ts'
  if (name === 'ns' || name.endsWith('_ns')) return 'ns'
  if (name.endsWith('_bytes') || name === 'bytes') return 'bytes'
  if (name.endsWith('_share') || name === 'share') return 'share'
  if (name.endsWith('_per_s')) return 'per_s'
  return undefined
}

async function* readPieces(result: DuckDBResult): AsyncGenerator<Value[][]> {
  for (;;) {
    const chunk = await result.fetchChunk()
    if (chunk === null || chunk.rowCount === 0) return
    yield chunk.getRows().map((row) => row.map(toValue))
  }
}

function toCellType(type: TypeId): CellType {
  switch (type) {
    case DuckDBTypeId.BOOLEAN:
      return 'boolean'
    case DuckDBTypeId.TINYINT:
    case DuckDBTypeId.SMALLINT:
    case DuckDBTypeId.INTEGER:
    case DuckDBTypeId.BIGINT:
    case DuckDBTypeId.UTINYINT:
    case DuckDBTypeId.USMALLINT:
    case DuckDBTypeId.UINTEGER:
      return 'integer'
    case DuckDBTypeId.UBIGINT:
      return 'unsigned'
    case DuckDBTypeId.HUGEINT:
    case DuckDBTypeId.UHUGEINT:
      return 'huge'
    case DuckDBTypeId.FLOAT:
    case DuckDBTypeId.DOUBLE:
    case DuckDBTypeId.DECIMAL:
      return 'number'
    case DuckDBTypeId.BLOB:
      return 'bytes'
    case DuckDBTypeId.LIST:
    case DuckDBTypeId.ARRAY:
    case DuckDBTypeId.STRUCT:
    case DuckDBTypeId.MAP:
      return 'json'
    default:
      return 'text'
  }
}

function toValue(value: DuckDBValue): Value {
  if (value === null || typeof value === 'boolean' || typeof value === 'number') return value
  if (typeof value === 'string') return value
  if (typeof value === 'bigint')
    return value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : value
  if (value instanceof DuckDBDecimalValue) return value.toDouble()
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue)
    return value.items.map(toValue)
  if (value instanceof DuckDBStructValue)
    return Object.fromEntries(
      Object.entries(value.entries).map(([key, member]) => [key, toValue(member)]),
    )
  if (value instanceof DuckDBMapValue)
    return value.entries.map(({ key, value: member }) => ({
      key: toValue(key),
      value: toValue(member),
    }))
  if (value instanceof DuckDBBlobValue) return value.bytes
  return String(value)
}
