// Numbers in the body of a line.

import { isDigit } from './_scan'

/** What was read last: a number, or the code of a text. */
export let value: u64 = 0
let isNegative: bool = false

// @ts-ignore: decorator
@inline
export function setValue(read: u64): void {
  value = read
}

/** Sets `value` to the number at `start`, which may have a unit; the place behind it, 0 if there is none. */
export function readNumber(start: u32, end: u32): u32 {
  isNegative = false
  const first = <u32>load<u8>(start)
  if (start < end && ((first == 48 && load<u8>(start + 1) == 48) || (first >= 97 && first <= 102))) {
    const after = start + 16
    const next = <u32>load<u8>(after)
    if (after == end || (after < end && (next == 32 || next == 44 || next == 58)))
      if (readPointer(start)) return after
  }
  let at = start
  if (at < end && first == 45) {
    isNegative = true
    at++
  }
  if (load<u8>(at) == 48 && load<u8>(at + 1) == 120 && at + 2 < end)
    return isNegative ? 0 : readHex(at + 2, end)
  const digits = at
  value = 0
  while (at < end && isDigit(load<u8>(at))) value = value * 10 + (load<u8>(at++) - 48)
  // Longer ones may not fit.
  if (at == digits || at - digits > 18) return 0
  if (isNegative) value = 0 - value
  if (at < end) {
    const unit = load<u8>(at)
    if (unit == 66) return at + 1
    if (unit == 107 && at + 1 < end && load<u8>(at + 1) == 66) return at + 2
  }
  return at
}

/** Sixteen hexadecimal digits, none of them a capital. */
function readPointer(start: u32): bool {
  const bytes = v128.load(start)
  const digits = i8x16.sub(bytes, i8x16.splat(48))
  const letters = i8x16.sub(bytes, i8x16.splat(97))
  const isDigit = i8x16.lt_u(digits, i8x16.splat(10))
  const isLetter = i8x16.lt_u(letters, i8x16.splat(6))
  if (!i8x16.all_true(v128.or(isDigit, isLetter))) return false
  const halves = v128.bitselect(digits, i8x16.add(letters, i8x16.splat(10)), isDigit)
  // Two digits are a byte; the first is the higher.
  const pairs = v128.and(
    v128.or(i16x8.shl(halves, 4), i16x8.shr_u(halves, 8)),
    i16x8.splat(255),
  )
  value = bswap<u64>(i64x2.extract_lane(i8x16.narrow_i16x8_u(pairs, pairs), 0))
  return true
}

/** Up to sixteen hexadecimal digits; the place behind them, 0 if there are none, or more. */
function readHex(start: u32, end: u32): u32 {
  let at = start
  let number: u64 = 0
  for (; at < end; at++) {
    const byte = <u32>load<u8>(at)
    let digit = byte - 48
    if (digit > 9) {
      digit = (byte | 32) - 87
      if (digit < 10 || digit > 15) break
    }
    if (at - start >= 16) return 0
    number = (number << 4) | digit
  }
  if (at == start) return 0
  value = number
  return at
}

/** The number read last fits a field of that kind. */
// @ts-ignore: decorator
@inline
export function isOfKind(isSigned: bool): bool {
  return isSigned ? isNegative || <i64>value >= 0 : !isNegative
}
