/**
 * Allocation flag bits that kept their place from Linux 4.9 to 6.12 (include/linux/gfp_types.h); the others moved between
 * kernels, so a trace's flags are kept as a number.
 */
export const GFP_STABLE_BITS = { dma: 0x01, highmem: 0x02, dma32: 0x04, movable: 0x08 } as const

/** The names of the stable bits set in `flags`. */
export function stableGfpNames(flags: number): string[] {
  return Object.entries(GFP_STABLE_BITS)
    .filter(([, bit]) => (flags & bit) !== 0)
    .map(([name]) => name)
}
