// Raw deflate as the kernel's zlib (1.1 line) writes it for crypto and zram: memory level 8, one call.
// Own code after RFC 1951 and the library's algorithms. All addresses come from the caller, so that several instances may share one memory.
import { openBlocks, out, endBlock, putStored, tally } from './_deflate-block'
import { inflate } from './_deflate-decoder'
import { setLengthOrder, setScratch } from './_deflate-layout'
import { setStaticTrees } from './_deflate-trees'
import {
  LEAST_AHEAD,
  SHORTEST,
  advance,
  ahead,
  base,
  beginBlockHere,
  blockStart,
  enter,
  farthest,
  fillWindow,
  longestMatch,
  matchStart,
  openWindow,
  start,
} from './_deflate-window'

const HIGHEST_GREEDY_LEVEL: u32 = 3
/** Up to this level blocks do not end early. */
const HIGHEST_PLAIN_LEVEL: u32 = 2

/** A match of 3 bytes is not worth a distance above. */
const TOO_FAR: u32 = 4096
/** As many bytes as a stored block has at most: what zlib's pending buffer holds, less the block's head. */
const LONGEST_STORED: u32 = 65531

/** Constant tables; once per instance. */
export function init(at: u32): void {
  setScratch(at)
  setLengthOrder()
  setStaticTrees()
}

function covered(): u32 {
  return <u32>(<i32>start - blockStart)
}

function flush(last: u32): void {
  endBlock(base + <u32>blockStart, covered(), blockStart >= 0, last)
  beginBlockHere()
}

function flushStored(last: u32): void {
  putStored(base + <u32>blockStart, covered(), last)
  beginBlockHere()
}

/** Level 0: blocks end where the window would move on. */
function storeAll(): void {
  while (true) {
    if (ahead <= 1) fillWindow()
    if (ahead == 0) break
    const isFull = covered() + ahead >= LONGEST_STORED
    advance(isFull ? LONGEST_STORED - covered() : ahead)
    if (isFull || covered() >= farthest) flushStored(0)
  }
  flushStored(1)
}

/** Whether there is more input; there is enough in the window for the longest match. */
// @ts-ignore: decorator
@inline
function hasMore(): bool {
  if (ahead < LEAST_AHEAD) fillWindow()
  return ahead > 0
}

/** The position at hand enters its chain; the one before it there, 0 for none. */
// @ts-ignore: decorator
@inline
function enterStart(): u32 {
  return ahead >= SHORTEST ? enter(start) : 0
}

// @ts-ignore: decorator
@inline
function isNear(candidate: u32): bool {
  return candidate != 0 && start - candidate <= farthest
}

/** Levels 1 to 3: takes the first match, and enters all of its positions only if it is not longer than `entered`. */
function parseGreedily(entered: u32): void {
  while (hasMore()) {
    const candidate = enterStart()
    const length = isNear(candidate) ? longestMatch(candidate, SHORTEST - 1) : 0
    let ends: bool
    if (length >= SHORTEST) {
      ends = tally(start - matchStart, length - SHORTEST, covered())
      if (length <= entered && ahead - length >= SHORTEST) {
        for (let position = start + 1; position < start + length; position++) enter(position)
      }
      advance(length)
    } else {
      ends = tally(0, load<u8>(base + start), covered())
      advance(1)
    }
    if (ends) flush(0)
  }
  flush(1)
}

/** Levels 4 to 9: a match waits for the next position, where a longer one may begin; one of `lazy` bytes and more does not. */
function parseLazily(lazy: u32): void {
  let length: u32 = SHORTEST - 1
  let pending = false
  while (hasMore()) {
    const candidate = enterStart()
    const previousLength = length
    const previousMatch = matchStart
    length = previousLength < lazy && isNear(candidate) ? longestMatch(candidate, previousLength) : SHORTEST - 1
    if (length == SHORTEST && start - matchStart > TOO_FAR) length = SHORTEST - 1
    if (previousLength >= SHORTEST && length <= previousLength) {
      const lastEntry = start + ahead - SHORTEST
      const ends = tally(start - 1 - previousMatch, previousLength - SHORTEST, covered())
      const stop = start + previousLength - 2
      for (let position = start + 1; position <= stop && position <= lastEntry; position++) enter(position)
      advance(previousLength - 1)
      pending = false
      length = SHORTEST - 1
      if (ends) flush(0)
    } else {
      if (pending && tally(0, load<u8>(base + start - 1), covered())) flush(0)
      pending = true
      advance(1)
    }
  }
  if (pending) tally(0, load<u8>(base + start - 1), covered())
  flush(1)
}

/**
 * Compresses `n` bytes at `src` to `dst`, which has room for 2 n + 1024, with a window of 2^`bits` bytes, 9 to 15. Of a level: `good`, `nice`
 * and `chain` as openWindow has them, and `lazy`, the length from which on a match is taken at once, or up to level 3 the longest of which all
 * positions are entered.
 */
export function compress(
  src: u32,
  n: u32,
  dst: u32,
  bits: u32,
  level: u32,
  good: u32,
  lazy: u32,
  nice: u32,
  chain: u32,
): u32 {
  openWindow(src, n, bits, good, nice, chain)
  openBlocks(dst, level > HIGHEST_PLAIN_LEVEL)
  if (level == 0) storeAll()
  else if (level <= HIGHEST_GREEDY_LEVEL) parseGreedily(lazy)
  else parseLazily(lazy)
  return out - dst
}

/** Decodes `n` bytes at `src` into at most `room` bytes at `dst`; the decoded length, or -1 for malformed input. */
export function decompress(src: u32, n: u32, dst: u32, room: u32): i32 {
  return inflate(src, n, dst, room)
}
