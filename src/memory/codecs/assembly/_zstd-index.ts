// The positions that the stronger searches have entered: heads by hash, and links from one position to others. Positions are counted from
// 2, as the library does: 0 is none, and 1 marks what is not sorted yet. Pages are at most as long as the links, so nothing leaves the window.
import { hash3, hash4 } from './_zstd-hash'

export const FIRST: u32 = 2

/** The byte at position p is at `base` + p. */
export let base: u32 = 0
export let end: u32 = 0
/** Where the last match may begin; the input's start where it is too short for any. */
export let limit: u32 = 0
export let tries: u32 = 0
export let links: u32 = 0
/** From here on positions have not been entered. */
export let nextPosition: u32 = 0
let heads: u32 = 0
let headBits: u32 = 0
let shortHeads: u32 = 0
let shortBits: u32 = 0
let nextShort: u32 = 0

/** Entries are u16; `perPosition` of them are links. `shortLog`: size of the table of 3-byte hashes, 0 for none. The address behind all. */
export function openIndex(
  at: u32,
  src: u32,
  n: u32,
  windowLog: u32,
  hashLog: u32,
  shortLog: u32,
  perPosition: u32,
  searchLog: u32,
): u32 {
  base = src - FIRST
  end = src + n
  limit = n < 8 ? src : end - 8
  tries = 1 << searchLog
  heads = at
  headBits = hashLog
  links = heads + (2 << hashLog)
  shortHeads = links + ((perPosition << 1) << windowLog)
  shortBits = shortLog
  emptyIndex()
  return shortLog == 0 ? shortHeads : shortHeads + (2 << shortLog)
}

/** Links need no clearing: those of a position are written when it is entered. */
export function emptyIndex(): void {
  memory.fill(heads, 0, 2 << headBits)
  if (shortBits > 0) memory.fill(shortHeads, 0, 2 << shortBits)
  nextPosition = FIRST
  nextShort = FIRST
}

// @ts-ignore: decorator
@inline
export function setNextPosition(position: u32): void {
  nextPosition = position
}

// @ts-ignore: decorator
@inline
export function headOf(p: u32): u32 {
  return heads + (hash4(p, headBits) << 1)
}

/** Last position before `p` with its hash of 3 bytes; enters those up to it. */
export function shortHeadOf(p: u32): u32 {
  const target = p - base
  for (; nextShort < target; nextShort++) {
    store<u16>(shortHeads + (hash3(base + nextShort, shortBits) << 1), <u16>nextShort)
  }
  return load<u16>(shortHeads + (hash3(p, shortBits) << 1))
}
