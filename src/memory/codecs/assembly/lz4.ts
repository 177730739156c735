// LZ4 blocks as the kernel's lib/lz4 writes them (an upstream encoder of the 1.7 line). AssemblyScript: compiled by scripts/build-wasm.mjs.
// All addresses come from the caller, so that several instances may share one memory.
import { commonBytes } from './_common-bytes'

// A match may not reach into the last 5 bytes, and none is looked for in the last 12.
const LAST_LITERALS: u32 = 5
const MATCH_FIND_LIMIT: u32 = 12
// Below this the positions fit a table of u16.
const U16_LIMIT: u32 = 65547
const TABLE_BYTES: u32 = 16384

// @ts-ignore: decorator
@inline
function hash16(word: u32): u32 {
  return ((word * 2654435761) >>> 19) << 1
}

// @ts-ignore: decorator
@inline
function hash32(p: u32): u32 {
  return (<u32>(((load<u64>(p) << 24) * 889523592379) >>> 52)) << 2
}

function extent(a: u32, b: u32, limit: u32): u32 {
  return commonBytes(a, b, limit)
}

function putLength(at: u32, length: u32): u32 {
  let op = at
  let rest = length
  while (rest >= 255) {
    store<u8>(op++, 255)
    rest -= 255
  }
  store<u8>(op++, <u8>rest)
  return op
}

function putLastLiterals(op: u32, anchor: u32, end: u32): u32 {
  const rest = end - anchor
  let out = op + 1
  if (rest >= 15) {
    store<u8>(op, 0xf0)
    out = putLength(out, rest - 15)
  } else {
    store<u8>(op, <u8>(rest << 4))
  }
  memory.copy(out, anchor, rest)
  return out + rest
}

/**
 * Compresses `n` bytes at `src` to `dst`, which has room for n + n / 255 + 16. `table`: 16 KiB of scratch.
 * `searchPast` 0: the search ends as in the kernel; 1: one position later, as in liblz4 from 1.8.2.
 */
export function compress(src: u32, n: u32, dst: u32, table: u32, acceleration: u32, searchPast: u32): u32 {
  if (n < U16_LIMIT) return compressSmall(src, n, dst, table, acceleration, searchPast)
  return compressLarge(src, n, dst, table, acceleration, searchPast)
}

function compressSmall(src: u32, n: u32, dst: u32, table: u32, acceleration: u32, searchPast: u32): u32 {
  let op = dst
  let anchor = src
  const end = src + n
  if (n < 13) return putLastLiterals(op, anchor, end) - dst
  const matchLimit = end - LAST_LITERALS
  const findLimit = end - MATCH_FIND_LIMIT
  const searchLimit = findLimit + searchPast
  memory.fill(table, 0, TABLE_BYTES)
  let ip = src + 1
  let word = load<u32>(ip)
  let slot = table + hash16(word)
  while (true) {
    let fwd = ip
    let step: u32 = 1
    let count: u32 = acceleration << 6
    let cur: u32
    let match: u32
    while (true) {
      cur = fwd
      const curWord = word
      const curSlot = slot
      fwd += step
      step = count >>> 6
      count++
      if (fwd > searchLimit) return putLastLiterals(op, anchor, end) - dst
      match = src + <u32>load<u16>(curSlot)
      word = load<u32>(fwd)
      slot = table + hash16(word)
      store<u16>(curSlot, <u16>(cur - src))
      if (load<u32>(match) == curWord) break
    }
    ip = cur
    while (ip > anchor && match > src && load<u8>(ip - 1) == load<u8>(match - 1)) {
      ip--
      match--
    }
    let token = op++
    const literals = ip - anchor
    let high: u32 = literals << 4
    if (literals >= 15) {
      high = 0xf0
      op = putLength(op, literals - 15)
    }
    // Writes up to 16 bytes too far. At least 12 bytes of input are still to come, and the room beyond the input is 16 bytes.
    let from = anchor
    const stop = op + literals
    do {
      v128.store(op, v128.load(from))
      op += 16
      from += 16
    } while (op < stop)
    op = stop
    while (true) {
      store<u16>(op, <u16>(ip - match))
      op += 2
      ip += 4
      match += 4
      // Most matches end within the next eight bytes.
      let extra: u32
      if (ip + 8 <= matchLimit) {
        const difference = load<u64>(ip) ^ load<u64>(match)
        extra = difference != 0 ? <u32>(ctz<u64>(difference) >>> 3) : 8 + extent(ip + 8, match + 8, matchLimit)
      } else {
        extra = extent(ip, match, matchLimit)
      }
      ip += extra
      if (extra >= 15) {
        store<u8>(token, <u8>(high | 15))
        op = putLength(op, extra - 15)
      } else {
        store<u8>(token, <u8>(high | extra))
      }
      anchor = ip
      if (ip > findLimit) return putLastLiterals(op, anchor, end) - dst
      store<u16>(table + hash16(load<u32>(ip - 2)), <u16>(ip - 2 - src))
      word = load<u32>(ip)
      slot = table + hash16(word)
      match = src + <u32>load<u16>(slot)
      store<u16>(slot, <u16>(ip - src))
      if (load<u32>(match) != word) break
      token = op++
      high = 0
    }
    ip++
    word = load<u32>(ip)
    slot = table + hash16(word)
  }
}

/** The same with 32-bit positions, a five-byte hash and a distance limit: only inputs beyond 64 KiB get here. */
function compressLarge(src: u32, n: u32, dst: u32, table: u32, acceleration: u32, searchPast: u32): u32 {
  let op = dst
  let anchor = src
  const end = src + n
  const matchLimit = end - LAST_LITERALS
  const findLimit = end - MATCH_FIND_LIMIT
  const searchLimit = findLimit + searchPast
  memory.fill(table, 0, TABLE_BYTES)
  let ip = src + 1
  let slot = table + hash32(ip)
  while (true) {
    let fwd = ip
    let step: u32 = 1
    let count: u32 = acceleration << 6
    let cur: u32
    let match: u32
    while (true) {
      cur = fwd
      const curSlot = slot
      fwd += step
      step = count >>> 6
      count++
      if (fwd > searchLimit) return putLastLiterals(op, anchor, end) - dst
      match = src + load<u32>(curSlot)
      slot = table + hash32(fwd)
      store<u32>(curSlot, cur - src)
      if (match + 65535 >= cur && load<u32>(match) == load<u32>(cur)) break
    }
    ip = cur
    while (ip > anchor && match > src && load<u8>(ip - 1) == load<u8>(match - 1)) {
      ip--
      match--
    }
    let token = op++
    const literals = ip - anchor
    if (literals >= 15) {
      store<u8>(token, 0xf0)
      op = putLength(op, literals - 15)
    } else {
      store<u8>(token, <u8>(literals << 4))
    }
    memory.copy(op, anchor, literals)
    op += literals
    while (true) {
      store<u16>(op, <u16>(ip - match))
      op += 2
      const extra = extent(ip + 4, match + 4, matchLimit)
      ip += 4 + extra
      if (extra >= 15) {
        store<u8>(token, load<u8>(token) + 15)
        op = putLength(op, extra - 15)
      } else {
        store<u8>(token, load<u8>(token) + <u8>extra)
      }
      anchor = ip
      if (ip > findLimit) return putLastLiterals(op, anchor, end) - dst
      store<u32>(table + hash32(ip - 2), ip - 2 - src)
      slot = table + hash32(ip)
      match = src + load<u32>(slot)
      store<u32>(slot, ip - src)
      if (match + 65535 < ip || load<u32>(match) != load<u32>(ip)) break
      token = op++
      store<u8>(token, 0)
    }
    ip++
    slot = table + hash32(ip)
  }
}

/** Behind the bytes that continue a length of 15, of which all but the last are 255; 0 when `end` cuts them off. */
function behindLength(at: u32, end: u32): u32 {
  let ip = at
  do {
    if (ip >= end) return 0
  } while (load<u8>(ip++) == 255)
  return ip
}

/** What those bytes make of it. */
// @ts-ignore: decorator
@inline
function continuedLength(at: u32, behind: u32): u32 {
  return 15 + (behind - at - 1) * 255 + load<u8>(behind - 1)
}

/** Decodes `n` bytes at `src` into at most `room` bytes at `dst`; the decoded length, or -1 for a malformed block. */
export function decompress(src: u32, n: u32, dst: u32, room: u32): i32 {
  let ip = src
  const end = src + n
  let op = dst
  const limit = dst + room
  // Before these, short literals and a short match are copied as whole vectors: nothing to check but the distance.
  const easyEnd = n > 18 ? end - 18 : src
  const easyLimit = room > 48 ? limit - 48 : dst
  while (true) {
    while (ip < easyEnd && op < easyLimit) {
      const token = <u32>load<u8>(ip)
      const literals = token >>> 4
      if (literals == 15) break
      v128.store(op, v128.load(ip + 1))
      ip += literals + 1
      op += literals
      const distance = <u32>load<u16>(ip)
      ip += 2
      // A distance of 0 is refused too.
      if (distance - 1 >= op - dst) return -1
      let length = token & 15
      const from = op - distance
      if (length < 15 && distance >= 8) {
        store<u64>(op, load<u64>(from))
        store<u64>(op + 8, load<u64>(from + 8))
        store<u16>(op + 16, load<u16>(from + 16))
        op += length + 4
        continue
      }
      if (length == 15) {
        const behind = behindLength(ip, end)
        if (behind == 0) return -1
        length = continuedLength(ip, behind)
        ip = behind
      }
      length += 4
      if (length > limit - op) return -1
      copyMatch(op, distance, length, limit)
      op += length
    }
    if (ip >= end) return -1
    const token = <u32>load<u8>(ip++)
    let literals = token >>> 4
    if (literals == 15) {
      const behind = behindLength(ip, end)
      if (behind == 0) return -1
      literals = continuedLength(ip, behind)
      ip = behind
    }
    if (literals > end - ip || literals > limit - op) return -1
    copyLiterals(op, ip, literals, limit, end)
    ip += literals
    op += literals
    if (ip == end) return (token & 15) == 0 ? <i32>(op - dst) : -1
    if (end - ip < 2) return -1
    const distance = <u32>load<u16>(ip)
    ip += 2
    if (distance - 1 >= op - dst) return -1
    let length = token & 15
    if (length == 15) {
      const behind = behindLength(ip, end)
      if (behind == 0) return -1
      length = continuedLength(ip, behind)
      ip = behind
    }
    length += 4
    if (length > limit - op) return -1
    copyMatch(op, distance, length, limit)
    op += length
  }
  return -1
}

/** Sixteen bytes at a time where that stays inside both buffers: most runs are shorter than that, and a call of memory.copy costs more. */
// @ts-ignore: decorator
@inline
function copyLiterals(op: u32, ip: u32, count: u32, limit: u32, end: u32): void {
  if (op + count + 16 > limit || ip + count + 16 > end) {
    memory.copy(op, ip, count)
    return
  }
  const stop = op + count
  let to = op
  let from = ip
  do {
    v128.store(to, v128.load(from))
    to += 16
    from += 16
  } while (to < stop)
}

/** Copies `length` bytes, at least 4, from `distance` bytes before; writes up to 15 bytes too far where `limit` leaves room for that. */
// @ts-ignore: decorator
@inline
function copyMatch(op: u32, distance: u32, length: u32, limit: u32): void {
  const stop = op + length
  let to = op
  let from = op - distance
  if (stop + 16 <= limit) {
    if (distance >= 16) {
      do {
        v128.store(to, v128.load(from))
        to += 16
        from += 16
      } while (to < stop)
      return
    }
    if (distance == 1) {
      const run = i8x16.splat(<i8>load<u8>(from))
      do {
        v128.store(to, run)
        to += 16
      } while (to < stop)
      return
    }
    if (distance < 8) {
      // The smallest multiple of the distance from which eight bytes can be copied at a time.
      const wide = distance * ((7 + distance) / distance)
      const first = min(op + wide, stop)
      while (to < first) store<u8>(to++, load<u8>(from++))
      from = to - wide
    }
    while (to < stop) {
      store<u64>(to, load<u64>(from))
      to += 8
      from += 8
    }
    return
  }
  while (to < stop) store<u8>(to++, load<u8>(from++))
}
