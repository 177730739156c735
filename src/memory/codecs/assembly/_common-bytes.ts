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
