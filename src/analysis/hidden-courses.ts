import type { DuckDBConnection } from '@duckdb/node-api'
import { readRows } from './query.ts'

/** Sums over moments, and over time (those are in ns). */
const HIDDEN_COUNTS = [
  'swapout_pages',
  'kswapd_pages',
  'bypass_pages',
  'compressed_bytes',
  'swapin_pages',
  'refaults_queued',
  'stolen',
  'direct_begins',
  'app_begins',
  'worker_begins',
  'span_begins',
  'wakes',
  // A wait in throttling is told by one event at its end: it is lost with that event.
  'app_throttled_ns',
  'worker_throttled_ns',
] as const
const HIDDEN_TIMES = [
  'app_stall_ns',
  'worker_stall_ns',
  'kswapd_ns',
  'kswapd_scan_ns',
  'kswapd_store_ns',
  'reclaim_cpu_ns',
  'cpu_ns',
] as const
export type HiddenCount = (typeof HIDDEN_COUNTS)[number]
export type HiddenTime = (typeof HIDDEN_TIMES)[number]
export type HiddenSum = HiddenCount | HiddenTime

export const SUMS: readonly HiddenSum[] = [...HIDDEN_COUNTS, ...HIDDEN_TIMES]
export const COUNTS = HIDDEN_COUNTS.length
export const TOLD_LATE = [
  [SUMS.indexOf('app_stall_ns'), SUMS.indexOf('app_throttled_ns')],
  [SUMS.indexOf('worker_stall_ns'), SUMS.indexOf('worker_throttled_ns')],
] as const
/** What tells like moments apart. */
export const SETTINGS: readonly HiddenSum[] = ['app_stall_ns', 'worker_stall_ns', 'kswapd_ns']

/** One CPU's kept events, at every `stride`-th of them. */
export interface Course {
  readonly cpu: number
  readonly times: Float64Array
  readonly stride: number
  /** Number of the gap-free stretch each moment lies in. */
  readonly segment: Int32Array
  /** By sum: how much lies before each moment. */
  readonly before: readonly Float64Array[]
  /** By setting: how many are in progress at each moment. */
  readonly inProgress: readonly Float64Array[]
}

interface Point {
  readonly cpu: number
  readonly moment: number
  /** Events of the CPU before it. */
  readonly value: number
}

/** By CPU; none of a trace that does not tell its events by CPU. */
export async function readCourses(
  connection: DuckDBConnection,
  traceId: number,
  gaps: readonly { readonly cpu: number; readonly end_ns: number }[],
): Promise<Map<number, Course>> {
  const points = await readRows<Point>(
    connection,
    `SELECT cpu, moment, value FROM (${POINTS_SQL}) WHERE trace_id = ${traceId} ORDER BY cpu, value`,
  )
  const byCpu = new Map<number, Point[]>()
  for (const point of points) {
    const own = byCpu.get(point.cpu)
    if (own === undefined) byCpu.set(point.cpu, [point])
    else own.push(point)
  }
  const courses = new Map<number, Course>()
  for (const [cpu, own] of byCpu) {
    const ends = gaps.filter((gap) => gap.cpu === cpu).map((gap) => gap.end_ns)
    courses.set(cpu, newCourse(cpu, own, ends))
  }
  await fillCourses(connection, traceId, courses)
  return courses
}

function newCourse(cpu: number, points: readonly Point[], ends: readonly number[]): Course {
  const times = Float64Array.from(points, ({ moment }) => moment)
  let segment = 0
  return {
    cpu,
    times,
    stride: points.length < 2 ? 1 : (points[1]?.value ?? 1) - (points[0]?.value ?? 0),
    segment: Int32Array.from(times, (at) => {
      while (segment < ends.length && at >= (ends[segment] ?? 0)) segment++
      return segment
    }),
    before: SUMS.map(() => new Float64Array(times.length)),
    inProgress: SETTINGS.map(() => new Float64Array(times.length)),
  }
}

/** What each CPU's events tell of, summed up from moment to moment. */
async function fillCourses(
  connection: DuckDBConnection,
  traceId: number,
  courses: ReadonlyMap<number, Course>,
): Promise<void> {
  const [subject] = await readRows<{ start_ns: number }>(
    connection,
    `SELECT start_ns FROM subjects WHERE trace_id = ${traceId} AND run_id IS NULL`,
  )
  const base = subject?.start_ns ?? 0
  const sums = await readRows<{
    cpu: number
    moment: number
    sum: HiddenSum
    w: number
    wt: number
  }>(
    connection,
    `${MOMENTS_SQL}
    SELECT m.sum, m.cpu, p.moment, sum(m.w) AS w, sum(m.w * CAST(m.ts_ns - ${base} AS DOUBLE)) AS wt
    FROM moments m ASOF JOIN (${POINTS_SQL}) p ON p.trace_id = m.trace_id AND p.cpu = m.cpu AND m.ts_ns >= p.moment
    WHERE m.trace_id = ${traceId} GROUP BY ALL`,
  )
  for (const [cpu, course] of courses) {
    const places = new Map([...course.times].map((at, i) => [at, i]))
    const weights = SUMS.map(() => new Float64Array(2 * course.times.length))
    for (const { moment, sum, w, wt } of sums.filter((row) => row.cpu === cpu)) {
      const of = weights[SUMS.indexOf(sum)]
      const i = places.get(moment)
      if (of === undefined || i === undefined) continue
      of[2 * i] = w
      of[2 * i + 1] = wt
    }
    for (const [s, own] of weights.entries()) accumulate(course, s, own, base)
  }
}

/** Turns what happens from each moment to the next into what lies before it. */
function accumulate(course: Course, s: number, weights: Float64Array, base: number): void {
  const before = course.before[s]
  const inProgress = course.inProgress[SETTINGS.indexOf(SUMS[s] ?? 'cpu_ns')]
  if (before === undefined) return
  let count = 0
  let time = 0
  for (let i = 0; i < course.times.length; i++) {
    before[i] = s < COUNTS ? count : count * ((course.times[i] ?? 0) - base) - time
    if (inProgress !== undefined) inProgress[i] = count
    count += weights[2 * i] ?? 0
    time += weights[2 * i + 1] ?? 0
  }
}

/** Moments at which it is known how many events a CPU had recorded. */
export const POINTS_SQL = `SELECT trace_id, CAST(substr(name, 13) AS INTEGER) AS cpu, ts_ns AS moment, value
  FROM samples WHERE run_id IS NULL AND starts_with(name, 'recorded.cpu')`

/** What lasts, with the CPU on which losing events hides it. */
export const INTERVALS_SQL = `WITH storers AS MATERIALIZED (
  SELECT DISTINCT trace_id, stored_by AS task_id FROM swapouts WHERE run_id IS NULL AND stored_by IS NOT NULL
),
runs AS MATERIALIZED (
  SELECT t.trace_id, t.cpu, t.start_ns, coalesce(t.end_ns, t.start_ns) AS end_ns, t.doing, k.kind,
    k.kind IN ('kswapd', 'compressor') OR (k.kind = 'kworker' AND r.task_id IS NOT NULL) AS reclaims
  FROM thread_states t
  LEFT JOIN tasks k ON k.trace_id = t.trace_id AND k.task_id = t.task_id
  LEFT JOIN storers r ON r.trace_id = t.trace_id AND r.task_id = t.task_id
  WHERE t.run_id IS NULL AND t.state = 'running' AND coalesce(k.tid, 1) <> 0
),
outermost AS MATERIALIZED (
  SELECT r.trace_id, CASE WHEN k.kind IN ('kworker', 'compressor') THEN 'worker_stall_ns' ELSE 'app_stall_ns' END AS sum, r.kind, r.cpu,
    r.start_ns, coalesce(r.end_ns, r.start_ns) AS end_ns, coalesce(r.censored, '') AS censored
  FROM reclaim_spans r LEFT JOIN tasks k ON k.trace_id = r.trace_id AND k.task_id = r.task_id
  WHERE r.run_id IS NULL AND r.parent_span_id IS NULL AND coalesce(k.kind, 'user') NOT IN ('kswapd', 'kcompactd')
),
intervals AS MATERIALIZED (
  SELECT trace_id, sum, cpu, start_ns, end_ns, censored IN ('start', 'both') AS cut_start, censored IN ('end', 'both') AS cut_end
  FROM outermost WHERE kind <> 'throttle'
  UNION ALL SELECT trace_id, 'cpu_ns', cpu, start_ns, end_ns, true, true FROM runs
  UNION ALL SELECT trace_id, 'reclaim_cpu_ns', cpu, start_ns, end_ns, true, true FROM runs WHERE reclaims
  UNION ALL SELECT trace_id, 'kswapd_ns', cpu, start_ns, end_ns, true, true FROM runs WHERE kind = 'kswapd'
  UNION ALL SELECT trace_id, 'kswapd_scan_ns', cpu, start_ns, end_ns, true, true FROM runs
    WHERE kind = 'kswapd' AND doing IN ('scan', 'unmap', 'slab', 'file')
  UNION ALL SELECT trace_id, 'kswapd_store_ns', cpu, start_ns, end_ns, true, true FROM runs WHERE kind = 'kswapd' AND doing = 'store'
)`

const MOMENTS_SQL = `${INTERVALS_SQL},
outs AS MATERIALIZED (
  SELECT trace_id, cpu, coalesce(submit_ns, ts_ns, start_ns) AS ts_ns, 1 << coalesce(folio_order, 0) AS pages, context, path,
    coalesce(compressed_bytes, 0) AS bytes
  FROM swapouts WHERE run_id IS NULL
),
places AS MATERIALIZED (
  SELECT trace_id, task_id, ts_ns, cpu FROM swapouts WHERE run_id IS NULL AND ts_ns IS NOT NULL
  UNION ALL SELECT trace_id, task_id, start_ns, cpu FROM thread_states WHERE run_id IS NULL AND state = 'running'
),
moments AS (
  SELECT trace_id, 'swapout_pages' AS sum, cpu, ts_ns, CAST(pages AS DOUBLE) AS w FROM outs
  UNION ALL SELECT trace_id, 'kswapd_pages', cpu, ts_ns, 1 FROM outs WHERE context = 'kswapd'
  UNION ALL SELECT trace_id, 'bypass_pages', cpu, ts_ns, 1 FROM outs WHERE context IS DISTINCT FROM 'kswapd' OR path = 'bypass'
  UNION ALL SELECT trace_id, 'compressed_bytes', cpu, ts_ns, bytes FROM outs
  UNION ALL SELECT trace_id, 'swapin_pages', cpu, ts_ns, 1 FROM swapins WHERE run_id IS NULL
  UNION ALL SELECT trace_id, 'refaults_queued', cpu, ts_ns, 1 FROM swapins WHERE run_id IS NULL AND met IN ('queued', 'storing')
  UNION ALL SELECT b.trace_id, 'stolen', p.cpu, b.ts_ns, b.nr_reclaimed
    FROM (SELECT * FROM shrink_batches WHERE run_id IS NULL AND lru LIKE '%anon' AND nr_reclaimed > 0) b
    ASOF JOIN places p ON p.trace_id = b.trace_id AND p.task_id = b.task_id AND b.ts_ns >= p.ts_ns
  UNION ALL SELECT trace_id, 'direct_begins', cpu, start_ns, 1 FROM reclaim_spans
    WHERE run_id IS NULL AND kind = 'direct' AND coalesce(censored, '') NOT IN ('start', 'both')
  UNION ALL SELECT trace_id, 'span_begins', cpu, start_ns, 1 FROM reclaim_spans
    WHERE run_id IS NULL AND coalesce(censored, '') NOT IN ('start', 'both')
  UNION ALL SELECT trace_id, CASE stalled WHEN 'application' THEN 'app_begins' ELSE 'worker_begins' END, cpu, start_ns, 1 FROM stalls
    WHERE run_id IS NULL AND stalled IN ('application', 'worker') AND coalesce(censored, '') NOT IN ('start', 'both')
  UNION ALL SELECT k.trace_id, 'wakes', p.cpu, k.start_ns, 1
    FROM (SELECT * FROM kswapd_spans WHERE run_id IS NULL AND coalesce(censored, '') NOT IN ('start', 'both')) k
    ASOF JOIN places p ON p.trace_id = k.trace_id AND p.task_id = k.task_id AND k.start_ns >= p.ts_ns
  UNION ALL SELECT trace_id, sum, cpu, start_ns, 1 FROM intervals
  UNION ALL SELECT trace_id, sum, cpu, end_ns, -1 FROM intervals
  UNION ALL SELECT trace_id, CASE sum WHEN 'app_stall_ns' THEN 'app_throttled_ns' ELSE 'worker_throttled_ns' END, cpu, end_ns,
    end_ns - start_ns FROM outermost WHERE kind = 'throttle'
)`
