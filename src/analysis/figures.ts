import type { DuckDBConnection } from '@duckdb/node-api'
import { hiddenShare, type LossSummary, readLosses } from './losses.ts'
import { readLaneOrders } from './order.ts'
import { PLACE_METRICS, readPlaces } from './place-figures.ts'
import { readRows } from './query.ts'
import type { Unit } from './result.ts'

export type FigureBasis = 'event' | 'snapshot' | 'inferred' | 'default'

/** One number of a recording or run. */
export interface Figure {
  readonly metric: string
  /** NULL = not known: what it needs was not recorded. */
  readonly value: number | null
  /** NULL with a value = no lower bound is known: what was lost may have been anything. */
  readonly lo: number | null
  /** NULL with a value = no upper bound is known. */
  readonly hi: number | null
  readonly basis: FigureBasis
  readonly n: number | null
}

/** What a metric means; also its place in tables. */
export interface Metric {
  readonly name: string
  readonly title: string
  readonly question: string
  readonly unit: Unit
  /** Events that may have been lost: a recorded value then is a lower bound. */
  readonly grows?: true
  /** Lost events move a recorded value either way: it is bounded on no side. */
  readonly blurs?: true
}

export const METRICS: readonly Metric[] = [
  {
    name: 'work_ns',
    title: 'time for the work',
    question: 'how long did the same work take',
    unit: 'ns',
  },
  {
    name: 'swapout_pages',
    title: 'swap-outs',
    question: 'how much was swapped out',
    unit: 'count',
    grows: true,
  },
  {
    name: 'swapin_pages',
    title: 'swap-ins',
    question: 'how much came back',
    unit: 'count',
    grows: true,
  },
  {
    name: 'pgsteal_anon_per_s',
    title: 'pgsteal_anon per second',
    question: 'how fast is anonymous memory reclaimed',
    unit: 'per_s',
    grows: true,
  },
  {
    name: 'allocstalls',
    title: 'allocstalls (direct reclaims)',
    question: 'how often did tasks reclaim for themselves',
    unit: 'count',
    grows: true,
  },
  {
    name: 'app_stalls',
    title: 'applications: stalls',
    question: 'who stalled',
    unit: 'count',
    grows: true,
  },
  {
    name: 'app_stall_ns',
    title: 'applications: stall time',
    question: 'who stalled, how long',
    unit: 'ns',
    grows: true,
  },
  {
    name: 'app_stall_p50_ns',
    title: '  p50',
    question: 'how long is a stall',
    unit: 'ns',
    blurs: true,
  },
  {
    name: 'app_stall_p99_ns',
    title: '  p99',
    question: 'how long is a stall',
    unit: 'ns',
    blurs: true,
  },
  {
    name: 'app_stall_max_ns',
    title: '  longest',
    question: 'how long is the worst stall',
    unit: 'ns',
    grows: true,
  },
  {
    name: 'app_stalls_censored',
    title: '  censored',
    question: 'whose end was not seen',
    unit: 'count',
  },
  {
    name: 'worker_stalls',
    title: 'workers: stalls',
    question: 'do workers reclaim for themselves',
    unit: 'count',
    grows: true,
  },
  {
    name: 'worker_stall_ns',
    title: 'workers: stall time',
    question: 'do workers reclaim for themselves',
    unit: 'ns',
    grows: true,
  },
  {
    name: 'worker_stall_p50_ns',
    title: '  p50',
    question: 'how long is a stall of a worker',
    unit: 'ns',
    blurs: true,
  },
  {
    name: 'worker_stall_p99_ns',
    title: '  p99',
    question: 'how long is a stall of a worker',
    unit: 'ns',
    blurs: true,
  },
  {
    name: 'worker_stall_max_ns',
    title: '  longest',
    question: 'how long is the worst stall of a worker',
    unit: 'ns',
    grows: true,
  },
  {
    name: 'psi_some_share',
    title: 'PSI memory, some',
    question: 'how much of the time did somebody wait for memory',
    unit: 'share',
  },
  {
    name: 'psi_full_share',
    title: '  full',
    question: 'how much of the time did everybody wait for memory',
    unit: 'share',
  },
  {
    name: 'kswapd_busy_share',
    title: 'kswapd on a CPU',
    question: 'how busy is kswapd',
    unit: 'share',
    grows: true,
  },
  {
    name: 'kswapd_scan_share',
    title: '  scan',
    question: 'what does kswapd do',
    unit: 'share',
    grows: true,
  },
  {
    name: 'kswapd_store_share',
    title: '  store',
    question: 'what does kswapd do',
    unit: 'share',
    grows: true,
  },
  {
    name: 'order_start_inversions',
    title: "inversions in kswapd's lane, at start",
    question: 'is the order kept',
    unit: 'count',
    blurs: true,
  },
  {
    name: 'order_done_inversions',
    title: '  at completion',
    question: 'is the order kept',
    unit: 'count',
    blurs: true,
  },
  {
    name: 'order_start_max',
    title: 'largest displacement, at start',
    question: 'is the order kept',
    unit: 'count',
    blurs: true,
  },
  {
    name: 'order_done_max',
    title: '  at completion',
    question: 'is the order kept',
    unit: 'count',
    blurs: true,
  },
  {
    name: 'bypass_pages',
    title: "swap-outs outside kswapd's queue",
    question: 'is the order kept',
    unit: 'count',
    grows: true,
  },
  {
    name: 'refaults_queued',
    title: 'refaults that met the queue',
    question: 'are pages stored in vain',
    unit: 'count',
    grows: true,
  },
  {
    name: 'compressed_bytes',
    title: 'compressed bytes',
    question: 'what does it cost in memory',
    unit: 'bytes',
    grows: true,
  },
  {
    name: 'pool_peak_bytes',
    title: 'compressed bytes in the pool, peak',
    question: 'what does it cost in memory',
    unit: 'bytes',
  },
  ...PLACE_METRICS,
  {
    name: 'reclaim_cpu_ns',
    title: 'CPU time of kswapd and workers',
    question: 'what does it cost in CPU time',
    unit: 'ns',
    grows: true,
  },
  {
    name: 'cpu_ns',
    title: 'CPU time of all tasks',
    question: 'what does it cost in CPU time',
    unit: 'ns',
    grows: true,
  },
]

export function findMetric(name: string): Metric | undefined {
  return METRICS.find((metric) => metric.name === name)
}

export interface SubjectFigures {
  readonly traceId: number
  readonly runId: number | null
  readonly label: string
  readonly figures: readonly Figure[]
}

interface Row {
  readonly trace_id: number
  readonly run_id: number | null
  readonly label: string
  readonly work_ns: number
  readonly swapout_pages: number
  readonly swapin_pages: number | null
  readonly stolen: number | null
  readonly has_spans: boolean
  readonly allocstalls: number | null
  readonly kswapd_ns: number | null
  readonly scan_ns: number | null
  readonly store_ns: number | null
  readonly kswapds: number | null
  readonly bypass: number
  readonly gated: number
  readonly met: number
  readonly met_known: number
  readonly bytes: number | null
  readonly sized: number
  readonly pool_peak_bytes: number | null
  readonly psi_some_ns: number | null
  readonly psi_full_ns: number | null
  readonly reclaim_cpu_ns: number | null
  readonly cpu_ns: number | null
}

interface StallRow {
  readonly trace_id: number
  readonly run_id: number | null
  readonly stalled: string
  readonly stalls: number
  readonly censored: number
  readonly total_ns: number
  readonly p50_ns: number
  readonly p99_ns: number
  readonly max_ns: number
}

/** The figures of everything selected, by the same definitions for recordings and runs. Needs the views. */
export async function readFigures(connection: DuckDBConnection): Promise<SubjectFigures[]> {
  const rows = await readRows<Row>(connection, FIGURES_SQL)
  const stalls = await readRows<StallRow>(connection, 'SELECT * FROM stall_summary')
  const lanes = await readLaneOrders(connection)
  const places = await readPlaces(connection)
  const losses = new Map<number, LossSummary>()
  const all: SubjectFigures[] = []
  for (const row of rows) {
    const { trace_id: traceId, run_id: runId, label } = row
    let lost = losses.get(traceId)
    if (lost === undefined) {
      lost = await readLosses(connection, traceId)
      losses.set(traceId, lost)
    }
    const own = stalls.filter((stall) => stall.trace_id === traceId && stall.run_id === runId)
    const kswapd = lanes.filter(
      (lane) => lane.traceId === traceId && lane.runId === runId && lane.lane.endsWith('/kswapd'),
    )
    const values = {
      ...toPlainValues(row),
      ...places.find((place) => place.trace_id === traceId && place.run_id === runId)?.values,
      ...toStallValues(
        'app',
        own.find(({ stalled }) => stalled === 'application'),
        row.has_spans,
      ),
      ...toStallValues(
        'worker',
        own.find(({ stalled }) => stalled === 'worker'),
        row.has_spans,
      ),
      ...toOrderValues(kswapd, row.gated > 0),
    }
    const counts: Readonly<Record<string, number>> = {
      compressed_bytes: row.sized,
      app_stall_ns: own.find(({ stalled }) => stalled === 'application')?.stalls ?? 0,
      worker_stall_ns: own.find(({ stalled }) => stalled === 'worker')?.stalls ?? 0,
    }
    const bounds = runId === null ? lost : undefined
    const censored = (whose: string) =>
      own.filter(({ stalled }) => stalled === whose).reduce((sum, stall) => sum + stall.censored, 0)
    const cut = { app: censored('application'), worker: censored('worker') }
    all.push({
      traceId,
      runId,
      label,
      figures: METRICS.map((metric) =>
        openCensored(
          toFigure(metric, values[metric.name] ?? null, counts[metric.name] ?? null, bounds, cut),
          cut,
          bounds,
        ),
      ),
    })
  }
  return all
}

/** Censored stalls by whose they are. */
interface Cut {
  readonly app: number
  readonly worker: number
}

/** What was lost is bounded by the number of lost events and by what gaps of that size hide. */
function toFigure(
  metric: Metric,
  value: number | null,
  n: number | null,
  losses: LossSummary | undefined,
  cut: Cut,
): Figure {
  const { name, unit } = metric
  const figure = { metric: name, value, lo: value, hi: value, basis: 'event', n } as const
  if (value === null || losses === undefined || losses.gaps === 0) return figure
  if (metric.blurs === true) return { ...figure, lo: null, hi: null }
  if (metric.grows !== true) return figure
  const isCount = unit === 'count'
  const hidden = hiddenShare(losses, isCount ? value : (n ?? undefined))
  const likely = hidden === undefined ? Number.POSITIVE_INFINITY : value * (1 + hidden)
  // Of gaps whose size is not known it is not known either what they do to a ratio.
  if (unit === 'share' && hidden === undefined) return { ...figure, lo: null, hi: null }
  if (!isCount) return { ...figure, hi: Number.isFinite(likely) ? likely : null }
  const possible = losses.uncountedGaps === 0 ? value + losses.lostEvents : Number.POSITIVE_INFINITY
  const hi = Math.min(Math.floor(likely) + 1, possible)
  const lo = lowestCount(name, value, hidden, cut)
  return { ...figure, lo, hi: Number.isFinite(hi) ? hi : null }
}

/** A stall that a gap cuts in two is seen twice; of a swap-out next to a gap it is not known that kswapd was awake. */
function lowestCount(name: string, value: number, hidden: number | undefined, cut: Cut): number {
  if (name === 'allocstalls') return value - Math.floor((cut.app + cut.worker) / 2)
  if (name === 'app_stalls') return value - Math.floor(cut.app / 2)
  if (name === 'worker_stalls') return value - Math.floor(cut.worker / 2)
  return name === 'bypass_pages' ? Math.floor(value * Math.max(0, 1 - (hidden ?? 1))) : value
}

/** A stall of which an edge or loss hides a part lasted at least as long as was seen; a gap hides as much as it is long. */
function openCensored(figure: Figure, cut: Cut, losses: LossSummary | undefined): Figure {
  const [, whose, what] = /^(app|worker)_stall_(max_ns|ns|p50_ns|p99_ns)$/.exec(figure.metric) ?? []
  const stalls = whose === 'app' ? cut.app : cut.worker
  if (figure.value === null || what === undefined || stalls === 0) return figure
  if (what !== 'ns' || figure.hi === null || losses === undefined || losses.gaps === 0)
    return { ...figure, hi: null }
  return { ...figure, hi: figure.hi + (stalls * losses.gapNs) / losses.gaps }
}

type Values = Readonly<Record<string, number | null>>

function toPlainValues(row: Row): Values {
  const work = row.work_ns
  const kswapdTime = work * Math.max(row.kswapds ?? 0, 1)
  const share = (ns: number | null) =>
    row.kswapd_ns === null || work <= 0 ? null : (ns ?? 0) / kswapdTime
  return {
    work_ns: work,
    swapout_pages: row.swapout_pages,
    swapin_pages: row.swapin_pages,
    pgsteal_anon_per_s: row.stolen === null || work <= 0 ? null : row.stolen / (work / 1e9),
    allocstalls: row.has_spans ? (row.allocstalls ?? 0) : null,
    kswapd_busy_share: share(row.kswapd_ns),
    kswapd_scan_share: share(row.scan_ns),
    kswapd_store_share: share(row.store_ns),
    bypass_pages: row.bypass,
    refaults_queued: row.met_known > 0 ? row.met : null,
    compressed_bytes: row.sized > 0 ? row.bytes : null,
    pool_peak_bytes: row.pool_peak_bytes,
    psi_some_share: toShare(row.psi_some_ns, work),
    psi_full_share: toShare(row.psi_full_ns, work),
    reclaim_cpu_ns: row.reclaim_cpu_ns,
    cpu_ns: row.cpu_ns,
  }
}

function toShare(ns: number | null, work: number): number | null {
  return ns === null || work <= 0 ? null : ns / work
}

function toStallValues(
  prefix: 'app' | 'worker',
  row: StallRow | undefined,
  known: boolean,
): Values {
  if (row === undefined)
    return {
      [`${prefix}_stalls`]: known ? 0 : null,
      [`${prefix}_stall_ns`]: known ? 0 : null,
      [`${prefix}_stalls_censored`]: known ? 0 : null,
    }
  return {
    [`${prefix}_stalls`]: row.stalls,
    [`${prefix}_stall_ns`]: row.total_ns,
    [`${prefix}_stall_p50_ns`]: row.p50_ns,
    [`${prefix}_stall_p99_ns`]: row.p99_ns,
    [`${prefix}_stall_max_ns`]: row.max_ns,
    [`${prefix}_stalls_censored`]: row.censored,
  }
}

function toOrderValues(lanes: Awaited<ReturnType<typeof readLaneOrders>>, known: boolean): Values {
  if (!known) return {}
  const most = (values: (number | undefined)[]) => Math.max(0, ...values.map((value) => value ?? 0))
  return {
    order_start_inversions: lanes.reduce((sum, { start }) => sum + start.inversions, 0),
    order_done_inversions: lanes.reduce((sum, { done }) => sum + done.inversions, 0),
    order_start_max: most(lanes.map(({ start }) => start.maxDisplacement)),
    order_done_max: most(lanes.map(({ done }) => done.maxDisplacement)),
  }
}

const FIGURES_SQL = `
WITH outs AS (
  SELECT trace_id, run_id,
    CAST(sum(1 << coalesce(folio_order, 0)) AS BIGINT) AS swapout_pages,
    count(*) FILTER (path = 'bypass' OR submit_rank IS NULL OR context IS DISTINCT FROM 'kswapd') AS bypass,
    count(*) FILTER (submit_rank IS NOT NULL) AS gated,
    CAST(sum(compressed_bytes) AS BIGINT) AS bytes,
    count(compressed_bytes) AS sized
  FROM swapouts GROUP BY ALL
),
ins AS (
  SELECT trace_id, run_id, count(*) AS swapin_pages,
    count(*) FILTER (met IN ('queued', 'storing')) AS met, count(met) AS met_known
  FROM swapins GROUP BY ALL
),
stolen AS (
  SELECT trace_id, run_id, CAST(sum(nr_reclaimed) FILTER (lru LIKE '%anon') AS BIGINT) AS pages
  FROM shrink_batches GROUP BY ALL
),
spans AS (
  SELECT trace_id, run_id, count(*) FILTER (kind = 'direct') AS direct FROM reclaim_spans GROUP BY ALL
),
described AS (
  SELECT DISTINCT trace_id FROM raw_fields WHERE event = 'mm_vmscan_direct_reclaim_begin'
),
kswapds AS (
  SELECT trace_id, run_id, count(*) AS kswapds,
    CAST(sum(running_ns) AS BIGINT) AS kswapd_ns,
    CAST(sum(coalesce(scan_ns, 0) + coalesce(unmap_ns, 0) + coalesce(slab_ns, 0) + coalesce(file_ns, 0)) AS BIGINT) AS scan_ns,
    CAST(sum(coalesce(store_ns, 0)) AS BIGINT) AS store_ns
  FROM kswapd_busy WHERE running_ns IS NOT NULL GROUP BY ALL
),
storers AS (
  SELECT DISTINCT trace_id, run_id, stored_by AS task_id FROM swapouts WHERE stored_by IS NOT NULL
),
busy AS (
  SELECT t.trace_id, t.run_id,
    k.kind IN ('kswapd', 'compressor') OR (k.kind = 'kworker' AND r.task_id IS NOT NULL) AS reclaims,
    sum(least(coalesce(t.end_ns, s.end_ns), s.end_ns) - greatest(t.start_ns, s.start_ns)) AS ns
  FROM thread_states t
  JOIN subjects s ON s.trace_id = t.trace_id AND s.run_id IS NOT DISTINCT FROM t.run_id
  LEFT JOIN tasks k ON k.trace_id = t.trace_id AND k.task_id = t.task_id
  LEFT JOIN storers r ON r.trace_id = t.trace_id AND r.run_id IS NOT DISTINCT FROM t.run_id AND r.task_id = t.task_id
  WHERE t.state = 'running' AND coalesce(k.tid, 1) <> 0
  GROUP BY ALL
),
pool AS (
  SELECT trace_id, run_id, max(value) AS pool_peak_bytes
  FROM samples WHERE name IN ('pool_bytes', 'mm_stat.compr_data_size') GROUP BY ALL
),
psi AS (
  SELECT trace_id, run_id,
    max(value) FILTER (name = 'psi.memory.some_ns') - min(value) FILTER (name = 'psi.memory.some_ns') AS psi_some_ns,
    max(value) FILTER (name = 'psi.memory.full_ns') - min(value) FILTER (name = 'psi.memory.full_ns') AS psi_full_ns
  FROM samples WHERE starts_with(name, 'psi.memory.') GROUP BY ALL
),
cpu AS (
  SELECT trace_id, run_id,
    CAST(sum(ns) FILTER (reclaims) AS BIGINT) AS reclaim_cpu_ns,
    CAST(sum(ns) AS BIGINT) AS cpu_ns
  FROM busy GROUP BY ALL
)
SELECT s.trace_id, s.run_id, s.label, s.end_ns - s.start_ns AS work_ns,
  coalesce(o.swapout_pages, 0) AS swapout_pages, i.swapin_pages, st.pages AS stolen,
  -- Real threads replay no task that could stall.
  coalesce(ru.clock <> 'threads', sp.trace_id IS NOT NULL OR d.trace_id IS NOT NULL) AS has_spans,
  sp.direct AS allocstalls,
  k.kswapd_ns, k.scan_ns, k.store_ns, k.kswapds,
  coalesce(o.bypass, 0) AS bypass, coalesce(o.gated, 0) AS gated,
  coalesce(i.met, 0) AS met, coalesce(i.met_known, 0) AS met_known,
  ps.psi_some_ns, ps.psi_full_ns,
  o.bytes, coalesce(o.sized, 0) AS sized, pl.pool_peak_bytes, c.reclaim_cpu_ns, c.cpu_ns
FROM subjects s
LEFT JOIN outs o ON o.trace_id = s.trace_id AND o.run_id IS NOT DISTINCT FROM s.run_id
LEFT JOIN ins i ON i.trace_id = s.trace_id AND i.run_id IS NOT DISTINCT FROM s.run_id
LEFT JOIN stolen st ON st.trace_id = s.trace_id AND st.run_id IS NOT DISTINCT FROM s.run_id
LEFT JOIN spans sp ON sp.trace_id = s.trace_id AND sp.run_id IS NOT DISTINCT FROM s.run_id
LEFT JOIN described d ON d.trace_id = s.trace_id
LEFT JOIN runs ru ON ru.run_id = s.run_id
LEFT JOIN kswapds k ON k.trace_id = s.trace_id AND k.run_id IS NOT DISTINCT FROM s.run_id
LEFT JOIN pool pl ON pl.trace_id = s.trace_id AND pl.run_id IS NOT DISTINCT FROM s.run_id
LEFT JOIN psi ps ON ps.trace_id = s.trace_id AND ps.run_id IS NOT DISTINCT FROM s.run_id
LEFT JOIN cpu c ON c.trace_id = s.trace_id AND c.run_id IS NOT DISTINCT FROM s.run_id
ORDER BY s.trace_id, s.run_id NULLS FIRST`
