// Finite state entropy coding: normalised counts, their description, and encoder tables.
import { CUMULATED, COUNT, NORM, SPREAD, highBit, scratch } from './_zstd-layout'

/** How precise a table for `total` symbols may be. `minus` is 2 for FSE and 1 for Huffman. */
export function optimalLog(longest: u32, total: u32, maxSymbol: u32, minus: u32): u32 {
  // total - 1 may be 1: the difference is then negative, and large as unsigned, as in the library.
  const bySize = highBit(total - 1) - minus
  const least = min(highBit(total) + 1, highBit(maxSymbol) + 2)
  let log = longest
  if (bySize < log) log = bySize
  if (least > log) log = least
  return min(max(log, 5), 12)
}

/** Rest (in 1 / 2^20) above which a small probability is rounded up. */
function roundUpAbove(probability: u32): u64 {
  switch (probability) {
    case 0:
      return 0
    case 1:
      return 473195
    case 2:
      return 504333
    case 3:
      return 520860
    case 4:
      return 550000
    case 5:
      return 700000
    case 6:
      return 750000
    default:
      return 830000
  }
}

// @ts-ignore: decorator
@inline
function countOf(symbol: u32): u32 {
  return load<u32>(scratch + COUNT + (symbol << 2))
}

// @ts-ignore: decorator
@inline
function normOf(symbol: u32): i32 {
  return load<i16>(scratch + NORM + (symbol << 1))
}

// @ts-ignore: decorator
@inline
function setNorm(symbol: u32, value: i32): void {
  store<i16>(scratch + NORM + (symbol << 1), <i16>value)
}

/** Scales COUNT (sum `total`) to a sum of 2^log in NORM; false when that cannot be done. */
export function normalise(log: u32, total: u32, maxSymbol: u32, lowProbability: i32): bool {
  const scale: u64 = 62 - log
  const step: u64 = (<u64>1 << 62) / <u64>total
  const unit: u64 = <u64>1 << (scale - 20)
  const low = total >>> log
  let left: i32 = 1 << log
  let largest: u32 = 0
  let largestShare: i32 = 0
  for (let s: u32 = 0; s <= maxSymbol; s++) {
    const count = countOf(s)
    if (count == 0) {
      setNorm(s, 0)
    } else if (count <= low) {
      setNorm(s, lowProbability)
      left--
    } else {
      const exact = <u64>count * step
      let share = <u32>(exact >>> scale)
      if (share < 8 && exact - (<u64>share << scale) > unit * roundUpAbove(share)) share++
      if (<i32>share > largestShare) {
        largestShare = <i32>share
        largest = s
      }
      setNorm(s, <i32>share)
      left -= <i32>share
    }
  }
  if (-left >= normOf(largest) >> 1) return normaliseAgain(log, total, maxSymbol, lowProbability)
  setNorm(largest, normOf(largest) + left)
  return true
}

const UNASSIGNED: i32 = -2

/** The second way, for counts whose small values took more than there is. */
function normaliseAgain(log: u32, sum: u32, maxSymbol: u32, lowProbability: i32): bool {
  let total = sum
  let given: u32 = 0
  const low = total >>> log
  let lowOne = (total * 3) >>> (log + 1)
  for (let s: u32 = 0; s <= maxSymbol; s++) {
    const count = countOf(s)
    if (count == 0) {
      setNorm(s, 0)
    } else if (count <= low) {
      setNorm(s, lowProbability)
      given++
      total -= count
    } else if (count <= lowOne) {
      setNorm(s, 1)
      given++
      total -= count
    } else {
      setNorm(s, UNASSIGNED)
    }
  }
  let left: u32 = (1 << log) - given
  if (left == 0) return true
  if (total / left > lowOne) {
    lowOne = (total * 3) / (left * 2)
    for (let s: u32 = 0; s <= maxSymbol; s++) {
      if (normOf(s) == UNASSIGNED && countOf(s) <= lowOne) {
        setNorm(s, 1)
        given++
        total -= countOf(s)
      }
    }
    left = (1 << log) - given
  }
  if (given == maxSymbol + 1) {
    let most: u32 = 0
    let mostCount: u32 = 0
    for (let s: u32 = 0; s <= maxSymbol; s++) {
      if (countOf(s) > mostCount) {
        most = s
        mostCount = countOf(s)
      }
    }
    setNorm(most, normOf(most) + <i32>left)
    return true
  }
  if (total == 0) {
    for (let s: u32 = 0; left > 0; s = (s + 1) % (maxSymbol + 1)) {
      if (normOf(s) > 0) {
        left--
        setNorm(s, normOf(s) + 1)
      }
    }
    return true
  }
  const stepLog: u64 = 62 - log
  const middle: u64 = (<u64>1 << (stepLog - 1)) - 1
  const step: u64 = ((<u64>1 << stepLog) * <u64>left + middle) / <u64>total
  let at: u64 = middle
  for (let s: u32 = 0; s <= maxSymbol; s++) {
    if (normOf(s) == UNASSIGNED) {
      const end = at + <u64>countOf(s) * step
      const weight = <u32>(end >>> stepLog) - <u32>(at >>> stepLog)
      if (weight < 1) return false
      setNorm(s, <i32>weight)
      at = end
    }
  }
  return true
}

/** Describes NORM at `to` (RFC 8878, 4.1.1); the bytes written. */
export function writeCounts(to: u32, maxSymbol: u32, log: u32): u32 {
  let out = to
  let bits: u64 = log - 5
  let held: u32 = 4
  let remaining: i32 = (1 << log) + 1
  let threshold: i32 = 1 << log
  let width: u32 = log + 1
  let symbol: u32 = 0
  let afterZero = false
  while (symbol <= maxSymbol && remaining > 1) {
    if (afterZero) {
      let start = symbol
      while (symbol <= maxSymbol && normOf(symbol) == 0) symbol++
      if (symbol > maxSymbol) break
      while (symbol >= start + 3) {
        start += 3
        bits |= <u64>3 << held
        held += 2
        while (held >= 8) {
          store<u8>(out++, <u8>bits)
          bits >>>= 8
          held -= 8
        }
      }
      bits |= <u64>(symbol - start) << held
      held += 2
    }
    const share = normOf(symbol++)
    const spare = 2 * threshold - 1 - remaining
    remaining -= share < 0 ? -share : share
    let value = share + 1
    if (value >= threshold) value += spare
    bits |= <u64>value << held
    held += width
    if (value < spare) held--
    afterZero = value == 1
    while (remaining < threshold) {
      width--
      threshold >>= 1
    }
    while (held >= 8) {
      store<u8>(out++, <u8>bits)
      bits >>>= 8
      held -= 8
    }
  }
  if (held > 0) store<u8>(out++, <u8>bits)
  return out - to
}

/** Lays the symbols of NORM out over the 2^log states, in SPREAD. */
export function spreadSymbols(maxSymbol: u32, log: u32): void {
  const spread = scratch + SPREAD
  const size: u32 = 1 << log
  const mask = size - 1
  const step = (size >>> 1) + (size >>> 3) + 3
  let high = mask
  for (let s: u32 = 0; s <= maxSymbol; s++) {
    if (normOf(s) == -1) store<u8>(spread + high--, <u8>s)
  }
  let position: u32 = 0
  for (let s: u32 = 0; s <= maxSymbol; s++) {
    const share = normOf(s)
    for (let i: i32 = 0; i < share; i++) {
      store<u8>(spread + position, <u8>s)
      do {
        position = (position + step) & mask
      } while (position > high)
    }
  }
}

/** Encoder table of NORM at `table`. */
export function buildEncoder(table: u32, maxSymbol: u32, log: u32): void {
  const size: u32 = 1 << log
  const cumulated = scratch + CUMULATED
  store<u32>(table, log)
  spreadSymbols(maxSymbol, log)
  let sum: u32 = 0
  for (let s: u32 = 0; s <= maxSymbol; s++) {
    const share = normOf(s)
    store<u16>(cumulated + (s << 1), <u16>sum)
    const transform = table + 1028 + (s << 3)
    if (share == 0) {
      store<u32>(transform + 4, ((log + 1) << 16) - size)
    } else if (share == 1 || share == -1) {
      store<i32>(transform, <i32>sum - 1)
      store<u32>(transform + 4, (log << 16) - size)
      sum++
    } else {
      const bits = log - highBit(<u32>share - 1)
      store<i32>(transform, <i32>sum - share)
      store<u32>(transform + 4, (bits << 16) - (<u32>share << bits))
      sum += <u32>share
    }
  }
  const spread = scratch + SPREAD
  for (let state: u32 = 0; state < size; state++) {
    const slot = cumulated + (<u32>load<u8>(spread + state) << 1)
    const at = load<u16>(slot)
    store<u16>(slot, at + 1)
    store<u16>(table + 4 + (<u32>at << 1), <u16>(size + state))
  }
}

/** A table of one symbol, which takes no bits. */
export function buildSingle(table: u32, symbol: u32): void {
  store<u32>(table, 0)
  store<u16>(table + 4, 0)
  store<i32>(table + 1028 + (symbol << 3), 0)
  store<u32>(table + 1028 + (symbol << 3) + 4, 0)
}

// Bits go in from the low end; whole bytes leave at `bitsAt`.
let held: u64 = 0
let heldBits: u32 = 0
let bitsAt: u32 = 0

// @ts-ignore: decorator
@inline
export function openBits(at: u32): void {
  held = 0
  heldBits = 0
  bitsAt = at
}

// @ts-ignore: decorator
@inline
export function putBits(value: u32, bits: u32): void {
  held |= (<u64>value & ((<u64>1 << bits) - 1)) << heldBits
  heldBits += bits
}

// @ts-ignore: decorator
@inline
export function flushBits(): void {
  store<u64>(bitsAt, held)
  const bytes = heldBits >>> 3
  bitsAt += bytes
  held >>>= <u64>(bytes << 3)
  heldBits &= 7
}

/** Ends the stream with a one bit; the address behind it. */
export function closeBits(): u32 {
  putBits(1, 1)
  flushBits()
  return bitsAt + (heldBits > 0 ? 1 : 0)
}

// @ts-ignore: decorator
@inline
export function firstState(table: u32, symbol: u32): u32 {
  const transform = table + 1028 + (symbol << 3)
  const deltaBits = load<u32>(transform + 4)
  const bits = (deltaBits + (1 << 15)) >>> 16
  const value = (bits << 16) - deltaBits
  return load<u16>(table + 4 + (((value >>> bits) + load<i32>(transform)) << 1))
}

/** Emits the bits that lead from `state` to `symbol`; the next state. */
// @ts-ignore: decorator
@inline
export function encodeSymbol(table: u32, state: u32, symbol: u32): u32 {
  const transform = table + 1028 + (symbol << 3)
  const bits = (state + load<u32>(transform + 4)) >>> 16
  putBits(state, bits)
  return load<u16>(table + 4 + (((state >>> bits) + load<i32>(transform)) << 1))
}
