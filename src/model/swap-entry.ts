/**
 * A swap entry's value on 64-bit kernels: area number in the top 6 bits, page offset in the low 58 (include/linux/swapops.h,
 * SWP_TYPE_SHIFT = BITS_PER_XA_VALUE - MAX_SWAPFILES_SHIFT = 63 - 5).
 */

const TWO_32 = 4294967296
/** Offsets of a key stay below this: 256 PiB of swap with 4 KiB pages. */
const KEY_OFFSETS = 2 ** 46

/** Area number of an entry given as two 32-bit halves. */
export function swapType(hi: number): number {
  return (hi >>> 26) & 0x3f
}

/** Page offset of an entry given as two 32-bit halves. */
export function swapOffset(lo: number, hi: number): number {
  return (hi & 0x3ffffff) * TWO_32 + (lo >>> 0)
}

/** One exact number per (type, offset), for maps. */
export function swapKey(type: number, offset: number): number {
  return type * KEY_OFFSETS + offset
}
