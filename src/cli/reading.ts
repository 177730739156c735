import type { DuckDBConnection } from '@duckdb/node-api'
import type { LossSummary } from '../analysis/losses.ts'
import type { Result, ResultColumn } from '../analysis/result.ts'
import type { ResolvedSelection } from '../analysis/selection.ts'
import { settingsGiven } from '../analysis/settings-given.ts'
import { resolveSelection, type SelectionOptions } from '../config/selection.ts'
import type { GlobalOptions, Settings } from '../config/settings.ts'
import type { Database } from '../database/database.ts'
import { formatCount, plural } from '../model/counted.ts'
import { groupBy } from '../model/group-by.ts'
import { stopOnInterrupt } from './interrupt.ts'
import type { OutputOptions } from './options.ts'
import { printLine, printResult, printText, toFormat } from './output.ts'
import { toSettings } from './settings.ts'

export interface ReadingOptions extends GlobalOptions, SelectionOptions, OutputOptions {}

/** An open database with the views made for what the user selected. */
export interface Reading {
  readonly database: Database
  readonly connection: DuckDBConnection
  readonly selection: ResolvedSelection
  readonly settings: Settings
}

/** Opens the database read-only, makes the views, runs `work`, closes. */
export async function withReading(
  options: ReadingOptions,
  work: (reading: Reading) => Promise<void>,
  scope: { runs?: 'default' | 'recording' | 'everything' } = {},
): Promise<void> {
  const settings = toSettings(options)
  const asked = resolveSelection(options)
  const { Database } = await import('../database/database.ts')
  const { resolveSubjects, selectEverything } = await import('../analysis/selection.ts')
  const { createViews } = await import('../analysis/views.ts')
  const database = await Database.open(settings.databasePath, { mode: 'read' })
  try {
    const { connection } = database
    stopOnInterrupt(() => connection.interrupt())
    const selection =
      scope.runs === 'everything'
        ? await selectEverything(connection)
        : await resolveSubjects(connection, asked, { runs: scope.runs ?? 'default' })
    await createViews(connection, selection)
    await work({ database, connection, selection, settings })
  } finally {
    database.close()
  }
}

/** One table of a command's output. */
export interface Section {
  readonly title: string
  readonly result: Result
  /** Said instead of an empty table. */
  readonly empty?: string
}

/** Columns that only machines want: a person sees the label and the headline. */
const MACHINE_COLUMNS = new Set(['trace_id', 'run_id', 'task_id', 'gfp_flags', 'stall_id'])

/** Sections under a headline for people; exactly one section in the machine formats. */
export async function printSections(
  sections: readonly Section[],
  options: OutputOptions,
  reading: Reading,
): Promise<void> {
  const { settings } = reading
  const [first] = sections
  if (toFormat(options) !== 'table' || options.output !== undefined) {
    if (first !== undefined) await printResult(first.result, options, settings)
    return
  }
  await printHeadline(reading)
  for (const { title, result, empty } of sections) {
    await printLine('')
    await printLine(`${title}:`)
    if (result.rows.length === 0) await printLine(`  ${empty ?? 'none'}`)
    else await printResult(forPeople(result), options, settings)
  }
}

function forPeople(result: Result): Result {
  const shown = result.columns
    .map((column, index) => ({ column, index }))
    .filter(
      ({ column, index }) =>
        !MACHINE_COLUMNS.has(column.name) && !result.rows.every((row) => row[index] === null),
    )
  return {
    columns: shown.map(({ column }) => column),
    rows: result.rows.map((row) => shown.map(({ index }) => row[index] ?? null)),
  }
}

/** What the figures below it rest on: the trace and its losses; for runs the content source, demand model and seed. */
export async function headline(reading: Reading): Promise<string[]> {
  const { readLosses } = await import('../analysis/losses.ts')
  const { readRows } = await import('../analysis/query.ts')
  const { formatNs } = await import('./format.ts')
  const { connection, selection } = reading
  const [subject] = selection.subjects
  if (subject === undefined) return []
  const [trace] = await readRows<{
    kernel_release: string | null
    cpus: number | null
    events: number | null
  }>(
    connection,
    `SELECT kernel_release, cpus, events FROM traces WHERE trace_id = ${subject.traceId}`,
  )
  const parts = [
    `trace ${subject.traceId} (${subject.traceName})`,
    ...(trace?.kernel_release == null ? [] : [`kernel ${trace.kernel_release}`]),
    ...(trace?.cpus == null ? [] : [plural(trace.cpus, 'CPU')]),
  ]
  const recording = selection.subjects.find(({ runId }) => runId === null)
  if (recording !== undefined)
    parts.push(
      selection.windowed
        ? `${formatNs(Number(recording.endNs - recording.startNs))} of ${formatNs(Number(recording.lastNs - recording.firstNs))}`
        : formatNs(Number(recording.lastNs - recording.firstNs)),
    )
  const lines = [parts.join(', ')]
  const losses = await readLosses(connection, subject.traceId)
  if (losses.gaps > 0)
    lines.push(
      `events lost: ${describeNumber(losses)} in ${plural(losses.gaps, 'gap')} (${formatNs(losses.gapNs)}): what is shown is what was seen, _hi what it may be with what the gaps hide; stalls cut by a gap are censored`,
    )
  const runs = await readRows<RunFacts>(
    connection,
    'SELECT run_id, policy, content_source, demand, seed, codec, backend, cpus, clock, CAST(config AS VARCHAR) AS config FROM runs ORDER BY run_id',
  )
  return [...lines, ...describeRuns(runs)]
}

/** Which recording and runs the tables below are about; for people, so only before a result in prose or tables. */
export async function printHeadline(reading: Reading): Promise<void> {
  for (const line of await headline(reading)) await printText(line)
}

interface RunFacts {
  readonly run_id: number
  readonly policy: string
  readonly content_source: string | null
  readonly demand: string | null
  readonly seed: number | null
  readonly codec: string | null
  readonly backend: string | null
  readonly cpus: string | null
  readonly clock: string | null
  readonly config: string | null
}

function describeNumber({ lostEvents, uncountedGaps }: LossSummary): string {
  if (uncountedGaps === 0) return formatCount(lostEvents)
  return lostEvents === 0 ? 'an unknown number' : `at least ${formatCount(lostEvents)}`
}

/** One line for all runs of which the same is to be said. */
function describeRuns(runs: readonly RunFacts[]): string[] {
  return [...groupBy(runs, sayFacts)].map(([facts, same]) => {
    const names = same.map((run) => {
      const given = settingsGiven(run.config)
      return `${run.run_id} ${run.policy}${given.length === 0 ? '' : ` (${given.join(', ')})`}`
    })
    return `${names.length === 1 ? 'run' : 'runs'} ${names.join(', ')}: ${facts}`
  })
}

function sayFacts(run: RunFacts): string {
  return [
    `contents ${run.content_source ?? 'unknown'}`,
    `demand ${run.demand ?? 'unknown'}`,
    `seed ${run.seed ?? 'unknown'}`,
    ...(run.backend === null ? [] : [`${run.backend} ${run.codec ?? ''}`.trim()]),
    ...(run.cpus === null ? [] : [`CPUs ${run.cpus}`]),
    ...(run.clock === null ? [] : [`${run.clock} clock`]),
  ].join(', ')
}

/** Runs a query whose columns are already named and typed for output. */
export async function readSection(
  reading: Reading,
  title: string,
  sql: string,
  empty?: string,
): Promise<Section> {
  const { runQuery } = await import('../analysis/query.ts')
  const result = await runQuery(reading.connection, sql)
  return { title, result, ...(empty === undefined ? {} : { empty }) }
}

/** Adds columns computed per row. */
export function withColumns(
  result: Result,
  columns: readonly ResultColumn[],
  compute: (row: Readonly<Record<string, unknown>>) => readonly (number | string | null)[],
): Result {
  return {
    columns: [...result.columns, ...columns],
    rows: result.rows.map((row) => {
      const object = Object.fromEntries(result.columns.map(({ name }, i) => [name, row[i]]))
      return [...row, ...compute(object)]
    }),
  }
}
