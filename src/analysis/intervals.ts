import type { DuckDBConnection } from '@duckdb/node-api'
import { GapsAround } from './gaps-around.ts'
import { type Hidden, type HiddenCount, type HiddenTime, readHidden } from './hidden.ts'
import { type GapRow, readGaps } from './hidden-gaps.ts'
import { type Interval, toInterval } from './interval.ts'
import type { LossSummary } from './losses.ts'
import { farthestOf, inversionsOf, type Places, readPlaces } from './order-bounds.ts'
import { readRows } from './query.ts'
import { StallBounds } from './stall-bounds.ts'
import type { SpanRow, Stalled } from './stall-reach.ts'

export type { Interval } from './interval.ts'
export type { Stalled } from './stall-reach.ts'

/** What a lossy recording leaves open, figure by figure. */
export interface Intervals {
  /** A count or sum of which lost events hide a part. */
  count(sum: HiddenCount, value: number): Interval
  /** A count of single events about which nothing more is known. */
  events(value: number): Interval
  /** Time on CPUs. */
  time(sum: HiddenTime, value: number): Interval
  /** Rows of `direct` spans, of all spans, or of stalls: a gap may cut one in two, and may hide both its ends. */
  spans(what: 'direct' | 'all' | Stalled, value: number): Interval
  stallTime(stalled: Stalled, value: number): Interval
  /** The stall that `share` of all stalls do not exceed; 1 = the longest. */
  stallQuantile(stalled: Stalled, share: number, value: number): Interval
  /** Length of the recording: its first events may be lost. */
  length(value: number): Interval
  /** Pairs of pages out of order, when their stores began or were done. */
  inversions(what: 'start' | 'done', value: number): Interval
  /** The farthest that a page got from its place, when its store began or was done. */
  displacement(what: 'start' | 'done', value: number): Interval
  /** The bounds rest on how much gaps of unknown size may hide, by their time and what their CPUs recorded in such a time. */
  readonly isEstimated: boolean
}

/** Undefined when nothing was lost. Needs the views. */
export async function readIntervals(
  connection: DuckDBConnection,
  traceId: number,
  losses: LossSummary,
): Promise<Intervals | undefined> {
  if (losses.gaps === 0) return undefined
  const told = await readGaps(connection, traceId)
  const hidden = await readHidden(connection, traceId, told)
  const columns = 'tid, cpu, start_ns, end_ns, censored'
  const spans = await readRows<SpanRow>(
    connection,
    `SELECT kind, NULL AS kinds, NULL AS stalled, end_ns - start_ns AS ns, start_ns AS told_ns, ${columns} FROM reclaim_spans
     WHERE trace_id = ${traceId} AND run_id IS NULL AND censored IS NOT NULL ORDER BY kind, tid, start_ns`,
  )
  const stalls = await readRows<SpanRow>(
    connection,
    `SELECT s.stalled AS kind, s.kinds, s.stalled, s.ns, CASE r.kind WHEN 'throttle' THEN r.end_ns ELSE r.start_ns END AS told_ns,
       s.tid, s.cpu, s.start_ns, s.end_ns, s.censored
     FROM stalls s LEFT JOIN reclaim_spans r ON r.trace_id = s.trace_id AND r.run_id IS NULL AND r.span_id = s.stall_id
     WHERE s.trace_id = ${traceId} AND s.run_id IS NULL ORDER BY s.stalled, s.tid, s.start_ns`,
  )
  const [edges] = await readRows<Edges>(connection, edgesSql(traceId))
  return newIntervals(hidden, {
    spans,
    stalls,
    gaps: told.gaps,
    possible: told.lost ?? hidden?.events ?? Number.POSITIVE_INFINITY,
    edges: edges ?? NO_EDGES,
    places: {
      start: await readPlaces(connection, traceId, 'start', told.gaps),
      done: await readPlaces(connection, traceId, 'done', told.gaps),
    },
  })
}

/** Rows next to gaps that say less than others. */
interface Edges {
  /** Swap-outs seen twice: handed over before a gap, reported after it. */
  readonly twice: number
  /** Of kswapd, without their hand-over. */
  readonly ungated: number
  /** Of kswapd, of which it is not known whether they met the queue. */
  readonly unqueued: number
  /** Of kswapd, which did not meet it. */
  readonly bypassed: number
  /** Swap-outs of kswapd. */
  readonly lane: number
  /** Those of them of which begin and end of the store are known. */
  readonly placed: number
  /** Pages reclaimed by batches of which it is not known what they scanned. */
  readonly unlisted: number | null
}
const NO_EDGES: Edges = {
  twice: 0,
  ungated: 0,
  unqueued: 0,
  bypassed: 0,
  lane: 0,
  placed: 0,
  unlisted: 0,
}

function edgesSql(traceId: number): string {
  const own = `trace_id = ${traceId} AND run_id IS NULL`
  return `WITH ordered AS (
    SELECT context, path, submit_ns, ts_ns, start_rank, done_rank,
      lag(ts_ns IS NULL AND submit_ns IS NOT NULL) OVER (PARTITION BY task_id ORDER BY coalesce(submit_ns, ts_ns)) AS open,
      count(submit_ns) OVER () AS gated
    FROM swapouts WHERE ${own}
  )
  SELECT
    (SELECT count(*) FROM ordered WHERE gated > 0 AND submit_ns IS NULL AND open) AS twice,
    (SELECT count(*) FROM ordered WHERE gated > 0 AND submit_ns IS NULL AND context = 'kswapd') AS ungated,
    (SELECT count(*) FROM ordered WHERE context = 'kswapd' AND path IS NULL AND submit_ns IS NOT NULL) AS unqueued,
    (SELECT count(*) FROM ordered WHERE context = 'kswapd' AND path = 'bypass') AS bypassed,
    (SELECT count(*) FROM ordered WHERE context = 'kswapd') AS lane,
    (SELECT least(count(start_rank), count(done_rank)) FROM ordered WHERE context = 'kswapd') AS placed,
    (SELECT CAST(sum(nr_reclaimed) AS BIGINT) FROM shrink_batches WHERE ${own} AND lru IS NULL) AS unlisted`
}

interface Found {
  readonly spans: readonly SpanRow[]
  readonly stalls: readonly SpanRow[]
  readonly gaps: readonly GapRow[]
  /** The most events that the gaps hide. */
  readonly possible: number
  readonly edges: Edges
  readonly places: Readonly<Record<'start' | 'done', Places>>
}

function newIntervals(hidden: Hidden | undefined, found: Found): Intervals {
  const { edges, gaps, places, possible } = found
  const stalls = new StallBounds(hidden, new GapsAround(gaps, hidden), found)
  const longest = longestHidden(gaps)
  return {
    count: (sum, value) => boundCount(sum, value, hidden, found),
    events: (value) => toInterval(value, value + possible),
    time: (sum, value) =>
      toInterval(value, value + Math.min(hidden?.upTo[sum] ?? Number.POSITIVE_INFINITY, longest)),
    spans: (what, value) => stalls.spans(what, value),
    stallTime: (stalled, value) => stalls.time(stalled, value),
    stallQuantile: (stalled, share, value) => stalls.quantile(stalled, share, value),
    length: (value) =>
      toInterval(value, value + (hidden?.beforeStartNs ?? Number.POSITIVE_INFINITY)),
    inversions: (what, value) =>
      boundOrder(value, hidden, edges, (unplaced) => ({
        // Of a pair either page may be hidden, or its store in a worker's gap.
        most: Math.ceil(value * (1 + unplaced / edges.placed) ** 2) + 1,
        likely: inversionsOf(places[what], unplaced, gaps.length),
      })),
    displacement: (what, value) =>
      boundOrder(value, hidden, edges, (unplaced) => ({
        // Each page that is hidden may stand between a page and its place.
        most: value + Math.ceil(unplaced),
        likely: farthestOf(places[what], unplaced),
      })),
    isEstimated: hidden?.isEstimated ?? false,
  }
}

function boundCount(
  sum: HiddenCount,
  value: number,
  hidden: Hidden | undefined,
  { edges, possible }: Found,
): Interval {
  const doubted = sum === 'swapout_pages' ? edges.twice : sum === 'bypass_pages' ? edges.ungated : 0
  const more =
    sum === 'stolen' ? (edges.unlisted ?? 0) : sum === 'bypass_pages' ? bypassedOf(edges) : 0
  const isOfEvents = sum !== 'stolen' && sum !== 'compressed_bytes'
  const most = isOfEvents ? possible + more : Number.POSITIVE_INFINITY
  const likely =
    hidden === undefined ? Number.POSITIVE_INFINITY : Math.ceil(hidden.upTo[sum]) + more
  return toInterval(Math.max(0, value - doubted), value + Math.min(likely, most))
}

/** A CPU runs one task at a time: its gaps hide no more than they last. How long one before the first event lasts is not known. */
function longestHidden(gaps: readonly GapRow[]): number {
  if (gaps.some((gap) => gap.start_ns === gap.end_ns)) return Number.POSITIVE_INFINITY
  return gaps.reduce((sum, gap) => sum + gap.end_ns - gap.start_ns, 0)
}

/** `boundsOf` gets how many pages have no known place in kswapd's lanes. */
function boundOrder(
  value: number,
  hidden: Hidden | undefined,
  { lane, placed }: Edges,
  boundsOf: (unplaced: number) => { readonly most: number; readonly likely: number | undefined },
): Interval {
  if (hidden === undefined) return { lo: value, hi: null }
  if (value === 0) return { lo: 0, hi: 0 }
  const { most, likely } = boundsOf(lane - placed + hidden.upTo.kswapd_pages)
  return { lo: value, hi: Math.max(value, Math.min(most, Math.ceil(likely ?? most))) }
}

/** Of n events that were seen k times, k + 3 are expected in n at most in 95 of 100 cases where k is small. */
const MORE_SEEN = 3

/** Pages that bypassed the queue among those of which it is not known, if as many do as of the others. */
function bypassedOf({ unqueued, bypassed, lane }: Edges): number {
  const known = Math.max(1, lane - unqueued)
  return Math.ceil(Math.min(1, (bypassed + MORE_SEEN) / known) * unqueued)
}
