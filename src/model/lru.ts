/** enum lru_list, include/linux/mmzone.h. */
export const LRU_LISTS = [
  'inactive_anon',
  'active_anon',
  'inactive_file',
  'active_file',
  'unevictable',
] as const

/** Bits of `reclaim_flags` (include/trace/events/vmscan.h, RECLAIM_WB_*). */
export const RECLAIM_WB_ANON = 0x1
