import { readFileSync } from 'node:fs'
import type { DuckDBConnection } from '@duckdb/node-api'
import { readEquations } from '../analysis/equations.ts'
import { type LossSummary, readLosses } from '../analysis/losses.ts'
import { readRows } from '../analysis/query.ts'
import { type Chart, type ChartRow, type ChartRows, charts } from '../charts/index.ts'
import { PstraceError } from '../model/error.ts'
import { type Metric, readComparison, toComparisonRows } from './comparison.ts'
import { prepareReport, readChartRows } from './subjects.ts'

export interface TraceFacts {
  readonly trace_id: number
  readonly name: string
  readonly format: string | null
  readonly kernel_release: string | null
  readonly arch: string | null
  readonly cpus: number | null
  readonly nodes: number | null
  readonly page_size: number | null
  readonly start_ns: number | bigint | null
  readonly end_ns: number | bigint | null
  readonly events: number | null
}

export interface RunFacts {
  readonly column: string
  readonly run_id: number
  readonly policy: string
  readonly backend: string | null
  readonly codec: string | null
  readonly codec_version: string | null
  readonly content_source: string | null
  readonly clock: string | null
  readonly demand: string | null
  readonly cpus: string | null
  readonly seed: number | null
  readonly config: string | null
}

export interface Issue {
  readonly code: string
  readonly severity: string
  readonly count: number
  readonly first_position: string | null
  readonly message: string
}

export interface StallTask {
  readonly column: string
  readonly stalled: string
  readonly comm: string | null
  readonly tid: number | null
  readonly stalls: number
  readonly censored: number
  readonly total_ms: number
  readonly p50_ms: number
  readonly p99_ms: number
  readonly max_ms: number
  readonly longest_cause: string | null
}

export interface Check {
  readonly column: string
  readonly name: string
  readonly unit: string
  readonly one: number
  readonly other: number
  readonly holds: boolean
}

/** Terms of Barry Song's equations in ms of CPU time: t1+t2+t3 for one thread, max(t1+t3, t2) with one helper and free CPUs. */
export interface Equation {
  readonly column: string
  readonly t1_ms: number
  readonly t2_ms: number
  readonly t3_ms: number
  readonly sum_ms: number
  readonly max_ms: number
  readonly running_ms: number
}

/** Everything a report says, before it has a form. */
export interface ReportData {
  readonly trace: TraceFacts
  readonly columns: readonly string[]
  readonly runs: readonly RunFacts[]
  readonly losses: LossSummary
  readonly issues: readonly Issue[]
  readonly metrics: readonly Metric[]
  readonly stallTasks: readonly StallTask[]
  readonly checks: readonly Check[]
  readonly equations: readonly Equation[]
  readonly charts: readonly { readonly chart: Chart; readonly rows: ChartRows }[]
}

/** What every form of the report begins with, and all that a single chart needs beside its rows. */
export type ReportFacts = Pick<ReportData, 'trace' | 'columns' | 'runs' | 'losses'>

/** The rows of one chart with what they rest on; cheaper than a report. */
export async function readChart(
  connection: DuckDBConnection,
  chart: Chart,
): Promise<{ readonly facts: ReportFacts; readonly rows: ChartRows }> {
  await prepareReport(connection)
  const facts = await readFacts(connection)
  const given: Record<string, readonly ChartRow[]> = {}
  if ('policy_comparison' in chart.reads)
    given['policy_comparison'] = toComparisonRows(await readComparison(connection))
  return { facts, rows: await readChartRows(connection, chart, given) }
}

/** Reads a report's figures. The connection has the analysis views of the selection; one trace at a time. */
export async function readReport(
  connection: DuckDBConnection,
  options: { readonly charts?: readonly Chart[] } = {},
): Promise<ReportData> {
  await prepareReport(connection)
  const facts = await readFacts(connection)
  const { trace_id: traceId } = facts.trace
  const metrics = await readComparison(connection)
  const given: ChartRows = { policy_comparison: toComparisonRows(metrics) }
  const drawn: { chart: Chart; rows: ChartRows }[] = []
  for (const chart of options.charts ?? charts)
    drawn.push({ chart, rows: await readChartRows(connection, chart, given) })
  return {
    ...facts,
    issues: await readRows<Issue>(
      connection,
      `SELECT code, severity, count, first_position, message FROM import_issues WHERE trace_id = ${traceId}
       ORDER BY CASE severity WHEN 'data_loss' THEN 0 WHEN 'error' THEN 1 ELSE 2 END, count DESC, code`,
    ),
    metrics,
    stallTasks: await readRows<StallTask>(connection, STALL_TASKS),
    checks: [
      ...(await readCounterChecks(connection, traceId, facts.columns)),
      ...(await readRows<Check>(connection, readSql('./checks.sql'))),
    ],
    equations: await readRows<Equation>(connection, readSql('./equations.sql')),
    charts: drawn,
  }
}

async function readFacts(connection: DuckDBConnection): Promise<ReportFacts> {
  const subjects = await readRows<{ trace_id: number; label: string }>(
    connection,
    'SELECT trace_id, label FROM report_subjects ORDER BY rank',
  )
  const traceId = subjects[0]?.trace_id
  if (traceId === undefined)
    throw new PstraceError('nothing-selected', 'report: no complete recording or run is selected', {
      exitStatus: 3,
    })
  if (subjects.some((subject) => subject.trace_id !== traceId))
    throw new PstraceError('several-traces', 'report: choose one trace with --trace', {
      exitStatus: 2,
    })
  const [trace] = await readRows<TraceFacts>(
    connection,
    `SELECT trace_id, name, format, kernel_release, arch, cpus, nodes, page_size, start_ns, end_ns, events
     FROM traces WHERE trace_id = ${traceId}`,
  )
  if (trace === undefined)
    throw new PstraceError('no-trace', `report: trace ${traceId} is not in the database`)
  return {
    trace,
    columns: subjects.map(({ label }) => label),
    runs: await readRows<RunFacts>(
      connection,
      `SELECT s.label AS "column", r.run_id, r.policy, r.backend, r.codec, r.codec_version, r.content_source, r.clock, r.demand,
         r.cpus, r.seed, CAST(r.config AS VARCHAR) AS config
       FROM report_subjects s JOIN runs r ON r.run_id = s.run_id ORDER BY s.rank`,
    ),
    losses: await readLosses(connection, traceId),
  }
}

/** The kernel's own counters against the recording's rows; a gap in the recording is the usual reason for a difference. */
async function readCounterChecks(
  connection: DuckDBConnection,
  traceId: number,
  columns: readonly string[],
): Promise<Check[]> {
  if (!columns.includes('recording')) return []
  const equations = await readEquations(connection, traceId)
  return equations.flatMap(({ equation, counters, rows, difference }) =>
    rows === null
      ? []
      : [
          {
            column: 'recording',
            name: equation,
            unit: '',
            one: counters,
            other: rows,
            holds: difference === 0,
          },
        ],
  )
}

const STALL_TASKS = `
  WITH causes AS (
    SELECT trace_id, run_id, tid, comm, stalled, part, sum(ns) AS ns FROM report_causes GROUP BY ALL
  ), longest AS (
    SELECT trace_id, run_id, tid, comm, stalled, arg_max(part, ns) AS part FROM causes GROUP BY ALL
  )
  SELECT s.label AS "column", t.stalled, t.comm, t.tid, t.stalls, t.censored, t.total_ns / 1e6 AS total_ms, t.p50_ns / 1e6 AS p50_ms,
    t.p99_ns / 1e6 AS p99_ms, t.max_ns / 1e6 AS max_ms, l.part AS longest_cause
  FROM stall_tasks t
  JOIN report_subjects s ON s.trace_id = t.trace_id AND s.run_id IS NOT DISTINCT FROM t.run_id
  LEFT JOIN longest l ON l.trace_id = t.trace_id AND l.run_id IS NOT DISTINCT FROM t.run_id AND l.tid IS NOT DISTINCT FROM t.tid
    AND l.comm IS NOT DISTINCT FROM t.comm AND l.stalled = t.stalled
  ORDER BY s.rank, t.stalled, t.total_ns DESC, t.tid`

function readSql(name: string): string {
  return readFileSync(new URL(name, import.meta.url), 'utf8')
}
