// Greedy and lazy parsing: a match is taken at once, or only when none that begins one or two bytes later promises more.
import { highBit } from './_zstd-layout'
import { commonBytes } from './_common-bytes'
import { putRest, putSequence } from './_zstd-store'
import { end, limit } from './_zstd-index'
import { chainOffset, findInChain } from './_zstd-chain'
import { findInUnsortedTree, treeOffset } from './_zstd-unsorted-tree'

const REPEATED: u32 = 1

// The match at hand: where it begins, how long it is, its offset value.
let start: u32 = 0
let length: u32 = 0
let offset: u32 = 0
let lastOffset: u32 = 0

// @ts-ignore: decorator
@inline
function find(ip: u32, inTree: bool): u32 {
  return inTree ? findInUnsortedTree(ip) : findInChain(ip)
}

// @ts-ignore: decorator
@inline
function isRepeated(ip: u32): bool {
  return load<u32>(ip) == load<u32>(ip - lastOffset)
}

// @ts-ignore: decorator
@inline
function take(at: u32, matchLength: u32, offsetValue: u32): void {
  start = at
  length = matchLength
  offset = offsetValue
}

/** Whether a match at `ip` gains more than the one at hand, by `lead` at least; it is taken then. `weight`: of a byte that is repeated. */
// @ts-ignore: decorator
@inline
function findsBetter(ip: u32, inTree: bool, weight: i32, lead: i32): bool {
  if (offset != REPEATED && isRepeated(ip)) {
    const repeated = commonBytes(ip + 4, ip + 4 - lastOffset, end) + 4
    const held = <i32>length * weight - <i32>highBit(offset) + 1
    if (<i32>repeated * weight > held) take(ip, repeated, REPEATED)
  }
  const found = find(ip, inTree)
  if (found < 4) return false
  const foundOffset = inTree ? treeOffset : chainOffset
  const held = <i32>length * 4 - <i32>highBit(offset) + lead
  if (<i32>found * 4 - <i32>highBit(foundOffset) <= held) return false
  take(ip, found, foundOffset)
  return true
}

/** `depth` 0: greedy; 1 or 2: how many bytes on it looks. */
// @ts-ignore: decorator
@inline
function parse(src: u32, depth: u32, inTree: bool): void {
  let anchor = src
  let ip = src + 1
  let olderOffset: u32 = 0
  lastOffset = 1
  while (ip < limit) {
    take(ip + 1, 0, REPEATED)
    if (isRepeated(ip + 1)) length = commonBytes(ip + 5, ip + 5 - lastOffset, end) + 4
    if (depth > 0 || length == 0) {
      const found = find(ip, inTree)
      if (found > length) take(ip, found, inTree ? treeOffset : chainOffset)
      if (length < 4) {
        ip += ((ip - anchor) >>> 8) + 1
        continue
      }
      if (depth > 0) {
        while (ip < limit) {
          ip++
          if (findsBetter(ip, inTree, 3, 4)) continue
          if (depth == 1 || ip >= limit) break
          ip++
          if (!findsBetter(ip, inTree, 4, 7)) break
        }
      }
    }
    if (offset != REPEATED) {
      const distance = offset - 3
      while (start > anchor && start - distance > src && load<u8>(start - 1) == load<u8>(start - distance - 1)) {
        start--
        length++
      }
      olderOffset = lastOffset
      lastOffset = distance
    }
    putSequence(anchor, start - anchor, offset, length)
    ip = start + length
    anchor = ip
    while (ip <= limit && olderOffset > 0 && load<u32>(ip) == load<u32>(ip - olderOffset)) {
      const again = commonBytes(ip + 4, ip + 4 - olderOffset, end) + 4
      const swapped = olderOffset
      olderOffset = lastOffset
      lastOffset = swapped
      putSequence(anchor, 0, REPEATED, again)
      ip += again
      anchor = ip
    }
  }
  putRest(anchor, end)
}

export function searchGreedy(src: u32): void {
  parse(src, 0, false)
}

export function searchLazy(src: u32, depth: u32): void {
  parse(src, depth, false)
}

export function searchLazyTree(src: u32): void {
  parse(src, 2, true)
}
