import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Column } from '../../parsers/batch.ts'
import { Database } from '../../src/database/database.ts'
import { shapedRows } from '../../src/database/packed.ts'
import { PACKED_RAW_COLUMNS, rawViewStatements } from '../../src/database/packed-raw.ts'
import { allColumns, rowKinds, TABLES, tableOf } from '../../src/database/schema.ts'
import {
  beginRun,
  beginTrace,
  completeRun,
  completeTrace,
  removeRun,
  removeTrace,
} from '../../src/database/states.ts'
import { RowBuffer } from '../../src/model/rows.ts'
import { appendRaw, batchOf, field, names } from './raw-batches.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pstrace-states-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

async function addRow(database: Database, traceId: number, runId?: number): Promise<void> {
  const rows = new RowBuffer('swapins', rowKinds('swapins'))
  rows.text(rows.add(), 'met', 'pool')
  await database.append(rows, runId === undefined ? { traceId } : { traceId, runId })
  database.flush()
}

describe('traces and runs', () => {
  it('survive a writer exactly when they were completed', async () => {
    const step = fc.record({
      traceComplete: fc.boolean(),
      runs: fc.array(fc.boolean(), { maxLength: 3 }),
    })
    let file = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 4 }), async (steps) => {
        const path = join(folder, `states-${file++}.duckdb`)
        const expected: string[] = []
        let database = await Database.open(path, { mode: 'write' })
        for (const { traceComplete, runs } of steps) {
          const traceId = await beginTrace(database, { name: 't' })
          await addRow(database, traceId)
          if (traceComplete) {
            await completeTrace(database, traceId)
            expected.push(`${traceId}/null`)
          }
          for (const runComplete of runs) {
            const runId = await beginRun(database, traceId, { policy: 'kswapd' })
            await addRow(database, traceId, runId)
            if (runComplete) await completeRun(database, runId)
            if (runComplete && traceComplete) expected.push(`${traceId}/${runId}`)
          }
        }
        database.close()
        database = await Database.open(path, { mode: 'write' })
        const rows = await database.query(
          'SELECT trace_id, run_id FROM swapins ORDER BY trace_id, run_id NULLS FIRST',
        )
        database.close()
        expect(rows.map((row) => `${row['trace_id']}/${row['run_id']}`)).toEqual(expected)
      }),
      { numRuns: 4 },
    )
  })

  it('refuses the same input twice unless forced', async () => {
    const database = await Database.open(':memory:', { mode: 'write' })
    const facts = { name: 'a', path: 'a.dat', sha256: 'f00d' }
    const first = await beginTrace(database, facts)
    await completeTrace(database, first)
    await expect(beginTrace(database, facts)).rejects.toMatchObject({ code: 'already_ingested' })
    await expect(beginTrace(database, facts)).rejects.toThrow(/as trace 1 \(a\); --force/)
    expect(await beginTrace(database, facts, { force: true })).toBe(2)
    database.close()
  })

  it('removes the raw rows of one trace without touching those of another', async () => {
    const database = await Database.open(':memory:', { mode: 'write' })
    const values = Uint32Array.of(1, 2, 3)
    const columns: Column[] = [
      { kind: 'u32', field: field('n', 'u32'), values },
      names('comm', ['kswapd0', 'swapper/0'], 3),
    ]
    const batch = batchOf('test:kept', columns, 3)
    await appendRaw(database, 1, batch)
    await appendRaw(database, 2, batch)
    await removeTrace(database, 1)
    expect(
      await database.query('SELECT trace_id, tid, n, comm FROM raw."test:kept" ORDER BY seq'),
    ).toEqual([
      { trace_id: 2, tid: 100, n: 1, comm: 'kswapd0' },
      { trace_id: 2, tid: 101, n: 2, comm: 'swapper/0' },
      { trace_id: 2, tid: 102, n: 3, comm: 'kswapd0' },
    ])
    expect(
      await database.query(`SELECT (SELECT count(*) FROM packed.raw_shapes) AS shapes,
        (SELECT count(text) FROM packed.raw_strings) AS strings, count(*) AS n FROM packed_raw."test:kept"`),
    ).toEqual([{ shapes: 3, strings: 2, n: 3 }])
    database.close()
  })

  it('removes one run without touching its trace or the others', async () => {
    const database = await Database.open(':memory:', { mode: 'write' })
    const traceId = await beginTrace(database, { name: 'a' })
    await addRow(database, traceId)
    const one = await beginRun(database, traceId, { policy: 'kswapd' })
    const two = await beginRun(database, traceId, { policy: 'parallel' })
    await addRow(database, traceId, one)
    await addRow(database, traceId, two)
    await removeRun(database, one)
    const rows = await database.query('SELECT run_id FROM swapins ORDER BY run_id NULLS FIRST')
    expect(rows.map((row) => row['run_id'])).toEqual([null, two])
    database.close()
  })
})

describe('opening', () => {
  it('names the process that holds the lock', async () => {
    const path = join(folder, 'locked.duckdb')
    ;(await Database.open(path, { mode: 'write' })).close()
    const script = `import { DuckDBInstance } from '@duckdb/node-api'
      const instance = await DuckDBInstance.create(${JSON.stringify(path)})
      console.log('held')
      process.stdin.resume()
      process.stdin.on('end', () => { instance.closeSync(); process.exit(0) })`
    const holder = spawn(process.execPath, ['--input-type=module', '-e', script])
    try {
      await new Promise<void>((resolve, reject) => {
        holder.stdout.on('data', () => resolve())
        holder.on('exit', () => reject(new Error('the holder ended early')))
      })
      const opening = Database.open(path, { mode: 'write' })
      await expect(opening).rejects.toMatchObject({ code: 'database_locked', exitStatus: 1 })
      await expect(Database.open(path, { mode: 'read' })).rejects.toThrow(
        new RegExp(`in use by .*node.* \\(process ${holder.pid}\\)`),
      )
    } finally {
      holder.stdin.end()
      await new Promise((resolve) => holder.on('exit', resolve))
    }
  })

  it('says what is wrong with a missing file, a foreign file and a foreign database', async () => {
    const missing = join(folder, 'missing.duckdb')
    await expect(Database.open(missing, { mode: 'read' })).rejects.toMatchObject({
      code: 'no_database',
    })
    const text = join(folder, 'text.duckdb')
    writeFileSync(text, 'this is a long text that is certainly no database '.repeat(200))
    await expect(Database.open(text, { mode: 'read' })).rejects.toMatchObject({
      code: 'not_a_database',
    })
    await expect(Database.open(folder, { mode: 'write' })).rejects.toThrow(
      `${folder}: a folder; a database is one file`,
    )
  })

  it('says where no file can be made', async () => {
    await expect(Database.open('/proc/new.duckdb', { mode: 'write' })).rejects.toThrow(
      '/proc/new.duckdb: cannot be made in /proc',
    )
  })

  it.each(['raw', 'main', 'temp', 'system', 'pstrace', 'it"s a name'])(
    'takes a file called %s',
    async (name) => {
      const path = join(folder, `${name}.duckdb`)
      const database = await Database.open(path, { mode: 'write' })
      const traceId = await beginTrace(database, { name })
      await addRow(database, traceId)
      await completeTrace(database, traceId)
      database.close()
      const reader = await Database.open(path, { mode: 'read' })
      expect(await reader.query('SELECT trace_id, name FROM traces')).toEqual([
        { trace_id: traceId, name },
      ])
      await expect(reader.run('DELETE FROM traces')).rejects.toThrow(/read-only/)
      reader.close()
    },
  )

  it.each([1, 2, 3, 4, 5, 6])(
    'brings a database of version %i up to date with the same rows',
    async (version) => {
      const path = join(folder, `former-${version}.duckdb`)
      let database = await Database.open(path, { mode: 'write' })
      const traceId = await beginTrace(database, { name: 't' })
      const rows = new RowBuffer('swapins', rowKinds('swapins'))
      for (let i = 0; i < 5000; i++) {
        const row = rows.add()
        rows.number(row, 'ts_ns', i)
        rows.number(row, 'cpu', i % 3)
        if (i % 7 !== 0) rows.text(row, 'met', i % 2 === 0 ? 'pool' : 'disk')
      }
      await database.append(rows, { traceId })
      const values = Int32Array.from({ length: 300 }, (_, i) => i)
      const columns: Column[] = [
        { kind: 'i32', field: field('n', 'i32'), values },
        names('comm', ['kswapd0', 'swapper/0'], 300),
      ]
      const batch = batchOf('test:former', columns, 300)
      await appendRaw(database, traceId, batch)
      await completeTrace(database, traceId)
      if (version >= 4) await addBriefs(database, traceId)
      else if (version > 1) await makeFormerBrief(database, traceId)
      const sums = `SELECT count(*) AS n, sum(hash(t)::HUGEINT)::VARCHAR AS sum FROM swapins t
        UNION ALL SELECT count(*), sum(hash(t)::HUGEINT)::VARCHAR FROM raw."test:former" t
        UNION ALL SELECT count(*), sum(hash(t)::HUGEINT)::VARCHAR FROM swapouts t`
      const before = await database.query(sums)
      expect(before).toMatchObject([{ n: 5000 }, { n: 300 }, { n: version > 1 ? 100 : 0 }])
      if (version > 1) await dropLaterForms(database, version)
      if (version < 6) await spellOut(database)
      if (version > 1 && version < 5) await unnestRows(database)
      if (version < 3) {
        await makePlain(database, 'raw', 'test:former')
        await database.run('DROP SCHEMA packed_raw CASCADE; DROP TABLE packed.raw_shapes')
      } else if (version < 5) await makeFormerRaw(database)
      if (version === 1) await makeFirstVersion(database)
      await database.run(`UPDATE pstrace_schema SET version = ${version}`)
      database.close()
      database = await Database.open(path, { mode: 'write' })
      expect(await database.query(sums)).toEqual(before)
      if (version === 1)
        expect(await database.query('SELECT count(cgroup) AS n FROM tasks')).toEqual([{ n: 0 }])
      await database.append(rows, { traceId })
      await appendRaw(database, traceId, batch)
      expect(
        await database.query(
          'SELECT comm, count(*) AS n FROM raw."test:former" GROUP BY ALL ORDER BY ALL',
        ),
      ).toEqual([
        { comm: 'kswapd0', n: 300 },
        { comm: 'swapper/0', n: 300 },
      ])
      database.close()
    },
  )

  it('refuses a schema newer than it knows', async () => {
    const path = join(folder, 'new.duckdb')
    const database = await Database.open(path, { mode: 'write' })
    await database.run('UPDATE pstrace_schema SET version = 99')
    database.close()
    await expect(Database.open(path, { mode: 'write' })).rejects.toMatchObject({
      code: 'new_schema',
    })
  })

  it('neither installs nor loads extensions by itself', async () => {
    const database = await Database.open(':memory:', { mode: 'write' })
    const rows = await database.query(
      "SELECT name, value FROM duckdb_settings() WHERE name IN ('autoinstall_known_extensions', 'autoload_known_extensions')",
    )
    expect(rows.map(({ value }) => value)).toEqual(['false', 'false'])
    database.close()
  })
})

/** Puts a table of a view's rows in its place, as versions before had it. */
async function makePlain(database: Database, schema: string, name: string): Promise<void> {
  await database.run(
    `CREATE TABLE ${schema}._plain AS FROM ${schema}."${name}"; DROP VIEW ${schema}."${name}";
     ALTER TABLE ${schema}._plain RENAME TO "${name}"`,
  )
}

async function addBriefs(database: Database, traceId: number): Promise<void> {
  const { rows, shapes } = shapedRows('swapouts_brief')
  const shape = shapes.find()
  for (let i = 0; i < 100; i++) {
    const row = rows.add()
    rows.number(row, 'ts_ns', 1e13 + i)
    for (const name of ['swapout_id', 'held_ns', 'states_ns', 'span_id']) rows.number(row, name, i)
    if (rows.columns['shape']?.kind === 'shape') rows.columns['shape'].codes[row] = shape
  }
  await database.append(rows, { traceId })
  database.flush()
}

/** Versions before 6 had one brief form, and before 7 none of several rows in one. */
async function dropLaterForms(database: Database, version: number): Promise<void> {
  const later = ['swapouts_fours', 'thread_states_fours']
  if (version < 6) later.push('swapouts_ungated', 'thread_states_pairs')
  for (const name of later) await database.run(`DROP TABLE packed.${name}`)
}

/** Versions before 5 kept the values of packed rows in columns of their own. */
async function unnestRows(database: Database): Promise<void> {
  const parts = await database.query(
    "SELECT table_name AS name FROM duckdb_columns() WHERE schema_name = 'packed' AND column_name = 'cells'",
  )
  for (const { name } of parts) await unnest(database, 'packed', String(name))
}

async function unnest(database: Database, schema: string, name: string): Promise<void> {
  await database.run(
    `CREATE TABLE ${schema}._plain AS SELECT cells.* FROM ${schema}."${name}"; DROP TABLE ${schema}."${name}";
     ALTER TABLE ${schema}._plain RENAME TO "${name}"`,
  )
}

/** Versions before 6 kept names in the rows. */
async function spellOut(database: Database): Promise<void> {
  const columns = [
    ...PACKED_RAW_COLUMNS,
    { name: 'n', type: 'INTEGER', shown: 'BIGINT', comment: '' },
    { name: 'comm', type: 'VARCHAR', shown: 'VARCHAR', comment: '' },
  ]
  const cells = columns.map(({ name }) => `'${name}': ${name === 'comm' ? 't.text' : `r.${name}`}`)
  await database.run(`
    CREATE TABLE packed_raw._plain AS SELECT {${cells.join(', ')}} AS cells
      FROM (SELECT cells.* FROM packed_raw."test:former") r JOIN packed.raw_strings t ON r.comm = t.string ORDER BY r.seq;
    DROP TABLE packed_raw."test:former"; DROP TABLE packed.raw_strings;
    ALTER TABLE packed_raw._plain RENAME TO "test:former";
    ${rawViewStatements('test:former', columns).join(';')}`)
}

/** Versions 3 and 4 kept ranks and times of raw rows whole. */
async function makeFormerRaw(database: Database): Promise<void> {
  await unnest(database, 'packed_raw', 'test:former')
  await database.run(`
    ALTER TABLE packed_raw."test:former" ALTER COLUMN seq TYPE BIGINT;
    ALTER TABLE packed_raw."test:former" ALTER COLUMN ts_ns TYPE BIGINT;
    UPDATE packed_raw."test:former" r SET seq = r.seq + s.first_seq, ts_ns = r.ts_ns + s.first_ns
      FROM packed.raw_shapes s WHERE r._shape = s.shape;
    ALTER TABLE packed.raw_shapes DROP COLUMN first_seq;
    ALTER TABLE packed.raw_shapes DROP COLUMN first_ns`)
}

/** Versions 2 and 3 kept rows in brief with BIGINTs. */
async function makeFormerBrief(database: Database, traceId: number): Promise<void> {
  const own =
    'swapout_id, page_id, ts_ns, submit_ns, stored_ns, pfn, swap_offset, submit_rank, done_rank, span_id'
  const cells = own.split(', ').map((name, i) => `i + ${i} AS ${name}`)
  const table = tableOf('swapouts')
  const shown = allColumns(table).map(({ name }) => {
    if (name === 'start_ns') return 'submit_ns AS start_ns'
    if (name === 'start_rank') return 'submit_rank AS start_rank'
    const isKept = own.split(', ').includes(name) || (table.shared ?? []).includes(name)
    return isKept || name.endsWith('_id') ? name : `NULL::BIGINT AS ${name}`
  })
  await database.run(`
    INSERT INTO packed.swapouts_shapes (shape, trace_id, cpu, lane) VALUES (1, ${traceId}, 3, '0/kswapd');
    DROP TABLE packed.swapouts_brief;
    CREATE TABLE packed.swapouts_brief AS SELECT 1::INTEGER AS shape, ${cells.join(', ')} FROM range(1, 101) t(i);
    CREATE OR REPLACE VIEW swapouts AS SELECT ${shown.join(', ')} FROM packed.swapouts_brief JOIN packed.swapouts_shapes USING (shape)`)
}

/** Version 1 had every table plain, and fewer columns of tasks. */
async function makeFirstVersion(database: Database): Promise<void> {
  for (const { name, shared } of TABLES)
    if (shared !== undefined) await makePlain(database, 'main', name)
  await database.run('ALTER TABLE tasks DROP COLUMN cgroup; DROP SCHEMA packed CASCADE')
}
