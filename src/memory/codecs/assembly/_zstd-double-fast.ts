// Level 3: two hash tables, one of 8 bytes and one of 4 or 5.
import { commonBytes } from './_common-bytes'
import { hash8, hashShort } from './_zstd-hash'
import { putRest, putSequence } from './_zstd-store'

/**
 * The double-fast search. Tables hold positions from the start of the input: 0 is empty, and position 0 is never a match, as in the
 * library. `T` is the type of an entry.
 */
// @ts-ignore: decorator
@inline
function search<T>(src: u32, n: u32, longTable: u32, longBits: u32, shortTable: u32, shortBits: u32, five: bool): void {
  const shift: u64 = 64 - longBits
  const end = src + n
  const unit: u32 = sizeof<T>()
  memory.fill(longTable, 0, unit << longBits)
  memory.fill(shortTable, 0, unit << shortBits)
  let anchor = src
  let ip = src + 1
  let lastOffset: u32 = 1
  let olderOffset: u32 = 0
  while (true) {
    let step: u32 = 1
    let nextStep = ip + 256
    let ahead = ip + 1
    let position: u32 = 0
    let length: u32 = 0
    let repeated = false
    let found = false
    if (ahead + 8 <= end) {
      let slot = longTable + hash8(ip, shift) * unit
      let longMatch = <u32>load<T>(slot)
      do {
        const shortSlot = shortTable + hashShort(ip, shortBits, five) * unit
        const shortMatch = <u32>load<T>(shortSlot)
        position = ip - src
        store<T>(slot, <T>position)
        store<T>(shortSlot, <T>position)
        if (lastOffset > 0 && load<u32>(ip + 1 - lastOffset) == load<u32>(ip + 1)) {
          ip++
          length = commonBytes(ip + 4, ip + 4 - lastOffset, end) + 4
          putSequence(anchor, ip - anchor, 1, length)
          repeated = true
          break
        }
        const aheadSlot = longTable + hash8(ahead, shift) * unit
        let match: u32 = 0
        if (longMatch > 0 && load<u64>(src + longMatch) == load<u64>(ip)) {
          match = src + longMatch
          length = commonBytes(ip + 8, match + 8, end) + 8
          found = true
        } else {
          const aheadMatch = <u32>load<T>(aheadSlot)
          if (shortMatch > 0 && load<u32>(src + shortMatch) == load<u32>(ip)) {
            // A long match one byte on is worth more than the short one here.
            if (aheadMatch > 0 && load<u64>(src + aheadMatch) == load<u64>(ahead)) {
              ip = ahead
              match = src + aheadMatch
              length = commonBytes(ip + 8, match + 8, end) + 8
            } else {
              match = src + shortMatch
              length = commonBytes(ip + 4, match + 4, end) + 4
            }
            found = true
          } else {
            if (ahead >= nextStep) {
              step++
              nextStep += 256
            }
            ip = ahead
            ahead += step
            slot = aheadSlot
            longMatch = aheadMatch
            continue
          }
        }
        const offset = ip - match
        while (ip > anchor && match > src && load<u8>(ip - 1) == load<u8>(match - 1)) {
          ip--
          match--
          length++
        }
        olderOffset = lastOffset
        lastOffset = offset
        // Beyond that the place could lie behind the match.
        if (step < 4) store<T>(aheadSlot, <T>(ahead - src))
        putSequence(anchor, ip - anchor, offset + 3, length)
        break
      } while (ahead + 8 <= end)
    }
    if (!found && !repeated) break
    ip += length
    anchor = ip
    if (ip + 8 <= end) {
      const inner = src + position + 2
      store<T>(longTable + hash8(inner, shift) * unit, <T>(position + 2))
      store<T>(longTable + hash8(ip - 2, shift) * unit, <T>(ip - 2 - src))
      store<T>(shortTable + hashShort(inner, shortBits, five) * unit, <T>(position + 2))
      store<T>(shortTable + hashShort(ip - 1, shortBits, five) * unit, <T>(ip - 1 - src))
      while (ip + 8 <= end && olderOffset > 0 && load<u32>(ip) == load<u32>(ip - olderOffset)) {
        const again = commonBytes(ip + 4, ip + 4 - olderOffset, end) + 4
        const swapped = olderOffset
        olderOffset = lastOffset
        lastOffset = swapped
        store<T>(shortTable + hashShort(ip, shortBits, five) * unit, <T>(ip - src))
        store<T>(longTable + hash8(ip, shift) * unit, <T>(ip - src))
        putSequence(anchor, 0, 1, again)
        ip += again
        anchor = ip
      }
    }
  }
  putRest(anchor, end)
}

export function searchDoubleFast16(src: u32, n: u32, longTable: u32, longBits: u32, shortTable: u32, shortBits: u32, five: bool): void {
  if (five) search<u16>(src, n, longTable, longBits, shortTable, shortBits, true)
  else search<u16>(src, n, longTable, longBits, shortTable, shortBits, false)
}

export function searchDoubleFast32(src: u32, n: u32, longTable: u32, longBits: u32, shortTable: u32, shortBits: u32, five: bool): void {
  search<u32>(src, n, longTable, longBits, shortTable, shortBits, five)
}
