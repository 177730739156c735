/**
 * What a reclaimer's time is spent on. Time is summed per task by these indexes; a span's parts are the differences between
 * its end and its begin, so they sum to its length by construction.
 */
export const PARTS = [
  { part: 'scan', detail: undefined, doing: 'scan' },
  { part: 'unmap', detail: undefined, doing: 'unmap' },
  { part: 'store', detail: undefined, doing: 'store' },
  { part: 'slab', detail: undefined, doing: 'slab' },
  { part: 'lock', detail: undefined, doing: 'none' },
  { part: 'runnable', detail: undefined, doing: 'none' },
  { part: 'io', detail: undefined, doing: 'none' },
  { part: 'throttle', detail: undefined, doing: 'none' },
  { part: 'other', detail: undefined, doing: 'none' },
  { part: 'other', detail: 'asleep', doing: 'none' },
  { part: 'other', detail: 'compaction', doing: 'none' },
  // Uninterruptible sleep: io or lock, which only sched_blocked_reason tells apart.
  { part: 'unknown', detail: 'uninterruptible sleep', doing: 'none' },
  // Without a probe at the gate, a folio's unmapping and its store are one interval.
  { part: 'unknown', detail: 'unmap and store', doing: 'unmap' },
  { part: 'unknown', detail: 'not seen', doing: 'none' },
] as const

export {
  ASLEEP,
  COMPACTION,
  IO,
  LOCK,
  NOT_SEEN,
  OTHER,
  RUNNABLE,
  SCAN,
  SLAB,
  STORE,
  THROTTLE,
  UNINTERRUPTIBLE,
  UNMAP,
  UNMAP_AND_STORE,
} from './assembly/_layout.ts'
