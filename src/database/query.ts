import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api'

/** A cell as the project sees it: integers beyond 2^53 - 1 stay bigint, everything DuckDB-specific becomes its text. */
export type Cell = number | bigint | string | boolean | null | readonly Cell[] | Uint8Array
export type Row = Record<string, Cell>

/** Values of one column; number columns as Float64Array (NaN = NULL), others as strings (undefined = NULL). */
export type ColumnValues = Float64Array | (string | undefined)[]

/** Rows as objects keyed by column. */
export async function queryRows(
  connection: DuckDBConnection,
  sql: string,
  values?: DuckDBValue[],
): Promise<Row[]> {
  const reader = await connection.runAndReadAll(sql, values)
  const names = reader.deduplicatedColumnNames()
  return reader.getRows().map((row) => {
    const object: Row = {}
    for (let i = 0; i < names.length; i++) {
      const name = names[i]
      if (name !== undefined) object[name] = toCell(row[i])
    }
    return object
  })
}

/** Columns by name, for results too long for row objects; 64-bit numbers beyond 2^53 are rounded. */
export async function queryColumns(
  connection: DuckDBConnection,
  sql: string,
  values?: DuckDBValue[],
): Promise<{ length: number; columns: Record<string, ColumnValues> }> {
  const result = await connection.stream(sql, values)
  const names = result.deduplicatedColumnNames()
  const numeric = result.columnTypes().map((type) => NUMERIC.test(String(type)))
  const parts: (Float64Array | (string | undefined)[])[][] = names.map(() => [])
  let length = 0
  for (;;) {
    const chunk = await result.fetchChunk()
    if (chunk === null || chunk.rowCount === 0) break
    const { rowCount } = chunk
    for (let c = 0; c < names.length; c++) {
      const vector = chunk.getColumnVector(c)
      if (numeric[c] === true) {
        const part = new Float64Array(rowCount)
        for (let r = 0; r < rowCount; r++) {
          const item = vector.getItem(r)
          part[r] = item === null ? Number.NaN : Number(item)
        }
        parts[c]?.push(part)
      } else {
        const part: (string | undefined)[] = []
        for (let r = 0; r < rowCount; r++) {
          const item = vector.getItem(r)
          part.push(item === null ? undefined : String(item))
        }
        parts[c]?.push(part)
      }
    }
    length += rowCount
  }
  const columns: Record<string, ColumnValues> = {}
  for (let c = 0; c < names.length; c++) {
    const name = names[c]
    if (name === undefined) continue
    const list = parts[c] ?? []
    if (numeric[c] === true) {
      const all = new Float64Array(length)
      let at = 0
      for (const part of list) {
        if (!(part instanceof Float64Array)) continue
        all.set(part, at)
        at += part.length
      }
      columns[name] = all
    } else columns[name] = list.flatMap((part) => (part instanceof Float64Array ? [] : part))
  }
  return { length, columns }
}

const NUMERIC = /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL|BOOLEAN)/

function toCell(value: DuckDBValue | undefined): Cell {
  if (value === null || value === undefined) return null
  if (typeof value === 'bigint') {
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : value
  }
  if (typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean')
    return value
  if (typeof value === 'object' && 'items' in value && Array.isArray(value.items))
    return (value.items as DuckDBValue[]).map(toCell)
  if (typeof value === 'object' && 'bytes' in value && value.bytes instanceof Uint8Array)
    return value.bytes
  return String(value)
}
