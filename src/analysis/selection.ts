import type { DuckDBConnection } from '@duckdb/node-api'
import { quoteText } from '../database/quote.ts'
import { PstraceError } from '../model/error.ts'
import { unknownName } from '../model/names.ts'
import type { Selection } from '../model/selection.ts'
import { readRows } from './query.ts'
import { expectThere } from './selection-checks.ts'

/** One recording or run, with the part of it that is looked at. Times in its own clock. */
export interface Subject {
  readonly traceId: number
  readonly traceName: string
  /** null = the recording. */
  readonly runId: number | null
  readonly policy: string | undefined
  /** `recording`, the policy, or the policy and the run's number where that is needed to tell runs apart. */
  readonly label: string
  readonly firstNs: bigint
  readonly startNs: bigint
  readonly endNs: bigint
  readonly lastNs: bigint
  readonly windows: readonly (readonly [bigint, bigint])[]
  readonly pageSize: number
}

export interface ResolvedSelection {
  /** Name of the attached database that holds the tables. */
  readonly catalog: string
  readonly subjects: readonly Subject[]
  /** True when only a part of the time is looked at. */
  readonly windowed: boolean
  readonly cpus: readonly number[]
  readonly tids: readonly number[]
  readonly comms: readonly string[]
  readonly nodes: readonly number[]
}

interface TraceRow {
  readonly trace_id: number
  readonly name: string
  readonly start_ns: number | bigint | null
  readonly end_ns: number | bigint | null
  readonly page_size: number | null
}
interface RunRow {
  readonly trace_id: number
  readonly run_id: number
  readonly policy: string
  /** False when only the figures of the run were kept (`sweep`): there are no rows to look at. */
  readonly has_rows: boolean
  /** False: on real threads, in the time of the machine that replayed. It is nobody's latest: the recording has another clock. */
  readonly is_virtual: boolean
}

/** Every complete trace with its recording and all complete runs: what `query` sees. */
export async function selectEverything(connection: DuckDBConnection): Promise<ResolvedSelection> {
  const catalog = await readCatalog(connection)
  const traces = await readTraces(connection, catalog)
  const runs = await readRuns(connection, catalog)
  const subjects: Subject[] = []
  for (const trace of traces) {
    const own = runs.filter((run) => run.trace_id === trace.trace_id)
    subjects.push(...(await toSubjects(connection, catalog, trace, [undefined, ...own], {})))
  }
  return { catalog, subjects, windowed: false, cpus: [], tids: [], comms: [], nodes: [] }
}

/** The whole of the last ingested trace: its recording and the latest run of each policy. */
const LATEST: Selection = { runs: [], cpus: [], tids: [], comms: [], nodes: [] }

/** Looks up the names of a selection. Unknown names are wrong usage; an empty database is data not fit for the question. */
export async function resolveSubjects(
  connection: DuckDBConnection,
  selection: Selection = LATEST,
  options: { runs: 'default' | 'recording' } = { runs: 'default' },
): Promise<ResolvedSelection> {
  const catalog = await readCatalog(connection)
  const trace = await findTrace(connection, catalog, selection.trace)
  const runs = (await readRuns(connection, catalog)).filter((r) => r.trace_id === trace.trace_id)
  const chosen =
    selection.runs.length === 0 && options.runs === 'recording'
      ? [undefined]
      : chooseRuns(selection.runs, runs)
  const marks = await readMarks(connection, catalog, trace, selection.window)
  const subjects = await toSubjects(connection, catalog, trace, chosen, {
    ...(selection.fromNs === undefined ? {} : { fromNs: selection.fromNs }),
    ...(selection.toNs === undefined ? {} : { toNs: selection.toNs }),
    ...(marks === undefined ? {} : { marks }),
  })
  await expectThere(connection, { catalog, traceId: trace.trace_id, selection, subjects })
  return {
    catalog,
    subjects,
    windowed: selection.fromNs !== undefined || selection.toNs !== undefined || marks !== undefined,
    cpus: selection.cpus,
    tids: selection.tids,
    comms: selection.comms,
    nodes: selection.nodes,
  }
}

async function readCatalog(connection: DuckDBConnection): Promise<string> {
  const [row] = await readRows<{ name: string }>(connection, 'SELECT current_database() AS name')
  return row?.name ?? 'memory'
}

async function readTraces(connection: DuckDBConnection, catalog: string): Promise<TraceRow[]> {
  return readRows<TraceRow>(
    connection,
    `SELECT trace_id, name, start_ns, end_ns, page_size FROM "${catalog}".main.traces
     WHERE state = 'complete' ORDER BY trace_id`,
  )
}

async function readRuns(connection: DuckDBConnection, catalog: string): Promise<RunRow[]> {
  return readRows<RunRow>(
    connection,
    `SELECT r.trace_id, r.run_id, r.policy, ${HAS_ROWS} AS has_rows, r.clock IS DISTINCT FROM 'threads' AS is_virtual
     FROM "${catalog}".main.runs r WHERE r.state = 'complete' ORDER BY r.run_id`,
  )
}

/** SQL: whether the rows of a row of `runs` were kept. */
export const HAS_ROWS = "json_extract_string(config, '$.keep') IS DISTINCT FROM 'metrics'"

/** The trace with this id or name; the last ingested when none is given. */
export async function findTrace(
  connection: DuckDBConnection,
  catalog: string,
  wanted: string | undefined,
): Promise<TraceRow> {
  const traces = await readTraces(connection, catalog)
  const last = traces.at(-1)
  if (last === undefined)
    throw new PstraceError(
      'no-traces',
      'the database holds no complete trace; `pstrace ingest FILE` adds one',
      {
        exitStatus: 3,
      },
    )
  if (wanted === undefined) return last
  const byId = /^\d+$/.test(wanted)
    ? traces.find((trace) => trace.trace_id === Number(wanted))
    : undefined
  const byName = traces.filter((trace) => trace.name === wanted)
  const found = byId ?? byName.at(-1)
  if (found === undefined)
    throw unknownName(
      'trace',
      wanted,
      traces.map((trace) => trace.name),
    )
  if (byId === undefined && byName.length > 1)
    throw new PstraceError(
      'ambiguous-name',
      `trace '${wanted}' is ambiguous: ids ${byName.map((trace) => trace.trace_id).join(', ')} have that name; give the id`,
      { exitStatus: 2 },
    )
  return found
}

/** `undefined` stands for the recording. A run without rows is nobody's latest, and cannot be looked at. */
function chooseRuns(wanted: readonly string[], runs: readonly RunRow[]): (RunRow | undefined)[] {
  const whole = runs.filter((run) => run.has_rows)
  const comparable = whole.filter((run) => run.is_virtual)
  const policies = [...new Set(comparable.map((run) => run.policy))]
  const latest = (policy: string) => comparable.findLast((run) => run.policy === policy)
  if (wanted.length === 0) return [undefined, ...policies.map(latest)]
  const chosen: (RunRow | undefined)[] = []
  for (const name of wanted.flatMap((value) => value.split(','))) {
    const run = /^\d+$/.test(name)
      ? runs.find((candidate) => candidate.run_id === Number(name))
      : name === 'last'
        ? whole.at(-1)
        : latest(name)
    if (run === undefined && name !== 'recording') {
      const ids = whole.map((candidate) => String(candidate.run_id))
      throw unknownName('run', name, [
        'recording',
        ...(whole.length > 0 ? ['last'] : []),
        ...policies,
        ...ids,
      ])
    }
    if (run?.has_rows === false)
      throw new PstraceError(
        'run-without-rows',
        `run ${run.run_id} kept its figures only, as sweeps do: \`pstrace compare run:${run.run_id} ...\` shows them; sweep --keep folios keeps the rows`,
        { exitStatus: 3 },
      )
    if (!chosen.includes(run)) chosen.push(run)
  }
  return chosen
}

interface Window {
  readonly fromNs?: bigint
  readonly toNs?: bigint
  /** Intervals from the trace's start. */
  readonly marks?: readonly (readonly [bigint, bigint])[]
}

async function toSubjects(
  connection: DuckDBConnection,
  catalog: string,
  trace: TraceRow,
  chosen: readonly (RunRow | undefined)[],
  window: Window,
): Promise<Subject[]> {
  const subjects: Subject[] = []
  for (const run of chosen) {
    const first = run === undefined ? BigInt(trace.start_ns ?? 0) : 0n
    const lastNs =
      run === undefined
        ? BigInt(trace.end_ns ?? trace.start_ns ?? 0)
        : await readRunEnd(connection, catalog, run.run_id)
    const alike = chosen.filter((other) => other?.policy === run?.policy).length
    const policy = run?.is_virtual === false ? `${run.policy} (threads)` : run?.policy
    const whole: [bigint, bigint] = [first, lastNs + 1n]
    const asked: (readonly [bigint, bigint])[] = (window.marks ?? [[0n, lastNs + 1n - first]]).map(
      ([from, to]) => [first + from, first + to],
    )
    const windows = asked
      .map(([from, to]) =>
        intersect(intersect(whole, [from, to]), [
          first + (window.fromNs ?? 0n),
          window.toNs === undefined ? lastNs + 1n : first + window.toNs,
        ]),
      )
      .filter(([from, to]) => from < to)
    const label =
      policy === undefined ? 'recording' : alike > 1 ? `${policy} #${run?.run_id}` : policy
    subjects.push({
      traceId: trace.trace_id,
      traceName: trace.name,
      runId: run?.run_id ?? null,
      policy: run?.policy,
      label,
      firstNs: first,
      startNs: windows[0]?.[0] ?? first,
      endNs: minimum(windows.at(-1)?.[1] ?? first, lastNs),
      lastNs,
      windows: windows.length === 0 ? [[first, first]] : windows,
      pageSize: trace.page_size ?? 4096,
    })
  }
  return subjects
}

/** A run's end: the last thing that happened in it. */
async function readRunEnd(
  connection: DuckDBConnection,
  catalog: string,
  runId: number,
): Promise<bigint> {
  const ends = [
    ['thread_states', 'end_ns'],
    ['reclaim_spans', 'end_ns'],
    ['kswapd_spans', 'end_ns'],
    ['swapouts', 'stored_ns'],
    ['swapins', 'end_ns'],
    ['samples', 'ts_ns'],
  ].map(
    ([table, column]) =>
      `SELECT max(${column}) AS ns FROM "${catalog}".main.${table} WHERE run_id = ${runId}`,
  )
  const [row] = await readRows<{ ns: number | bigint | null }>(
    connection,
    `SELECT max(ns) AS ns FROM (${ends.join(' UNION ALL ')})`,
  )
  return BigInt(row?.ns ?? 0)
}

async function readMarks(
  connection: DuckDBConnection,
  catalog: string,
  trace: TraceRow,
  name: string | undefined,
): Promise<(readonly [bigint, bigint])[] | undefined> {
  if (name === undefined) return undefined
  const from = `FROM "${catalog}".main.markers WHERE trace_id = ${trace.trace_id}`
  const rows = await readRows<{ ts_ns: number | bigint; end_ns: number | bigint | null }>(
    connection,
    `SELECT ts_ns, end_ns ${from} AND name = ${quoteText(name)} ORDER BY ts_ns`,
  )
  if (rows.length === 0) {
    const known = await readRows<{ name: string }>(
      connection,
      `SELECT DISTINCT name ${from} ORDER BY name LIMIT 40`,
    )
    throw unknownName(
      'marker',
      name,
      known.map((row) => row.name),
    )
  }
  const start = BigInt(trace.start_ns ?? 0)
  const end = BigInt(trace.end_ns ?? 0)
  return rows.map((row) => [BigInt(row.ts_ns) - start, BigInt(row.end_ns ?? end) - start])
}

function intersect(a: readonly [bigint, bigint], b: readonly [bigint, bigint]): [bigint, bigint] {
  return [maximum(a[0], b[0]), minimum(a[1], b[1])]
}

function minimum(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

/** Math.max takes no bigint. */
function maximum(a: bigint, b: bigint): bigint {
  return -minimum(-a, -b)
}
