import type { TaskClock } from './clocks.ts'
import type { TouchedPage } from './pages.ts'
import type { Recording } from './recording.ts'

/** The moment by which a share of all allocations, touches and file reads had been asked for. */
export function workAt(
  allocated: Float64Array,
  touched: readonly number[],
  read: Float64Array,
  share: number,
): number {
  const all = Float64Array.from([...allocated, ...touched, ...read]).sort()
  return all[Math.min(all.length - 1, Math.floor(all.length * share))] ?? 0
}

export function halfOf(
  allocated: Float64Array,
  touched: readonly number[],
  read: Float64Array,
): number {
  return workAt(allocated, touched, read, 0.5)
}

export function eventAt(recording: Recording, ns: number): number {
  let low = 0
  let high = recording.length
  while (low < high) {
    const mid = (low + high) >> 1
    if ((recording.ns[mid] ?? 0) < ns) low = mid + 1
    else high = mid
  }
  return low
}

/** The last allocation, touch or burst of own time of the demand: what follows is idle. */
export function endOfDemand(
  recording: Recording,
  clocks: readonly TaskClock[],
  allocated: Float64Array,
  touches: readonly TouchedPage[],
  startNs: number,
): number {
  let end = startNs
  for (const ns of allocated) end = Math.max(end, ns)
  for (const { ns, task } of touches) if (task >= 0) end = Math.max(end, ns)
  for (const clock of clocks) {
    const last = clock.sleepAtNs.length
    if (last > 0) end = Math.max(end, Math.min(clock.lastNs, clock.sleepAtNs.at(last - 1)))
  }
  return Math.min(end, recording.endNs)
}
