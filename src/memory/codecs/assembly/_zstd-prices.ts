// What literals and matches will take, in 1 / 256 bit, by how often each symbol was used so far.
import { MAX_LL, MAX_ML, MAX_OF, LL_BITS, ML_BITS, codeOfLiterals, codeOfMatch, highBit, scratch } from './_zstd-layout'

const BIT: u32 = 256
/** So many bytes say too little about their symbols: then prices are fixed. */
const FEW_BYTES: u32 = 1024
const LITERAL_WEIGHT: u32 = 2

// Counts, u32 each, relative to `counts`.
const LITERALS: u32 = 0
const LITERAL_LENGTHS: u32 = 1024
const MATCH_LENGTHS: u32 = 1168
const OFFSETS: u32 = 1380
export const PRICES_BYTES: u32 = 1508

let counts: u32 = 0
let isExact: bool = false
let isFixed: bool = false
let isSeeded: bool = false
let literalSum: u32 = 0
let literalLengthSum: u32 = 0
let matchLengthSum: u32 = 0
let offsetSum: u32 = 0
let literalBase: u32 = 0
let literalLengthBase: u32 = 0
let matchLengthBase: u32 = 0
let offsetBase: u32 = 0

/** `exactly`: with fractions of bits. */
export function openPrices(at: u32, exactly: bool): void {
  counts = at
  isExact = exactly
  isSeeded = false
}

/** The logarithm of how often something was seen. */
// @ts-ignore: decorator
@inline
function weight(count: u32): u32 {
  const seen = count + 1
  const whole = highBit(seen)
  return whole * BIT + (isExact ? (seen << 8) >>> whole : 0)
}

// @ts-ignore: decorator
@inline
function weightOf(table: u32, symbol: u32): u32 {
  return weight(load<u32>(counts + table + (symbol << 2)))
}

// @ts-ignore: decorator
@inline
function add(table: u32, symbol: u32, more: u32): void {
  const slot = counts + table + (symbol << 2)
  store<u32>(slot, load<u32>(slot) + more)
}

function sumOf(table: u32, maxSymbol: u32): u32 {
  let sum: u32 = 0
  for (let s: u32 = 0; s <= maxSymbol; s++) sum += load<u32>(counts + table + (s << 2))
  return sum
}

/** Every count becomes 1 more than its share; their sum. */
function scaleDown(table: u32, maxSymbol: u32, shift: u32): u32 {
  for (let s: u32 = 0; s <= maxSymbol; s++) {
    const slot = counts + table + (s << 2)
    store<u32>(slot, 1 + (load<u32>(slot) >>> shift))
  }
  return sumOf(table, maxSymbol)
}

/** Scales down to about 2^log. */
function scaleTo(table: u32, maxSymbol: u32, log: u32): u32 {
  const sum = sumOf(table, maxSymbol)
  const factor = sum >>> log
  return factor <= 1 ? sum : scaleDown(table, maxSymbol, highBit(factor))
}

/** The library's guess before anything was seen: most literal lengths are short, most offsets repeated or middling. */
function seedLengthsAndOffsets(): void {
  for (let s: u32 = 0; s <= MAX_LL; s++) store<u32>(counts + LITERAL_LENGTHS + (s << 2), s == 0 ? 4 : s == 1 ? 2 : 1)
  for (let s: u32 = 0; s <= MAX_ML; s++) store<u32>(counts + MATCH_LENGTHS + (s << 2), 1)
  // One digit for each code from 0 on.
  const guess: u64 = 0x123444321126
  for (let s: u32 = 0; s <= MAX_OF; s++) store<u32>(counts + OFFSETS + (s << 2), s < 12 ? <u32>((guess >>> (s << 2)) & 15) : 1)
}

/** Before a pass over the `n` bytes at `src`: the first begins with a guess, a further one with what the one before has seen. */
export function seedPrices(src: u32, n: u32): void {
  isFixed = !isSeeded && n <= FEW_BYTES
  if (isSeeded) {
    literalSum = scaleTo(LITERALS, 255, 12)
    literalLengthSum = scaleTo(LITERAL_LENGTHS, MAX_LL, 11)
    matchLengthSum = scaleTo(MATCH_LENGTHS, MAX_ML, 11)
    offsetSum = scaleTo(OFFSETS, MAX_OF, 11)
  } else {
    memory.fill(counts + LITERALS, 0, 1024)
    for (let i: u32 = 0; i < n; i++) add(LITERALS, load<u8>(src + i), 1)
    literalSum = scaleDown(LITERALS, 255, 8)
    seedLengthsAndOffsets()
    literalLengthSum = sumOf(LITERAL_LENGTHS, MAX_LL)
    matchLengthSum = sumOf(MATCH_LENGTHS, MAX_ML)
    offsetSum = sumOf(OFFSETS, MAX_OF)
    isSeeded = true
  }
  setBasePrices()
}

/** Prices stay as they are until this is called. */
export function setBasePrices(): void {
  literalBase = weight(literalSum)
  literalLengthBase = weight(literalLengthSum)
  matchLengthBase = weight(matchLengthSum)
  offsetBase = weight(offsetSum)
}

export function priceOfLiteral(byte: u32): u32 {
  return isFixed ? 6 * BIT : literalBase - weightOf(LITERALS, byte)
}

export function priceOfLiteralLength(length: u32): u32 {
  if (isFixed) return weight(length)
  const code = codeOfLiterals(length)
  return <u32>load<u8>(scratch + LL_BITS + code) * BIT + literalLengthBase - weightOf(LITERAL_LENGTHS, code)
}

export function priceOfMatch(offset: u32, length: u32): u32 {
  const offsetCode = highBit(offset)
  if (isFixed) return weight(length - 3) + (16 + offsetCode) * BIT
  const code = codeOfMatch(length - 3)
  // A fifth of a bit more: fewer sequences are decoded sooner.
  return (
    offsetCode * BIT + offsetBase - weightOf(OFFSETS, offsetCode) +
    <u32>load<u8>(scratch + ML_BITS + code) * BIT + matchLengthBase - weightOf(MATCH_LENGTHS, code) +
    BIT / 5
  )
}

export function countSequence(literals: u32, literalLength: u32, offset: u32, length: u32): void {
  for (let i: u32 = 0; i < literalLength; i++) add(LITERALS, load<u8>(literals + i), LITERAL_WEIGHT)
  literalSum += literalLength * LITERAL_WEIGHT
  add(LITERAL_LENGTHS, codeOfLiterals(literalLength), 1)
  literalLengthSum++
  add(OFFSETS, highBit(offset), 1)
  offsetSum++
  add(MATCH_LENGTHS, codeOfMatch(length - 3), 1)
  matchLengthSum++
}
