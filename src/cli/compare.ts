import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import type { Command } from 'commander'
import type { GlobalOptions, Settings } from '../config/settings.ts'
import type { ComparisonColumn } from './comparison.ts'
import { unfitError, usageError } from './failure.ts'
import { addDatabase, addExamples, addOutput, type OutputOptions } from './options.ts'
import { printLine, printResult, toFormat, writeOut } from './output.ts'
import { toSettings } from './settings.ts'

interface CompareOptions extends GlobalOptions, OutputOptions {}

export function register(command: Command): void {
  command
    .argument('<what...>', 'two or more of trace:NAME, run:ID, or database files')
    .description(
      'Put recordings and runs side by side. trace:NAME is a recording, run:ID a run of the database, a database file stands for its last ' +
        'trace and the latest run of each policy. A recording compared with its own run is cut to the work that was replayed. With two columns ' +
        'the ratio second / first is added. lkml is plain text of at most 72 columns, md a table for Markdown.',
    )
  addOutput(addDatabase(command), ['lkml', 'md'])
  addExamples(
    command,
    `
pstrace compare run:1 run:2
pstrace compare trace:before trace:after --format lkml
pstrace compare before.duckdb after.duckdb --format json`,
  )
  command.action(async (what: string[], options: CompareOptions) => {
    const settings = toSettings(options)
    const columns = await readColumns(what, settings)
    if (columns.length < 2)
      throw usageError('compare: give two or more of trace:NAME, run:ID, or database files')
    await print(columns, options, settings)
  })
}

async function readColumns(
  what: readonly string[],
  settings: Settings,
): Promise<ComparisonColumn[]> {
  const columns: ComparisonColumn[] = []
  const own = what.filter((name) => /^(trace|run):/.test(name))
  const owned =
    own.length === 0 ? new Map<string, ComparisonColumn>() : await readOwn(own, settings)
  for (const name of what) {
    const column = owned.get(name)
    if (column !== undefined) columns.push(column)
    else if (existsSync(name)) columns.push(...(await readFileColumns(name)))
    else
      throw usageError(
        `compare: '${name}' is neither trace:NAME, run:ID nor a database file; pstrace info lists traces and runs`,
      )
  }
  return distinct(columns)
}

/** Two columns of one name would be one column of a table. */
function distinct(columns: readonly ComparisonColumn[]): ComparisonColumn[] {
  const seen = new Map<string, number>()
  return columns.map((column) => {
    const times = (seen.get(column.label) ?? 0) + 1
    seen.set(column.label, times)
    return times === 1 ? column : { ...column, label: `${column.label} (${times})` }
  })
}

interface RunRow {
  readonly run_id: number
  readonly trace_id: number
  readonly policy: string
  readonly start_offset_ns: number | null
  readonly work_ns: number | null
  readonly has_rows: boolean
}

async function readRuns(
  connection: import('@duckdb/node-api').DuckDBConnection,
): Promise<RunRow[]> {
  const { readRows } = await import('../analysis/query.ts')
  const { HAS_ROWS } = await import('../analysis/selection.ts')
  return readRows<RunRow>(
    connection,
    `SELECT run_id, trace_id, policy,
  TRY_CAST(json_extract_string(config, '$.startOffsetNs') AS DOUBLE) AS start_offset_ns,
  TRY_CAST(json_extract_string(config, '$.recordedWorkNs') AS DOUBLE) AS work_ns, ${HAS_ROWS} AS has_rows
  FROM runs WHERE state = 'complete' ORDER BY run_id`,
  )
}

async function readOwn(
  names: readonly string[],
  settings: Settings,
): Promise<Map<string, ComparisonColumn>> {
  const { Database } = await import('../database/database.ts')
  const { readStoredFigures } = await import('../analysis/stored-figures.ts')
  const { unknownName } = await import('../model/names.ts')
  const database = await Database.open(settings.databasePath, { mode: 'read' })
  const columns = new Map<string, ComparisonColumn>()
  try {
    const { connection } = database
    const runs = await readRuns(connection)
    const asked: RunRow[] = []
    for (const name of names) {
      if (!name.startsWith('run:')) continue
      const id = name.slice(4)
      const run =
        id === 'last'
          ? runs.at(-1)
          : (runs.find(({ run_id }) => String(run_id) === id) ??
            runs.findLast(({ policy }) => policy === id))
      if (run === undefined)
        throw unknownName(
          'run',
          id,
          runs.map(({ run_id }) => String(run_id)),
        )
      asked.push(run)
      columns.set(name, {
        label: `${run.policy} #${run.run_id}`,
        figures: await readStoredFigures(connection, run.run_id),
      })
    }
    for (const name of names) {
      if (!name.startsWith('trace:')) continue
      columns.set(name, await readRecording(database.connection, name.slice(6), asked))
    }
  } finally {
    database.close()
  }
  return columns
}

async function readRecording(
  connection: import('@duckdb/node-api').DuckDBConnection,
  trace: string,
  runs: readonly RunRow[],
): Promise<ComparisonColumn> {
  const { readFigures } = await import('../analysis/figures.ts')
  const { resolveSubjects } = await import('../analysis/selection.ts')
  const { createViews, dropViews } = await import('../analysis/views.ts')
  const { cutRecording } = await import('../analysis/replayed-work.ts')
  await dropViews(connection)
  const selection = await resolveSubjects(connection, {
    trace,
    runs: ['recording'],
    cpus: [],
    tids: [],
    comms: [],
    nodes: [],
  })
  const [subject] = selection.subjects
  const own = runs.find((run) => run.trace_id === subject?.traceId)
  await createViews(
    connection,
    own === undefined ? selection : cutRecording(selection, own.start_offset_ns ?? 0, own.work_ns),
  )
  const [figures] = await readFigures(connection)
  await dropViews(connection)
  return { label: subject?.traceName ?? trace, figures: figures?.figures ?? [] }
}

async function readFileColumns(path: string): Promise<ComparisonColumn[]> {
  const { Database } = await import('../database/database.ts')
  const { readRows } = await import('../analysis/query.ts')
  const { readStoredFigures } = await import('../analysis/stored-figures.ts')
  const database = await Database.open(path, { mode: 'read' })
  try {
    const { connection } = database
    const [trace] = await readRows<{ trace_id: number }>(
      connection,
      "SELECT max(trace_id) AS trace_id FROM traces WHERE state = 'complete' HAVING count(*) > 0",
    )
    if (trace === undefined) throw unfitError(`${path}: holds no complete trace`)
    const runs = (await readRuns(connection)).filter((run) => run.trace_id === trace.trace_id)
    const whole = runs.filter(({ has_rows: kept }) => kept)
    const latest = whole.filter(
      (run) => whole.findLast(({ policy }) => policy === run.policy) === run,
    )
    const prefix = basename(path).replace(/\.(duckdb|db)$/, '')
    const recording = await readRecording(connection, String(trace.trace_id), latest)
    const columns = [{ label: prefix, figures: recording.figures }]
    for (const run of latest)
      columns.push({
        label: `${prefix} ${run.policy}`,
        figures: await readStoredFigures(connection, run.run_id),
      })
    return columns
  } finally {
    database.close()
  }
}

async function print(
  columns: readonly ComparisonColumn[],
  options: CompareOptions,
  settings: Settings,
): Promise<void> {
  const comparison = await import('./comparison.ts')
  const format = options.format
  if (format === 'lkml' || format === 'md') {
    const table = comparison.toComparisonTable(columns, { ratio: columns.length === 2 })
    const text = format === 'md' ? comparison.toMarkdown(table) : comparison.toPlainText(table, 72)
    if (options.output === undefined) await writeOut(text)
    else {
      const { writeFileWhole } = await import('../io/whole-file.ts')
      await writeFileWhole(options.output, { force: options.force ?? false }, [text])
    }
    return
  }
  if (toFormat(options) !== 'table' || options.output !== undefined) {
    await printResult(
      comparison.toFigureRows(
        columns.map(({ label, figures }) => ({ traceId: 0, runId: null, label, figures })),
        { ids: false },
      ),
      options,
      settings,
    )
    return
  }
  await printResult(
    comparison.toComparisonTable(columns, { ratio: columns.length === 2 }),
    options,
    settings,
  )
  await printLine('')
}
