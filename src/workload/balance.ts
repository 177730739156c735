import { partitionPoint } from '../model/partition-point.ts'
import { collectPoints, type Point, type PointOptions } from './balance-points.ts'
import { EVENT, type Recording } from './recording.ts'
import type { Stores } from './stores.ts'
import type { Based } from './types.ts'
import { usableByNode } from './zoneinfo.ts'

/**
 * Where the memory is, from the events. A retried direct reclaim reports `reclaimable` (pages on the LRU lists) and `available`
 * (those plus free pages) exactly (mm/page_alloc.c should_reclaim_retry), so with R reclaimed, I swapped in and X isolated at that moment
 *
 *   pages added to the LRU so far = reclaimable + X + R - I - reclaimable at the start
 *
 * holds to the page, whatever the policy. Elsewhere only free memory is known, from a sample or as a watermark, and
 * available + pool = constant closes the gap.
 */
export interface Balance {
  /** Pages added to the LRU since the start, other than by swap-in, at each anchor. */
  readonly anchors: readonly Anchor[]
  /** Pages on the LRU when the workload starts. */
  readonly lruAtStart: Based<number>
  readonly freeAtStart: Based<number>
  /** Pool pages per stored page that is not zero or same-filled. */
  readonly poolPerPage: Based<number>
  /** Free + LRU + pool. */
  readonly totalPages: Based<number>
  /** Effective min seen when direct reclaim was retried, least and most. */
  readonly boosts: readonly number[]
  /** Most pool pages at any time. */
  readonly poolPeak: number
  /** Distance of the exact anchors from the line available + pool = constant, median. */
  readonly residual: number | undefined
}

export interface Anchor {
  readonly ns: number
  /** Anonymous and shared pages added since the start. */
  readonly anon: number
  /** Page-cache pages added since the start. */
  readonly file: number
  /** How far off it may be. */
  readonly radius: number
  readonly basis: Point['basis']
}

/** Fewer exact anchors, or a smaller change of the pool between them, do not give its cost per page. */
const MIN_RETRIES = 5
const MIN_POOL_CHANGE = 1000

export interface BalanceOptions extends PointOptions {
  readonly managed: number
  /** Free pages at the start where they are known otherwise; undefined = as the events have it. */
  readonly freeAtStart?: number | undefined
  /**
   * Pool pages per page held, from counters that contents are calibrated to as well: the balance has to hold with what a replay's pool
   * takes. The fall of available memory has more in it: what else went while the pool grew.
   */
  readonly poolCounted: number | undefined
  /** From counters beside the trace: pool pages and pages stored in them; undefined = none. */
  readonly poolSnapshot: number | undefined
  /** Pages on the LRU and free together, from counters; undefined = none. */
  readonly totalSnapshot: number | undefined
}

/** What anonymous memory must have been, moment by moment, for all that is known of free memory, the LRU and the pool to hold together. In pages. */
export function balanceMemory(
  recording: Recording,
  stores: Stores,
  options: BalanceOptions,
): Balance {
  const startNs = recording.ns[options.startEvent] ?? 0
  const zone = mostFrequentZone(recording)
  const points = collectPoints(recording, stores, zone, options)
  const retries = points.filter((point) => point.basis === 'retry')
  const scale = zoneScale(recording, zone)
  const fit = options.poolCounted === undefined ? fitLine(retries) : undefined
  const poolPerPage = fit?.poolPerPage ?? countPoolPerPage(options)
  const total = fit?.total ?? findTotal(retries, poolPerPage.value, scale, options)
  const per = poolPerPage.value
  const freeAtStart = findFreeAtStart(points[0], startNs, options)
  const lruAtStart: Based<number> = {
    value: Math.max(0, Math.round(total.value - freeAtStart.value)),
    basis: total.basis,
    n: retries.length,
    from: 'free, LRU and pool together, less free at the start',
  }
  const anchors = toAnchors(points, {
    retries,
    total: total.value,
    per,
    lruAtStart: lruAtStart.value,
    areRetriesExact: retries.length > 0 && scale === 1,
  })
  const errors = retries
    .map((point) => Math.abs(point.available + per * point.stored - total.value))
    .sort((x, y) => x - y)
  let peak = 0
  for (const point of points) peak = Math.max(peak, point.stored * per)
  return {
    anchors,
    lruAtStart,
    freeAtStart,
    poolPerPage,
    totalPages: total,
    boosts: effectiveMins(recording, options.startEvent, zone).map((min) => min - options.min),
    poolPeak: peak,
    residual: errors[errors.length >> 1],
  }
}

function findFreeAtStart(
  first: Point | undefined,
  startNs: number,
  { freeAtStart, low }: BalanceOptions,
): Based<number> {
  if (freeAtStart !== undefined)
    return {
      value: freeAtStart,
      basis: 'inferred',
      from: 'kswapd was first woken by a boost: a sample at that moment, or else free memory of other block types',
    }
  if (first !== undefined && first.basis === 'sample' && Math.abs(first.ns - startNs) < 2e8)
    return {
      value: Math.max(low, first.free),
      basis: 'event',
      from: 'sample of free memory at the start',
    }
  return { value: low, basis: 'inferred', from: 'kswapd is woken when free memory falls to low' }
}

/** What the anchors rest on, in pages. */
interface Line {
  readonly retries: readonly Point[]
  /** Free + LRU + pool. */
  readonly total: number
  /** Pool pages per stored page. */
  readonly per: number
  readonly lruAtStart: number
  /** The retries count the LRU of the whole machine. */
  readonly areRetriesExact: boolean
}

function toAnchors(points: readonly Point[], line: Line): Anchor[] {
  const { retries, total, per, areRetriesExact } = line
  return points.map((point) => {
    // Between exact anchors the fit's own error is taken from the nearest one.
    const lru =
      point.basis === 'retry' && areRetriesExact
        ? point.reclaimable + point.isolated
        : total -
          per * point.stored -
          point.free +
          (areRetriesExact ? nearestError(retries, point.ns, total, per) : 0)
    const file = point.reclaimedFile
    const added = lru - line.lruAtStart + point.reclaimed - point.swappedIn
    return { ns: point.ns, anon: added - file, file, radius: point.radius, basis: point.basis }
  })
}

function countPoolPerPage({ poolCounted, poolSnapshot }: BalanceOptions): Based<number> {
  if (poolCounted !== undefined)
    return { value: poolCounted, basis: 'snapshot', from: "zswap's pool pages per page held" }
  return poolSnapshot === undefined
    ? { value: DEFAULT_POOL_PER_PAGE, basis: 'default', from: 'no counters of the pool' }
    : { value: poolSnapshot, basis: 'snapshot', from: 'pool pages per stored page' }
}

/** Free + LRU + pool, the pool by what a page takes of it: that is the machine's, where a retry tells of one node. */
function findTotal(
  retries: readonly Point[],
  per: number,
  scale: number,
  { totalSnapshot, managed }: BalanceOptions,
): Based<number> {
  if (retries.length > 0) {
    const sums = retries
      .map((point) => point.available * scale + per * point.stored)
      .sort((x, y) => x - y)
    return {
      value: sums[sums.length >> 1] ?? 0,
      basis: scale === 1 ? 'event' : 'inferred',
      n: retries.length,
      from: 'reclaim_retry_zone: available memory plus pool',
    }
  }
  if (totalSnapshot !== undefined)
    return { value: totalSnapshot, basis: 'snapshot', from: 'free pages and LRU before the trace' }
  return {
    value: managed * DEFAULT_TOTAL_SHARE,
    basis: 'default',
    from: 'share of managed pages',
  }
}

/** Share of a page that a compressed one takes where nothing says more: LZ-class codecs on process memory. */
const DEFAULT_POOL_PER_PAGE = 0.35
/** Managed pages that are neither kernel memory nor pinned. */
const DEFAULT_TOTAL_SHARE = 0.85

function nearestError(retries: readonly Point[], ns: number, total: number, per: number): number {
  const next = partitionPoint(retries.length - 1, (place) => (retries[place]?.ns ?? 0) < ns)
  const errorOf = (point: Point): number => point.available + per * point.stored - total
  const after = retries[next]
  const before = retries[Math.max(0, next - 1)]
  if (after === undefined || before === undefined) return 0
  const span = after.ns - before.ns
  if (span <= 0 || ns >= after.ns) return errorOf(after)
  if (ns <= before.ns) return errorOf(before)
  const share = (ns - before.ns) / span
  return errorOf(before) * (1 - share) + errorOf(after) * share
}

/** The line available = total - poolPerPage * stored through the exact anchors; undefined where they do not tell it. */
function fitLine(
  points: readonly Point[],
): { readonly poolPerPage: Based<number>; readonly total: Based<number> } | undefined {
  const n = points.length
  let sx = 0
  let sy = 0
  let sxx = 0
  let sxy = 0
  let least = Number.POSITIVE_INFINITY
  let most = Number.NEGATIVE_INFINITY
  for (const { stored, available } of points) {
    sx += stored
    sy += available
    sxx += stored * stored
    sxy += stored * available
    least = Math.min(least, stored)
    most = Math.max(most, stored)
  }
  if (n < MIN_RETRIES || most - least < MIN_POOL_CHANGE) return undefined
  const slope = -(n * sxy - sx * sy) / (n * sxx - sx * sx)
  if (!(slope > 0 && slope < 1.1)) return undefined
  return {
    poolPerPage: {
      value: slope,
      basis: 'event',
      n,
      from: 'reclaim_retry_zone: fall of available memory per stored page',
    },
    total: {
      value: (sy + slope * sx) / n,
      basis: 'event',
      n,
      from: 'reclaim_retry_zone: available memory plus pool',
    },
  }
}

function mostFrequentZone(recording: Recording): number {
  const counts = new Map<number, number>()
  let best = -1
  let most = 0
  for (let i = 0; i < recording.length; i++) {
    if (recording.kind[i] !== EVENT.retry) continue
    const zone = recording.d[i] ?? 0
    const count = (counts.get(zone) ?? 0) + 1
    counts.set(zone, count)
    if (count > most) {
      most = count
      best = zone
    }
  }
  return best
}

/** What all nodes have over what that has which retries report on; zones of one node are close to one. */
function zoneScale(recording: Recording, zone: number): number {
  if (zone < 0 || recording.zones.length === 0) return 1
  const shares = usableByNode(recording)
  const own = shares.get(Math.floor(zone / 16)) ?? 0
  let all = 0
  for (const pages of shares.values()) all += pages
  return own === 0 ? 1 : all / own
}

function effectiveMins(recording: Recording, from: number, zone: number): number[] {
  const mins: number[] = []
  for (let i = from; i < recording.length; i++)
    if (recording.kind[i] === EVENT.retry && recording.d[i] === zone) mins.push(recording.c[i] ?? 0)
  return mins
}
