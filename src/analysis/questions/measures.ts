import type { DuckDBConnection } from '@duckdb/node-api'
import type { Figure } from '../figure.ts'
import { readFigures, type SubjectFigures } from '../figures.ts'
import { type LossSummary, readLosses } from '../losses.ts'
import { METRICS } from '../metrics.ts'
import { readRows } from '../query.ts'
import { type Measure, NEEDS_EVENTS, NEEDS_LANE, type Topic } from './measure.ts'
import { backlog, queueWaits, unfreed } from './queue.ts'
import { disk, earlyFaults, held, poolLevel, restores, scanning } from './reclaim.ts'
import { threadOverlap, threadTimes, workerWakeups } from './workers.ts'

/** Every query; a new topic is one constant and one line here. */
const TOPICS: readonly Topic[] = [
  threadTimes,
  threadOverlap,
  workerWakeups,
  queueWaits,
  backlog,
  unfreed,
  scanning,
  earlyFaults,
  restores,
  held,
  disk,
  poolLevel,
]

const DERIVED: readonly Measure[] = [
  {
    name: 'context_switches_per_page',
    title: 'context switches per swapped-out page',
    unit: 'ratio',
    restsOn: 'thread_states, swapouts',
    needs: 'needs the event sched:sched_switch in the recording',
  },
]

export const MEASURES: readonly Measure[] = [
  ...TOPICS.flatMap(({ measures }) => measures),
  ...DERIVED,
]

function findMeasure(name: string): Measure | undefined {
  return MEASURES.find((measure) => measure.name === name)
}

type Row = Readonly<Record<string, number | null>>

/** Every measure, beside the comparison figures, of everything selected. Needs the views. */
export async function readMeasures(connection: DuckDBConnection): Promise<SubjectFigures[]> {
  const subjects = await readFigures(connection)
  const rows = new Map<string, Record<string, number | null>>()
  for (const { sql } of TOPICS)
    for (const row of await readRows<Row>(connection, sql)) {
      const key = `${row['trace_id']}/${row['run_id'] ?? ''}`
      rows.set(key, { ...rows.get(key), ...row })
    }
  const losses = new Map<number, LossSummary>()
  const all: SubjectFigures[] = []
  for (const subject of subjects) {
    const { traceId, runId } = subject
    const lost = losses.get(traceId) ?? (await readLosses(connection, traceId))
    losses.set(traceId, lost)
    const row = rows.get(`${traceId}/${runId ?? ''}`) ?? {}
    const swapouts = subject.figures.find(({ metric }) => metric === 'swapout_pages')?.value ?? 0
    const switches = row['context_switches'] ?? null
    const known: Row = {
      ...row,
      context_switches_per_page: switches === null || swapouts === 0 ? null : switches / swapouts,
    }
    const open = runId === null && lost.gaps > 0
    all.push({
      ...subject,
      figures: [...subject.figures, ...MEASURES.map((measure) => toFigure(measure, known, open))],
    })
  }
  return all
}

function toFigure(measure: Measure, row: Row, lossy: boolean): Figure {
  const { name, grows, basis } = measure
  const value = row[name] ?? null
  const bound = row[`hi_${name}`] ?? value
  return {
    metric: name,
    value,
    lo: value,
    hi: lossy && grows === true ? null : bound,
    basis: basis ?? 'event',
    n: row[`n_${name}`] ?? null,
  }
}

/** All figures stored with each run, also of runs whose rows were not kept, by run. `metrics`: the table or view to read. */
export async function readStoredMeasures(
  connection: DuckDBConnection,
  metrics: string,
): Promise<Map<number, Map<string, Figure>>> {
  const stored = new Map<number, Map<string, Figure>>()
  for (const { run_id: runId, ...figure } of await readRows<Figure & { run_id: number }>(
    connection,
    `SELECT run_id, metric, value, lo, hi, basis, n FROM ${metrics} WHERE run_id IS NOT NULL AND node IS NULL`,
  )) {
    const own = stored.get(runId) ?? new Map<string, Figure>()
    own.set(figure.metric, figure)
    stored.set(runId, own)
  }
  return stored
}

/** Unit and title of a measure or comparison figure; what only the engine counts has its plain name. */
export function describeMeasure(
  name: string,
): Pick<Measure, 'title' | 'unit' | 'restsOn' | 'needs'> {
  const measure = findMeasure(name)
  if (measure !== undefined) return measure
  const metric = METRICS.find((each) => each.name === name)
  if (metric !== undefined)
    return {
      title: FIGURE_TITLES[name] ?? metric.title,
      unit: metric.unit,
      restsOn: FIGURE_TABLES[name] ?? 'reclaim_spans, swapouts',
      needs: name.startsWith('order_') ? NEEDS_LANE : NEEDS_EVENTS,
    }
  return {
    title: ENGINE_TITLES[name] ?? name,
    unit: 'count',
    restsOn: 'metrics',
    needs: 'only a run counts it: `pstrace replay`',
  }
}

/** In a comparison these stand below the figure they belong to. */
const FIGURE_TITLES: Readonly<Record<string, string>> = {
  app_stall_p50_ns: 'applications: stall, p50',
  app_stall_p99_ns: 'applications: stall, p99',
  order_done_inversions: "inversions in kswapd's lane, at completion",
  order_done_max: 'largest displacement, at completion',
}

const FIGURE_TABLES: Readonly<Record<string, string>> = {
  work_ns: 'traces, runs',
  pgsteal_anon_per_s: 'shrink_batches',
  kswapd_busy_share: 'thread_states, tasks.kind',
  reclaim_cpu_ns: 'thread_states, tasks.kind, swapouts.stored_by',
  app_stall_ns: 'stalls (reclaim_spans)',
  app_stall_p50_ns: 'stalls (reclaim_spans)',
  app_stall_p99_ns: 'stalls (reclaim_spans)',
  allocstalls: 'reclaim_spans',
  bypass_pages: 'swapouts.path',
  order_start_inversions: 'swapouts.start_rank',
  order_start_max: 'swapouts.start_rank',
  order_done_inversions: 'swapouts.done_rank',
  order_done_max: 'swapouts.done_rank',
}

const ENGINE_TITLES: Readonly<Record<string, string>> = {
  'engine.isolated_at_store': 'stored by a worker while still isolated: not rotated',
  'engine.freed_at_next_scan': 'folios kept, then freed by the next scan',
  'engine.freed_at_second_scan': 'folios kept, then freed by the second scan',
  'engine.freed_at_third_scan': 'folios kept, then freed by the third scan',
  'engine.freed_at_later_scan': 'folios kept, then freed by a later scan',
  'engine.most_scans_again': 'scans until a kept folio was freed, most (255: or more)',
}
