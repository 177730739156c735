// zstd frames of one block with the bytes of libzstd 1.5.2, the library of Linux 6.2 to 6.14: own code after RFC 8878 and the library's
// algorithms. All addresses come from the caller, so that several instances may share one memory.
import { LARGE, scratch, setScratch } from './_zstd-layout'
import {
  DOUBLE_FAST,
  FAST,
  GREEDY,
  LAZY_TREE,
  OPTIMAL,
  ULTRA_TWICE,
  closeFrame,
  openFrame,
  setConstants,
} from './_zstd-block'
import { decodeFrame } from './_zstd-decoder'
import { searchDoubleFast16, searchDoubleFast32 } from './_zstd-double-fast'
import { searchFast } from './_zstd-fast'
import { emptyIndex, openIndex } from './_zstd-index'
import { searchGreedy, searchLazy, searchLazyTree } from './_zstd-lazy'
import { PLACES_BYTES, openPlaces, searchOptimal } from './_zstd-optimal'
import { PRICES_BYTES, openPrices } from './_zstd-prices'
import { emptyStore, openStore } from './_zstd-store'
import { LOOK_AHEAD, MATCHES_BYTES, openMatches } from './_zstd-tree'

/** Below, the library does not try. */
const SHORTEST_INPUT: u32 = 7
const WORTH_TWO_PASSES: u32 = 1024
/** ZSTD_WINDOWLOG_ABSOLUTEMIN. */
const LEAST_WINDOW_LOG: u32 = 10

/** Fills the constant tables; once per instance. */
export function init(at: u32): void {
  setScratch(at)
  setConstants()
}

/** The fast search: one table of `bits`, `minMatch` 4 to 6. `targetLength` above 0 skips faster, and literals stay as they are. */
export function compressFast(src: u32, n: u32, dst: u32, bits: u32, minMatch: u32, targetLength: u32): u32 {
  const out = openFrame(dst, n)
  if (n >= SHORTEST_INPUT) {
    const table = scratch + LARGE
    openStore(table + (<u32>4 << bits), n, 4)
    searchFast(src, n, table, bits, minMatch, max<u32>(targetLength, 1) + 1)
  }
  return closeFrame(src, n, dst, out, FAST, targetLength > 0)
}

/**
 * Compresses `n` bytes (up to 131072) at `src` to `dst`, which has room for 1.5 n + 1024. `longBits` and `shortBits`: the sizes of the
 * two hash tables; `minMatch` 4 or 5.
 */
export function compressDoubleFast(src: u32, n: u32, dst: u32, longBits: u32, shortBits: u32, minMatch: u32): u32 {
  const out = openFrame(dst, n)
  if (n >= SHORTEST_INPUT) {
    const unit: u32 = n <= 65536 ? 2 : 4
    const longTable = scratch + LARGE
    const shortTable = longTable + (unit << longBits)
    openStore(shortTable + (unit << shortBits), n, 4)
    if (n <= 65536) searchDoubleFast16(src, n, longTable, longBits, shortTable, shortBits, minMatch == 5)
    else searchDoubleFast32(src, n, longTable, longBits, shortTable, shortBits, minMatch == 5)
  }
  return closeFrame(src, n, dst, out, DOUBLE_FAST, false)
}

/** The searches from GREEDY to LAZY_TREE; `n` up to 65536 and up to 2^windowLog, which is at most 16. */
export function compressLazy(
  src: u32,
  n: u32,
  dst: u32,
  windowLog: u32,
  hashLog: u32,
  searchLog: u32,
  strategy: u32,
): u32 {
  const out = openFrame(dst, n)
  if (n >= SHORTEST_INPUT) {
    const isTree = strategy == LAZY_TREE
    openStore(openIndex(scratch + LARGE, src, n, windowLog, hashLog, 0, isTree ? 2 : 1, searchLog), n, 4)
    if (isTree) searchLazyTree(src)
    else if (strategy == GREEDY) searchGreedy(src)
    else searchLazy(src, strategy - GREEDY)
  }
  return closeFrame(src, n, dst, out, strategy, false)
}

/** The strategies from OPTIMAL on; `minMatch` 3 or 4. */
export function compressOptimal(
  src: u32,
  n: u32,
  dst: u32,
  windowLog: u32,
  hashLog: u32,
  searchLog: u32,
  minMatch: u32,
  targetLength: u32,
  strategy: u32,
): u32 {
  const out = openFrame(dst, n)
  if (n >= SHORTEST_INPUT) {
    const shortLog = minMatch == 3 ? max<u32>(windowLog, LEAST_WINDOW_LOG) : 0
    const prices = openIndex(scratch + LARGE, src, n, windowLog, hashLog, shortLog, 2, searchLog)
    const matches = prices + PRICES_BYTES
    const places = matches + MATCHES_BYTES
    const enough = min(targetLength, LOOK_AHEAD - 1)
    openPrices(prices, strategy != OPTIMAL)
    openMatches(matches, minMatch, enough)
    openPlaces(places, minMatch, enough, strategy == OPTIMAL)
    openStore(places + PLACES_BYTES, n, minMatch)
    if (strategy == ULTRA_TWICE && n > WORTH_TWO_PASSES) {
      // The first pass is for the prices only.
      searchOptimal(src)
      emptyStore()
      emptyIndex()
    }
    searchOptimal(src)
  }
  return closeFrame(src, n, dst, out, strategy, false)
}

/** Decodes a frame of `n` bytes at `src` into at most `room` bytes at `dst`; the decoded length, or -1 for a malformed frame. */
export function decompress(src: u32, n: u32, dst: u32, room: u32): i32 {
  return decodeFrame(src, n, dst, room)
}
