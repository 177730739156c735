import type { DuckDBConnection } from '@duckdb/node-api'
import { type Course, type HiddenSum, readCourses, SUMS } from './hidden-courses.ts'
import type { GapRow, Gaps } from './hidden-gaps.ts'
import {
  type Candidate,
  type Candidates,
  candidatesOf,
  countApart,
  eventsOf,
  heldBy,
} from './hidden-stretches.ts'

export type { HiddenCount, HiddenTime } from './hidden-courses.ts'

/**
 * What the gaps of a recording may hide. A gap of n events on a CPU is taken to hold what n events on end of that CPU hold
 * elsewhere in the recording, at a similar pace and between similar moments: with or without a stall, with or without kswapd
 * on the CPU. Stretches that were kept are drawn in its place many times over.
 *
 *     kept:   | a stretch of n events |        (each start is one candidate)
 *     gap:    stalled >|  n events lost, lasting d  |< stalled
 *
 * Of a gap whose n is not known, stretches that lasted d are drawn instead, as its CPU filled them. Where at least the CPU's sum
 * is known, its gaps share it as these stretches would.
 */

/** Draws per gap; fewer when gaps are many and their sum is steady by itself. */
const DRAWS = 1000
const LEAST_DRAWS = 100
const MOST_DRAWS_IN_ALL = 4e6
/** Of the draws, how many lie below the upper bound. */
const BELOW = 0.995

export interface Gap {
  readonly cpu: number
  readonly startNs: number
  readonly endNs: number
  readonly isPlaced: boolean
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
  /** Events that the gaps hide: counted, or up to so many. */
  readonly events: number
  /** Of some gap the events were not counted but estimated, by its time and what its CPU recorded in such a time. */
  readonly isEstimated: boolean
  /** How long before its first event the recording may have begun, ns. */
  readonly beforeStartNs: number
}

/** Undefined where it cannot be estimated: the trace does not tell its events by CPU. */
export async function readHidden(
  connection: DuckDBConnection,
  traceId: number,
  told: Gaps,
): Promise<Hidden | undefined> {
  const courses = await readCourses(connection, traceId, told.gaps)
  if (courses.size === 0) return undefined
  const hidden = draw(sizeGaps(told, courses), courses)
  return {
    ...hidden,
    events: told.lost ?? hidden.events,
    isEstimated: told.gaps.some((gap) => gap.events === null),
  }
}

/** Gives a number of events to gaps of which the CPU's sum is known, and to those before a CPU's first event, which have no length. */
function sizeGaps({ gaps, sums }: Gaps, courses: ReadonlyMap<number, Course>): GapRow[] {
  const startNs = Math.min(
    ...[...courses.values()].map(({ times }) => times[0] ?? Number.POSITIVE_INFINITY),
  )
  const byTime = gaps.map((gap) => gap.events ?? estimate(gap, courses))
  const likely = gaps.map((gap, i) => {
    if (isFirst(gap))
      return Math.max(
        typicalOf(gap, gaps, byTime),
        estimate({ ...gap, start_ns: startNs }, courses),
      )
    return byTime[i] ?? 0
  })
  return gaps.map((gap, i) => {
    if (gap.events !== null) return gap
    const sum = sums.get(gap.cpu)
    const own = likely[i] ?? 0
    if (sum === undefined) return isFirst(gap) ? { ...gap, events: own } : gap
    const all = gaps.reduce(
      (total, { cpu, events }, other) =>
        cpu === gap.cpu && events === null ? total + (likely[other] ?? 0) : total,
      0,
    )
    return { ...gap, events: all === 0 ? 0 : (sum * own) / all }
  })
}

function isFirst({ start_ns: start, end_ns: end, events }: GapRow): boolean {
  return events === null && start === end
}

/** Events of the CPU's other gaps, or of all others, on average. */
function typicalOf({ cpu }: GapRow, gaps: readonly GapRow[], events: readonly number[]): number {
  const known = events.filter((each) => each > 0)
  const own = events.filter((each, i) => each > 0 && gaps[i]?.cpu === cpu)
  return meanOf(own.length > 0 ? own : known)
}

/** Events that the gap's CPU recorded elsewhere in as long a time, on average. */
function estimate(gap: GapRow, courses: ReadonlyMap<number, Course>): number {
  const length = gap.end_ns - gap.start_ns
  if (length <= 0) return 0
  const { like } = candidatesOf({ ...gap, events: null }, courses)
  return meanOf(like.map((each) => eventsOf(each, { ...gap, events: null })))
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
}

function draw(
  told: readonly GapRow[],
  courses: ReadonlyMap<number, Course>,
): Omit<Hidden, 'isEstimated'> {
  const gaps = told.filter(({ events }) => events === null || events > 0)
  const count = Math.max(
    LEAST_DRAWS,
    Math.min(DRAWS, Math.floor(MOST_DRAWS_IN_ALL / Math.max(1, gaps.length))),
  )
  const totals = SUMS.map(() => new Float64Array(count))
  const events = new Float64Array(count)
  const random = newRandom()
  const firsts: number[] = []
  const described: Gap[] = []
  for (const gap of gaps) {
    const candidates = candidatesOf(gap, courses)
    const { like, between } = candidates
    const drawOne = newDraw(gap, candidates, random)
    for (let k = 0; k < count; k++) {
      const one = drawOne()
      for (let s = 0; s < SUMS.length; s++) {
        const total = totals[s]
        if (total !== undefined) total[k] = (total[k] ?? 0) + (one?.held[s] ?? 0)
      }
      events[k] = (events[k] ?? 0) + (one?.events ?? 0)
    }
    if (gap.isPlaced && gap.start_ns === gap.end_ns)
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
      isPlaced: gap.isPlaced,
      between: between.map(({ course, from, to }) => ({
        cpu: course.cpu,
        startNs: course.times[from] ?? 0,
        endNs: course.times[to] ?? 0,
      })),
      apart: countApart(between, gap),
    })
  }
  return {
    gaps: described,
    upTo: toRecord((s) => quantileOf([...(totals[s] ?? [])], BELOW)),
    events: quantileOf([...events], BELOW),
    beforeStartNs: Math.max(0, ...firsts),
  }
}

/** What a gap may hold. */
interface Held {
  readonly held: Float64Array
  readonly events: number
}

/** What the gap holds, each time that of another stretch. */
function newDraw(
  gap: GapRow,
  { all, between, like }: Candidates,
  random: () => number,
): () => Held | undefined {
  const held = (candidate: Candidate): Held => ({
    held: heldBy(candidate, gap),
    events: eventsOf(candidate, gap),
  })
  const [apart, apartAtAll] = [countApart(like, gap), countApart(between, gap)]
  let worst: Held | undefined
  const oneOf = (candidates: readonly Candidate[]): Held | undefined => {
    const candidate = candidates[Math.floor(random() * candidates.length)]
    return candidate === undefined ? undefined : held(candidate)
  }
  // The next of so many that were seen may be unlike all of them: of the same length, then of any.
  return () => {
    if (random() >= 1 / (apart + 1)) return oneOf(like)
    if (random() >= 1 / (apartAtAll + 1)) return oneOf(between)
    worst ??= worstOf(all.map(held), countApart(all, gap))
    return worst
  }
}

/** The most of each sum, and as much more as the most of so many may lie below what is possible. */
function worstOf(any: readonly Held[], apart: number): Held {
  const mostOf = (of: (one: Held) => number): number =>
    any.reduce((most, one) => Math.max(most, of(one)), 0) * (1 + 1 / apart)
  return {
    held: Float64Array.from(SUMS, (_, s) => mostOf(({ held }) => held[s] ?? 0)),
    events: mostOf(({ events }) => events),
  }
}

function toRecord(value: (s: number) => number): Record<HiddenSum, number> {
  return Object.fromEntries(SUMS.map((name, s) => [name, value(s)])) as Record<HiddenSum, number>
}

function quantileOf(values: number[], share: number): number {
  return values.sort((a, b) => a - b)[Math.ceil(share * values.length) - 1] ?? 0
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
