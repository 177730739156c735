import type { DuckDBConnection } from '@duckdb/node-api'
import type { LossSummary } from './losses.ts'
import { readRows } from './query.ts'

/**
 * What the gaps of a recording may hide. A gap of n events on a CPU is taken to hold what n events on end of that CPU hold
 * elsewhere in the recording, at a similar pace and between similar moments: with or without a stall, with or without kswapd
 * on the CPU. Stretches that were kept are drawn in its place many times over.
 *
 *     kept:   | a stretch of n events |        (each start is one candidate)
 *     gap:    stalled >|  n events lost, lasting d  |< stalled
 */

/** Draws per gap; fewer when gaps are many and their sum is steady by itself. */
const DRAWS = 1000
const LEAST_DRAWS = 100
const MOST_DRAWS_IN_ALL = 4e6
/** Of the draws, how many lie below the upper bound. */
const BELOW = 0.995
/** Stretches of a gap's length or up to so many times as long or short are taken for it. */
const LIKE_LENGTH = 2
const LEAST_CANDIDATES = 30

/** Sums over moments, and over time (those are in ns). */
export const HIDDEN_COUNTS = [
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
export const HIDDEN_TIMES = [
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

const SUMS: readonly HiddenSum[] = [...HIDDEN_COUNTS, ...HIDDEN_TIMES]
const COUNTS = HIDDEN_COUNTS.length
const TOLD_LATE = [
  [SUMS.indexOf('app_stall_ns'), SUMS.indexOf('app_throttled_ns')],
  [SUMS.indexOf('worker_stall_ns'), SUMS.indexOf('worker_throttled_ns')],
] as const
/** What tells like moments apart. */
const SETTINGS: readonly HiddenSum[] = ['app_stall_ns', 'worker_stall_ns', 'kswapd_ns']

export interface Gap {
  readonly cpu: number
  readonly startNs: number
  readonly endNs: number
  readonly events: number
  /** The kept stretches of its size between like moments. */
  readonly between: readonly Stretch[]
  /** How many of them share no event. */
  readonly apart: number
}

export interface Stretch {
  readonly cpu: number
  readonly startNs: number
  readonly endNs: number
}

export interface Hidden {
  readonly gaps: readonly Gap[]
  /** Of this sum, the gaps hide no more than this in 995 of 1000 draws. */
  readonly upTo: Readonly<Record<HiddenSum, number>>
  /** How long before its first event the recording may have begun, ns. */
  readonly beforeStartNs: number
}

/** One CPU's kept events, at every `stride`-th of them. */
interface Course {
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

interface GapRow {
  readonly cpu: number
  readonly start_ns: number
  readonly end_ns: number
  readonly events: number | null
  /** In progress where it begins and where it ends, by setting. */
  readonly settings: readonly (readonly [before: boolean, after: boolean])[]
}

/** A stretch of kept events in a gap's place. */
interface Candidate {
  readonly course: Course
  readonly from: number
  readonly to: number
  readonly ns: number
}

/** Undefined where it cannot be estimated: the size of a gap is not known, or the trace does not tell its events by CPU. */
export async function readHidden(
  connection: DuckDBConnection,
  traceId: number,
  losses: LossSummary,
): Promise<Hidden | undefined> {
  if (losses.gaps === 0 || losses.uncountedGaps > 0) return undefined
  const gaps = await readGaps(connection, traceId)
  const courses = await readCourses(connection, traceId, gaps)
  if (courses.size === 0) return undefined
  return draw(gaps, courses)
}

async function readGaps(connection: DuckDBConnection, traceId: number): Promise<GapRow[]> {
  const rows = await readRows<Omit<GapRow, 'settings'>>(
    connection,
    `SELECT cpu, start_ns, end_ns, events FROM losses WHERE trace_id = ${traceId} ORDER BY cpu, end_ns`,
  )
  const around = await readRows<{
    cpu: number
    end_ns: number
    sum: string
    inside_begin: boolean
    inside_end: boolean
  }>(
    connection,
    `${INTERVALS_SQL}
    SELECT l.cpu, l.end_ns, i.sum,
      bool_or(i.start_ns <= l.start_ns AND (i.end_ns > l.start_ns OR (i.end_ns = l.start_ns AND i.cut_end))) AS inside_begin,
      bool_or(i.end_ns >= l.end_ns AND (i.start_ns < l.end_ns OR (i.start_ns = l.end_ns AND i.cut_start))) AS inside_end
    FROM losses l JOIN intervals i ON i.trace_id = l.trace_id AND i.cpu = l.cpu AND i.end_ns >= l.start_ns AND i.start_ns <= l.end_ns
    WHERE l.trace_id = ${traceId} GROUP BY ALL`,
  )
  return rows.map((row) => ({
    ...row,
    settings: SETTINGS.map((name) => {
      const found = around.find(
        ({ cpu, end_ns, sum }) => cpu === row.cpu && end_ns === row.end_ns && sum === name,
      )
      return [found?.inside_begin ?? false, found?.inside_end ?? false] as const
    }),
  }))
}

async function readCourses(
  connection: DuckDBConnection,
  traceId: number,
  gaps: readonly GapRow[],
): Promise<Map<number, Course>> {
  const points = await readRows<{ cpu: number; moment: number; value: number }>(
    connection,
    `SELECT cpu, moment, value FROM (${POINTS_SQL}) WHERE trace_id = ${traceId} ORDER BY cpu, value`,
  )
  const byCpu = new Map<number, typeof points>()
  for (const point of points) {
    const own = byCpu.get(point.cpu)
    if (own === undefined) byCpu.set(point.cpu, [point])
    else own.push(point)
  }
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
  const courses = new Map<number, Course>()
  for (const [cpu, own] of byCpu) {
    const times = Float64Array.from(own, ({ moment }) => moment)
    const ends = gaps.filter((gap) => gap.cpu === cpu).map((gap) => gap.end_ns)
    let segment = 0
    courses.set(cpu, {
      cpu,
      times,
      stride: own.length < 2 ? 1 : (own[1]?.value ?? 1) - (own[0]?.value ?? 0),
      segment: Int32Array.from(times, (at) => {
        while (segment < ends.length && at >= (ends[segment] ?? 0)) segment++
        return segment
      }),
      before: SUMS.map(() => new Float64Array(times.length)),
      inProgress: SETTINGS.map(() => new Float64Array(times.length)),
    })
  }
  const places = new Map(
    [...courses].map(([cpu, { times }]) => [cpu, new Map([...times].map((at, i) => [at, i]))]),
  )
  const weights = new Map<number, Float64Array[]>()
  for (const [cpu, { times }] of courses)
    weights.set(
      cpu,
      SUMS.map(() => new Float64Array(2 * times.length)),
    )
  for (const { cpu, moment, sum, w, wt } of sums) {
    const of = weights.get(cpu)?.[SUMS.indexOf(sum)]
    const i = places.get(cpu)?.get(moment)
    if (of === undefined || i === undefined) continue
    of[2 * i] = w
    of[2 * i + 1] = wt
  }
  for (const [cpu, course] of courses)
    for (const [s, own] of (weights.get(cpu) ?? []).entries()) accumulate(course, s, own, base)
  return courses
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

function draw(gaps: readonly GapRow[], courses: ReadonlyMap<number, Course>): Hidden {
  const known = gaps.filter(({ events }) => (events ?? 0) > 0)
  const count = Math.max(
    LEAST_DRAWS,
    Math.min(DRAWS, Math.floor(MOST_DRAWS_IN_ALL / Math.max(1, known.length))),
  )
  const totals = SUMS.map(() => new Float64Array(count))
  const random = newRandom()
  const firsts: number[] = []
  const described: Gap[] = []
  for (const gap of known) {
    const { like, between, all } = candidatesOf(gap, courses)
    const apart = countApart(like, gap)
    const held = like.map((each) => heldBy(each, gap))
    const others = between.map((each) => heldBy(each, gap))
    const apartAtAll = countApart(between, gap)
    const worst = worstOf(
      all.map((each) => heldBy(each, gap)),
      countApart(all, gap),
    )
    for (let k = 0; k < count; k++) {
      // The next of so many that were seen may be unlike all of them: of the same length, then of any.
      const one =
        random() >= 1 / (apart + 1)
          ? held[Math.floor(random() * held.length)]
          : random() >= 1 / (apartAtAll + 1)
            ? others[Math.floor(random() * others.length)]
            : worst
      for (let s = 0; s < SUMS.length; s++) {
        const total = totals[s]
        if (total !== undefined) total[k] = (total[k] ?? 0) + (one?.[s] ?? 0)
      }
    }
    if (gap.start_ns === gap.end_ns)
      firsts.push(
        quantileOf(
          like.map(({ ns }) => ns),
          BELOW,
        ),
      )
    described.push({
      cpu: gap.cpu,
      startNs: gap.start_ns,
      endNs: gap.end_ns,
      events: gap.events ?? 0,
      between: between.map(({ course, from, to }) => ({
        cpu: course.cpu,
        startNs: course.times[from] ?? 0,
        endNs: course.times[to] ?? 0,
      })),
      apart: apartAtAll,
    })
  }
  return {
    gaps: described,
    upTo: toRecord((s) => quantileOf([...(totals[s] ?? [])], BELOW)),
    beforeStartNs: Math.max(0, ...firsts),
  }
}

/** How many of the stretches, that begin one after another, share no event. */
function countApart(like: readonly Candidate[], gap: GapRow): number {
  const stride = like[0]?.course.stride ?? 1
  return Math.max(1, (like.length * stride) / Math.max(stride, gap.events ?? 0))
}

/** The most of each sum, and as much more as the most of so many may lie below what is possible. */
function worstOf(held: readonly Float64Array[], apart: number): Float64Array {
  return Float64Array.from(SUMS, (_, s) => {
    const most = held.reduce((largest, one) => Math.max(largest, one[s] ?? 0), 0)
    return most * (1 + 1 / apart)
  })
}

function toRecord(value: (s: number) => number): Record<HiddenSum, number> {
  return Object.fromEntries(SUMS.map((name, s) => [name, value(s)])) as Record<HiddenSum, number>
}

function quantileOf(values: number[], share: number): number {
  return values.sort((a, b) => a - b)[Math.ceil(share * values.length) - 1] ?? 0
}

/** What the gap holds if it is like the candidate: counts by events, times by how long it lasted. */
function heldBy({ course, from, to, ns }: Candidate, gap: GapRow): Float64Array {
  const byEvents = (gap.events ?? 0) / ((to - from) * course.stride)
  const length = gap.end_ns - gap.start_ns
  // A gap without a begin lasted as long as the candidate; of one that lasted much longer, the rest was as idle as it was eventless.
  const byTime = length <= 0 || ns <= 0 ? 1 : length > LIKE_LENGTH * ns ? LIKE_LENGTH : length / ns
  const held = Float64Array.from(SUMS, (_, s) => {
    const before = course.before[s]
    const sum = (before?.[to] ?? 0) - (before?.[from] ?? 0)
    return sum * (s < COUNTS ? byEvents : byTime)
  })
  for (const [stalled, told] of TOLD_LATE) held[stalled] = (held[stalled] ?? 0) + (held[told] ?? 0)
  return held
}

/** Stretches of the gap's size between like moments, and those of them that lasted about as long. */
function candidatesOf(
  gap: GapRow,
  courses: ReadonlyMap<number, Course>,
): {
  all: readonly Candidate[]
  between: readonly Candidate[]
  like: readonly Candidate[]
} {
  const own = courses.get(gap.cpu)
  let all = own === undefined ? [] : stretches(gap, own)
  if (all.length < LEAST_CANDIDATES)
    all = [...courses.values()].flatMap((course) => stretches(gap, course))
  const alike = all.filter((each) => likeness(each, gap) === SETTINGS.length)
  const stalled = all.filter((each) => likeness(each, gap) >= 2)
  const between =
    alike.length >= LEAST_CANDIDATES ? alike : stalled.length >= LEAST_CANDIDATES ? stalled : all
  const length = gap.end_ns - gap.start_ns
  if (length <= 0) return { all, between, like: between }
  const far = ({ ns }: Candidate) => Math.abs(Math.log(Math.max(ns, 1) / length))
  const like = between.filter((each) => far(each) <= Math.log(LIKE_LENGTH))
  if (like.length >= LEAST_CANDIDATES) return { all, between, like }
  return {
    all,
    between,
    like: [...between].sort((a, b) => far(a) - far(b)).slice(0, LEAST_CANDIDATES),
  }
}

/** Every stretch of kept events of the gap's size, or of the longest there are. */
function stretches(gap: GapRow, course: Course): Candidate[] {
  const { times, stride, segment } = course
  let steps = Math.max(1, Math.round((gap.events ?? 0) / stride))
  for (; steps >= 1; steps = Math.floor(steps / 2)) {
    const found: Candidate[] = []
    for (let from = 0; from + steps < times.length; from++) {
      const to = from + steps
      if (segment[from] !== segment[to]) continue
      found.push({ course, from, to, ns: (times[to] ?? 0) - (times[from] ?? 0) })
    }
    if (found.length >= LEAST_CANDIDATES) return found
  }
  return []
}

/** In how many settings, from the first on, the candidate begins and ends as the gap does. */
function likeness({ course, from, to }: Candidate, { settings }: GapRow): number {
  for (const [i, [before, after]] of settings.entries()) {
    const inProgress = course.inProgress[i]
    if ((inProgress?.[from] ?? 0) > 0 !== before || (inProgress?.[to] ?? 0) > 0 !== after) return i
  }
  return settings.length
}

/** The same numbers every time: a figure's bounds do not change from one look to the next. */
function newRandom(): () => number {
  let state = 0x2545_f491
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 0x1_0000_0000
  }
}

const POINTS_SQL = `SELECT trace_id, CAST(substr(name, 13) AS INTEGER) AS cpu, ts_ns AS moment, value
  FROM samples WHERE run_id IS NULL AND starts_with(name, 'recorded.cpu')`

/** What lasts, with the CPU on which losing events hides it. */
const INTERVALS_SQL = `WITH storers AS MATERIALIZED (
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
