// Where the zstd codec keeps its tables, relative to the scratch address that `init` is given.

export let scratch: u32 = 0

export function setScratch(at: u32): void {
  scratch = at
}

export const LL_CODE: u32 = 0 // u8[64]: code of a literal length
export const ML_CODE: u32 = 64 // u8[128]: code of a match length - 3
export const LL_BASE: u32 = 256 // u32[36]
export const ML_BASE: u32 = 400 // u32[53], as match length
export const LL_BITS: u32 = 612 // u8[36]
export const ML_BITS: u32 = 648 // u8[53]
export const NORM: u32 = 704 // i16[64]
export const COUNT: u32 = 1024 // u32[256]
export const NODES: u32 = 2048 // 8 bytes each: count u32, parent u16, symbol u8, bits u8; one before the first
export const RANKS: u32 = 6400 // {base u16, current u16}[192]
export const CODES: u32 = 7168 // u32[256]: code | bits << 16
export const WEIGHTS: u32 = 8192 // u8[256]
export const SPREAD: u32 = 8448 // u8[512]
export const CUMULATED: u32 = 9472 // u16[64]
// Encoder tables: log u32, then next states u16[512], then {find i32, bits u32}[64].
export const CTABLE_BYTES: u32 = 1600
export const CT_LL: u32 = 9600
export const CT_OF: u32 = 11200
export const CT_ML: u32 = 12800
export const CT_LL_DEFAULT: u32 = 14400
export const CT_OF_DEFAULT: u32 = 16000
export const CT_ML_DEFAULT: u32 = 17600
export const CT_WEIGHTS: u32 = 19200
// Decoder tables: Huffman u16[2048]: symbol | bits << 8; FSE u32[512]: symbol | bits << 8 | baseline << 16.
export const DT_HUFFMAN: u32 = 20800
export const DT_LL: u32 = 24896
export const DT_OF: u32 = 26944
export const DT_ML: u32 = 28992
export const DT_WEIGHTS: u32 = 31040
export const COST: u32 = 31296 // u16[257]: what a symbol of i / 256 of all takes, in 1 / 256 bit
export const COST_LL: u32 = 31816 // u16 each: the same by the default tables
export const COST_OF: u32 = 31888
export const COST_ML: u32 = 31952
export const LARGE: u32 = 32768 // hash tables, sequences and literals; the decoder's literals

export const MAX_LL: u32 = 35
export const MAX_ML: u32 = 52
export const MAX_OF: u32 = 31
export const DEFAULT_MAX_OF: u32 = 28

// @ts-ignore: decorator
@inline
export function highBit(value: u32): u32 {
  return 31 - clz<u32>(value)
}

/** Code of a literal length. */
// @ts-ignore: decorator
@inline
export function codeOfLiterals(length: u32): u32 {
  return length < 64 ? <u32>load<u8>(scratch + LL_CODE + length) : highBit(length) + 19
}

/** Code of a match length less 3. */
// @ts-ignore: decorator
@inline
export function codeOfMatch(length: u32): u32 {
  return length < 128 ? <u32>load<u8>(scratch + ML_CODE + length) : highBit(length) + 36
}

function fillNorm(from: u32, to: u32, value: i16): void {
  for (let s = from; s <= to; s++) store<i16>(scratch + NORM + (s << 1), value)
}

/** The predefined distributions of RFC 8878, 3.1.1.3.2.2, written to NORM. */
export function setDefaultLiteralLengths(): void {
  fillNorm(0, 0, 4)
  fillNorm(1, 1, 3)
  fillNorm(2, 12, 2)
  fillNorm(13, 15, 1)
  fillNorm(16, 24, 2)
  fillNorm(25, 25, 3)
  fillNorm(26, 26, 2)
  fillNorm(27, 31, 1)
  fillNorm(32, 35, -1)
}

export function setDefaultMatchLengths(): void {
  fillNorm(0, 0, 1)
  fillNorm(1, 1, 4)
  fillNorm(2, 2, 3)
  fillNorm(3, 8, 2)
  fillNorm(9, 45, 1)
  fillNorm(46, 52, -1)
}

export function setDefaultOffsets(): void {
  fillNorm(0, 5, 1)
  fillNorm(6, 8, 2)
  fillNorm(9, 23, 1)
  fillNorm(24, 28, -1)
}

/** Base values and extra bits of the length codes, RFC 8878, 3.1.1.3.2.1.1. */
export function setLengthCodes(): void {
  let base: u32 = 0
  for (let code: u32 = 0; code <= MAX_LL; code++) {
    let bits: u32 = 0
    if (code >= 25) bits = code - 19
    else if (code >= 16) bits = <u32>((<u64>0x433221111 >>> ((code - 16) << 2)) & 15)
    store<u32>(scratch + LL_BASE + (code << 2), base)
    store<u8>(scratch + LL_BITS + code, <u8>bits)
    const next = base + (1 << bits)
    for (let value = base; value < next && value < 64; value++) store<u8>(scratch + LL_CODE + value, <u8>code)
    base = next
  }
  base = 0
  for (let code: u32 = 0; code <= MAX_ML; code++) {
    let bits: u32 = 0
    if (code >= 43) bits = code - 36
    else if (code >= 32) bits = <u32>((<u64>0x54433221111 >>> ((code - 32) << 2)) & 15)
    store<u32>(scratch + ML_BASE + (code << 2), base + 3)
    store<u8>(scratch + ML_BITS + code, <u8>bits)
    const next = base + (1 << bits)
    for (let value = base; value < next && value < 128; value++) store<u8>(scratch + ML_CODE + value, <u8>code)
    base = next
  }
}

/** COST: 256 times the logarithm of 256 / i, cut to whole numbers, digit by digit of the logarithm of i. */
export function setCosts(): void {
  store<u16>(scratch + COST, 0)
  for (let i: u32 = 1; i <= 256; i++) {
    const whole = highBit(i)
    let rest = <u64>i << (31 - whole)
    let digits: u32 = 0
    for (let digit = 0; digit < 8; digit++) {
      rest = (rest * rest) >>> 31
      digits <<= 1
      if (rest >>> 32 != 0) {
        digits++
        rest >>>= 1
      }
    }
    // What is left of a logarithm rounds it up, and so the cost down.
    const isWhole = (i & (i - 1)) == 0
    store<u16>(scratch + COST + (i << 1), <u16>(((8 - whole) << 8) - digits - (isWhole ? 0 : 1)))
  }
}

/** What the symbols up to `maxSymbol` take by the distribution in NORM, whose sum is 2^log. */
export function setDefaultCosts(to: u32, maxSymbol: u32, log: u32): void {
  for (let s: u32 = 0; s <= maxSymbol; s++) {
    const share = max<i32>(load<i16>(scratch + NORM + (s << 1)), 1)
    store<u16>(to + (s << 1), load<u16>(scratch + COST + (<u32>(share << (8 - log)) << 1)))
  }
}
