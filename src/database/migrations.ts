import type { DuckDBConnection } from '@duckdb/node-api'
import { PstraceError } from '../model/error.ts'
import {
  CELLS,
  createPart,
  createTable,
  createView,
  findPacked,
  insertStatements,
  nestedCells,
  PACKED_SCHEMA,
  qualifiedName,
  rowsParts,
} from './packed.ts'
import {
  addStringsStatements,
  createRawStatements,
  packRawStatements,
  repackRawStatements,
} from './packed-raw.ts'
import { queryRows } from './query.ts'
import { quoteText } from './quote.ts'
import { RAW_SCHEMA, SCHEMA_VERSION, TABLES } from './schema.ts'
import { inTransaction } from './transaction.ts'

/** Statements that lead from version N (key) to N + 1. */
const MIGRATIONS: Readonly<
  Record<number, (connection: DuckDBConnection) => Promise<readonly string[]>>
> = { 1: rewriteTables, 2: packRawTables, 3: narrowBriefs, 4: nestRows, 5: addBriefs, 6: addForms }

/** Version 2 keeps once what rows have in common (packed.ts) and has more columns: every table is written anew. */
async function rewriteTables(connection: DuckDBConnection): Promise<readonly string[]> {
  const statements = [`CREATE SCHEMA ${PACKED_SCHEMA}`]
  for (const table of TABLES) {
    const columns = await columnsOf(connection, 'main', table.name)
    statements.push(
      `ALTER TABLE ${table.name} RENAME TO _former`,
      ...createTable(table),
      ...insertStatements(table, { columns, sql: 'SELECT * FROM main._former' }),
      'DROP TABLE main._former',
    )
  }
  return statements
}

/** Version 3 packs raw tables too (packed-raw.ts). */
async function packRawTables(connection: DuckDBConnection): Promise<readonly string[]> {
  return [...createRawStatements(), ...(await packRawStatements(connection))]
}

/** Version 4 keeps rows in brief with other columns, which stand for thread states too: rows of before go among the full ones. */
async function narrowBriefs(connection: DuckDBConnection): Promise<readonly string[]> {
  const form = findPacked('swapouts_brief')
  if (form === undefined) return []
  const former = await columnsOf(connection, PACKED_SCHEMA, form.rows.name)
  // A file of version 1 was given the current tables at once.
  if (!former.includes('submit_ns')) return []
  const [full, brief] = [form.packed.rows, form.rows].map(qualifiedName)
  return [
    `INSERT INTO ${full} BY NAME SELECT *, submit_ns AS start_ns, submit_rank AS start_rank FROM ${brief}`,
    `DROP TABLE ${brief}`,
    ...createPart(form.rows),
  ]
}

/** Version 5 nests the values of rows in one column, and raw rows keep times within blocks. Views of before fit neither. */
async function nestRows(connection: DuckDBConnection): Promise<readonly string[]> {
  const statements = await createMissingParts(connection)
  for (const part of TABLES.flatMap(rowsParts)) {
    const former = await columnsOf(connection, PACKED_SCHEMA, part.name)
    if (former.length === 0 || former.includes(CELLS)) continue
    const cells = former.map((name) => [name, `r.${name}`] as const)
    statements.push(
      `ALTER TABLE ${qualifiedName(part)} RENAME TO _former`,
      ...createPart(part),
      `INSERT INTO ${qualifiedName(part)} SELECT ${nestedCells(cells)} FROM ${PACKED_SCHEMA}._former r ORDER BY r.rowid`,
      `DROP TABLE ${PACKED_SCHEMA}._former`,
    )
  }
  return [...statements, ...TABLES.flatMap(createView), ...(await repackRawStatements(connection))]
}

/** Version 6 has more brief forms, and new raw columns refer to their names. */
async function addBriefs(connection: DuckDBConnection): Promise<readonly string[]> {
  return [...(await addForms(connection)), ...(await addStringsStatements(connection))]
}

/** Version 7 has forms of several rows in one. */
async function addForms(connection: DuckDBConnection): Promise<readonly string[]> {
  return [...(await createMissingParts(connection)), ...TABLES.flatMap(createView)]
}

async function createMissingParts(connection: DuckDBConnection): Promise<string[]> {
  const statements: string[] = []
  for (const part of TABLES.flatMap(rowsParts)) {
    const former = await columnsOf(connection, PACKED_SCHEMA, part.name)
    if (former.length === 0) statements.push(...createPart(part))
  }
  return statements
}

async function columnsOf(
  connection: DuckDBConnection,
  schema: string,
  table: string,
): Promise<string[]> {
  const rows = await queryRows(
    connection,
    `SELECT column_name AS name FROM duckdb_columns()
     WHERE schema_name = ${quoteText(schema)} AND table_name = ${quoteText(table)} AND database_name = current_database()`,
  )
  return rows.map(({ name }) => String(name))
}

/** Creates the schema in an empty database, unless `mustExist`, and brings an older one up to date. */
export async function prepareSchema(
  connection: DuckDBConnection,
  path: string,
  { mustExist }: { readonly mustExist: boolean },
): Promise<void> {
  const version = await findVersion(connection, path)
  if (version === undefined) {
    if (mustExist) throw withoutTables(path)
    await inTransaction(connection, [
      `CREATE SCHEMA ${RAW_SCHEMA}`,
      `CREATE SCHEMA ${PACKED_SCHEMA}`,
      ...createRawStatements(),
      ...TABLES.flatMap(createTable),
      'CREATE TABLE pstrace_schema (version INTEGER)',
      "COMMENT ON TABLE pstrace_schema IS 'Version of the tables in this file.'",
      "COMMENT ON COLUMN pstrace_schema.version IS 'Schema version; traces.schema_version says which one wrote a trace.'",
      `INSERT INTO pstrace_schema VALUES (${SCHEMA_VERSION})`,
    ])
    return
  }
  refuseNewer(version, path)
  for (let from = version; from < SCHEMA_VERSION; from++) {
    const statements = MIGRATIONS[from]
    if (statements === undefined)
      throw new PstraceError('no_migration', `${path}: no way from schema ${from} to ${from + 1}`)
    await inTransaction(connection, [
      ...(await statements(connection)),
      `UPDATE pstrace_schema SET version = ${from + 1}`,
    ])
  }
}

/** Readers cannot migrate: any other version is refused. */
export async function requireSchema(connection: DuckDBConnection, path: string): Promise<void> {
  const version = await findVersion(connection, path)
  if (version === undefined) throw withoutTables(path)
  refuseNewer(version, path)
  if (version < SCHEMA_VERSION)
    throw new PstraceError(
      'old_schema',
      `${path}: schema version ${version}, expected ${SCHEMA_VERSION}; \`pstrace ingest\`, \`replay\` and \`sweep\` bring it up to date`,
    )
}

function withoutTables(path: string): PstraceError {
  return new PstraceError('not_a_pstrace_database', `${path}: holds no pstrace tables`)
}

async function findVersion(
  connection: DuckDBConnection,
  path: string,
): Promise<number | undefined> {
  const found = await queryRows(
    connection,
    "SELECT table_name AS name FROM duckdb_tables() WHERE schema_name = 'main' AND database_name = current_database()",
  )
  const names = new Set(found.map(({ name }) => name))
  if (names.has('pstrace_schema')) {
    const [row] = await queryRows(connection, 'SELECT version FROM pstrace_schema')
    if (typeof row?.['version'] === 'number') return row['version']
    throw new PstraceError('not_a_pstrace_database', `${path}: table pstrace_schema is empty`)
  }
  const taken = TABLES.find(({ name }) => names.has(name))
  if (taken !== undefined)
    throw new PstraceError(
      'not_a_pstrace_database',
      `${path}: has a table ${taken.name} that pstrace did not make; choose another file with --db`,
    )
  return undefined
}

function refuseNewer(version: number, path: string): void {
  if (version > SCHEMA_VERSION)
    throw new PstraceError(
      'new_schema',
      `${path}: schema version ${version} is newer than this pstrace knows (${SCHEMA_VERSION})`,
    )
}
