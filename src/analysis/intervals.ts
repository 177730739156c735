import type { DuckDBConnection } from '@duckdb/node-api'
import { type Gap, type Hidden, type HiddenCount, type HiddenTime, readHidden } from './hidden.ts'
import type { LossSummary } from './losses.ts'
import { readRows } from './query.ts'

/** NULL = not bounded on that side. */
export interface Interval {
  readonly lo: number | null
  readonly hi: number | null
}

export type Stalled = 'application' | 'worker' | 'other'

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
  /** Pairs of pages out of order. */
  inversions(value: number): Interval
  /** The farthest that a page got from its place. */
  displacement(value: number): Interval
}

interface SpanRow {
  readonly kind: string
  /** Kinds of spans in a stall. */
  readonly kinds: string | null
  readonly stalled: Stalled | null
  readonly tid: number
  readonly cpu: number
  readonly ns: number
  /** Time of the first event that tells of it. */
  readonly told_ns: number
  readonly start_ns: number
  readonly end_ns: number
  readonly censored: 'start' | 'end' | 'both' | null
}

/** Undefined when nothing was lost. Needs the views. */
export async function readIntervals(
  connection: DuckDBConnection,
  traceId: number,
  losses: LossSummary,
): Promise<Intervals | undefined> {
  if (losses.gaps === 0) return undefined
  const hidden = await readHidden(connection, traceId, losses)
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
  const gaps = await readRows<{ cpu: number; start_ns: number; end_ns: number }>(
    connection,
    `SELECT cpu, start_ns, end_ns FROM losses WHERE trace_id = ${traceId}`,
  )
  const [edges] = await readRows<Edges>(connection, edgesSql(traceId))
  return newIntervals(losses, hidden, { spans, stalls, gaps, edges: edges ?? NO_EDGES })
}

/** Rows next to gaps that say less than others. */
interface Edges {
  /** Swap-outs seen twice: handed over before a gap, reported after it. */
  readonly twice: number
  /** Of kswapd, without their hand-over. */
  readonly ungated: number
  /** Swap-outs of kswapd. */
  readonly lane: number
  /** Those of them of which begin and end of the store are known. */
  readonly placed: number
  /** Pages reclaimed by batches of which it is not known what they scanned. */
  readonly unlisted: number | null
}
const NO_EDGES: Edges = { twice: 0, ungated: 0, lane: 0, placed: 0, unlisted: 0 }

function edgesSql(traceId: number): string {
  const own = `trace_id = ${traceId} AND run_id IS NULL`
  return `WITH ordered AS (
    SELECT context, submit_ns, ts_ns, start_rank, done_rank,
      lag(ts_ns IS NULL AND submit_ns IS NOT NULL) OVER (PARTITION BY task_id ORDER BY coalesce(submit_ns, ts_ns)) AS open,
      count(submit_ns) OVER () AS gated
    FROM swapouts WHERE ${own}
  )
  SELECT
    (SELECT count(*) FROM ordered WHERE gated > 0 AND submit_ns IS NULL AND open) AS twice,
    (SELECT count(*) FROM ordered WHERE gated > 0 AND submit_ns IS NULL AND context = 'kswapd') AS ungated,
    (SELECT count(*) FROM ordered WHERE context = 'kswapd') AS lane,
    (SELECT least(count(start_rank), count(done_rank)) FROM ordered WHERE context = 'kswapd') AS placed,
    (SELECT CAST(sum(nr_reclaimed) AS BIGINT) FROM shrink_batches WHERE ${own} AND lru IS NULL) AS unlisted`
}

interface Found {
  readonly spans: readonly SpanRow[]
  readonly stalls: readonly SpanRow[]
  readonly gaps: readonly { cpu: number; start_ns: number; end_ns: number }[]
  readonly edges: Edges
}

function newIntervals(losses: LossSummary, hidden: Hidden | undefined, found: Found): Intervals {
  const { edges, gaps } = found
  const possible = losses.uncountedGaps === 0 ? losses.lostEvents : Number.POSITIVE_INFINITY
  const isAfterGap = ({ cpu, start_ns: start }: SpanRow) =>
    gaps.some((gap) => gap.cpu === cpu && gap.end_ns === start)
  const gapBefore = (row: SpanRow): Gap | undefined =>
    hidden?.gaps.find(({ cpu, endNs }) => cpu === row.cpu && endNs === row.start_ns)
  const gapAfter = (row: SpanRow): Gap | undefined =>
    hidden?.gaps.find(
      ({ cpu, startNs, endNs }) => cpu === row.cpu && startNs <= row.end_ns && row.end_ns <= endNs,
    )

  /** A stall that is known through from before a gap to after it, because its wait told how long it had been. */
  const gapWithin = (row: SpanRow): Gap | undefined =>
    hidden?.gaps.find(
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
    const more = sum === 'stolen' ? (edges.unlisted ?? 0) : 0
    const most =
      sum === 'stolen' || sum === 'compressed_bytes' ? Number.POSITIVE_INFINITY : possible
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
    : losses.gapNs
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
      return { lo: value, hi: value + hidden.upTo[sum] + unseenBetween(rows, hidden.gaps) }
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
      for (const row of rows) least.push(row.ns)
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
      }
      for (let i = 0; i < whole; i++) {
        least.push(0)
        most.push(longestWhole)
      }
      return {
        lo: share === 1 ? value : Math.min(value, quantileOf(least, share)),
        hi: finite(Math.max(value, quantileOf(most, share)) + DELAY_UNIT_NS),
      }
    },
    length: (value) => ({
      lo: value,
      hi: hidden === undefined ? null : value + hidden.beforeStartNs,
    }),
    inversions(value) {
      if (hidden === undefined) return { lo: value, hi: null }
      // Of a pair either page may be hidden, or its store in a worker's gap.
      const all = edges.lane + hidden.upTo.kswapd_pages
      return { lo: value, hi: value === 0 ? 0 : Math.ceil(value * (all / edges.placed) ** 2) + 1 }
    },
    displacement(value) {
      if (hidden === undefined) return { lo: value, hi: null }
      // Each page that is hidden may stand between a page and its place.
      const unplaced = edges.lane - edges.placed + hidden.upTo.kswapd_pages
      return { lo: value, hi: value === 0 ? 0 : value + Math.ceil(unplaced) }
    },
  }
}

function isCut({ censored }: SpanRow, where: 'start' | 'end'): boolean {
  return censored === where || censored === 'both'
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}

/** As quantile_disc does it. */
function quantileOf(values: number[], share: number): number {
  values.sort((a, b) => a - b)
  return values[Math.max(1, Math.ceil(share * values.length)) - 1] ?? 0
}

/** What a gap may hide of single stalls: of one that goes on after it, of one that was under way before it, of one within it. */
interface Reach {
  readonly before: number
  readonly after: number
  readonly whole: number
  /** Some stretch like it lies within one stall; else pieces before and after are two. */
  readonly isWithinOne: boolean
}

/** The most that any stretch like each gap would hide, if it were one. */
function reachOf(rows: readonly SpanRow[], hidden: Hidden): Map<Gap, Reach> {
  const byCpu = new Map<number, SpanRow[]>()
  for (const row of rows) {
    if (row.censored !== null) continue
    const own = byCpu.get(row.cpu)
    if (own === undefined) byCpu.set(row.cpu, [row])
    else own.push(row)
  }
  for (const own of byCpu.values()) own.sort((a, b) => a.end_ns - b.end_ns)
  const longest = rows.reduce((ns, row) => Math.max(ns, row.ns), 0)
  const reach = new Map<Gap, Reach>()
  for (const gap of hidden.gaps) {
    let before = 0
    let after = 0
    let whole = 0
    let isWithinOne = false
    for (const { cpu, startNs, endNs } of gap.between) {
      const own = byCpu.get(cpu) ?? []
      for (let i = firstEndingAfter(own, startNs); i < own.length; i++) {
        const row = own[i]
        if (row === undefined || row.end_ns - longest >= endNs) break
        const isTold = row.told_ns >= startNs
        if (row.told_ns >= endNs) continue
        if (row.end_ns < endNs) {
          if (isTold) whole = Math.max(whole, row.ns)
          else after = Math.max(after, row.end_ns - startNs)
        } else if (isTold) before = Math.max(before, endNs - row.start_ns)
        else {
          isWithinOne = true
          before = Math.max(before, endNs - startNs)
          after = Math.max(after, endNs - startNs)
        }
      }
    }
    const more = 1 + 1 / gap.apart
    reach.set(gap, { before: before * more, after: after * more, whole: whole * more, isWithinOne })
  }
  return reach
}

/** Rows sorted by their end: the first that ends after `ns`. */
function firstEndingAfter(rows: readonly SpanRow[], ns: number): number {
  let low = 0
  let high = rows.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((rows[middle]?.end_ns ?? 0) > ns) high = middle
    else low = middle + 1
  }
  return low
}

/** mm_vmscan_throttled tells in microseconds how long the wait was. */
const DELAY_UNIT_NS = 1000
/** Of a task's longest stall, how rarely one that is hidden in part may exceed the bound. */
const RARELY = 0.005
const LEAST_STALLS = 10

/**
 * By task and kind: what a stall of which a gap hides a part does not exceed, if stalls that gaps hit are as long as others. The
 * longest of all is among those hit as often as their share of all; it exceeds the longest seen by more the rarer, as
 * lengths above the median do (exponential excess).
 */
function tailsOf(rows: readonly SpanRow[], whole: number): Tails {
  const tails = new Map<number, Map<string, number>>()
  const tasks = new Map<number, SpanRow[]>()
  for (const row of rows) {
    const own = tasks.get(row.tid)
    if (own === undefined) tasks.set(row.tid, [row])
    else own.push(row)
  }
  for (const [tid, own] of tasks) {
    const cut = own.filter(({ censored }) => censored !== null).length
    const hidden = cut + (whole * own.length) / rows.length
    const byKinds = new Map<string, number[]>()
    for (const { censored, kinds, ns } of own) {
      if (censored !== null) continue
      const lengths = byKinds.get(kinds ?? '')
      if (lengths === undefined) byKinds.set(kinds ?? '', [ns])
      else lengths.push(ns)
    }
    const bounds = new Map<string, number>()
    for (const [kinds, seen] of byKinds) {
      if (seen.length < LEAST_STALLS) continue
      const longest = quantileOf(seen, 1)
      const scale = (longest - quantileOf(seen, 0.5)) / Math.log(0.5 * seen.length)
      const odds = hidden / (hidden + seen.length)
      bounds.set(kinds, longest + Math.max(0, scale * Math.log(odds / RARELY)))
    }
    tails.set(tid, bounds)
  }
  return tails
}

/** By task and kinds of spans. */
type Tails = ReadonlyMap<number, ReadonlyMap<string, number>>

/** The most that stalls of the piece's task reach that have one of its kinds of spans. */
function tailOf(tails: Tails, { tid, kinds }: SpanRow): number | undefined {
  const own = kinds?.split('+') ?? []
  let most: number | undefined
  for (const [whole, ns] of tails.get(tid) ?? [])
    if (own.some((kind) => whole.split('+').includes(kind))) most = Math.max(most ?? 0, ns)
  return most
}

/** Time between gaps of a CPU that lie closer than a stall may be long, where no stall shows: one of them may hide its begin, the other its end. */
function unseenBetween(rows: readonly SpanRow[], gaps: readonly Gap[]): number {
  const longest = rows.reduce((ns, row) => Math.max(ns, row.ns), 0)
  let total = 0
  for (const [i, gap] of gaps.entries()) {
    const next = gaps[i + 1]
    if (next === undefined || next.cpu !== gap.cpu) continue
    const ns = next.startNs - gap.endNs
    if (ns >= longest) continue
    const shows = rows.some(
      (row) => row.cpu === gap.cpu && row.start_ns < next.startNs && row.end_ns > gap.endNs,
    )
    if (!shows) total += ns
  }
  return total
}
