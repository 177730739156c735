import { toByteSource } from '../../parsers/cursor.ts'
import { openTrace } from '../../parsers/index.ts'
import type { FolderSource } from '../../parsers/reader.ts'
import type { Database } from '../../src/database/database.ts'
import { TABLES } from '../../src/database/schema.ts'
import { ingestTrace } from '../../src/ingest/ingest.ts'

export type DomainRow = Readonly<Record<string, unknown>>

/** Reads a trace into the database; returns its id. */
export async function ingestBytes(
  database: Database,
  input: Uint8Array | FolderSource,
  options: { raw?: string; snapshots?: ReadonlyMap<string, string> } = {},
): Promise<number> {
  const reader = await openTrace(
    input instanceof Uint8Array ? toByteSource('generated', input) : input,
  )
  try {
    const { traceId } = await ingestTrace({
      database,
      reader,
      name: 'generated',
      path: 'generated',
      raw: 'none',
      force: true,
      ...options,
    })
    return traceId
  } finally {
    reader.close()
  }
}

/** Tables that say what happened, not what the file was. */
export const DOMAIN_TABLES = TABLES.filter(({ name }) =>
  [
    'tasks',
    'swapouts',
    'swapins',
    'reclaim_spans',
    'stall_parts',
    'kswapd_spans',
    'thread_states',
    'wakeups',
    'shrink_batches',
    'slab_shrinks',
    'pool_moves',
    'samples',
    'markers',
    'losses',
  ].includes(name),
).map(({ name }) => name)

/** A trace's rows of one table in the order in which they were written, without what names the trace. */
export async function domainRows(
  database: Database,
  traceId: number,
  table: string,
): Promise<DomainRow[]> {
  const rows = await database.query(
    `SELECT * EXCLUDE (trace_id) FROM ${table} WHERE trace_id = ${traceId}`,
  )
  return rows.map(({ run_id, ...row }) => row)
}

/** Where two lists of rows differ, at most about ten places; times may differ by `toleranceNs`, what is undefined in `one` is not compared. */
export function differences(
  table: string,
  one: readonly DomainRow[],
  other: readonly DomainRow[],
  options: { toleranceNs: number; without?: readonly string[] },
): string[] {
  const found: string[] = []
  if (one.length !== other.length) found.push(`${table}: ${one.length} rows, ${other.length} rows`)
  for (let row = 0; row < Math.min(one.length, other.length) && found.length < 10; row++) {
    const a = one[row] ?? {}
    const b = other[row] ?? {}
    for (const column of Object.keys(a)) {
      if (options.without?.includes(column) === true) continue
      const left = a[column]
      const right = b[column]
      if (left === undefined || Object.is(left, right)) continue
      const isNear =
        (column.endsWith('ns') || column === 'ns') &&
        typeof left === 'number' &&
        typeof right === 'number' &&
        Math.abs(left - right) <= options.toleranceNs
      if (!isNear) found.push(`${table} ${row} ${column}: ${left}, ${right}`)
    }
  }
  return found
}
