import type { Anchor } from './balance.ts'
import type { TaskClock } from './clocks.ts'

/** Straight pieces of the demand against the common clock of those who allocate. */
export interface Knot {
  readonly ns: number
  readonly pages: number
}

export interface DemandAnchor {
  readonly ns: number
  readonly pages: number
  readonly radius: number
  readonly isExact: boolean
}

/** An anchor that is not exact says nothing new this close to one that is. */
const EXACT_REACH_NS = 300e6

/**
 * A curve through the anchors that never falls (weighted isotonic regression), with no more corners than their radii ask for: from
 * each corner to the farthest anchor whose chord passes all between within their radii.
 */
export function fitDemand(
  anchors: readonly DemandAnchor[],
  clockAt: (ns: number) => number,
): Knot[] {
  const used = dropNearExact(anchors)
  const levels = riseOnly(used)
  const count = used.length
  const clocks = Float64Array.from(used, (anchor) => clockAt(anchor.ns))
  const knots: Knot[] = []
  let from = 0
  while (from < count) {
    knots.push({ ns: used[from]?.ns ?? 0, pages: levels[from] ?? 0 })
    if (from === count - 1) break
    let next = from + 1
    for (let to = from + 2; to < count && to - from < MOST_ANCHORS_PER_PIECE; to++)
      if (fitsChord(used, levels, clocks, from, to)) next = to
      else if (to - next > CHORD_PATIENCE) break
    from = next
  }
  return knots
}

const MOST_ANCHORS_PER_PIECE = 2000
/** A chord may fit again a few anchors after one that did not. */
const CHORD_PATIENCE = 8

function fitsChord(
  anchors: readonly DemandAnchor[],
  levels: Float64Array,
  clocks: Float64Array,
  from: number,
  to: number,
): boolean {
  const clock = clocks[from] ?? 0
  const level = levels[from] ?? 0
  const span = (clocks[to] ?? 0) - clock
  const rise = (levels[to] ?? 0) - level
  for (let k = from + 1; k < to; k++) {
    const share = span > 0 ? ((clocks[k] ?? 0) - clock) / span : 1
    const off = (levels[k] ?? 0) - level - share * rise
    if (Math.abs(off) > (anchors[k]?.radius ?? 0)) return false
  }
  return true
}

function dropNearExact(anchors: readonly DemandAnchor[]): DemandAnchor[] {
  const exact = anchors.filter((anchor) => anchor.isExact).map((anchor) => anchor.ns)
  let next = 0
  return anchors.filter((anchor) => {
    if (anchor.isExact) return true
    while (next < exact.length && (exact[next] ?? 0) < anchor.ns) next++
    const before = exact[next - 1] ?? Number.NEGATIVE_INFINITY
    const after = exact[next] ?? Number.POSITIVE_INFINITY
    return anchor.ns - before > EXACT_REACH_NS && after - anchor.ns > EXACT_REACH_NS
  })
}

/** Pool-adjacent-violators: the nearest curve, weighted by radius, that never falls. */
function riseOnly(anchors: readonly DemandAnchor[]): Float64Array {
  const level: number[] = []
  const weight: number[] = []
  const size: number[] = []
  for (const { pages, radius } of anchors) {
    let l = pages
    let w = 1 / (radius * radius)
    let n = 1
    while (level.length > 0 && (level[level.length - 1] ?? 0) >= l) {
      const lastWeight = weight.pop() ?? 0
      l = (l * w + (level.pop() ?? 0) * lastWeight) / (w + lastWeight)
      w += lastWeight
      n += size.pop() ?? 0
    }
    level.push(l)
    weight.push(w)
    size.push(n)
  }
  const levels = new Float64Array(anchors.length)
  let at = 0
  for (let k = 0; k < level.length; k++)
    for (let n = size[k] ?? 0; n > 0; n--) levels[at++] = Math.max(0, level[k] ?? 0)
  return levels
}

/** One allocation, in time order over all tasks. */
export interface Allocations {
  readonly length: number
  /** Row of the task. */
  readonly task: Int32Array
  /** Own time of the task. */
  readonly own: Float64Array
  readonly ns: Float64Array
}

export interface Allocator {
  readonly clock: TaskClock
  /** Pages per ns of own time, relative to the others. */
  readonly weight: number
}

/** Spreads the demand between knots over the own clocks of those who allocate, evenly. */
export function spreadAllocations(
  knots: readonly Knot[],
  allocators: readonly Allocator[],
): Allocations {
  const task: number[] = []
  const own: number[] = []
  const wall: number[] = []
  const carry = new Float64Array(allocators.length)
  let placed = 0
  for (let k = 1; k < knots.length; k++) {
    const from = knots[k - 1]
    const to = knots[k]
    if (from === undefined || to === undefined) continue
    const pages = to.pages - from.pages
    if (pages <= 0) continue
    let total = 0
    for (const { clock, weight } of allocators)
      total += weight * (clock.ownAt(to.ns) - clock.ownAt(from.ns))
    if (total <= 0) continue
    for (let t = 0; t < allocators.length; t++) {
      const allocator = allocators[t]
      if (allocator === undefined) continue
      const begin = allocator.clock.ownAt(from.ns)
      const end = allocator.clock.ownAt(to.ns)
      const share = (pages * allocator.weight * (end - begin)) / total + (carry[t] ?? 0)
      const count = Math.floor(share)
      carry[t] = share - count
      for (let n = 0; n < count; n++) {
        const at = begin + ((end - begin) * (n + 0.5)) / count
        task.push(t)
        own.push(at)
        wall.push(allocator.clock.wallAt(at))
        placed++
      }
    }
  }
  const order = Uint32Array.from({ length: placed }, (_, row) => row)
  order.sort((x, y) => (wall[x] ?? 0) - (wall[y] ?? 0) || x - y)
  return {
    length: placed,
    task: Int32Array.from(order, (row) => task[row] ?? 0),
    own: Float64Array.from(order, (row) => own[row] ?? 0),
    ns: Float64Array.from(order, (row) => wall[row] ?? 0),
  }
}

/** Anchors of the anonymous demand, in the form that `fitDemand` takes. */
export function toAnonAnchors(anchors: readonly Anchor[], startNs: number): DemandAnchor[] {
  const list: DemandAnchor[] = [{ ns: startNs, pages: 0, radius: 1, isExact: true }]
  for (const { ns, anon, radius, basis } of anchors)
    if (ns > startNs) list.push({ ns, pages: anon, radius, isExact: basis === 'retry' })
  return list
}
