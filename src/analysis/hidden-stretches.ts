import { COUNTS, type Course, SETTINGS, SUMS, TOLD_LATE } from './hidden-courses.ts'
import type { GapRow } from './hidden-gaps.ts'

/** Stretches of a gap's length or up to so many times as long or short are taken for it. */
const LIKE_LENGTH = 2
const LEAST_CANDIDATES = 30

/** A stretch of kept events in a gap's place. */
export interface Candidate {
  readonly course: Course
  readonly from: number
  readonly to: number
  readonly ns: number
}

export interface Candidates {
  /** Of the gap's size: of its events, or where their number is not known of its time. */
  readonly all: readonly Candidate[]
  /** Those of them between like moments. */
  readonly between: readonly Candidate[]
  /** Those of these that lasted about as long. */
  readonly like: readonly Candidate[]
}

/** Of the same CPU where that has enough of them, else of all. */
export function candidatesOf(gap: GapRow, courses: ReadonlyMap<number, Course>): Candidates {
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

function eventsIn({ course, from, to }: Candidate): number {
  return (to - from) * course.stride
}

/** Events of the gap if it is like the candidate. */
export function eventsOf(candidate: Candidate, gap: GapRow): number {
  const length = gap.end_ns - gap.start_ns
  return gap.events ?? (eventsIn(candidate) * length) / Math.max(1, candidate.ns)
}

/** How many of the stretches, that begin one after another, share no event. */
export function countApart(candidates: readonly Candidate[], gap: GapRow): number {
  const stride = candidates[0]?.course.stride ?? 1
  const size =
    gap.events ??
    candidates.reduce((sum, each) => sum + eventsIn(each), 0) / Math.max(1, candidates.length)
  return Math.max(1, (candidates.length * stride) / Math.max(stride, size))
}

/** What the gap holds if it is like the candidate: counts by events, times by how long it lasted. */
export function heldBy(candidate: Candidate, gap: GapRow): Float64Array {
  const { course, from, to, ns } = candidate
  const length = gap.end_ns - gap.start_ns
  // A gap without a begin lasted as long as the candidate; of one that lasted much longer, the rest was as idle as it was eventless.
  const byTime = length <= 0 || ns <= 0 ? 1 : length > LIKE_LENGTH * ns ? LIKE_LENGTH : length / ns
  const byEvents = eventsOf(candidate, gap) / eventsIn(candidate)
  const held = Float64Array.from(SUMS, (_, s) => {
    const before = course.before[s]
    const sum = (before?.[to] ?? 0) - (before?.[from] ?? 0)
    return sum * (s < COUNTS ? byEvents : byTime)
  })
  for (const [stalled, told] of TOLD_LATE) held[stalled] = (held[stalled] ?? 0) + (held[told] ?? 0)
  return held
}

/** Every stretch of kept events of the gap's size, or of the longest there are. */
function stretches(gap: GapRow, course: Course): Candidate[] {
  const { events } = gap
  if (events === null) return halving(gap.end_ns - gap.start_ns, 1, (ns) => stretchesOf(ns, course))
  const steps = Math.max(1, Math.round(events / course.stride))
  return halving(steps, 1, (size) => stretchesBetween(course, (from) => from + size))
}

/** What `find` finds of a size, or of the largest half, quarter, ... of it of which there is enough. */
function halving(size: number, least: number, find: (size: number) => Candidate[]): Candidate[] {
  for (let part = size; part >= least; part = Math.floor(part / 2)) {
    const found = find(part)
    if (found.length >= LEAST_CANDIDATES) return found
  }
  return []
}

/** From each kept event to the one that came about `ns` later. */
function stretchesOf(ns: number, course: Course): Candidate[] {
  const { times } = course
  let to = 1
  return stretchesBetween(course, (from) => {
    const end = (times[from] ?? 0) + ns
    to = Math.max(to, from + 1)
    while (to + 1 < times.length && (times[to] ?? 0) < end) to++
    const isNearer = to > from + 1 && (times[to] ?? 0) - end > end - (times[to - 1] ?? 0)
    return isNearer ? to - 1 : to
  })
}

function stretchesBetween(course: Course, endOf: (from: number) => number): Candidate[] {
  const { times, segment } = course
  const found: Candidate[] = []
  for (let from = 0; from + 1 < times.length; from++) {
    const to = endOf(from)
    if (to >= times.length || segment[from] !== segment[to]) continue
    found.push({ course, from, to, ns: (times[to] ?? 0) - (times[from] ?? 0) })
  }
  return found
}

/** In how many settings, from the first on, the candidate begins and ends as the gap does. */
function likeness({ course, from, to }: Candidate, { settings }: GapRow): number {
  for (const [i, [before, after]] of settings.entries()) {
    const inProgress = course.inProgress[i]
    if ((inProgress?.[from] ?? 0) > 0 !== before || (inProgress?.[to] ?? 0) > 0 !== after) return i
  }
  return settings.length
}
