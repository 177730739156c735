import type { DuckDBConnection } from '@duckdb/node-api'
import { createPart, PACKED_SCHEMA, qualifiedName, SHAPE } from './packed.ts'
import { queryRows } from './query.ts'
import { quoteName, quoteText, RAW_COLUMNS, RAW_SCHEMA, type TableDefinition } from './schema.ts'

/**
 * Raw tables are views, as the packed ones (packed.ts): trace, CPU and task of a row are in one table of shapes for all events, and
 * fields of 32 bits are kept as such.
 *
 *     raw."system:event" (view) = packed_raw."system:event" (_shape, seq, ts_ns, fields) JOIN packed.raw_shapes
 */
export const PACKED_RAW_SCHEMA = 'packed_raw'

const OF_SHAPES: ReadonlySet<string> = new Set(['trace_id', 'cpu', 'tid'])

export const RAW_SHAPES: TableDefinition = {
  name: 'raw_shapes',
  schema: PACKED_SCHEMA,
  comment: 'What rows of raw tables have in common.',
  scope: 'catalogue',
  columns: [SHAPE, ...RAW_COLUMNS.filter(({ name }) => OF_SHAPES.has(name))],
}

export interface RawColumn {
  readonly name: string
  /** As it is kept. */
  readonly type: string
  readonly comment: string
}

/** Leading columns of every table in `packed_raw`. */
export const PACKED_RAW_COLUMNS: readonly RawColumn[] = [
  { ...SHAPE, name: '_shape' },
  ...RAW_COLUMNS.filter(({ name }) => !OF_SHAPES.has(name)),
]

/** Integers that a view shows as BIGINT. */
const NARROW: ReadonlySet<string> = new Set(['INTEGER', 'UINTEGER'])

export function isNarrow(type: string): boolean {
  return NARROW.has(type)
}

export function packedRawName(event: string): string {
  return `${PACKED_RAW_SCHEMA}.${quoteName(event)}`
}

/** Columns that an event's rows are kept in; none before its first row. */
export function readRawColumns(connection: DuckDBConnection, event: string): Promise<RawColumn[]> {
  return readColumns(connection, PACKED_RAW_SCHEMA, event)
}

/** The statements that create what raw tables need before the first of them. */
export function createRawStatements(): readonly string[] {
  return [`CREATE SCHEMA ${PACKED_RAW_SCHEMA}`, ...createPart(RAW_SHAPES)]
}

/** The statements that create the view over an event's table anew, and the comments of both. */
export function rawViewStatements(event: string, columns: readonly RawColumn[]): readonly string[] {
  const view = `${RAW_SCHEMA}.${quoteName(event)}`
  const fields = columns.slice(PACKED_RAW_COLUMNS.length)
  const cells = [
    ...RAW_COLUMNS.map(({ name }) => `${OF_SHAPES.has(name) ? 's' : 'r'}.${name}`),
    ...fields.map(({ name, type }) => {
      const column = `r.${quoteName(name)}`
      return isNarrow(type) ? `${column}::BIGINT AS ${quoteName(name)}` : column
    }),
  ]
  const comments = (object: string, shown: readonly Omit<RawColumn, 'type'>[]): string[] =>
    shown.map(
      ({ name, comment }) =>
        `COMMENT ON COLUMN ${object}.${quoteName(name)} IS ${quoteText(comment)}`,
    )
  const about = quoteText(`Events ${event} as recorded, one row each.`)
  return [
    `CREATE OR REPLACE VIEW ${view} AS SELECT ${cells.join(', ')}
     FROM ${packedRawName(event)} r JOIN ${qualifiedName(RAW_SHAPES)} s ON r._shape = s.shape`,
    `COMMENT ON VIEW ${view} IS ${about}`,
    `COMMENT ON TABLE ${packedRawName(event)} IS ${about}`,
    ...comments(view, [...RAW_COLUMNS, ...fields]),
    ...comments(packedRawName(event), columns),
  ]
}

/** The statements that delete the raw rows of traces that fulfil a condition on trace_id. */
export async function rawDeleteStatements(
  connection: DuckDBConnection,
  condition: string,
): Promise<readonly string[]> {
  const shapes = qualifiedName(RAW_SHAPES)
  const events = await readTables(connection, PACKED_RAW_SCHEMA)
  return [
    ...events.map(
      (event) =>
        `DELETE FROM ${packedRawName(event)} WHERE _shape IN (SELECT shape FROM ${shapes} WHERE ${condition})`,
    ),
    `DELETE FROM ${shapes} WHERE ${condition}`,
  ]
}

/** The statements that pack raw tables that are none yet. */
export async function packRawStatements(connection: DuckDBConnection): Promise<readonly string[]> {
  const events = await readTables(connection, RAW_SCHEMA)
  if (events.length === 0) return []
  const shapes = qualifiedName(RAW_SHAPES)
  const all = events.map(
    (event) => `SELECT trace_id, cpu, tid FROM ${RAW_SCHEMA}.${quoteName(event)}`,
  )
  const statements = [
    `INSERT INTO ${shapes} SELECT row_number() OVER ()::INTEGER, *
     FROM (SELECT DISTINCT * FROM (${all.join(' UNION ALL ')}) ORDER BY ALL)`,
  ]
  const leading = new Set(RAW_COLUMNS.map(({ name }) => name))
  for (const event of events) {
    const former = `${RAW_SCHEMA}.${quoteName(event)}`
    const columns = await readColumns(connection, RAW_SCHEMA, event)
    const fields = columns.filter(({ name }) => !leading.has(name))
    const cells = ['seq', 'ts_ns', ...fields.map(({ name }) => quoteName(name))]
    const same = [...OF_SHAPES].map((name) => `r.${name} IS NOT DISTINCT FROM s.${name}`)
    statements.push(
      `CREATE TABLE ${packedRawName(event)} AS
       SELECT s.shape AS _shape, ${cells.map((cell) => `r.${cell}`).join(', ')}
       FROM ${former} r JOIN ${shapes} s ON ${same.join(' AND ')} ORDER BY r.rowid`,
      `DROP TABLE ${former}`,
      ...rawViewStatements(event, [...PACKED_RAW_COLUMNS, ...fields]),
    )
  }
  return statements
}

async function readTables(connection: DuckDBConnection, schema: string): Promise<string[]> {
  const rows = await queryRows(
    connection,
    `SELECT table_name AS name FROM duckdb_tables()
     WHERE schema_name = ${quoteText(schema)} AND database_name = current_database() ORDER BY name`,
  )
  return rows.map(({ name }) => String(name))
}

async function readColumns(
  connection: DuckDBConnection,
  schema: string,
  table: string,
): Promise<RawColumn[]> {
  const rows = await queryRows(
    connection,
    `SELECT column_name AS name, data_type AS type, coalesce(comment, '') AS comment FROM duckdb_columns()
     WHERE schema_name = ${quoteText(schema)} AND table_name = ${quoteText(table)}
       AND database_name = current_database() ORDER BY column_index`,
  )
  return rows.map(({ name, type, comment }) => ({
    name: String(name),
    type: String(type),
    comment: String(comment),
  }))
}
