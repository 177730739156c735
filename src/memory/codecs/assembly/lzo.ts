// LZO1X-1 and LZO-RLE streams as the kernel writes them, made from a description of the format, not from its source.
// All addresses come from the caller, so that several instances may share one memory.

// The last 20 bytes of a block never begin a match.
const TAIL: u32 = 20
const DICTIONARY_BYTES: u32 = 16384
// Encoder state between blocks.
let out: u32 = 0
// The byte whose low two bits take a literal run of 1 to 3.
let stateByte: u32 = 0

// @ts-ignore: decorator
@inline
function hash(word: u32): u32 {
  return ((word * 0x1824429d) >>> 19) << 1
}

function putExtended(to: u32, value: u32): u32 {
  let op = to
  let rest = value
  while (rest > 255) {
    store<u8>(op++, 0)
    rest -= 255
  }
  store<u8>(op++, <u8>rest)
  return op
}

/** Literals before a match: `count` bytes at `from`; the address behind them. */
// @ts-ignore: decorator
@inline
function putLiterals(to: u32, state: u32, from: u32, count: u32): u32 {
  if (count <= 3) {
    store<u8>(state, load<u8>(state) | <u8>count)
    // The instruction that follows takes 2 bytes at least and the end marker 3: these 4 may lie beyond.
    store<u32>(to, load<u32>(from))
    return to + count
  }
  if (count <= 18) {
    store<u8>(to, <u8>(count - 3))
    v128.store(to + 1, v128.load(from))
    store<u16>(to + 17, load<u16>(from + 16))
    return to + 1 + count
  }
  store<u8>(to, 0)
  let op = putExtended(to + 1, count - 18)
  const stop = op + count
  let p = from
  do {
    v128.store(op, v128.load(p))
    op += 16
    p += 16
  } while (op < stop)
  return stop
}

/** The address behind the match; the byte two before it takes a following run of up to 3 literals. */
// @ts-ignore: decorator
@inline
function putMatch(to: u32, distance: u32, length: u32): u32 {
  let op = to
  if (distance <= 2048 && length <= 8) {
    const e = distance - 1
    store<u16>(op, <u16>(((length - 1) << 5) | ((e & 7) << 2) | ((e >>> 3) << 8)))
    return op + 2
  }
  if (distance <= 16384) {
    if (length <= 33) {
      store<u8>(op++, <u8>(32 | (length - 2)))
    } else {
      store<u8>(op, 32)
      op = putExtended(op + 1, length - 33)
    }
    store<u16>(op, <u16>((distance - 1) << 2))
    return op + 2
  }
  const e = distance - 16384
  const high = (e >>> 11) & 8
  if (length <= 9) {
    store<u8>(op++, <u8>(16 | high | (length - 2)))
  } else {
    store<u8>(op, <u8>(16 | high))
    op = putExtended(op + 1, length - 9)
  }
  store<u16>(op, <u16>(e << 2))
  return op + 2
}

/** Bytes that agree from `a` and `b` on, looked at in eights; after a whole equal eight, stops where `a` has reached `limit`. */
// @ts-ignore: decorator
@inline
function matchLength(a: u32, b: u32, limit: u32): u32 {
  let length: u32 = 4
  while (true) {
    const difference = load<u64>(a + length) ^ load<u64>(b + length)
    if (difference != 0) return length + <u32>(ctz<u64>(difference) >>> 3)
    length += 8
    if (a + length >= limit) return length
  }
}

/** One block for one of the two versions; returns the bytes at its end that are still pending. */
// @ts-ignore: decorator
@inline
function compressBlock(block: u32, length: u32, carry: u32, table: u32, rle: bool): u32 {
  const limit = block + length - TAIL
  let pending = carry
  let literals = block
  let op = out
  let state = stateByte
  let ip = block + (carry < 4 ? 4 - carry : 0)
  memory.fill(table, 0, DICTIONARY_BYTES)
  ip += 1 + ((ip - literals) >>> 5)
  while (ip < limit) {
    const word = load<u32>(ip)
    if (rle && word == 0) {
      const stop = min(limit, ip + 2051)
      let run: u32 = 4
      if (ip + 4 < stop) {
        let p = ip + 4
        let more = true
        while (p + 8 <= stop) {
          const eight = load<u64>(p)
          if (eight != 0) {
            p += <u32>(ctz<u64>(eight) >>> 3)
            more = false
            break
          }
          p += 8
        }
        if (more) while (p < stop && load<u8>(p) == 0) p++
        run = p - ip
      }
      const count = ip - literals + pending
      if (count > 0) op = putLiterals(op, state, literals - pending, count)
      pending = 0
      const z = run - 4
      store<u32>(op, 0xfffc18 | (z & 7) | ((z >>> 3) << 24))
      state = op + 1
      op += 4
      ip += run
      literals = ip
      continue
    }
    const slot = table + hash(word)
    const match = block + <u32>load<u16>(slot)
    store<u16>(slot, <u16>(ip - block))
    if (load<u32>(match) != word) {
      ip += 1 + ((ip - literals) >>> 5)
      continue
    }
    const count = ip - literals + pending
    if (count > 0) op = putLiterals(op, state, literals - pending, count)
    pending = 0
    let extent = matchLength(ip, match, limit)
    const distance = ip - match
    // This distance with these lengths would read as a zero run.
    if (
      rle &&
      distance > 16384 &&
      ((distance - 16384) & 0x403f) == 0x403f &&
      extent >= 261 &&
      extent <= 264
    ) {
      extent = 260
    }
    op = putMatch(op, distance, extent)
    state = op - 2
    ip += extent
    literals = ip
  }
  out = op
  stateByte = state
  return block + length - literals + pending
}

function compressPlain(block: u32, length: u32, carry: u32, table: u32): u32 {
  return compressBlock(block, length, carry, table, false)
}

function compressRuns(block: u32, length: u32, carry: u32, table: u32): u32 {
  return compressBlock(block, length, carry, table, true)
}

/** Compresses `n` bytes at `src` to `dst`, which has room for `n + n / 16 + 67`. `table`: 16 KiB of scratch. */
export function compress(src: u32, n: u32, dst: u32, table: u32, rle: u32): u32 {
  out = dst
  stateByte = dst
  if (rle) {
    store<u16>(dst, 0x0111)
    out += 2
  }
  const first = out
  const longest: u32 = rle ? 0xbfff : 0xc000
  let rest = n
  let at = src
  let carry: u32 = 0
  while (rest > TAIL) {
    const length = min(rest, longest)
    if (carry + length < 32) break
    carry = rle ? compressRuns(at, length, carry, table) : compressPlain(at, length, carry, table)
    at += length
    rest -= length
  }
  const left = carry + rest
  if (left > 0) {
    const from = src + n - left
    if (out == first && left <= 238) {
      store<u8>(out++, <u8>(17 + left))
    } else if (left <= 3) {
      store<u8>(stateByte, load<u8>(stateByte) | <u8>left)
    } else if (left <= 18) {
      store<u8>(out++, <u8>(left - 3))
    } else {
      store<u8>(out, 0)
      out = putExtended(out + 1, left - 18)
    }
    memory.copy(out, from, left)
    out += left
  }
  store<u16>(out, 17)
  store<u8>(out + 2, 0)
  return out + 3 - dst
}

// Decoder position in the input and its end.
let at: u32 = 0
let end: u32 = 0

/** A length that continues in zero bytes; -1 where the input ends first. */
function takeExtended(base: u32): u32 {
  let value = base
  while (true) {
    if (at >= end) return 0xffffffff
    const byte = <u32>load<u8>(at++)
    if (byte != 0) return value + byte
    value += 255
    if (value > 0x40000000) return 0xffffffff
  }
}

/**
 * Decodes a stream of either version: `n` bytes at `src` into at most `room` bytes at `dst`; the decoded length, or -1 for a
 * malformed stream. Source of the format: Documentation/staging/lzo.rst of the kernel.
 */
export function decompress(src: u32, n: u32, dst: u32, room: u32): i32 {
  at = src
  end = src + n
  const limit = dst + room
  let op = dst
  let zeroRuns = false
  if (n < 3) return -1
  if (n >= 5 && load<u8>(src) == 17) {
    if (load<u8>(src + 1) != 1) return -1
    zeroRuns = true
    at += 2
  }
  // Literals copied by the last instruction: 0 to 3, or 4 for a long run.
  let state: u32 = 0
  const firstByte = <u32>load<u8>(at)
  if (firstByte > 17) {
    at++
    const count = firstByte - 17
    if (count > end - at || count > limit - op) return -1
    memory.copy(op, at, count)
    op += count
    at += count
    state = count < 4 ? count : 4
  }
  while (true) {
    if (at >= end) return -1
    const code = <u32>load<u8>(at++)
    let distance: u32
    let length: u32
    let trailing: u32
    if (code < 16) {
      if (state == 0) {
        const count = code == 0 ? takeExtended(18) : code + 3
        if (count == 0xffffffff || count > end - at || count > limit - op) return -1
        memory.copy(op, at, count)
        op += count
        at += count
        state = 4
        continue
      }
      if (at >= end) return -1
      trailing = code & 3
      const high = <u32>load<u8>(at++) << 2
      if (state == 4) {
        distance = (code >>> 2) + high + 2049
        length = 3
      } else {
        distance = (code >>> 2) + high + 1
        length = 2
      }
    } else if (code >= 64) {
      if (at >= end) return -1
      trailing = code & 3
      distance = ((code >>> 2) & 7) + (<u32>load<u8>(at++) << 3) + 1
      length = (code >>> 5) + 1
    } else if (code >= 32) {
      length = (code & 31) == 0 ? takeExtended(33) : (code & 31) + 2
      if (length == 0xffffffff || end - at < 2) return -1
      const word = <u32>load<u16>(at)
      at += 2
      trailing = word & 3
      distance = (word >>> 2) + 1
    } else {
      if (end - at < 2) return -1
      const ahead = <u32>load<u16>(at)
      if (zeroRuns && (code & 0xf8) == 0x18 && (ahead & 0xfffc) == 0xfffc) {
        if (end - at < 3) return -1
        const run = ((code & 7) | (<u32>load<u8>(at + 2) << 3)) + 4
        trailing = ahead & 3
        at += 3
        if (run > limit - op) return -1
        memory.fill(op, 0, run)
        op += run
        if (trailing > end - at || trailing > limit - op) return -1
        for (let i: u32 = 0; i < trailing; i++) store<u8>(op++, load<u8>(at++))
        state = trailing
        continue
      }
      length = (code & 7) == 0 ? takeExtended(9) : (code & 7) + 2
      if (length == 0xffffffff || end - at < 2) return -1
      const word = <u32>load<u16>(at)
      at += 2
      trailing = word & 3
      distance = ((code & 8) << 11) + (word >>> 2)
      if (distance == 0) {
        // The end marker: 17, 0, 0.
        return length == 3 && at == end ? <i32>(op - dst) : -1
      }
      distance += 16384
    }
    if (distance > op - dst || length > limit - op) return -1
    let from = op - distance
    const stop = op + length
    if (distance >= 8) {
      while (op + 8 <= stop) {
        store<u64>(op, load<u64>(from))
        op += 8
        from += 8
      }
    }
    while (op < stop) store<u8>(op++, load<u8>(from++))
    if (trailing > end - at || trailing > limit - op) return -1
    for (let i: u32 = 0; i < trailing; i++) store<u8>(op++, load<u8>(at++))
    state = trailing
  }
}
