// The window of deflate, which slides by its half over the input, and the chains of positions with the same three bytes.
import { HEADS, PREVIOUS, scratch } from './_deflate-layout'

export const SHORTEST: u32 = 3
const LONGEST: u32 = 258
const HEADS_BYTES: u32 = 65536
export const LEAST_AHEAD: u32 = LONGEST + SHORTEST + 1

/** Bytes of the window's half. */
let half: u32 = 0
let mask: u32 = 0
/** A match may not lie further back. */
export let farthest: u32 = 0
let goodLength: u32 = 0
let niceLength: u32 = 0
let chainLength: u32 = 0

/** The input at position 0 of the window. */
export let base: u32 = 0
/** Position that is looked at, and how many bytes the window holds from there on. */
export let start: u32 = 0
export let ahead: u32 = 0
/** Position of the last match found. */
export let matchStart: u32 = 0
/** Position where the block began; below 0 it has left the window. */
export let blockStart: i32 = 0
let unread: u32 = 0

/** The window's half has 2^`bits` bytes. `good`: a match from which on fewer candidates are tried; `nice`: one that ends the search; `chain`: how many are tried. */
export function openWindow(src: u32, n: u32, bits: u32, good: u32, nice: u32, chain: u32): void {
  base = src
  start = 0
  ahead = 0
  unread = n
  blockStart = 0
  matchStart = 0
  half = 1 << bits
  mask = half - 1
  farthest = half - LEAST_AHEAD
  goodLength = good
  niceLength = nice
  chainLength = chain
  memory.fill(scratch + HEADS, 0, HEADS_BYTES)
}

// @ts-ignore: decorator
@inline
export function advance(bytes: u32): void {
  start += bytes
  ahead -= bytes
}

export function beginBlockHere(): void {
  blockStart = <i32>start
}

function slideAll(positions: u32, bytes: u32): void {
  for (let slot = positions; slot < positions + bytes; slot += 2) {
    const position = <u32>load<u16>(slot)
    store<u16>(slot, <u16>(position >= half ? position - half : 0))
  }
}

/** Moves the window on when its upper half is nearly used up, and takes in what fits. */
export function fillWindow(): void {
  do {
    let more = 2 * half - ahead - start
    if (start >= half + farthest) {
      base += half
      matchStart -= half
      start -= half
      blockStart -= <i32>half
      slideAll(scratch + HEADS, HEADS_BYTES)
      slideAll(scratch + PREVIOUS, half << 1)
      more += half
    }
    if (unread == 0) return
    const taken = min(more, unread)
    unread -= taken
    ahead += taken
  } while (ahead < LEAST_AHEAD && unread != 0)
}

/** Enters the three bytes at `position`; the last position with their hash, 0 for none. */
// @ts-ignore: decorator
@inline
export function enter(position: u32): u32 {
  const at = base + position
  const hash = ((<u32>load<u8>(at) << 10) ^ (<u32>load<u8>(at + 1) << 5) ^ <u32>load<u8>(at + 2)) & 0x7fff
  const slot = scratch + HEADS + (hash << 1)
  const before = load<u16>(slot)
  store<u16>(scratch + PREVIOUS + ((position & mask) << 1), before)
  store<u16>(slot, <u16>position)
  return before
}

/** The longest match that is longer than `least`, in the chain from `first` on; at most `least` where there is none. */
export function longestMatch(first: u32, least: u32): u32 {
  let current = first
  let tries: u32 = least >= goodLength ? chainLength >>> 2 : chainLength
  let best = least
  const nice = min(niceLength, ahead)
  const limit: u32 = start > farthest ? start - farthest : 0
  const scan = base + start
  do {
    const match = base + current
    if (load<u16>(match + best - 1) == load<u16>(scan + best - 1) && load<u16>(match) == load<u16>(scan)) {
      let length: u32 = 2
      while (length < LONGEST && load<u8>(scan + length) == load<u8>(match + length)) length++
      if (length > best) {
        matchStart = current
        best = length
        if (length >= nice) break
      }
    }
    current = <u32>load<u16>(scratch + PREVIOUS + ((current & mask) << 1))
  } while (current > limit && --tries != 0)
  return min(best, ahead)
}
