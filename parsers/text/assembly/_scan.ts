// Bytes of a line: what they are, where something begins or ends.

// @ts-ignore: decorator
@inline
export function isDigit(byte: u32): bool {
  return byte - 48 < 10
}

// @ts-ignore: decorator
@inline
export function skipSpaces(at: u32, end: u32): u32 {
  let p = at
  while (p < end && load<u8>(p) == 32) p++
  return p
}

// @ts-ignore: decorator
@inline
export function isEqual(a: u32, b: u32, length: u32): bool {
  let k: u32 = 0
  for (; k + 8 <= length; k += 8) if (load<u64>(a + k) != load<u64>(b + k)) return false
  if (k == length) return true
  return (load<u64>(a + k) ^ load<u64>(b + k)) << <u64>(8 * (8 - (length - k))) == 0
}

export function hashOf(at: u32, length: u32): u32 {
  let hash: u64 = length
  let k: u32 = 0
  for (; k + 8 <= length; k += 8) hash = (hash ^ load<u64>(at + k)) * 0x9e3779b97f4a7c15
  if (k < length)
    hash = (hash ^ (load<u64>(at + k) << <u64>(8 * (8 - (length - k))))) * 0x9e3779b97f4a7c15
  return <u32>(hash >> 32) ^ <u32>(hash >> 48)
}

// @ts-ignore: decorator
@inline
export function newlineFrom(at: u32, end: u32): u32 {
  const wanted = i8x16.splat(10)
  for (let p = at; p < end; p += 16) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(p), wanted))
    if (found != 0) return p + <u32>ctz<i32>(found)
  }
  return end
}

/** The line's end without blanks. */
// @ts-ignore: decorator
@inline
export function lineEnd(start: u32, newline: u32): u32 {
  let end = newline > start && load<u8>(newline - 1) == 13 ? newline - 1 : newline
  while (end > start && (load<u8>(end - 1) == 32 || load<u8>(end - 1) == 9)) end--
  return end
}

/** The number of 1 to 9 digits, -1 for anything else. */
export function toInteger(start: u32, end: u32): i32 {
  if (end <= start || end - start > 9) return -1
  let number: i32 = 0
  for (let p = start; p < end; p++) {
    const digit = <u32>load<u8>(p) - 48
    if (digit > 9) return -1
    number = number * 10 + digit
  }
  return number
}
