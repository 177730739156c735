// Where the deflate codec keeps its tables, relative to the scratch address that `init` is given, and the codes of lengths and distances.

export const LITERALS: u32 = 286
export const DISTANCES: u32 = 30
export const LENGTH_CODES: u32 = 19
export const END_OF_BLOCK: u32 = 256

// Scratch: trees are {frequency or code u16, parent or length u16}.
export const LITERAL_TREE: u32 = 0
export const DISTANCE_TREE: u32 = 2304
export const LENGTH_TREE: u32 = 2560
export const STATIC_TREE: u32 = 2816
export const STATIC_DISTANCES: u32 = 3968
export const HEAP: u32 = 4096
export const DEPTH: u32 = 6400
export const LENGTH_COUNTS: u32 = 7168
export const NEXT_CODES: u32 = 7232
export const LENGTH_ORDER: u32 = 7296
export const PREVIOUS: u32 = 8192
export const HEADS: u32 = 73728
export const SYMBOLS: u32 = 139264

export let scratch: u32 = 0

export function setScratch(at: u32): void {
  scratch = at
}

// @ts-ignore: decorator
@inline
function highBit(value: u32): u32 {
  return 31 - clz<u32>(value)
}

/** Code of a match length less 3, from 0. */
// @ts-ignore: decorator
@inline
export function lengthCode(length: u32): u32 {
  if (length < 8) return length
  if (length == 255) return 28
  const high = highBit(length)
  return ((high - 1) << 2) + ((length >>> (high - 2)) & 3)
}

// @ts-ignore: decorator
@inline
export function lengthExtra(code: u32): u32 {
  return code < 8 || code == 28 ? 0 : (code >>> 2) - 1
}

// @ts-ignore: decorator
@inline
export function lengthBase(code: u32): u32 {
  if (code < 8) return code
  if (code == 28) return 255
  return (4 + (code & 3)) << ((code >>> 2) - 1)
}

/** Code of a distance less 1. */
// @ts-ignore: decorator
@inline
export function distanceCode(distance: u32): u32 {
  if (distance < 4) return distance
  const high = highBit(distance)
  return (high << 1) + ((distance >>> (high - 1)) & 1)
}

// @ts-ignore: decorator
@inline
export function distanceExtra(code: u32): u32 {
  return code < 4 ? 0 : (code >>> 1) - 1
}

// @ts-ignore: decorator
@inline
export function distanceBase(code: u32): u32 {
  return code < 4 ? code : (2 + (code & 1)) << ((code >>> 1) - 1)
}

/** The order in which the lengths of the length codes stand. */
export function setLengthOrder(): void {
  // RFC 1951, 3.2.7: 16 17 18 0 8 7 9 6 10 5 11 4 12 3 13 2 14 1 15.
  const order = scratch + LENGTH_ORDER
  store<u8>(order, 16)
  store<u8>(order + 1, 17)
  store<u8>(order + 2, 18)
  store<u8>(order + 3, 0)
  for (let i: u32 = 0; i < 8; i++) {
    store<u8>(order + 4 + 2 * i, <u8>(8 + i))
    if (i < 7) store<u8>(order + 5 + 2 * i, <u8>(7 - i))
  }
}
