import type { DuckDBConnection } from '@duckdb/node-api'
import type { Figure } from './figure.ts'
import type { HiddenCount, HiddenTime } from './hidden.ts'
import { type Interval, type Intervals, readIntervals, type Stalled } from './intervals.ts'
import { readLosses } from './losses.ts'
import { METRICS } from './metrics.ts'
import { readLaneOrders } from './order.ts'
import { readPlaces } from './place-figures.ts'
import { readRows } from './query.ts'

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
  const intervals = await readAllIntervals(connection, rows)
  return rows.map((row) => {
    const isOwn = (of: { readonly trace_id: number; readonly run_id: number | null }) =>
      of.trace_id === row.trace_id && of.run_id === row.run_id
    const kswapd = lanes.filter(
      ({ traceId, runId, lane }) =>
        isOwn({ trace_id: traceId, run_id: runId }) && lane.endsWith('/kswapd'),
    )
    const subject = {
      row,
      stalls: stalls.filter(isOwn),
      order: toOrderValues(kswapd, row.gated > 0 && kswapd.length > 0),
      places: places.find(isOwn)?.values ?? {},
      // Of a run everything is known.
      open: row.run_id === null ? intervals.get(row.trace_id) : undefined,
    }
    const { trace_id: traceId, run_id: runId, label } = row
    return { traceId, runId, label, figures: toFigures(subject) }
  })
}

/** What lost events leave open, by recording. */
async function readAllIntervals(
  connection: DuckDBConnection,
  rows: readonly Row[],
): Promise<ReadonlyMap<number, Intervals | undefined>> {
  const intervals = new Map<number, Intervals | undefined>()
  for (const { trace_id: traceId } of rows) {
    if (intervals.has(traceId)) continue
    const losses = await readLosses(connection, traceId)
    intervals.set(traceId, await readIntervals(connection, traceId, losses))
  }
  return intervals
}

/** What was read about one recording or run. */
interface Subject {
  readonly row: Row
  readonly stalls: readonly StallRow[]
  readonly order: Values
  readonly places: Values
  readonly open: Intervals | undefined
}

function toFigures({ row, stalls, order, places, open }: Subject): Figure[] {
  const app = stalls.find(({ stalled }) => stalled === 'application')
  const worker = stalls.find(({ stalled }) => stalled === 'worker')
  const values: Values = {
    ...toPlainValues(row),
    ...places,
    ...toStallValues('app', app, row.has_spans),
    ...toStallValues('worker', worker, row.has_spans),
    ...order,
  }
  const counts: Readonly<Record<string, number>> = {
    compressed_bytes: row.sized,
    app_stall_ns: app?.stalls ?? 0,
    worker_stall_ns: worker?.stalls ?? 0,
  }
  const censored = (whose: Stalled) =>
    stalls
      .filter(({ stalled }) => stalled === whose)
      .reduce((sum, stall) => sum + stall.censored, 0)
  const cut = { app: censored('application'), worker: censored('worker') }
  const basis = open?.isEstimated === true ? 'inferred' : 'event'
  return METRICS.map(({ name, grows }) => {
    const value = values[name] ?? null
    const figure = { metric: name, value, basis, n: counts[name] ?? null } as const
    if (value === null) return { ...figure, lo: null, hi: null }
    if (open === undefined) return { ...figure, ...boundCensored(name, value, cut) }
    const growsByEvent = grows === true && HIDDEN_IN[name] === undefined
    const bounds = growsByEvent ? open.events(value) : boundLossy(name, value, open, row)
    return { ...figure, ...bounds }
  })
}

/** A stall that the recording's begin or end cuts lasted at least as long as was seen. */
function boundCensored(
  name: string,
  value: number,
  cut: { readonly app: number; readonly worker: number },
): Interval {
  const [, whose] = /^(app|worker)_stall_(?:max_|p50_|p99_)?ns$/.exec(name) ?? []
  const stalls = whose === undefined ? 0 : whose === 'app' ? cut.app : cut.worker
  return { lo: value, hi: stalls > 0 ? null : value }
}

const HIDDEN_IN: Readonly<Record<string, HiddenCount>> = {
  swapout_pages: 'swapout_pages',
  swapin_pages: 'swapin_pages',
  bypass_pages: 'bypass_pages',
  refaults_queued: 'refaults_queued',
  compressed_bytes: 'compressed_bytes',
  // Some of the pages that are swapped out or in: of those hidden, all may be of this kind.
  zswap_out_pages: 'swapout_pages',
  disk_out_pages: 'swapout_pages',
  zswap_in_pages: 'swapin_pages',
  disk_in_pages: 'swapin_pages',
}
const TIMES: Readonly<Record<string, HiddenTime>> = {
  reclaim_cpu_ns: 'reclaim_cpu_ns',
  cpu_ns: 'cpu_ns',
}
const SHARES: Readonly<Record<string, HiddenTime>> = {
  kswapd_busy_share: 'kswapd_ns',
  kswapd_scan_share: 'kswapd_scan_ns',
  kswapd_store_share: 'kswapd_store_ns',
}
const QUANTILES: Readonly<Record<string, number>> = { p50: 0.5, p99: 0.99, max: 1 }

/** What lost events leave open of a recording's figure. */
function boundLossy(name: string, value: number, open: Intervals, row: Row): Interval {
  const count = HIDDEN_IN[name]
  if (count !== undefined) return open.count(count, value)
  const time = TIMES[name]
  if (time !== undefined) return open.time(time, value)
  const share = SHARES[name]
  if (share !== undefined) {
    const ns = row.work_ns * Math.max(row.kswapds ?? 0, 1)
    return perTime(open.time(share, value * ns), row.work_ns, open, ns / row.work_ns)
  }
  if (name === 'pgsteal_anon_per_s')
    return perTime(open.count('stolen', row.stolen ?? 0), row.work_ns, open, 1e-9)
  if (name === 'work_ns') return open.length(value)
  if (name === 'allocstalls') return open.spans('direct', value)
  const [, whose, what] =
    /^(app|worker)_(stalls|stall_ns|stall_(?:p50|p99|max)_ns)$/.exec(name) ?? []
  if (whose !== undefined && what !== undefined) {
    const stalled = whose === 'app' ? 'application' : 'worker'
    if (what === 'stalls') return open.spans(stalled, value)
    if (what === 'stall_ns') return open.stallTime(stalled, value)
    return open.stallQuantile(stalled, QUANTILES[what.slice(6, 9)] ?? 1, value)
  }
  const [, moment, order] = /^order_(start|done)_(inversions|max)$/.exec(name) ?? []
  if (moment === 'start' || moment === 'done')
    return order === 'max' ? open.displacement(moment, value) : open.inversions(moment, value)
  return { lo: value, hi: value }
}

/** An amount per time, where both may be more than was seen; `scale` is what one unit of the amount's time counts. */
function perTime(amount: Interval, ns: number, open: Intervals, scale: number): Interval {
  const longest = open.length(ns).hi
  return {
    lo: amount.lo === null || longest === null ? null : amount.lo / (longest * scale),
    hi: amount.hi === null ? null : amount.hi / (ns * scale),
  }
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
  FROM samples WHERE name = 'pool_bytes' OR name = 'mm_stat.compr_data_size' AND trace_id NOT IN (
    -- A zram that is no swap device holds nothing of what was swapped out.
    SELECT trace_id FROM swap_devices GROUP BY trace_id HAVING NOT bool_or(kind = 'zram')
  ) GROUP BY ALL
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
