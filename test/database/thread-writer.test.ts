import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTrace } from '../../parsers/index.ts'
import { Database } from '../../src/database/database.ts'
import { ingestTrace } from '../../src/ingest/ingest.ts'
import { openFileSource } from '../../src/io/file-source.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const TRACES = ['zram-lz4-6.1/trace.dat', 'perf/vmscan-6.12-cut.data'].map((path) =>
  join(ROOT, 'fixtures', path),
)
const [TRACE = ''] = TRACES
// Packages with native parts stay outside the bundle and are found from inside the project.
const SCRATCH = join(ROOT, '.scratch')
let folder = ''
let database: Database

/** Sources run in one thread; only compiled code can start another. */
async function compile(): Promise<void> {
  const stdin = (contents: string) => ({ contents, resolveDir: ROOT, loader: 'ts' as const })
  const shared = {
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
  } as const
  await build({
    ...shared,
    entryPoints: { 'writer-thread': join(ROOT, 'src/database/writer-thread.ts') },
    outdir: folder,
  })
  await build({ ...shared, stdin: stdin(SEVERAL), outfile: join(folder, 'several.js') })
  await build({ ...shared, stdin: stdin(STOPPED), outfile: join(folder, 'stopped.js') })
  await build({ ...shared, stdin: stdin(FAILING), outfile: join(folder, 'failing.js') })
  await build({ ...shared, stdin: stdin(LOCKED), outfile: join(folder, 'locked.js') })
  await build({ ...shared, stdin: stdin(OTHER), outfile: join(folder, 'other.js') })
  await build({ ...shared, stdin: stdin(TOGETHER), outfile: join(folder, 'together.js') })
  const empty = join(folder, 'empty.duckdb')
  spawnSync(process.execPath, [join(ROOT, 'scripts/new-database.mjs'), empty])
  const marked = await Database.open(empty, { mode: 'write' })
  await marked.run('CREATE TABLE copied (n INTEGER)')
  marked.close()
}

function runThreads(program: string, ...args: string[]): { stdout: string; stderr: string } {
  return spawnSync(process.execPath, [join(folder, program), ...args], { encoding: 'utf8' })
}

async function ingestHere(path: string): Promise<void> {
  const own = await Database.open(path, { mode: 'write' })
  for (const trace of TRACES) {
    const source = openFileSource(trace)
    const reader = await openTrace(source)
    await ingestTrace({ database: own, reader, name: 'bench', path: trace, sha256: trace })
    reader.close()
    source.close()
  }
  own.close()
}

beforeAll(async () => {
  mkdirSync(SCRATCH, { recursive: true })
  folder = mkdtempSync(join(SCRATCH, 'writer-'))
  await compile()
  const { stdout, stderr } = runThreads('several.js', join(folder, 'two.duckdb'), ...TRACES, TRACE)
  expect(stdout, stderr).toBe('trace 1\ntrace 2\nPstraceError already_ingested\n')
  await ingestHere(join(folder, 'one.duckdb'))
  database = await Database.open(':memory:', { mode: 'write' })
  await database.run(`ATTACH '${join(folder, 'one.duckdb')}' AS one (READ_ONLY)`)
  await database.run(`ATTACH '${join(folder, 'two.duckdb')}' AS two (READ_ONLY)`)
})
afterAll(() => {
  database.close()
  rmSync(folder, { recursive: true })
})

describe('the writing thread', () => {
  it('leaves the same rows in every table as one thread alone', async () => {
    // Shapes are numbered in the order in which they come, so tables are compared as SQL shows them.
    const shown = (kind: string): string =>
      `SELECT schema_name AS schema, ${kind}_name AS name FROM duckdb_${kind}s() WHERE database_name = 'one' AND NOT internal`
    const tables = await database.query(
      `FROM (${shown('table')} UNION ALL ${shown('view')}) WHERE schema IN ('main', 'raw')`,
    )
    const sums = async (catalog: string): Promise<unknown[]> => {
      await database.run(`USE ${catalog}`)
      const found: unknown[] = []
      for (const { schema, name } of tables)
        found.push(
          ...(await database.query(
            `SELECT '${name}' AS name, count(*) AS n, sum(hash(t)::HUGEINT)::VARCHAR AS sum FROM ${schema}."${name}" t`,
          )),
        )
      return found
    }
    expect(await sums('two')).toEqual(await sums('one'))
    expect(tables.length).toBeGreaterThan(40)
  })

  it('begins a new database as a copy of the empty one, unless a log of another lies there', async () => {
    const columns = async (catalog: string, condition: string): Promise<unknown[]> =>
      await database.query(
        `SELECT schema_name, table_name, column_name, data_type, comment FROM duckdb_columns()
         WHERE database_name = '${catalog}' AND ${condition} ORDER BY ALL`,
      )
    expect(await columns('two', "table_name <> 'copied'")).toEqual(await columns('one', 'true'))
    expect(await columns('two', "table_name = 'copied'")).toHaveLength(1)
    const path = join(folder, 'with-log.duckdb')
    writeFileSync(`${path}.wal`, 'of a database that is gone')
    const { stdout, stderr } = runThreads('other.js', path)
    expect(stdout, stderr).toBe('open\n')
    await database.run(`ATTACH '${path}' AS logged (READ_ONLY)`)
    expect(await columns('logged', 'true')).toEqual(
      await columns('one', "schema_name IN ('main', 'packed')"),
    )
  })

  it('finds a new database whole, however many begin it at once, and leaves nothing else beside it', async () => {
    const path = join(folder, 'together', 'new.duckdb')
    mkdirSync(join(folder, 'together'))
    const { stdout, stderr } = runThreads('together.js', path, join(folder, 'other.js'))
    const told = stdout.trim().split('\n')
    expect(told, stderr).toHaveLength(6)
    expect(told).toContain('open')
    expect(told.filter((line) => line !== 'open' && line !== 'database_locked')).toEqual([])
    expect(readdirSync(join(folder, 'together'))).toEqual(['new.duckdb'])
  })

  it('names the empty database where that is damaged, and leaves no copy of it', () => {
    const damaged = join(folder, 'damaged')
    mkdirSync(damaged)
    copyFileSync(join(folder, 'other.js'), join(damaged, 'other.js'))
    writeFileSync(
      join(damaged, 'empty.duckdb'),
      readFileSync(join(folder, 'empty.duckdb')).subarray(0, 300_000),
    )
    const { stdout, stderr } = runThreads('damaged/other.js', join(damaged, 'new.duckdb'))
    expect(stdout, stderr).toBe('damaged_installation\n')
    expect(readdirSync(damaged).sort()).toEqual(['empty.duckdb', 'other.js'])
  })

  it('keeps the order of events in the raw tables', async () => {
    const [row] = await database.query(
      'SELECT count(*) AS n, max(seq) AS last FROM two.raw."sched:sched_switch" WHERE trace_id = 1',
    )
    expect(row).toEqual({ n: 21_526, last: 278_660 })
  })

  it('gives the file back without the rows of an ingest that was stopped', async () => {
    const path = join(folder, 'stopped.duckdb')
    const { stdout, stderr } = runThreads('stopped.js', TRACE, path)
    expect(stdout, stderr).toBe('stopped at 65536 or later: true; 0 traces, 0 swap-outs\n')
  })

  it('tells with the first call that the file is no database', () => {
    const path = join(folder, 'no.duckdb')
    writeFileSync(path, 'no database')
    const { stdout, stderr } = runThreads('failing.js', path)
    expect(stdout, stderr).toBe('PstraceError not_a_database\n')
  })

  it('goes on with the next trace when what failed is removed', () => {
    const { stdout, stderr } = runThreads('failing.js', join(folder, 'failing.duckdb'))
    expect(stdout, stderr).toBe('Error undefined\n1 trace: b\n')
  })

  it('keeps other processes out until its owner closes the file, whatever it reads from the file itself', () => {
    const other = join(folder, 'other.js')
    const { stdout, stderr } = runThreads('locked.js', join(folder, 'locked.duckdb'), other)
    expect(stdout, stderr).toBe('database_locked\ndatabase_locked\nopen\n')
  })
})

/** Writes traces one after the other, and says what became of each. */
const SEVERAL = `
  import { openTrace } from './parsers/index.ts'
  import { openWriter } from './src/database/thread-writer.ts'
  import { writeTrace } from './src/ingest/ingest.ts'
  import { openFileSource } from './src/io/file-source.ts'
  const [path, ...traces] = process.argv.slice(2)
  const writer = await openWriter(path)
  for (const trace of traces) {
    const source = openFileSource(trace)
    const { size } = source
    const reader = await openTrace(source)
    await writeTrace(writer, { reader, name: 'bench', path: trace, size, sha256: trace }).then(
      ({ traceId }) => console.log(\`trace \${traceId}\`),
      (error) => console.log(error.name, error.code),
    )
  }
  await writer.close()
`

/** Stops an ingest from the outside when rows are written that need not have been, then asks the same database what is left. */
const STOPPED = `
  import { openTrace } from './parsers/index.ts'
  import { Database } from './src/database/database.ts'
  import { ingestTrace } from './src/ingest/ingest.ts'
  import { openFileSource } from './src/io/file-source.ts'
  const [trace, path] = process.argv.slice(2)
  const reader = await openTrace(openFileSource(trace))
  const database = await Database.open(path, { mode: 'write' })
  const stop = new AbortController()
  let events = 0
  const progress = (now) => {
    events = now.events
    if (events >= 65536) stop.abort()
  }
  const input = { reader, name: 'x', path: trace, size: 1 }
  const options = { database, ...input, raw: 'all', progress, signal: stop.signal }
  await ingestTrace(options).catch(() => {})
  const [traces] = await database.query('SELECT count(*) AS n FROM traces')
  const [rows] = await database.query('SELECT count(*) AS n FROM swapouts')
  console.log(\`stopped at 65536 or later: \${events < 278661}; \${traces.n} traces, \${rows.n} swap-outs\`)
  database.close()
`

/** Begins a trace, fails in it, removes it and writes another. */
const FAILING = `
  import { openWriter } from './src/database/thread-writer.ts'
  const writer = await openWriter(process.argv[2])
  const options = { baseNs: 0n, force: false }
  await writer.beginTrace({ name: 'a' }, options)
  await writer.run('no such statement').catch(({ name, code }) => console.log(name, code))
  try {
    await writer.removeTrace()
    await writer.beginTrace({ name: 'b' }, options)
    await writer.completeTrace({ events: 0 })
    const [row] = await writer.query('SELECT count(*) AS n, any_value(name) AS name FROM traces')
    console.log(\`\${row.n} trace: \${row.name}\`)
  } catch {
    // The database was never open.
  }
  await writer.close()
`

/** Writes a trace into a file, then one into the same database that it has open, and says how another process fares. */
const LOCKED = `
  import { spawnSync } from 'node:child_process'
  import { Database } from './src/database/database.ts'
  import { borrowWriter, openWriter } from './src/database/thread-writer.ts'
  const [path, other] = process.argv.slice(2)
  const tryOther = () => process.stdout.write(spawnSync(process.execPath, [other, path]).stdout)
  const write = async (writer) => {
    await writer.beginTrace({ name: 'a' }, { baseNs: 0n, force: false })
    await writer.begin()
    await writer.beginRaw()
    await writer.endRaw()
    await writer.completeTrace({ events: 0 })
  }
  const writer = await openWriter(path)
  await write(writer)
  tryOther()
  await writer.close()
  const database = await Database.open(path, { mode: 'write' })
  const borrowed = await borrowWriter(database)
  await write(borrowed)
  await borrowed.close()
  tryOther()
  database.close()
  tryOther()
`

/** Has six processes open the same new database at once. */
const TOGETHER = `
  import { spawn } from 'node:child_process'
  const [path, other] = process.argv.slice(2)
  for (let n = 0; n < 6; n++)
    spawn(process.execPath, [other, path], { stdio: ['ignore', 'inherit', 'inherit'] })
`

/** Opens a database, if it may. */
const OTHER = `
  import { Database } from './src/database/database.ts'
  await Database.open(process.argv[2], { mode: 'write' }).then(
    (database) => {
      database.close()
      console.log('open')
    },
    ({ code }) => console.log(code),
  )
`
