import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Database } from '../../src/database/database.ts'
import { allColumns, TABLES } from '../../src/database/schema.ts'

describe('the schema', () => {
  let database: Database
  beforeAll(async () => {
    database = await Database.open(':memory:', { mode: 'write' })
  })
  afterAll(() => database.close())

  it('has a comment on every table and column in the catalogue', async () => {
    const tables = await database.query(
      'SELECT table_name AS name, comment FROM duckdb_tables() WHERE NOT internal',
    )
    const views = await database.query(
      'SELECT view_name AS name, comment FROM duckdb_views() WHERE NOT internal',
    )
    const packed = TABLES.filter(({ shared }) => shared !== undefined)
    expect(views.map(({ name }) => name).sort()).toEqual(packed.map(({ name }) => name).sort())
    const briefs = packed.flatMap((table) => Object.keys(table.briefs ?? {}))
    // Beside them the version's table and those of the raw tables' shapes and strings.
    expect(tables.length).toBe(TABLES.length + packed.length + briefs.length + 3)
    expect(
      [...tables, ...views].filter(({ comment }) => String(comment ?? '').length < 10),
    ).toEqual([])
    const columns = await database.query(
      'SELECT schema_name, table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal',
    )
    const own = columns.filter(({ schema_name }) => schema_name === 'main')
    expect(own.length).toBe(TABLES.reduce((sum, table) => sum + allColumns(table).length, 1))
    expect(own.filter(({ comment }) => String(comment ?? '').length < 4)).toEqual([])
  })

  it('keeps the column order of its definition', async () => {
    for (const table of TABLES) {
      const rows = await database.query(
        `SELECT column_name AS name FROM duckdb_columns() WHERE table_name = '${table.name}' ORDER BY column_index`,
      )
      expect(rows.map(({ name }) => name)).toEqual(allColumns(table).map(({ name }) => name))
    }
  })

  it('has no keys and no indexes', async () => {
    expect(await database.query('SELECT * FROM duckdb_indexes()')).toEqual([])
    expect(
      await database.query(
        "SELECT * FROM duckdb_constraints() WHERE constraint_type <> 'NOT NULL'",
      ),
    ).toEqual([])
  })
})
