// What all searches for matches share: hashes of a few bytes, and how long two places agree.

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

/** How many bytes from `a` on, up to `limit`, are those from `b` on. */
// @ts-ignore: decorator
@inline
export function commonBytes(a: u32, b: u32, limit: u32): u32 {
  let p = a
  let q = b
  while (p + 8 <= limit) {
    const difference = load<u64>(p) ^ load<u64>(q)
    if (difference != 0) return p - a + <u32>(ctz<u64>(difference) >>> 3)
    p += 8
    q += 8
  }
  while (p < limit && load<u8>(p) == load<u8>(q)) {
    p++
    q++
  }
  return p - a
}
