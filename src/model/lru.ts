/** enum lru_list, include/linux/mmzone.h. */
export const LRU_LISTS = [
  'inactive_anon',
  'active_anon',
  'inactive_file',
  'active_file',
  'unevictable',
] as const
export type LruList = (typeof LRU_LISTS)[number]

/** `scan_control.reason` bits of mm_vmscan_throttled: 1 << enum vmscan_throttle_state (include/linux/mmzone.h). */
export const THROTTLE_REASONS = ['WRITEBACK', 'ISOLATED', 'NOPROGRESS', 'CONGESTED'] as const

export function throttleReason(bits: number): string | undefined {
  for (let i = 0; i < THROTTLE_REASONS.length; i++)
    if ((bits & (1 << i)) !== 0) return THROTTLE_REASONS[i]
  return undefined
}

/** Bits of `reclaim_flags` (include/trace/events/vmscan.h, RECLAIM_WB_*). */
export const RECLAIM_WB_ANON = 0x1
