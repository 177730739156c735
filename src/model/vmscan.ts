/** SWAP_CLUSTER_MAX (include/linux/swap.h): pages that reclaim takes at a time. */
export const CLUSTER = 32
/** DEF_PRIORITY (include/linux/mmzone.h): scans begin with one page in 2^12 of a list. */
export const DEF_PRIORITY = 12
/** The most that vm.swappiness can be (include/linux/swap.h). */
export const MAX_SWAPPINESS = 200

/** From this priority on each round tells of memory pressure (vmpressure_level_critical_prio, mm/vmpressure.c). */
const CRITICAL_PRIORITY = 3
/**
 * A round of direct reclaim that takes nothing, in wake-ups (both are short walks through kernel lists): the way from one priority to the next,
 * apart from the shrinkers and the pages it passes over (11 to 18 us of 6 in six recordings with 5,600 calls in vain, 1.9 to 2.6).
 */
const EMPTY_ROUND = 2.2
/** Likewise what telling of pressure adds: a kworker that the round starts, and that mostly runs at once on its CPU (15 to 21 us, 2.7 to 3.3). */
const PRESSURE_WORK = 2.9

export function wakeupsOfEmptyRound(priority: number): number {
  return EMPTY_ROUND + (priority <= CRITICAL_PRIORITY ? PRESSURE_WORK : 0)
}
