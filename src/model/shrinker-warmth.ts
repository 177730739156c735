/**
 * What a pass over the slab shrinkers costs depends on how lately the CPU made one: what they walk through falls out of its caches.
 * Pairs of ns since the CPU's last pass ended, and the share of a cold pass's CPU time from there on: medians over 47 recordings of 6.1
 * and 6.12, most of which lie near them (0.18 to 0.29 after 30 us, 0.48 to 0.91 after 3 ms). kswapd, direct reclaimers and workers share them.
 */
const SHARES: readonly (readonly [number, number])[] = [
  [10_000_000, 0.9],
  [3_000_000, 0.8],
  [1_000_000, 0.55],
  [300_000, 0.4],
  [100_000, 0.26],
  [30_000, 0.22],
]
/** From here on a pass is cold, ns. */
const COLD_NS = 30_000_000
/** Of two passes one right after the other. */
const WARMEST = 0.15

/** Share of a cold pass's CPU time that one costs `sinceNs` after the CPU's last pass. */
export function shareOfColdPass(sinceNs: number): number {
  if (sinceNs >= COLD_NS) return 1
  for (const [fromNs, share] of SHARES) if (sinceNs >= fromNs) return share
  return WARMEST
}
