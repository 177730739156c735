import type { DuckDBConnection } from '@duckdb/node-api'
import { PstraceError } from '../model/error.ts'
import type { Database } from './database.ts'
import { deleteStatements } from './packed.ts'
import { rawDeleteStatements } from './packed-raw.ts'
import { queryRows } from './query.ts'
import { quoteName } from './quote.ts'
import { SCHEMA_VERSION, TABLES } from './schema.ts'
import { inTransaction } from './transaction.ts'

/** Columns of `traces` and `runs` that their owner sets; JSON as text. */
export type Facts = Readonly<Record<string, string | number | bigint | null>>

/** Starts a trace in state loading and returns its trace_id. */
export async function beginTrace(
  database: Database,
  facts: Facts,
  options: { force?: boolean } = {},
): Promise<number> {
  const sha256 = facts['sha256']
  if (typeof sha256 === 'string' && options.force !== true) {
    const [same] = await database.query(
      "SELECT trace_id, name FROM traces WHERE sha256 = ? AND state = 'complete'",
      [sha256],
    )
    if (same !== undefined)
      throw new PstraceError(
        'already_ingested',
        `${facts['path'] ?? 'input'}: already in ${database.path} as trace ${same['trace_id']} (${same['name']}); --force ingests it again`,
      )
  }
  const id = await nextId(database.connection, 'traces', 'trace_id')
  await insert(database.connection, 'traces', {
    ...facts,
    trace_id: id,
    state: 'loading',
    schema_version: SCHEMA_VERSION,
  })
  return id
}

/** Sets the last facts, ends the open transaction and makes the trace visible. */
export async function completeTrace(
  database: Database,
  traceId: number,
  facts: Facts = {},
): Promise<void> {
  await complete(database, ['traces', 'trace_id', traceId], facts)
}

/** Starts a run of a trace in state loading and returns its run_id. */
export async function beginRun(database: Database, traceId: number, facts: Facts): Promise<number> {
  const id = await nextId(database.connection, 'runs', 'run_id')
  await insert(database.connection, 'runs', {
    ...facts,
    trace_id: traceId,
    run_id: id,
    state: 'loading',
  })
  return id
}

/** Sets the last facts and makes the run visible. */
export async function completeRun(
  database: Database,
  runId: number,
  facts: Facts = {},
): Promise<void> {
  await complete(database, ['runs', 'run_id', runId], facts)
}

async function complete(
  database: Database,
  [table, key, id]: readonly [table: string, key: string, id: number],
  facts: Facts,
): Promise<void> {
  database.closeAppenders()
  await database.begin()
  await update(database.connection, table, key, id, { ...facts, state: 'complete' })
  await database.commitToFile()
}

/** Deletes every row of a trace, its runs included. */
export async function removeTrace(database: Database, traceId: number): Promise<void> {
  database.closeAppenders()
  await removeRows(database.connection, [traceId], [])
}

/** Deletes every row of a run. */
export async function removeRun(database: Database, runId: number): Promise<void> {
  database.closeAppenders()
  await removeRows(database.connection, [], [runId])
}

/** Deletes what earlier writers left in state loading. */
export async function removeUnfinished(connection: DuckDBConnection): Promise<void> {
  const traces = await queryRows(
    connection,
    "SELECT trace_id AS id FROM traces WHERE state = 'loading'",
  )
  const runs = await queryRows(connection, "SELECT run_id AS id FROM runs WHERE state = 'loading'")
  if (traces.length + runs.length === 0) return
  await removeRows(
    connection,
    traces.map(({ id }) => Number(id)),
    runs.map(({ id }) => Number(id)),
  )
}

async function removeRows(
  connection: DuckDBConnection,
  traceIds: readonly number[],
  runIds: readonly number[],
): Promise<void> {
  const traces = traceIds.length === 0 ? 'false' : `trace_id IN (${traceIds.join(', ')})`
  const runs = runIds.length === 0 ? 'false' : `run_id IN (${runIds.join(', ')})`
  const statements: string[] = []
  for (const table of TABLES) {
    const hasRun = table.scope === 'run' || table.name === 'runs'
    statements.push(...deleteStatements(table, `${traces}${hasRun ? ` OR ${runs}` : ''}`))
  }
  statements.push(...(await rawDeleteStatements(connection, traces)))
  await inTransaction(connection, statements)
}

async function nextId(
  connection: DuckDBConnection,
  table: string,
  column: string,
): Promise<number> {
  const [row] = await queryRows(
    connection,
    `SELECT coalesce(max(${column}), 0) + 1 AS id FROM ${table}`,
  )
  return Number(row?.['id'] ?? 1)
}

async function insert(connection: DuckDBConnection, table: string, facts: Facts): Promise<void> {
  const names = Object.keys(facts)
  const marks = names.map(() => '?').join(', ')
  await connection.run(
    `INSERT INTO ${table} (${names.map(quoteName).join(', ')}) VALUES (${marks})`,
    Object.values(facts).map(toParameter),
  )
}

async function update(
  connection: DuckDBConnection,
  table: string,
  key: string,
  id: number,
  facts: Facts,
): Promise<void> {
  const names = Object.keys(facts)
  const assignments = names.map((name) => `${quoteName(name)} = ?`).join(', ')
  await connection.run(`UPDATE ${table} SET ${assignments} WHERE ${key} = ${id}`, [
    ...Object.values(facts).map(toParameter),
  ])
}

/** Whole numbers travel as BIGINT, so that no cast rounds them. */
function toParameter(value: string | number | bigint | null): string | number | bigint | null {
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value
}
