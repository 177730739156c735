/** SWAP_CLUSTER_MAX (include/linux/swap.h): pages that reclaim takes at a time. */
export const CLUSTER = 32
/** DEF_PRIORITY (include/linux/mmzone.h): scans begin with one page in 2^12 of a list. */
export const DEF_PRIORITY = 12
/** The most that vm.swappiness can be (include/linux/swap.h). */
export const MAX_SWAPPINESS = 200
