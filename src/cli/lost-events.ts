import { formatCount, plural } from '../model/counted.ts'
import { formatNs } from './format.ts'

/** How much a recording holds, as a clause. A profile's samples are no events. */
export function describeEvents(count: number, lengthNs: number): string {
  return count === 0
    ? 'no tracepoint events'
    : `${plural(count, 'event')} over ${formatNs(lengthNs)}`
}

/** What is known of a recording's gaps. */
export interface LostEvents {
  readonly gaps: number
  /** Null where a gap does not say how many it hides. */
  readonly events: number | null
}

/** As a cell: `1,200 in 3 gaps`. */
export function describeLost({ gaps, events }: LostEvents): string {
  if (gaps === 0) return 'none'
  return `${events === null ? 'unknown number' : formatCount(events)} in ${plural(gaps, 'gap')}`
}

/** As a clause. `lacksData`: the file was cut off or damaged, so that a recording without gaps need not be whole. */
export function describeWholeness(lost: LostEvents, lacksData: boolean): string {
  const { gaps, events } = lost
  if (gaps === 0)
    return lacksData ? 'no gaps in what is there, but data is missing' : 'nothing lost'
  const number = events === null ? 'an unknown number of' : formatCount(events)
  return `lost ${number} events in ${plural(gaps, 'gap')}`
}
