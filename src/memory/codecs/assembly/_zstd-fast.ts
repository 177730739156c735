// Levels below 3: one hash table.
import { commonBytes } from './_common-bytes'
import { hashShort } from './_zstd-hash'
import { putRest, putSequence } from './_zstd-store'

// @ts-ignore: decorator
@inline
function hashFast(p: u32, bits: u32, minMatch: u32): u32 {
  if (minMatch == 6) return <u32>(((load<u64>(p) << 16) * 227718039650203) >>> <u64>(64 - bits))
  return hashShort(p, bits, minMatch == 5)
}

/** The fast search: one table, positions looked at in pairs, `step` apart; it grows by one for each 128 bytes without a match. */
export function searchFast(src: u32, n: u32, table: u32, bits: u32, minMatch: u32, firstStep: u32): void {
  const end = src + n
  // A u32 holds any position; 0 is empty, and position 0 is never put in.
  memory.fill(table, 0, <u32>4 << bits)
  let anchor = src
  let ip0 = src + 1
  let lastOffset: u32 = 1
  let olderOffset: u32 = 0
  while (true) {
    let step = firstStep
    let nextStep = ip0 + 128
    let ip1 = ip0 + 1
    let ip2 = ip0 + step
    let ip3 = ip2 + 1
    if (ip3 + 8 >= end) break
    let slot0 = table + (hashFast(ip0, bits, minMatch) << 2)
    let slot1 = table + (hashFast(ip1, bits, minMatch) << 2)
    let candidate = load<u32>(slot0)
    let position: u32 = 0
    let match: u32 = 0
    let length: u32 = 0
    let isRepeated = false
    do {
      position = ip0 - src
      store<u32>(slot0, position)
      if (load<u32>(ip2) == load<u32>(ip2 - lastOffset) && lastOffset > 0) {
        ip0 = ip2
        match = ip0 - lastOffset
        length = 4
        if (load<u8>(ip0 - 1) == load<u8>(match - 1)) {
          ip0--
          match--
          length++
        }
        isRepeated = true
        break
      }
      if (candidate > 0 && load<u32>(src + candidate) == load<u32>(ip0)) {
        length = 4
        break
      }
      candidate = load<u32>(slot1)
      slot0 = slot1
      slot1 = table + (hashFast(ip2, bits, minMatch) << 2)
      ip0 = ip1
      ip1 = ip2
      ip2 = ip3
      position = ip0 - src
      store<u32>(slot0, position)
      if (candidate > 0 && load<u32>(src + candidate) == load<u32>(ip0)) {
        length = 4
        break
      }
      candidate = load<u32>(slot1)
      slot0 = slot1
      slot1 = table + (hashFast(ip2, bits, minMatch) << 2)
      ip0 = ip1
      ip1 = ip2
      ip2 = ip0 + step
      ip3 = ip1 + step
      if (ip2 >= nextStep) {
        step++
        nextStep += 128
      }
    } while (ip3 + 8 < end)
    if (length == 0) break
    let offset: u32 = 1
    if (!isRepeated) {
      match = src + candidate
      olderOffset = lastOffset
      lastOffset = ip0 - match
      offset = lastOffset + 3
      while (ip0 > anchor && match > src && load<u8>(ip0 - 1) == load<u8>(match - 1)) {
        ip0--
        match--
        length++
      }
    }
    length += commonBytes(ip0 + length, match + length, end)
    putSequence(anchor, ip0 - anchor, offset, length)
    ip0 += length
    anchor = ip0
    if (ip1 < ip0) store<u32>(slot1, ip1 - src)
    if (ip0 + 8 > end) continue
    const inner = position + 2
    store<u32>(table + (hashFast(src + inner, bits, minMatch) << 2), inner)
    store<u32>(table + (hashFast(ip0 - 2, bits, minMatch) << 2), ip0 - 2 - src)
    while (ip0 + 8 <= end && olderOffset > 0 && load<u32>(ip0) == load<u32>(ip0 - olderOffset)) {
      const again = commonBytes(ip0 + 4, ip0 + 4 - olderOffset, end) + 4
      const swapped = olderOffset
      olderOffset = lastOffset
      lastOffset = swapped
      store<u32>(table + (hashFast(ip0, bits, minMatch) << 2), ip0 - src)
      putSequence(anchor, 0, 1, again)
      ip0 += again
      anchor = ip0
    }
  }
  putRest(anchor, end)
}
