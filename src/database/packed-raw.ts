import type { DuckDBConnection } from '@duckdb/node-api'
import {
  CELLS,
  createPart,
  nestedCells,
  nestedRows,
  nestedType,
  PACKED_SCHEMA,
  qualifiedName,
  SHAPE,
} from './packed.ts'
import { queryRows } from './query.ts'
import { quoteName, quoteText } from './quote.ts'
import { RAW_COLUMNS, RAW_SCHEMA } from './schema.ts'
import type { TableDefinition } from './tables/definition.ts'

/**
 * Raw tables are views, as the packed ones (packed.ts): trace, CPU and task of a row are in one table of shapes for all events, and
 * fields are kept in 32 bits as long as their values need no more. A shape is of one block of 2^32 ns (and of 2^32 events): its rows keep what lies behind the
 * block's beginning. Names, which are few, are kept once, and rows have their numbers: DuckDB's cost of a string is that of ten numbers.
 *
 *     raw."system:event" (view) = packed_raw."system:event" (_shape, seq, ts_ns, fields) JOIN packed.raw_shapes
 *                                 JOIN packed.raw_strings for each field that is a name
 */
export const PACKED_RAW_SCHEMA = 'packed_raw'

const OF_SHAPES: ReadonlySet<string> = new Set(['trace_id', 'cpu', 'tid'])
/** What is kept of a leading column of 64 bits: the block's beginning in the shape, the rest in 32 bits of the row. */
const FIRST_OF: Readonly<Record<string, string>> = { seq: 'first_seq', ts_ns: 'first_ns' }

export const RAW_SHAPES: TableDefinition = {
  name: 'raw_shapes',
  schema: PACKED_SCHEMA,
  comment: 'What rows of raw tables have in common.',
  scope: 'catalogue',
  columns: [
    SHAPE,
    ...RAW_COLUMNS.map((column) => {
      const first = FIRST_OF[column.name]
      return first === undefined
        ? column
        : { ...column, name: first, comment: `Beginning of the block of ${column.name}.` }
    }),
  ],
}

/** The string that is NULL: every row finds one, so that the join may be an inner one, which DuckDB does by looking into an array. */
export const NO_STRING = 0

export const RAW_STRINGS: TableDefinition = {
  name: 'raw_strings',
  schema: PACKED_SCHEMA,
  comment: 'Strings that rows of raw tables refer to.',
  scope: 'catalogue',
  columns: [
    { name: 'string', type: 'INTEGER', comment: 'Number of the string.', filled: true },
    ...RAW_COLUMNS.filter(({ name }) => name === 'trace_id'),
    { name: 'text', type: 'VARCHAR', comment: 'The string.' },
  ],
}

/** What a table is called while its rows move; no event is called so. */
const FORMER = '_former'

export interface RawColumn {
  readonly name: string
  /** As it is kept. */
  readonly type: string
  /** As the view shows it. */
  readonly shown: string
  readonly comment: string
}

/** How a text is kept whose rows have the numbers of their strings. */
export const STRING_NUMBER = 'INTEGER'

/** Leading columns of every table in `packed_raw`. */
export const PACKED_RAW_COLUMNS: readonly RawColumn[] = [
  { ...SHAPE, name: '_shape', shown: SHAPE.type },
  ...RAW_COLUMNS.filter(({ name }) => !OF_SHAPES.has(name)).map(({ name, comment }) => ({
    name,
    type: 'UINTEGER',
    shown: 'BIGINT',
    comment,
  })),
]

function packedRawName(event: string): string {
  return `${PACKED_RAW_SCHEMA}.${quoteName(event)}`
}

/** Columns that an event's rows are kept in; none before its first row. */
export async function readRawColumns(
  connection: DuckDBConnection,
  event: string,
): Promise<RawColumn[]> {
  const shown = await readColumns(connection, RAW_SCHEMA, event)
  if (shown.length === 0) return []
  const known = new Map(shown.map((column) => [column.name, column]))
  const kept = await queryRows(
    connection,
    `SELECT column_name AS name, column_type AS type FROM (DESCRIBE ${nestedRows(packedRawName(event))})`,
  )
  return kept.map(({ name, type }) => {
    const { type: shownType, comment } = known.get(String(name)) ?? {}
    return {
      name: String(name),
      type: String(type),
      shown: shownType ?? String(type),
      comment: comment ?? '',
    }
  })
}

/** The statement that creates an event's table. */
export function createRawTable(event: string, columns: readonly RawColumn[]): string {
  return `CREATE TABLE ${packedRawName(event)} (${CELLS} ${nestedType(columns)})`
}

/** The statement that gives an event's table more columns, or wider ones. */
export function changeRawTable(event: string, columns: readonly RawColumn[]): string {
  return `ALTER TABLE ${packedRawName(event)} ALTER COLUMN ${CELLS} TYPE ${nestedType(columns)}`
}

/** The statements that create what raw tables need before the first of them. */
export function createRawStatements(): readonly string[] {
  return [
    `CREATE SCHEMA ${PACKED_RAW_SCHEMA}`,
    ...createPart(RAW_SHAPES),
    ...createStringsStatements(),
  ]
}

function createStringsStatements(): readonly string[] {
  return [
    ...createPart(RAW_STRINGS),
    `INSERT INTO ${qualifiedName(RAW_STRINGS)} VALUES (${NO_STRING}, NULL, NULL)`,
  ]
}

/** The statements that create the table of strings, which version 5 lacks, where it is not there. */
export async function addStringsStatements(
  connection: DuckDBConnection,
): Promise<readonly string[]> {
  const found = await readColumns(connection, PACKED_SCHEMA, RAW_STRINGS.name)
  return found.length === 0 ? createStringsStatements() : []
}

/** The statements that create the view over an event's table anew, and the comments of both. */
export function rawViewStatements(event: string, columns: readonly RawColumn[]): readonly string[] {
  const view = `${RAW_SCHEMA}.${quoteName(event)}`
  const fields = columns.slice(PACKED_RAW_COLUMNS.length)
  const joins: string[] = []
  const textOf = (column: string): string => {
    const strings = `t${joins.length}`
    joins.push(
      `JOIN ${qualifiedName(RAW_STRINGS)} ${strings} ON ${strings}.string = coalesce(${column}, ${NO_STRING})`,
    )
    return `${strings}.text`
  }
  const cells = [
    ...RAW_COLUMNS.map(({ name }) => {
      const first = FIRST_OF[name]
      return first === undefined ? `s.${name}` : `s.${first} + r.${name} AS ${name}`
    }),
    ...fields.map(({ name, type, shown }) => {
      const column = `r.${quoteName(name)}`
      if (type === shown) return column
      const value = shown === 'VARCHAR' ? textOf(column) : `${column}::${shown}`
      return `${value} AS ${quoteName(name)}`
    }),
  ]
  const about = quoteText(`Events ${event} as recorded, one row each.`)
  return [
    `CREATE OR REPLACE VIEW ${view} AS SELECT ${cells.join(', ')}
     FROM ${nestedRows(packedRawName(event))} r JOIN ${qualifiedName(RAW_SHAPES)} s ON r._shape = s.shape ${joins.join(' ')}`,
    `COMMENT ON VIEW ${view} IS ${about}`,
    `COMMENT ON TABLE ${packedRawName(event)} IS ${about}`,
    ...[...RAW_COLUMNS, ...fields].map(
      ({ name, comment }) =>
        `COMMENT ON COLUMN ${view}.${quoteName(name)} IS ${quoteText(comment)}`,
    ),
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
        `DELETE FROM ${packedRawName(event)} WHERE ${CELLS}._shape IN (SELECT shape FROM ${shapes} WHERE ${condition})`,
    ),
    `DELETE FROM ${shapes} WHERE ${condition}`,
    `DELETE FROM ${qualifiedName(RAW_STRINGS)} WHERE ${condition}`,
  ]
}

/** The statements that pack the raw tables of version 2, which are plain. */
export async function packRawStatements(connection: DuckDBConnection): Promise<readonly string[]> {
  return await moveStatements(connection, RAW_SCHEMA, `${RAW_SCHEMA}.${FORMER}`)
}

/** The statements that pack the raw tables of versions 3 and 4, whose shapes had no beginnings, as today's. */
export async function repackRawStatements(
  connection: DuckDBConnection,
): Promise<readonly string[]> {
  const shapes = await readColumns(connection, PACKED_SCHEMA, RAW_SHAPES.name)
  if (shapes.some(({ name }) => name === FIRST_OF['ts_ns'])) return []
  const former = `${PACKED_SCHEMA}.${FORMER}`
  const rows = `(SELECT s.*, r.* FROM ${PACKED_RAW_SCHEMA}.${FORMER} r JOIN ${former} s ON r._shape = s.shape)`
  return [
    `ALTER TABLE ${qualifiedName(RAW_SHAPES)} RENAME TO ${FORMER}`,
    ...createPart(RAW_SHAPES),
    ...(await moveStatements(connection, PACKED_RAW_SCHEMA, rows)),
    `DROP TABLE ${former}`,
  ]
}

/** The statements that write each table of a schema anew as a packed one; `rows` are those of the table that is called FORMER. */
async function moveStatements(
  connection: DuckDBConnection,
  schema: typeof RAW_SCHEMA | typeof PACKED_RAW_SCHEMA,
  rows: string,
): Promise<readonly string[]> {
  const statements: string[] = []
  const kept = new Set([...RAW_COLUMNS, ...PACKED_RAW_COLUMNS].map(({ name }) => name))
  for (const event of await readTables(connection, schema)) {
    const columns = await readColumns(connection, schema, event)
    const fields = columns
      .filter(({ name }) => !kept.has(name))
      .map((field) => ({ ...field, shown: toShownType(field.type) }))
    statements.push(
      `ALTER TABLE ${schema}.${quoteName(event)} RENAME TO ${FORMER}`,
      ...moveRows(event, [...PACKED_RAW_COLUMNS, ...fields], rows),
      `DROP TABLE ${schema}.${FORMER}`,
    )
  }
  return statements
}

function moveRows(event: string, columns: readonly RawColumn[], rows: string): readonly string[] {
  const shapes = qualifiedName(RAW_SHAPES)
  const inBlock = (name: string): string => `(f.${name} & 4294967295)`
  const values = RAW_COLUMNS.map(({ name }) => {
    const first = FIRST_OF[name]
    return {
      name: first ?? name,
      value: first === undefined ? `f.${name}` : `f.${name} - ${inBlock(name)}`,
    }
  })
  const cell = ({ name }: RawColumn): string => {
    if (name === '_shape') return 's.shape'
    return name in FIRST_OF ? inBlock(name) : `f.${quoteName(name)}`
  }
  const cells = columns.map((column) => [column.name, cell(column)] as const)
  const same = values.map(({ name, value }) => `s.${name} IS NOT DISTINCT FROM ${value}`)
  return [
    `CREATE TEMP TABLE ${FORMER}_shapes AS
     SELECT ((SELECT coalesce(max(shape), 0) FROM ${shapes}) + row_number() OVER ())::INTEGER AS shape, *
     FROM (SELECT DISTINCT ${values.map(({ name, value }) => `${value} AS ${name}`).join(', ')} FROM ${rows} f ORDER BY ALL)`,
    `INSERT INTO ${shapes} BY NAME FROM temp.${FORMER}_shapes`,
    createRawTable(event, columns),
    `INSERT INTO ${packedRawName(event)}
     SELECT ${nestedCells(cells)} FROM ${rows} f JOIN temp.${FORMER}_shapes s ON ${same.join(' AND ')}
     ORDER BY f.trace_id, f.seq`,
    `DROP TABLE temp.${FORMER}_shapes`,
    ...rawViewStatements(event, columns),
  ]
}

/** As raw tables showed a type before it was kept beside the one that is shown. */
function toShownType(kept: string): string {
  return kept === 'INTEGER' || kept === 'UINTEGER' ? 'BIGINT' : kept
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
): Promise<Omit<RawColumn, 'shown'>[]> {
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
