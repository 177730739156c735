import type { Command } from 'commander'
import { readTextFile } from '../io/read-failure.ts'
import { PstraceError } from '../model/error.ts'
import { usageError } from './failure.ts'
import { addDatabase, addExamples, addOutput, addSelectors } from './options.ts'
import { printResult, toFormat } from './output.ts'
import { type Reading, type ReadingOptions, withReading } from './reading.ts'

export function register(command: Command): void {
  command
    .argument('[sql]', "a SELECT; '-' reads it from standard input")
    .description(
      'Run SQL (DuckDB) over the tables and views that `pstrace schema` lists. The database is read-only; only ' +
        'complete traces and runs are seen. Without selectors a query sees all of them, and so joins on trace_id and run_id ' +
        '(IS NOT DISTINCT FROM: run_id is NULL for the recording); with selectors it sees that part only.',
    )
    .option('--file <file>', 'read the SQL from a file')
  addOutput(addSelectors(addDatabase(command)))
  addExamples(
    command,
    `
pstrace query 'SELECT comm, count(*) AS stalls, max(ns) AS max_ns FROM stalls GROUP BY comm'
pstrace query --trace last-boot --format csv 'SELECT * FROM swapouts' > swapouts.csv
pstrace query 'SELECT * FROM raw."vmscan:mm_vmscan_kswapd_wake"' --format ndjson | head
pstrace query -o stalls.parquet 'FROM stalls'`,
  )
  command.action(async (sql: string | undefined, options: QueryOptions) => {
    const text = readSql(sql, options.file)
    const scope = isSelective(options) ? 'default' : 'everything'
    await withReading(options, (reading) => print(reading, text, options), { runs: scope })
  })
}

interface QueryOptions extends ReadingOptions {
  readonly file?: string
}

function readSql(sql: string | undefined, file: string | undefined): string {
  if ((sql === undefined) === (file === undefined))
    throw usageError("give the SQL as one argument ('-' for standard input) or with --file")
  const text = sql !== undefined && sql !== '-' ? sql : readTextFile(file ?? '-')
  const trimmed = text.trim().replace(/;\s*$/, '')
  if (trimmed === '') throw usageError('the SQL is empty')
  requireReading(trimmed)
  return trimmed
}

/** Statements that write: into the database, which is open for reading, or into files beside it, which only -o may do. */
const WRITES =
  /^(alter|analyze|attach|begin|call|checkpoint|comment|commit|copy|create|delete|detach|drop|export|import|insert|install|load|merge|replace|reset|rollback|set|start|truncate|update|upsert|use|vacuum)\b/i
const COMMENT = /^(--[^\n]*(\n|$)|\/\*[\s\S]*?\*\/)/

function requireReading(sql: string): void {
  let rest = sql
  for (let before = ''; before !== rest; ) {
    before = rest
    rest = rest
      .trimStart()
      .replace(COMMENT, '')
      .replace(/^explain(\s+analyze)?\b/i, '')
  }
  const [word] = WRITES.exec(rest) ?? []
  if (word !== undefined)
    throw usageError(
      `query is read-only: found ${word.toUpperCase()}, a SELECT was expected (results go to a file with -o)`,
    )
}

function isSelective(options: ReadingOptions): boolean {
  const { trace, run, from, to, cpu, tid, comm, node, window } = options
  return [trace, run, from, to, cpu, tid, comm, node, window].some((value) => value !== undefined)
}

async function print(reading: Reading, sql: string, options: QueryOptions): Promise<void> {
  const { connection, selection, settings } = reading
  if (/\braw\s*\./i.test(sql)) {
    const { createRawViews } = await import('../analysis/views.ts')
    await createRawViews(connection, selection)
  }
  if (toFormat(options) === 'parquet') {
    const { copyToParquet } = await import('../export/parquet.ts')
    await printResult({ columns: [], rows: [] }, options, settings, (path) =>
      explained(() => copyToParquet(connection, sql, path)),
    )
    return
  }
  const { count } = await explained(() => connection.extractStatements(sql))
  // PIVOT is several statements to DuckDB.
  if (count > 1 && !/\bpivot\b/i.test(sql))
    throw usageError(`${count} SQL statements; query runs one (only the last would be shown)`)
  const { streamQuery } = await import('../analysis/query.ts')
  const stream = await explained(() => streamQuery(connection, sql))
  await printResult(stream, options, settings)
}

/** Mistakes in the SQL are wrong usage; DuckDB's message names the place and near names. */
async function explained<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    const given = cause instanceof Error ? cause.message : String(cause)
    const message = given.replace(/^Failed to extract statements: /, '')
    const wrong = /^(Parser|Binder|Catalog|Syntax) Error/.test(message)
    const hint = /^Catalog Error: Table with name/.test(message)
      ? '\n`pstrace schema` lists tables and views.'
      : ''
    throw new PstraceError('sql', `${message}${hint}`, { cause, exitStatus: wrong ? 2 : 1 })
  }
}
