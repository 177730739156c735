import { type Equation, EXPLANATIONS, readEquations } from '../analysis/equations.ts'
import { type Finding, readFitness } from '../analysis/fitness.ts'
import { type Intervals, readIntervals } from '../analysis/intervals.ts'
import { type LossSummary, readLosses } from '../analysis/losses.ts'
import { readRows } from '../analysis/query.ts'
import { type Result, toResult, type Value } from '../analysis/result.ts'
import { findTrace } from '../analysis/selection.ts'
import { roleOf } from '../ingest/aliases.ts'
import { formatCount, plural } from '../model/counted.ts'
import { printFindings } from './findings.ts'
import { formatNs } from './format.ts'
import type { InfoOptions } from './info.ts'
import { describeLost, type LostEvents } from './lost-events.ts'
import { printLine, printResult, toFormat } from './output.ts'
import { startProgress } from './progress.ts'
import type { Reading } from './reading.ts'

/** Lists the database's traces, or describes the chosen ones. */
export async function printInfo(reading: Reading, options: InfoOptions): Promise<void> {
  const { connection } = reading
  const traces = await readRows<TraceRow>(connection, 'SELECT * FROM traces ORDER BY trace_id')
  const chosen = await chooseTraces(traces, reading, options)
  const forPeople = toFormat(options) === 'table' && options.output === undefined
  if (!forPeople) {
    const described = options.trace === undefined ? traces : chosen
    const rows = []
    const progress = startDescriptions(reading, described.length)
    for (const trace of described)
      rows.push(toMachineRow(await describe(reading, trace, progress.step)))
    progress.stop()
    await printResult(toInfoResult(rows), options, reading.settings)
    return
  }
  if (options.trace === undefined && traces.length !== 1) await printList(reading, traces, options)
  const progress = startDescriptions(reading, chosen.length)
  const descriptions = []
  for (const trace of chosen) descriptions.push(await describe(reading, trace, progress.step))
  progress.stop()
  for (const description of descriptions) await printDescription(description, reading, options)
}

/** Each description reads tables of up to many million rows. */
function startDescriptions({ settings }: Reading, traces: number): { step(): void; stop(): void } {
  const progress = startProgress(settings, 'counting rows', 'count')
  let done = 0
  return {
    step: () => progress.update(++done, traces * STEPS),
    stop: () => progress.stop(),
  }
}

interface TraceRow {
  readonly trace_id: number
  readonly name: string
  readonly path: string | null
  readonly format: string | null
  readonly kernel_release: string | null
  readonly arch: string | null
  readonly cpus: number | null
  readonly nodes: number | null
  readonly page_size: number | null
  readonly clock: string | null
  readonly start_ns: number | null
  readonly end_ns: number | null
  readonly events: number | null
  readonly lost_events: number | null
  readonly lost_gaps: number | null
}

async function chooseTraces(
  traces: readonly TraceRow[],
  reading: Reading,
  options: InfoOptions,
): Promise<readonly TraceRow[]> {
  if (options.all === true) return traces
  if (options.trace === undefined) return traces.length === 1 ? traces : []
  const { connection, selection } = reading
  const found = await findTrace(connection, selection.catalog, options.trace)
  return traces.filter((trace) => trace.trace_id === found.trace_id)
}

interface Count {
  readonly name: string
  readonly seen: number
  /** NULL = no upper bound is known. */
  readonly hi: number | null
}

interface Description {
  readonly trace: TraceRow
  readonly runs: readonly Readonly<Record<string, Value>>[]
  readonly counts: readonly Count[]
  readonly losses: LossSummary
  readonly equations: readonly Equation[]
  readonly issues: readonly Readonly<Record<string, Value>>[]
  readonly fitness: readonly Finding[]
}

/** Rows counted in `info`: name, query, and what gaps may hide of them. */
const COUNTED: readonly (readonly [
  string,
  string,
  ((open: Intervals, seen: number) => { readonly hi: number | null }) | undefined,
])[] = [
  ['swap-outs', 'swapouts', (open, seen) => open.count('swapout_pages', seen)],
  ['swap-ins', 'swapins', (open, seen) => open.count('swapin_pages', seen)],
  ['reclaim spans', 'reclaim_spans', (open, seen) => open.spans('all', seen)],
  [
    'stalls (applications)',
    "stalls WHERE stalled = 'application'",
    (open, seen) => open.spans('application', seen),
  ],
  ['of them censored', "stalls WHERE stalled = 'application' AND censored IS NOT NULL", undefined],
  ['kswapd wake-ups', 'kswapd_spans', (open, seen) => open.count('wakes', seen)],
]

/** Calls of `step` for one trace. */
const STEPS = COUNTED.length + 4

async function describe(reading: Reading, trace: TraceRow, step: () => void): Promise<Description> {
  const { connection } = reading
  const id = trace.trace_id
  const losses = await readLosses(connection, id)
  const counts: Count[] = []
  const open = await readIntervals(connection, id, losses)
  for (const [name, rows, widen] of COUNTED) {
    const where = `${rows.includes('WHERE') ? `${rows} AND` : `${rows} WHERE`} trace_id = ${id} AND run_id IS NULL`
    const [row] = await readRows<{ n: number }>(connection, `SELECT count(*) AS n FROM ${where}`)
    const seen = row?.n ?? 0
    counts.push({
      name,
      seen,
      hi: open === undefined || widen === undefined ? seen : widen(open, seen).hi,
    })
    step()
  }
  const [tasks] = await readRows<{ n: number }>(
    connection,
    `SELECT count(*) AS n FROM tasks WHERE trace_id = ${id} AND first_ns IS NOT NULL`,
  )
  counts.push({ name: 'tasks', seen: tasks?.n ?? 0, hi: tasks?.n ?? 0 })
  step()
  const equations = await readEquations(connection, id)
  step()
  const fitness = await readFitness(connection, id, roleOf)
  step()
  const description: Description = {
    trace,
    losses,
    counts,
    runs: await readRows(
      connection,
      `SELECT run_id, policy, backend, codec, content_source, demand, clock, cpus, seed FROM runs WHERE trace_id = ${id} ORDER BY run_id`,
    ),
    equations,
    issues: await readRows(
      connection,
      `SELECT severity, code, count, first_position, message FROM import_issues WHERE trace_id = ${id}
       ORDER BY CASE severity WHEN 'data_loss' THEN 0 WHEN 'error' THEN 1 ELSE 2 END, count DESC, code`,
    ),
    fitness,
  }
  step()
  return description
}

async function printList(
  reading: Reading,
  traces: readonly TraceRow[],
  options: InfoOptions,
): Promise<void> {
  if (traces.length === 0) {
    await printLine(
      `${reading.settings.databasePath}: no complete trace; \`pstrace ingest FILE\` adds one`,
    )
    return
  }
  await printResult(
    toResult(
      [
        { name: 'trace', type: 'integer' },
        { name: 'name', type: 'text' },
        { name: 'format', type: 'text' },
        { name: 'kernel', type: 'text' },
        { name: 'cpus', type: 'integer' },
        { name: 'length_ns', type: 'integer', unit: 'ns' },
        { name: 'events', type: 'integer', unit: 'count' },
        { name: 'lost', type: 'text' },
      ],
      traces.map((trace) => ({
        trace: trace.trace_id,
        name: trace.name,
        format: trace.format,
        kernel: trace.kernel_release,
        cpus: trace.cpus,
        length_ns: lengthOf(trace),
        events: trace.events,
        lost: describeLost(lostOf(trace)),
      })),
    ),
    options,
    reading.settings,
  )
  const runs = await readRows<Readonly<Record<string, Value>>>(
    reading.connection,
    'SELECT run_id AS run, trace_id AS trace, policy, backend, codec, content_source, demand, clock, cpus, seed FROM runs ORDER BY run_id',
  )
  if (runs.length > 0) {
    await printLine('')
    await printResult(fromObjects(runs), options, reading.settings)
  }
  if (options.all !== true) await printLine('\n`pstrace info --trace NAME` describes one in full.')
}

function lostOf({ lost_gaps, lost_events }: TraceRow): LostEvents {
  return { gaps: lost_gaps ?? 0, events: lost_events }
}

function lengthOf(trace: TraceRow): number | null {
  return trace.start_ns === null || trace.end_ns === null ? null : trace.end_ns - trace.start_ns
}

async function printDescription(
  description: Description,
  reading: Reading,
  options: InfoOptions,
): Promise<void> {
  const print = (result: Result): Promise<void> => printResult(result, options, reading.settings)
  await printFacts(description)
  await printCounts(description)
  if (description.losses.gaps > 0) {
    await printSection('Losses by CPU')
    await print(toResult(LOSS_COLUMNS, toLossRows(description.losses)))
  }
  await printEquations(description, print)
  await printIssues(description)
  await printSection('What it can answer')
  await printFindings(description.fitness, { add: false })
  if (description.runs.length === 0) return
  await printSection('Runs')
  await print(fromObjects(description.runs))
}

async function printFacts({ trace, issues }: Description): Promise<void> {
  const length = lengthOf(trace)
  const kernel = [trace.kernel_release, trace.arch].filter((part) => part !== null).join(' ')
  const nodes = trace.nodes === null ? 'unknown number of nodes' : plural(trace.nodes, 'node')
  const lacksData = issues.some(({ severity }) => severity === 'data_loss')
  const facts: [string, string | null][] = [
    ['from', trace.path],
    ['format', trace.format],
    ['kernel', kernel || null],
    [
      'machine',
      `${trace.cpus === null ? 'unknown number of CPUs' : plural(trace.cpus, 'CPU')}, ${nodes}, pages of ${trace.page_size ?? 'unknown'} bytes`,
    ],
    ['clock', trace.clock],
    ['length', length === null ? null : formatNs(length)],
    ['events', trace.events === null ? null : formatCount(trace.events)],
    [
      'lost',
      `${describeLost(lostOf(trace))}${lacksData ? ', and data is missing (import issues)' : ''}`,
    ],
  ]
  await printLine(`trace ${trace.trace_id}: ${trace.name}`)
  for (const [name, value] of facts) await printLine(`  ${name.padEnd(9)}${value ?? 'unknown'}`)
}

async function printCounts({ counts, losses }: Description): Promise<void> {
  const note = losses.gaps === 0 ? undefined : 'seen, to what they may be with what the gaps hide'
  await printSection('Counts', note)
  for (const { name, seen, hi } of counts)
    await printLine(`  ${name.padEnd(22)}${formatRange(seen, hi)}`)
}

async function printEquations(
  { equations }: Description,
  print: (result: Result) => Promise<void>,
): Promise<void> {
  await printSection("Checks against the kernel's counters")
  if (equations.length === 0)
    await printLine(
      '  none: vmstat before and after was not recorded beside the trace (--snapshots)',
    )
  else
    await print(
      toResult(
        EQUATION_COLUMNS,
        equations.map((row) => ({ ...row })),
      ),
    )
  for (const reason of new Set(equations.map(({ explanation }) => explanation)))
    if (reason !== 'exact') await printLine(`  ${reason}: ${EXPLANATIONS[reason]}`)
}

async function printIssues({ issues }: Description): Promise<void> {
  await printSection('Import issues')
  if (issues.length === 0) await printLine('  none')
  for (const { severity, code, count, message } of issues)
    await printLine(`  ${severity} ${code} (${formatCount(Number(count))}): ${message}`)
}

const LOSS_COLUMNS = [
  { name: 'cpu', type: 'integer' },
  { name: 'gaps', type: 'integer', unit: 'count' },
  { name: 'lost_events', type: 'integer', unit: 'count' },
  { name: 'uncounted_gaps', type: 'integer', unit: 'count' },
  { name: 'gap_ns', type: 'integer', unit: 'ns' },
] as const

const EQUATION_COLUMNS = [
  { name: 'equation', type: 'text' },
  { name: 'counters', type: 'integer', unit: 'count' },
  { name: 'rows', type: 'integer', unit: 'count' },
  { name: 'difference', type: 'integer', unit: 'count' },
  { name: 'explanation', type: 'text' },
] as const

function toLossRows({ byCpu }: LossSummary): Record<string, Value>[] {
  return byCpu.map((row) => ({
    cpu: row.cpu,
    gaps: row.gaps,
    lost_events: row.lostEvents,
    uncounted_gaps: row.uncountedGaps,
    gap_ns: row.gapNs,
  }))
}

async function printSection(title: string, note?: string): Promise<void> {
  await printLine(`\n${title}${note === undefined ? '' : ` (${note})`}:`)
}

function formatRange(seen: number, hi: number | null): string {
  if (hi === null) return `${formatCount(seen)} or more`
  return hi === seen ? formatCount(seen) : `${formatCount(seen)} to ${formatCount(hi)}`
}

function fromObjects(rows: readonly Readonly<Record<string, Value>>[]): Result {
  const names = Object.keys(rows[0] ?? {})
  return toResult(
    names.map((name) => ({
      name,
      type: rows.every((row) => typeof row[name] === 'number')
        ? ('integer' as const)
        : ('text' as const),
    })),
    rows,
  )
}

/** One row per trace; what is a list to people is a JSON value. */
function toMachineRow(description: Description): Record<string, Value> {
  const { trace, losses } = description
  return {
    ...(trace as unknown as Record<string, Value>),
    length_ns: lengthOf(trace),
    counts: description.counts.map(({ name, seen, hi }) => ({ name, seen, hi })),
    losses: toLossRows(losses),
    equations: description.equations.map((row) => ({ ...row })),
    issues: description.issues.map((row) => ({ ...row })),
    fitness: description.fitness.map((row) => ({ ...row })),
    runs: description.runs.map((row) => ({ ...row })),
  }
}

const INFO_COLUMNS: readonly (readonly [string, 'text' | 'integer' | 'json'])[] = [
  ['trace_id', 'integer'],
  ['name', 'text'],
  ['path', 'text'],
  ['format', 'text'],
  ['sha256', 'text'],
  ['kernel_release', 'text'],
  ['arch', 'text'],
  ['cpus', 'integer'],
  ['nodes', 'integer'],
  ['page_size', 'integer'],
  ['clock', 'text'],
  ['start_ns', 'integer'],
  ['end_ns', 'integer'],
  ['length_ns', 'integer'],
  ['events', 'integer'],
  ['lost_events', 'integer'],
  ['lost_gaps', 'integer'],
  ['counts', 'json'],
  ['losses', 'json'],
  ['equations', 'json'],
  ['issues', 'json'],
  ['fitness', 'json'],
  ['runs', 'json'],
]

function toInfoResult(rows: readonly Record<string, Value>[]): Result {
  return toResult(
    INFO_COLUMNS.map(([name, type]) => ({ name, type })),
    rows,
  )
}
