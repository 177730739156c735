import type { DuckDBConnection } from '@duckdb/node-api'
import { type Gap, type Hidden, type HiddenCount, type HiddenTime, readHidden } from './hidden.ts'
import { type GapRow, readGaps } from './hidden-gaps.ts'
import type { LossSummary } from './losses.ts'
import { farthestOf, inversionsOf, type Places, readPlaces } from './order-bounds.ts'
import { readRows } from './query.ts'
import {
  isCut,
  quantileOf,
  reachOf,
  type SpanRow,
  type Stalled,
  tailOf,
  tailsOf,
  unseenBetween,
} from './stall-reach.ts'

export type { Stalled } from './stall-reach.ts'

/** NULL = not bounded on that side. */
export interface Interval {
  readonly lo: number | null
  readonly hi: number | null
}

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
  const { edges, gaps, possible } = found
  const placed = gaps.filter(({ isPlaced }) => isPlaced)
  const drawn = (hidden?.gaps ?? []).filter(({ isPlaced }) => isPlaced)
  // What goes on after a gap begins at its end, or with a wait whose end tells that it began within.
  const isAfterGap = ({ cpu, start_ns: start }: SpanRow) =>
    placed.some((gap) => gap.cpu === cpu && gap.start_ns <= start && start <= gap.end_ns)
  const gapBefore = (row: SpanRow): Gap | undefined =>
    drawn.find(
      ({ cpu, startNs, endNs }) =>
        cpu === row.cpu && startNs <= row.start_ns && row.start_ns <= endNs,
    )
  const gapAfter = (row: SpanRow): Gap | undefined =>
    drawn.find(
      ({ cpu, startNs, endNs }) => cpu === row.cpu && startNs <= row.end_ns && row.end_ns <= endNs,
    )

  /** A stall that is known through from before a gap to after it, because its wait told how long it had been. */
  const gapWithin = (row: SpanRow): Gap | undefined =>
    drawn.find(
      ({ cpu, startNs, endNs }) =>
        cpu === row.cpu && startNs <= row.end_ns && endNs >= row.start_ns && endNs <= row.end_ns,
    )

  /** Cut by the recording's begin or end, beyond which nothing bounds it. */
  const isOpen = (row: SpanRow) =>
    (isCut(row, 'start') && (gapBefore(row) ?? gapWithin(row)) === undefined) ||
    (isCut(row, 'end') && (gapAfter(row) ?? gapWithin(row)) === undefined)

  /** Pairs of rows that may be one, cut in two by a gap: index of the earlier row to the later. */
  const pairsOf = (rows: readonly SpanRow[]): Map<number, number> => {
    const pairs = new Map<number, number>()
    for (let i = 0; i + 1 < rows.length; i++) {
      const [one, next] = [rows[i], rows[i + 1]]
      if (one === undefined || next === undefined) continue
      if (one.tid !== next.tid || one.kind !== next.kind) continue
      if (!isCut(next, 'start') || !isAfterGap(next)) continue
      // What follows a wait in throttling may belong to it.
      if (!isCut(one, 'end') && one.kinds !== 'throttle') continue
      pairs.set(i, i + 1)
    }
    return pairs
  }
  const rowsOf = (what: 'direct' | 'all' | Stalled): readonly SpanRow[] =>
    what === 'direct'
      ? found.spans.filter(({ kind }) => kind === 'direct')
      : what === 'all'
        ? found.spans
        : found.stalls.filter(({ stalled }) => stalled === what)

  const count = (sum: HiddenCount, value: number): Interval => {
    const doubted =
      sum === 'swapout_pages' ? edges.twice : sum === 'bypass_pages' ? edges.ungated : 0
    const lo = Math.max(0, value - doubted)
    const more =
      sum === 'stolen' ? (edges.unlisted ?? 0) : sum === 'bypass_pages' ? bypassedOf(edges) : 0
    const most =
      sum === 'stolen' || sum === 'compressed_bytes' ? Number.POSITIVE_INFINITY : possible + more
    const hi = Math.min(
      value +
        (hidden === undefined ? Number.POSITIVE_INFINITY : Math.ceil(hidden.upTo[sum]) + more),
      value + most,
    )
    return { lo, hi: finite(hi) }
  }
  // A CPU runs one task at a time: its gaps hide no more than they last. How long one before the first event lasts is not known.
  const longest = gaps.some((gap) => gap.start_ns === gap.end_ns)
    ? Number.POSITIVE_INFINITY
    : gaps.reduce((sum, gap) => sum + gap.end_ns - gap.start_ns, 0)
  const time = (sum: HiddenTime, value: number): Interval => ({
    lo: value,
    hi: finite(value + Math.min(hidden?.upTo[sum] ?? Number.POSITIVE_INFINITY, longest)),
  })

  return {
    count,
    events: (value) => ({ lo: value, hi: finite(value + possible) }),
    time,
    spans(what, value) {
      const rows = rowsOf(what)
      const pairs = pairsOf(rows).size
      const unseen = rows.filter((row) => isCut(row, 'start') && isAfterGap(row)).length
      const sum =
        what === 'direct'
          ? 'direct_begins'
          : what === 'all'
            ? 'span_begins'
            : what === 'application'
              ? 'app_begins'
              : 'worker_begins'
      const begun = value - unseen
      const likely =
        hidden === undefined || what === 'other'
          ? Number.POSITIVE_INFINITY
          : begun + Math.ceil(hidden.upTo[sum])
      const hi = Math.max(value, Math.min(likely, value + possible))
      return { lo: value - pairs, hi: finite(hi) }
    },
    stallTime(stalled, value) {
      if (hidden === undefined || stalled === 'other') return { lo: value, hi: null }
      const sum = stalled === 'application' ? 'app_stall_ns' : 'worker_stall_ns'
      const rows = rowsOf(stalled)
      if (rows.some(isOpen)) return { lo: value, hi: null }
      const between = unseenBetween(rows, drawn)
      const rounded = rows.filter((row) => isThrottled(row) && gapWithin(row) !== undefined).length
      return { lo: value, hi: value + hidden.upTo[sum] + between + rounded * DELAY_UNIT_NS }
    },
    stallQuantile(stalled, share, value) {
      // Of the longest it is known at least that there was one as long as was seen.
      if (hidden === undefined) return { lo: share === 1 ? value : null, hi: null }
      const rows = rowsOf(stalled)
      const reach = reachOf(rows, hidden)
      const pairs = pairsOf(rows)
      const least: number[] = []
      const most: number[] = []
      const beyond = (row: SpanRow, where: 'start' | 'end'): number => {
        if (!isCut(row, where)) return 0
        const gap = (where === 'start' ? gapBefore(row) : gapAfter(row)) ?? gapWithin(row)
        if (gap === undefined) return Number.POSITIVE_INFINITY
        const by = reach.get(gap)
        return (where === 'start' ? by?.before : by?.after) ?? 0
      }
      const begins = stalled === 'worker' ? 'worker_begins' : 'app_begins'
      const seen = rows.filter((row) => isCut(row, 'start') && isAfterGap(row)).length
      const whole = stalled === 'other' ? 0 : Math.max(0, Math.ceil(hidden.upTo[begins]) - seen)
      const longestWhole = [...reach.values()].reduce((ns, each) => Math.max(ns, each.whole), 0)
      const tails = tailsOf(rows, whole)
      /** A stall of which a gap hides a part is no longer than gaps like it allow, nor than others of its task tend to be. */
      const add = (row: SpanRow, reached: number): void => {
        const tail = tailOf(tails, row) ?? Number.POSITIVE_INFINITY
        most.push(Number.isFinite(reached) ? Math.max(row.ns, Math.min(reached, tail)) : reached)
      }
      // Two pieces that are one stall are one less beside the others; nor need a gap hide whole ones.
      const joined: number[] = []
      const fewest: number[] = []
      const later = new Set(pairs.values())
      for (const [i, row] of rows.entries()) {
        least.push(row.ns)
        if (later.has(i)) joined[joined.length - 1] = (joined.at(-1) ?? 0) + row.ns
        else joined.push(row.ns)
      }
      // Two pieces may be one stall, as long as both and the gap between them, or two: either is allowed for.
      for (const [i, row] of rows.entries()) {
        let longest = row.ns + beyond(row, 'start')
        let last = row
        for (let at = pairs.get(i); at !== undefined; at = pairs.get(at)) {
          const next = rows[at]
          const gap = next === undefined ? undefined : gapBefore(next)
          if (next === undefined || (gap !== undefined && reach.get(gap)?.isWithinOne === false))
            break
          longest += next.end_ns - last.end_ns
          last = next
        }
        add(row, longest + beyond(last, 'end'))
        if (!later.has(i)) fewest.push(most.at(-1) ?? 0)
      }
      for (let i = 0; i < whole; i++) {
        least.push(0)
        joined.push(0)
        most.push(longestWhole)
      }
      return {
        lo:
          share === 1
            ? value
            : Math.min(value, quantileOf(least, share), quantileOf(joined, share)),
        hi: finite(
          Math.max(value, quantileOf(most, share), quantileOf(fewest, share)) + DELAY_UNIT_NS,
        ),
      }
    },
    length: (value) => ({
      lo: value,
      hi: hidden === undefined ? null : value + hidden.beforeStartNs,
    }),
    inversions(what, value) {
      if (hidden === undefined) return { lo: value, hi: null }
      if (value === 0) return { lo: 0, hi: 0 }
      const unplaced = edges.lane - edges.placed + hidden.upTo.kswapd_pages
      // Of a pair either page may be hidden, or its store in a worker's gap.
      const most = Math.ceil(value * (1 + unplaced / edges.placed) ** 2) + 1
      const likely = inversionsOf(found.places[what], unplaced, gaps.length) ?? most
      return { lo: value, hi: Math.max(value, Math.min(most, Math.ceil(likely))) }
    },
    displacement(what, value) {
      if (hidden === undefined) return { lo: value, hi: null }
      if (value === 0) return { lo: 0, hi: 0 }
      const unplaced = edges.lane - edges.placed + hidden.upTo.kswapd_pages
      // Each page that is hidden may stand between a page and its place.
      const most = value + Math.ceil(unplaced)
      const likely = farthestOf(found.places[what], unplaced) ?? most
      return { lo: value, hi: Math.max(value, Math.min(most, Math.ceil(likely))) }
    },
    isEstimated: hidden?.isEstimated ?? false,
  }
}

/** Of n events that were seen k times, k + 3 are expected in n at most in 95 of 100 cases where k is small. */
const MORE_SEEN = 3

/** Pages that bypassed the queue among those of which it is not known, if as many do as of the others. */
function bypassedOf({ unqueued, bypassed, lane }: Edges): number {
  const known = Math.max(1, lane - unqueued)
  return Math.ceil(Math.min(1, (bypassed + MORE_SEEN) / known) * unqueued)
}

function isThrottled({ kinds }: SpanRow): boolean {
  return kinds?.split('+').includes('throttle') === true
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}

/** mm_vmscan_throttled tells in microseconds how long the wait was. */
const DELAY_UNIT_NS = 1000
