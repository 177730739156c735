/** CONFIG_PCP_BATCH_SCALE_MAX: a CPU's list that only gives pages is refilled with twice as many each time, up to so many doublings (nr_pcp_alloc). */
export const SCALE_MAX = 5

/** zone_batchsize (mm/page_alloc.c, 6.12): pages of a list's least refill, in a zone that the allocator has `managed` pages of. */
export function listBatch(managed: number): number {
  const quarter = Math.max(1, Math.floor(Math.min(Math.floor(managed / 1024), 256) / 4))
  let power = 1
  while (power * 2 <= quarter + Math.floor(quarter / 2)) power *= 2
  return Math.max(1, power - 1)
}
