import { partitionPoint } from '../model/partition-point.ts'
import type { TaskClock } from './clocks.ts'
import type { TouchedPage } from './pages.ts'
import type { Recording } from './recording.ts'

/** When each of all pages allocated, touched and read from files had been asked for: the measure of work in a replay, too (WorkDone). */
export class WorkTimes {
  readonly #ns: Float64Array

  constructor(
    allocated: Float64Array,
    touched: readonly number[],
    read: { readonly total: number; readonly ns: Float64Array; readonly pages: Float64Array },
  ) {
    const all = new Float64Array(allocated.length + touched.length + read.total)
    all.set(allocated)
    all.set(touched, allocated.length)
    let next = allocated.length + touched.length
    read.pages.forEach((pages, n) => {
      all.fill(read.ns[n] ?? 0, next, next + pages)
      next += pages
    })
    this.#ns = all.sort()
  }

  /** The moment by which a share of them was. */
  at(share: number): number {
    const all = this.#ns
    return all[Math.min(all.length - 1, Math.floor(all.length * share))] ?? 0
  }

  /** The share that was by each of these moments, which rise. */
  sharesAt(moments: Float64Array): Float64Array {
    const all = this.#ns
    let done = 0
    return moments.map((ns) => {
      while (done < all.length && (all[done] ?? 0) <= ns) done++
      return all.length === 0 ? 0 : done / all.length
    })
  }
}

/** The first event at that time or later; `recording.length` = there is none. */
export function eventAt(recording: Recording, ns: number): number {
  return partitionPoint(recording.length, (event) => (recording.ns[event] ?? 0) < ns)
}

/** What a task of the demand did last is the end of the demand: what it sleeps and runs afterwards asks for nothing. */
export function endOfDemand(parts: {
  readonly startNs: number
  readonly allocated: Float64Array
  readonly touches: readonly TouchedPage[]
  readonly read: Float64Array
  readonly clocks: readonly TaskClock[]
}): number {
  let end = parts.startNs
  for (const ns of parts.allocated) end = Math.max(end, ns)
  for (const { ns, task } of parts.touches) if (task >= 0) end = Math.max(end, ns)
  for (const ns of parts.read) end = Math.max(end, ns)
  for (const clock of parts.clocks) {
    const { memcgOwn } = clock
    if (memcgOwn.length > 0) end = Math.max(end, clock.wallAt(memcgOwn.at(memcgOwn.length - 1)))
  }
  return end
}
