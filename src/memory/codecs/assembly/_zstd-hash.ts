// Hashes of the few bytes at a place, as all searches take them.

// @ts-ignore: decorator
@inline
export function hash8(p: u32, shift: u64): u32 {
  return <u32>((load<u64>(p) * 0xcf1bbcdcb7a56463) >>> shift)
}

// @ts-ignore: decorator
@inline
export function hash4(p: u32, bits: u32): u32 {
  return (load<u32>(p) * 2654435761) >>> (32 - bits)
}

// @ts-ignore: decorator
@inline
export function hash3(p: u32, bits: u32): u32 {
  return ((load<u32>(p) << 8) * 506832829) >>> (32 - bits)
}

/** Of five bytes, or of four. */
// @ts-ignore: decorator
@inline
export function hashShort(p: u32, bits: u32, five: bool): u32 {
  if (five) return <u32>(((load<u64>(p) << 24) * 889523592379) >>> <u64>(64 - bits))
  return hash4(p, bits)
}
