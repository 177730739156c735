// Decoder of deflate: canonical codes by counting, RFC 1951, 3.2.2. The trees' places hold counts u16[16] and symbols u16[288].
import {
  DISTANCE_TREE,
  END_OF_BLOCK,
  HEAP,
  LENGTH_ORDER,
  LITERAL_TREE,
  NEXT_CODES,
  distanceBase,
  distanceExtra,
  lengthBase,
  lengthExtra,
  scratch,
} from './_deflate-layout'

let held: u64 = 0
let heldBits: u32 = 0
let at: u32 = 0
let end: u32 = 0
let failed = false

function takeBits(bits: u32): u32 {
  while (heldBits < bits) {
    if (at >= end) {
      failed = true
      return 0
    }
    held |= <u64>load<u8>(at++) << heldBits
    heldBits += 8
  }
  const value = <u32>held & ((<u32>1 << bits) - 1)
  held >>>= bits
  heldBits -= bits
  return value
}

/** Sorted symbols from the code lengths u8 at `lengths`. */
function makeDecoder(table: u32, lengths: u32, many: u32): bool {
  memory.fill(table, 0, 32)
  for (let n: u32 = 0; n < many; n++) {
    const slot = table + (<u32>load<u8>(lengths + n) << 1)
    store<u16>(slot, load<u16>(slot) + 1)
  }
  store<u16>(table, 0)
  let left: i32 = 1
  for (let bits: u32 = 1; bits <= 15; bits++) {
    left <<= 1
    left -= <i32>load<u16>(table + (bits << 1))
    if (left < 0) return false
  }
  const offsets = scratch + NEXT_CODES
  store<u16>(offsets + 2, 0)
  for (let bits: u32 = 1; bits < 15; bits++) {
    store<u16>(offsets + ((bits + 1) << 1), load<u16>(offsets + (bits << 1)) + load<u16>(table + (bits << 1)))
  }
  for (let n: u32 = 0; n < many; n++) {
    const bits = <u32>load<u8>(lengths + n)
    if (bits == 0) continue
    const slot = offsets + (bits << 1)
    const place = <u32>load<u16>(slot)
    store<u16>(slot, <u16>(place + 1))
    store<u16>(table + 32 + (place << 1), <u16>n)
  }
  return true
}

function takeSymbol(table: u32): u32 {
  let code: i32 = 0
  let first: i32 = 0
  let index: i32 = 0
  for (let bits: u32 = 1; bits <= 15; bits++) {
    code |= <i32>takeBits(1)
    if (failed) return 0
    const count = <i32>load<u16>(table + (bits << 1))
    if (code - first < count) return load<u16>(table + 32 + (<u32>(index + code - first) << 1))
    index += count
    first = (first + count) << 1
    code <<= 1
  }
  failed = true
  return 0
}

/** Decodes `n` bytes at `src` into at most `room` bytes at `dst`; the decoded length, or -1 for malformed input. */
export function inflate(src: u32, n: u32, dst: u32, room: u32): i32 {
  const literalTable = scratch + LITERAL_TREE
  const distanceTable = scratch + DISTANCE_TREE
  const lengths = scratch + HEAP
  at = src
  end = src + n
  held = 0
  heldBits = 0
  failed = false
  let op = dst
  const limit = dst + room
  let last: u32 = 0
  do {
    last = takeBits(1)
    const kind = takeBits(2)
    if (failed || kind == 3) return -1
    if (kind == 0) {
      held = 0
      heldBits = 0
      if (end - at < 4) return -1
      const length = <u32>load<u16>(at)
      if (<u32>load<u16>(at + 2) != (~length & 0xffff)) return -1
      at += 4
      if (length > end - at || length > limit - op) return -1
      memory.copy(op, at, length)
      op += length
      at += length
      continue
    }
    if (kind == 1) {
      for (let s: u32 = 0; s < 288; s++) store<u8>(lengths + s, s < 144 ? 8 : s < 256 ? 9 : s < 280 ? 7 : 8)
      makeDecoder(literalTable, lengths, 288)
      memory.fill(lengths, 5, 30)
      makeDecoder(distanceTable, lengths, 30)
    } else {
      const literals = takeBits(5) + 257
      const distances = takeBits(5) + 1
      const many = takeBits(4) + 4
      if (failed || literals > 286 || distances > 30) return -1
      memory.fill(lengths, 0, 19)
      for (let i: u32 = 0; i < many; i++) {
        store<u8>(lengths + <u32>load<u8>(scratch + LENGTH_ORDER + i), <u8>takeBits(3))
      }
      if (failed || !makeDecoder(distanceTable, lengths, 19)) return -1
      let n: u32 = 0
      while (n < literals + distances) {
        const symbol = takeSymbol(distanceTable)
        if (failed) return -1
        if (symbol < 16) {
          store<u8>(lengths + n++, <u8>symbol)
          continue
        }
        let repeated: u8 = 0
        let times: u32
        if (symbol == 16) {
          if (n == 0) return -1
          repeated = load<u8>(lengths + n - 1)
          times = 3 + takeBits(2)
        } else if (symbol == 17) {
          times = 3 + takeBits(3)
        } else {
          times = 11 + takeBits(7)
        }
        if (failed || n + times > literals + distances) return -1
        memory.fill(lengths + n, repeated, times)
        n += times
      }
      if (!makeDecoder(literalTable, lengths, literals)) return -1
      if (!makeDecoder(distanceTable, lengths + literals, distances)) return -1
    }
    while (true) {
      const symbol = takeSymbol(literalTable)
      if (failed) return -1
      if (symbol < 256) {
        if (op >= limit) return -1
        store<u8>(op++, <u8>symbol)
        continue
      }
      if (symbol == END_OF_BLOCK) break
      const code = symbol - 257
      if (code > 28) return -1
      const length: u32 = 3 + lengthBase(code) + takeBits(lengthExtra(code))
      const far = takeSymbol(distanceTable)
      if (failed || far > 29) return -1
      const distance: u32 = 1 + distanceBase(far) + takeBits(distanceExtra(far))
      if (failed || distance > op - dst || length > limit - op) return -1
      for (let i: u32 = 0; i < length; i++) store<u8>(op + i, load<u8>(op + i - distance))
      op += length
    }
  } while (last == 0)
  return at == end ? <i32>(op - dst) : -1
}
