// The search of optimal parsing: all matches at a place, each longer than the one before, in a binary tree and, where 3 bytes make a match,
// in a table of their hashes.
import { agreement, closeDescent, descend, openDescent } from './_zstd-descent'
import { FIRST, base, end, headOf, nextPosition, setNextPosition, shortHeadOf, tries } from './_zstd-index'
import { commonBytes } from './_common-bytes'

/** How far the parser looks ahead, and the longest match that the tree goes on with. */
export const LOOK_AHEAD: u32 = 4096
export const MATCHES_BYTES: u32 = (LOOK_AHEAD + 2) << 3
const REPEATS: u32 = 3

let matches: u32 = 0
let count: u32 = 0
let shortest: u32 = 0
let enough: u32 = 0

/** `longEnough`: a longer match needs no comparison with others. */
export function openMatches(at: u32, minMatch: u32, longEnough: u32): void {
  matches = at
  shortest = minMatch
  enough = longEnough
}

// @ts-ignore: decorator
@inline
export function matchOffset(index: u32): u32 {
  return load<u32>(matches + (index << 3))
}

// @ts-ignore: decorator
@inline
export function matchLength(index: u32): u32 {
  return load<u32>(matches + (index << 3) + 4)
}

// @ts-ignore: decorator
@inline
function putMatch(offset: u32, length: u32): void {
  store<u32>(matches + (count << 3), offset)
  store<u32>(matches + (count << 3) + 4, length)
  count++
}

/** Enters one position; how many further ones that saves entering. */
function enter(position: u32): u32 {
  const ip = base + position
  const head = headOf(ip)
  let candidate = <u32>load<u16>(head)
  store<u16>(head, <u16>position)
  openDescent(position)
  let farthest = position + 9
  let best: u32 = 8
  for (let left = tries; left > 0 && candidate >= FIRST; left--) {
    const common = agreement(ip, candidate)
    if (common > best) {
      best = common
      farthest = max(farthest, candidate + common)
    }
    if (ip + common == end) break
    candidate = descend(ip, candidate, common)
  }
  closeDescent()
  const skipped = best > 384 ? min<u32>(192, best - 384) : 0
  return max(skipped, farthest - (position + 8))
}

// @ts-ignore: decorator
@inline
function beginsAlike(a: u32, b: u32): bool {
  const difference = load<u32>(a) ^ load<u32>(b)
  return (shortest == 3 ? difference << 8 : difference) == 0
}

// @ts-ignore: decorator
@inline
function isFinal(ip: u32, length: u32): bool {
  return length > enough || ip + length == end
}

/** Matches at the last offsets; the longest, or `shortest` - 1. */
// @ts-ignore: decorator
@inline
function findRepeats(ip: u32, repeats: u32, noLiterals: u32): u32 {
  const farthest = ip - base - FIRST
  let best = shortest - 1
  for (let code = noLiterals; code < REPEATS + noLiterals; code++) {
    const distance = code == REPEATS ? load<u32>(repeats) - 1 : load<u32>(repeats + (code << 2))
    // Less 1, none is too far as well.
    if (distance - 1 >= farthest || !beginsAlike(ip, ip - distance)) continue
    const length = commonBytes(ip + shortest, ip + shortest - distance, end) + shortest
    if (length <= best) continue
    best = length
    putMatch(code - noLiterals + 1, length)
    if (isFinal(ip, length)) break
  }
  return best
}

/** Fills the list with what matches at `ip`; how many. `repeats`: u32[3], the last offsets; `noLiterals`: 1 where none precede. */
export function findMatches(ip: u32, repeats: u32, noLiterals: u32): u32 {
  const position = ip - base
  count = 0
  if (position < nextPosition) return 0
  let next = nextPosition
  while (next < position) next += enter(next)
  setNextPosition(position)
  let best = findRepeats(ip, repeats, noLiterals)
  if (best >= shortest && isFinal(ip, best)) return count
  if (shortest == 3 && best < 3) {
    const candidate = shortHeadOf(ip)
    const length = candidate >= FIRST ? commonBytes(ip, base + candidate, end) : 0
    if (length >= 3) {
      best = length
      putMatch(position - candidate + 3, length)
      if (isFinal(ip, length)) {
        setNextPosition(position + 1)
        return count
      }
    }
  }
  findInTree(ip, position, best)
  return count
}

function findInTree(ip: u32, position: u32, longest: u32): void {
  const head = headOf(ip)
  let candidate = <u32>load<u16>(head)
  store<u16>(head, <u16>position)
  openDescent(position)
  let farthest = position + 9
  let best = longest
  for (let left = tries; left > 0 && candidate >= FIRST; left--) {
    const common = agreement(ip, candidate)
    if (common > best) {
      farthest = max(farthest, candidate + common)
      best = common
      putMatch(position - candidate + 3, common)
      if (common > LOOK_AHEAD || ip + common == end) break
    }
    candidate = descend(ip, candidate, common)
  }
  closeDescent()
  setNextPosition(farthest - 8)
}
