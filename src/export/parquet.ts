import type { DuckDBConnection } from '@duckdb/node-api'
import type { CellType, ResultStream } from '../analysis/result.ts'
import { quoteName, quoteText } from '../database/quote.ts'
import { toJson } from './json.ts'

/** Writes what `sql` selects as Parquet with zstd. The connection may be read-only. */
export async function copyToParquet(
  connection: DuckDBConnection,
  sql: string,
  path: string,
): Promise<void> {
  await connection.run(`COPY (${sql}) TO ${quoteText(path)} (FORMAT parquet, COMPRESSION zstd)`)
}

/** Writes a computed table as Parquet, by way of a DuckDB in memory. */
export async function writeParquet(stream: ResultStream, path: string): Promise<void> {
  const { DuckDBInstance } = await import('../database/duckdb.ts')
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    const columns = stream.columns.map(({ name, type }) => `${quoteName(name)} ${SQL_TYPES[type]}`)
    await connection.run(`CREATE TABLE result (${columns.join(', ')})`)
    const appender = await connection.createAppender('result')
    for await (const rows of stream.pieces)
      for (const row of rows) {
        for (let i = 0; i < stream.columns.length; i++) {
          const type = stream.columns[i]?.type ?? 'text'
          const value = row[i] ?? null
          if (value === null) appender.appendNull()
          else if (type === 'boolean') appender.appendBoolean(value === true)
          else if (type === 'integer') appender.appendBigInt(toWhole(value))
          else if (type === 'unsigned') appender.appendUBigInt(toWhole(value))
          else if (type === 'huge') appender.appendHugeInt(toWhole(value))
          else if (type === 'number') appender.appendDouble(Number(value))
          else appender.appendVarchar(typeof value === 'string' ? value : toJson(value))
        }
        appender.endRow()
      }
    appender.closeSync()
    await copyToParquet(connection, 'SELECT * FROM result', path)
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

const SQL_TYPES: Readonly<Record<CellType, string>> = {
  boolean: 'BOOLEAN',
  integer: 'BIGINT',
  unsigned: 'UBIGINT',
  huge: 'HUGEINT',
  number: 'DOUBLE',
  text: 'VARCHAR',
  bytes: 'VARCHAR',
  json: 'VARCHAR',
}

function toWhole(value: unknown): bigint {
  return typeof value === 'bigint' ? value : BigInt(Math.trunc(Number(value)))
}
