import { readFileSync } from 'node:fs'
import type { DuckDBConnection } from '@duckdb/node-api'
import { quoteName, quoteText } from '../database/quote.ts'
import { allColumns, RAW_COLUMNS, RAW_SCHEMA, TABLES } from '../database/schema.ts'
import type { TableDefinition } from '../database/tables/definition.ts'
import { readRows } from './query.ts'
import type { ResolvedSelection, Subject } from './selection.ts'

/** Analysis views in the order in which they depend on each other; each is `views/<name>.sql`. */
export const VIEW_NAMES = [
  'stalls',
  'stall_summary',
  'stall_tasks',
  'stall_cgroups',
  'stall_causes',
  'stall_cause_summary',
  'stall_histogram',
  'oom_scores',
  'kills',
  'order_pages',
  'order_lanes',
  'order_bypass',
  'kswapd_busy',
  'kswapd_wakers',
  'pool_classes',
  'pool_places',
  'pool_samples',
  'pool_move_summary',
  'refaults',
  'swap_rates',
  'swapout_costs',
  'slot_use',
  'slot_clusters',
  'loss_summary',
] as const
export type ViewName = (typeof VIEW_NAMES)[number]

/** What the view shows (the comment on its first line) and its SELECT. */
export function readView(name: ViewName): { comment: string; sql: string } {
  const text = readFileSync(new URL(`./views/${name}.sql`, import.meta.url), 'utf8')
  const end = text.indexOf('\n')
  return { comment: text.slice(0, end).replace(/^--\s*/, ''), sql: text.slice(end + 1).trim() }
}

const SUBJECTS_COMMENT =
  'What is being looked at: the recording (run_id NULL) and runs of each trace. first_ns to last_ns is all of it, start_ns to end_ns the part looked at.'

/**
 * Makes temporary views on the connection (also of a read-only database): one per base table that hides traces and runs
 * that are not complete or not selected, then the analysis views on top of them.
 */
export async function createViews(
  connection: DuckDBConnection,
  selection: ResolvedSelection,
): Promise<void> {
  const statements = [
    `CREATE OR REPLACE TEMP VIEW subjects AS ${toSubjectsSql(selection.subjects)}`,
  ]
  statements.push(`COMMENT ON VIEW subjects IS ${quoteText(SUBJECTS_COMMENT)}`)
  for (const table of TABLES) {
    const source = `${quoteName(selection.catalog)}.main.${quoteName(table.name)}`
    const where = toCondition(table, selection)
    statements.push(
      `CREATE OR REPLACE TEMP VIEW ${quoteName(table.name)} AS SELECT * FROM ${source} AS t WHERE ${where}`,
    )
  }
  for (const name of VIEW_NAMES) {
    const { comment, sql } = readView(name)
    statements.push(`CREATE OR REPLACE TEMP VIEW ${name} AS ${sql}`)
    statements.push(`COMMENT ON VIEW ${name} IS ${quoteText(comment)}`)
  }
  await connection.run(statements.join(';\n'))
}

/** Every raw table has these columns; its own fields stand behind them. */
const RAW: TableDefinition = { name: 'raw', comment: '', scope: 'trace', columns: RAW_COLUMNS }

/**
 * Makes `raw."system:event"` views of what is selected, for one who reads: temporary views have no schemas, so they are in the memory
 * beside the database, which is looked through first.
 */
export async function createRawViews(
  connection: DuckDBConnection,
  selection: ResolvedSelection,
): Promise<void> {
  const tables = await readRows<{ name: string }>(
    connection,
    `SELECT view_name AS name FROM duckdb_views()
     WHERE database_name = ${quoteText(selection.catalog)} AND schema_name = '${RAW_SCHEMA}'`,
  )
  const where = toCondition(RAW, selection)
  const catalog = quoteName(selection.catalog)
  await connection.run(
    [
      `CREATE SCHEMA IF NOT EXISTS memory.${RAW_SCHEMA}`,
      ...tables.map(
        ({ name }) =>
          `CREATE OR REPLACE VIEW memory.${RAW_SCHEMA}.${quoteName(name)} AS
           SELECT * FROM ${catalog}.${RAW_SCHEMA}.${quoteName(name)} AS t WHERE ${where}`,
      ),
      `SET search_path = 'memory,${selection.catalog}'`,
    ].join(';\n'),
  )
}

/** Removes the views: on a connection that writes they would stand before the tables of the same names. */
export async function dropViews(connection: DuckDBConnection): Promise<void> {
  const names = ['subjects', ...TABLES.map(({ name }) => name), ...VIEW_NAMES]
  await connection.run(
    names.map((name) => `DROP VIEW IF EXISTS temp.main.${quoteName(name)}`).join(';\n'),
  )
}

function toSubjectsSql(subjects: readonly Subject[]): string {
  const rows = subjects.map((subject) => {
    const cells = [
      `${subject.traceId}::INTEGER`,
      `${subject.runId ?? 'NULL'}::INTEGER`,
      quoteText(subject.label),
      quoteText(subject.traceName),
      subject.policy === undefined ? 'NULL::VARCHAR' : quoteText(subject.policy),
      `${subject.firstNs}::BIGINT`,
      `${subject.startNs}::BIGINT`,
      `${subject.endNs}::BIGINT`,
      `${subject.lastNs}::BIGINT`,
      `${subject.pageSize}::INTEGER`,
    ]
    return `(${cells.join(', ')})`
  })
  const columns =
    'trace_id, run_id, label, trace, policy, first_ns, start_ns, end_ns, last_ns, page_size'
  const none = '(0, 0, NULL::VARCHAR, NULL::VARCHAR, NULL::VARCHAR, 0, 0, 0, 0, 0)'
  const values = rows.length === 0 ? none : rows.join(', ')
  const all = `SELECT * FROM (VALUES ${values}) AS subject(${columns})`
  return rows.length === 0 ? `${all} WHERE false` : all
}

/** Rows of a table that belong to the selection. Spans belong to a window when they touch it; they are not cut. */
function toCondition(table: TableDefinition, selection: ResolvedSelection): string {
  const names = new Set(allColumns(table).map(({ name }) => name))
  const { subjects } = selection
  const traces = [...new Set(subjects.map(({ traceId }) => traceId))]
  if (traces.length === 0) return 'false'
  const ofTraces = `t.trace_id IN (${traces.join(', ')})`
  if (table.name === 'runs') {
    const runs = subjects.flatMap(({ runId }) => (runId === null ? [] : [runId]))
    return runs.length === 0 ? 'false' : `${ofTraces} AND t.run_id IN (${runs.join(', ')})`
  }
  if (table.scope === 'catalogue') return ofTraces
  const conditions = [table.scope === 'run' ? toSubjectCondition(subjects) : ofTraces]
  if (table.name !== 'tasks') {
    const windows = toWindowCondition(table, names, subjects)
    if (selection.windowed && windows !== undefined) conditions.push(windows)
    if (ROW_FILTERED.has(table.name)) conditions.push(...toRowConditions(names, selection))
  }
  return conditions.join(' AND ')
}

/** Tables whose rows are somebody's doing, so that --cpu, --tid, --comm and --node choose among them; states and samples stay whole. */
const ROW_FILTERED = new Set([
  'swapouts',
  'swapins',
  'reclaim_spans',
  'shrink_batches',
  'slab_shrinks',
  'kswapd_spans',
  'block_ios',
  'raw',
])

function toSubjectCondition(subjects: readonly Subject[]): string {
  const recordings = new Set<number>()
  const runs: number[] = []
  for (const { traceId, runId } of subjects) {
    if (runId === null) recordings.add(traceId)
    else runs.push(runId)
  }
  const parts: string[] = []
  if (recordings.size > 0)
    parts.push(`(t.run_id IS NULL AND t.trace_id IN (${[...recordings].join(', ')}))`)
  if (runs.length > 0) parts.push(`t.run_id IN (${runs.join(', ')})`)
  return parts.length === 0 ? 'false' : `(${parts.join(' OR ')})`
}

function toWindowCondition(
  table: TableDefinition,
  names: ReadonlySet<string>,
  subjects: readonly Subject[],
): string | undefined {
  const start = names.has('start_ns')
    ? 't.start_ns'
    : names.has('issue_ns')
      ? 't.issue_ns'
      : undefined
  const at =
    table.name === 'swapouts'
      ? 'coalesce(t.submit_ns, t.ts_ns, t.start_ns)'
      : names.has('ts_ns')
        ? 't.ts_ns'
        : start
  if (at === undefined) return undefined
  const spans = start !== undefined && table.name !== 'swapouts' && names.has('end_ns')
  const seen = new Set<string>()
  for (const subject of subjects) {
    if (table.scope === 'trace' && subject.runId !== null) continue
    const whose =
      table.scope === 'trace' || subject.runId === null
        ? `t.trace_id = ${subject.traceId}${table.scope === 'run' ? ' AND t.run_id IS NULL' : ''}`
        : `t.run_id = ${subject.runId}`
    for (const [from, to] of subject.windows) {
      const inside = spans
        ? `t.start_ns < ${to} AND (t.end_ns IS NULL OR t.end_ns >= ${from})`
        : `${at} >= ${from} AND ${at} < ${to}`
      seen.add(`(${whose} AND ${inside})`)
    }
  }
  return seen.size === 0 ? undefined : `(${[...seen].join(' OR ')})`
}

function toRowConditions(names: ReadonlySet<string>, selection: ResolvedSelection): string[] {
  const conditions: string[] = []
  const { cpus, tids, comms, nodes, catalog } = selection
  if (cpus.length > 0 && names.has('cpu')) conditions.push(`t.cpu IN (${cpus.join(', ')})`)
  if (nodes.length > 0 && names.has('node')) conditions.push(`t.node IN (${nodes.join(', ')})`)
  const tasks = `SELECT k.task_id FROM ${quoteName(catalog)}.main.tasks AS k WHERE k.trace_id = t.trace_id AND`
  if (tids.length > 0) {
    if (names.has('tid')) conditions.push(`t.tid IN (${tids.join(', ')})`)
    else if (names.has('task_id'))
      conditions.push(`t.task_id IN (${tasks} k.tid IN (${tids.join(', ')}))`)
  }
  const whose = names.has('task_id') ? 'task_id' : names.has('tid') ? 'tid' : undefined
  if (comms.length > 0 && whose !== undefined) {
    const patterns = comms.map((comm) => `k.comm GLOB ${quoteText(comm)}`)
    const chosen = tasks.replace('SELECT k.task_id', `SELECT k.${whose}`)
    conditions.push(`t.${whose} IN (${chosen} (${patterns.join(' OR ')}))`)
  }
  return conditions
}
