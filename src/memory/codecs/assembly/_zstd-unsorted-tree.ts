// The search of lazy parsing in a binary tree that is sorted late: positions are entered as a chain, and put in order when a search comes
// by. Links of a position in the chain: the next one, and the mark.
import { highBit } from './_zstd-layout'
import { agreement, closeDescent, descend, linksOf, openDescent } from './_zstd-descent'
import { FIRST, base, end, headOf, nextPosition, setNextPosition, tries } from './_zstd-index'

const UNSORTED: u16 = 1
/** As the library's, dearer than any. */
const NO_OFFSET: u32 = 1000000000

/** Offset value of the last match found. */
export let treeOffset: u32 = 0

function enterUpTo(target: u32): void {
  for (let position = nextPosition; position < target; position++) {
    const head = headOf(base + position)
    store<u16>(linksOf(position), load<u16>(head))
    store<u16>(linksOf(position) + 2, UNSORTED)
    store<u16>(head, <u16>position)
  }
}

/** Sorts one position into the tree of those before it, in at most `steps`. */
function sortIn(position: u32, steps: u32): void {
  const ip = base + position
  openDescent(position)
  let candidate = <u32>load<u16>(linksOf(position))
  for (let left = steps; left > 0 && candidate > FIRST; left--) {
    const common = agreement(ip, candidate)
    // Which is larger cannot be told: the rest of the tree is dropped.
    if (ip + common == end) break
    candidate = descend(ip, candidate, common)
  }
  closeDescent()
}

// @ts-ignore: decorator
@inline
function isUnsorted(position: u32): bool {
  return position > FIRST && load<u16>(linksOf(position) + 2) == UNSORTED
}

/** Sorts what was entered under this head since the last search, the oldest first; at most as many as a search may look at. */
function sortChain(head: u32): void {
  let candidate = <u32>load<u16>(head)
  let left = tries
  let newer: u32 = 0
  while (isUnsorted(candidate) && left > 1) {
    // The mark becomes the way back.
    store<u16>(linksOf(candidate) + 2, <u16>newer)
    newer = candidate
    candidate = load<u16>(linksOf(candidate))
    left--
  }
  if (isUnsorted(candidate)) store<u32>(linksOf(candidate), 0)
  for (candidate = newer; candidate != 0; left++) {
    newer = load<u16>(linksOf(candidate) + 2)
    sortIn(candidate, left)
    candidate = newer
  }
}

/** Best match at `ip` by length and offset; 0 where there is none. */
export function findInUnsortedTree(ip: u32): u32 {
  const position = ip - base
  if (position < nextPosition) return 0
  enterUpTo(position)
  const head = headOf(ip)
  sortChain(head)
  let candidate = <u32>load<u16>(head)
  store<u16>(head, <u16>position)
  openDescent(position)
  let farthest = position + 9
  let best: u32 = 0
  treeOffset = NO_OFFSET
  for (let left = tries; left > 0 && candidate > FIRST; left--) {
    const common = agreement(ip, candidate)
    if (common > best) {
      farthest = max(farthest, candidate + common)
      const dearer = <i32>highBit(position - candidate + 1) - <i32>highBit(treeOffset)
      if (4 * <i32>(common - best) > dearer) {
        best = common
        treeOffset = position - candidate + 3
      }
      if (ip + common == end) break
    }
    candidate = descend(ip, candidate, common)
  }
  closeDescent()
  // Repeated patterns are not entered byte by byte.
  setNextPosition(farthest - 8)
  return best
}
