// The search of greedy and lazy parsing: each position is linked to the one before it with the same hash.
import { commonBytes } from './_common-bytes'
import { FIRST, base, end, headOf, links, nextPosition, setNextPosition, tries } from './_zstd-index'

/** Offset value of the last match found. */
export let chainOffset: u32 = 0

/** Longest match at `ip`; 3 where none has 4 bytes. */
export function findInChain(ip: u32): u32 {
  const target = ip - base
  for (let position = nextPosition; position < target; position++) {
    const head = headOf(base + position)
    store<u16>(links + (position << 1), load<u16>(head))
    store<u16>(head, <u16>position)
  }
  setNextPosition(target)
  let best: u32 = 3
  let candidate = <u32>load<u16>(headOf(ip))
  for (let left = tries; candidate >= FIRST && left > 0; left--) {
    const match = base + candidate
    if (load<u8>(match + best) == load<u8>(ip + best)) {
      const length = commonBytes(ip, match, end)
      if (length > best) {
        best = length
        chainOffset = ip - match + 3
        if (ip + length == end) break
      }
    }
    candidate = load<u16>(links + (candidate << 1))
  }
  return best
}
