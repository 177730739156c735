import type { GapsAround } from './gaps-around.ts'
import type { Gap, Hidden } from './hidden.ts'
import { type Interval, toInterval } from './interval.ts'
import {
  isCut,
  quantileOf,
  type Reach,
  reachOf,
  type SpanRow,
  type Stalled,
  tailOf,
  tailsOf,
  unseenBetween,
} from './stall-reach.ts'

/** mm_vmscan_throttled tells in microseconds how long the wait was. */
const DELAY_UNIT_NS = 1000

const BEGINS = {
  direct: 'direct_begins',
  all: 'span_begins',
  application: 'app_begins',
  worker: 'worker_begins',
} as const

/** Number, time and quantiles of spans and stalls, of which gaps hide some and cut others in two. */
export class StallBounds {
  readonly #hidden: Hidden | undefined
  readonly #around: GapsAround
  readonly #spans: readonly SpanRow[]
  readonly #stalls: readonly SpanRow[]
  readonly #possible: number

  /** `possible`: the most events that the gaps hide. Rows by kind, thread and time. */
  constructor(
    hidden: Hidden | undefined,
    around: GapsAround,
    of: {
      readonly spans: readonly SpanRow[]
      readonly stalls: readonly SpanRow[]
      readonly possible: number
    },
  ) {
    this.#hidden = hidden
    this.#around = around
    this.#spans = of.spans
    this.#stalls = of.stalls
    this.#possible = of.possible
  }

  spans(what: 'direct' | 'all' | Stalled, value: number): Interval {
    const rows = this.#rowsOf(what)
    const begun = value - this.#around.countBegunUnseen(rows)
    const likely =
      this.#hidden === undefined || what === 'other'
        ? Number.POSITIVE_INFINITY
        : begun + Math.ceil(this.#hidden.upTo[BEGINS[what]])
    const hi = Math.max(value, Math.min(likely, value + this.#possible))
    return toInterval(value - this.#around.pairsOf(rows).size, hi)
  }

  time(stalled: Stalled, value: number): Interval {
    const around = this.#around
    if (this.#hidden === undefined || stalled === 'other') return { lo: value, hi: null }
    const sum = stalled === 'application' ? 'app_stall_ns' : 'worker_stall_ns'
    const rows = this.#rowsOf(stalled)
    if (rows.some((row) => this.#isOpen(row))) return { lo: value, hi: null }
    const between = unseenBetween(rows, around.drawn)
    const rounded = rows.filter((row) => isThrottled(row) && around.within(row) !== undefined)
    const most = this.#hidden.upTo[sum] + between + rounded.length * DELAY_UNIT_NS
    return { lo: value, hi: value + most }
  }

  /** The stall that `share` of all do not exceed. */
  quantile(stalled: Stalled, share: number, value: number): Interval {
    const hidden = this.#hidden
    // Of the longest it is known at least that there was one as long as was seen.
    if (hidden === undefined) return { lo: share === 1 ? value : null, hi: null }
    const rows = this.#rowsOf(stalled)
    const pairs = this.#around.pairsOf(rows)
    const whole = this.#countWhole(hidden, stalled, rows)
    const most = this.#longest(hidden, rows, pairs, whole).map((all) => quantileOf(all, share))
    const least = shortest(rows, pairs, whole).map((all) => quantileOf(all, share))
    return toInterval(
      share === 1 ? value : Math.min(value, ...least),
      Math.max(value, ...most) + DELAY_UNIT_NS,
    )
  }

  #rowsOf(what: 'direct' | 'all' | Stalled): readonly SpanRow[] {
    if (what === 'all') return this.#spans
    return what === 'direct'
      ? this.#spans.filter(({ kind }) => kind === 'direct')
      : this.#stalls.filter(({ stalled }) => stalled === what)
  }

  /** Cut by the recording's begin or end, beyond which nothing bounds it. */
  #isOpen(row: SpanRow): boolean {
    return (['start', 'end'] as const).some(
      (where) => isCut(row, where) && this.#around.cutting(row, where) === undefined,
    )
  }

  /** Stalls that gaps may hide from begin to end. */
  #countWhole(hidden: Hidden, stalled: Stalled, rows: readonly SpanRow[]): number {
    if (stalled === 'other') return 0
    const begins = Math.ceil(hidden.upTo[BEGINS[stalled]])
    return Math.max(0, begins - this.#around.countBegunUnseen(rows))
  }

  /** The longest that the stalls may have been, with the whole ones that gaps may hide, and if those were none and pieces were one stall. */
  #longest(
    hidden: Hidden,
    rows: readonly SpanRow[],
    pairs: ReadonlyMap<number, number>,
    whole: number,
  ): readonly [most: number[], fewest: number[]] {
    const reach = reachOf(rows, hidden)
    const tails = tailsOf(rows, whole)
    const most = rows.map((row, i) => {
      const reached = this.#reachFrom(row, i, rows, pairs, reach)
      if (!Number.isFinite(reached)) return reached
      // A stall of which a gap hides a part is no longer than gaps like it allow, nor than others of its task tend to be.
      return Math.max(row.ns, Math.min(reached, tailOf(tails, row) ?? Number.POSITIVE_INFINITY))
    })
    const later = new Set(pairs.values())
    const fewest = most.filter((_, i) => !later.has(i))
    const longestWhole = [...reach.values()].reduce((ns, each) => Math.max(ns, each.whole), 0)
    return [[...most, ...Array.from({ length: whole }, () => longestWhole)], fewest]
  }

  /** How long the stall may have been whose first piece this is: two pieces may be one stall, as long as both and the gap between them. */
  #reachFrom(
    row: SpanRow,
    index: number,
    rows: readonly SpanRow[],
    pairs: ReadonlyMap<number, number>,
    reach: ReadonlyMap<Gap, Reach>,
  ): number {
    let ns = row.ns + this.#beyond(row, 'start', reach)
    let last = row
    for (let at = pairs.get(index); at !== undefined; at = pairs.get(at)) {
      const next = rows[at]
      const gap = next === undefined ? undefined : this.#around.before(next)
      if (next === undefined || (gap !== undefined && reach.get(gap)?.isWithinOne === false)) break
      ns += next.end_ns - last.end_ns
      last = next
    }
    return ns + this.#beyond(last, 'end', reach)
  }

  /** What a gap may hide of a stall that it cuts. */
  #beyond(row: SpanRow, where: 'start' | 'end', reach: ReadonlyMap<Gap, Reach>): number {
    if (!isCut(row, where)) return 0
    const gap = this.#around.cutting(row, where)
    if (gap === undefined) return Number.POSITIVE_INFINITY
    const by = reach.get(gap)
    return (where === 'start' ? by?.before : by?.after) ?? 0
  }
}

/** The shortest that the stalls may have been: as seen, or with pieces that are one stall as one. */
function shortest(
  rows: readonly SpanRow[],
  pairs: ReadonlyMap<number, number>,
  whole: number,
): readonly [least: number[], joined: number[]] {
  const joined: number[] = []
  const later = new Set(pairs.values())
  for (const [i, { ns }] of rows.entries()) {
    if (later.has(i)) joined[joined.length - 1] = (joined.at(-1) ?? 0) + ns
    else joined.push(ns)
  }
  const none = Array.from({ length: whole }, () => 0)
  return [
    [...rows.map(({ ns }) => ns), ...none],
    [...joined, ...none],
  ]
}

function isThrottled({ kinds }: SpanRow): boolean {
  return kinds?.split('+').includes('throttle') === true
}
