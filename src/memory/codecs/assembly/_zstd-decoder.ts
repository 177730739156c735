// Decoder of zstd frames without dictionary, after RFC 8878. Any frame is taken, not only those of this encoder.
import {
  DEFAULT_MAX_OF,
  DT_HUFFMAN,
  DT_LL,
  DT_ML,
  DT_OF,
  DT_WEIGHTS,
  LARGE,
  LL_BASE,
  LL_BITS,
  MAX_LL,
  MAX_ML,
  MAX_OF,
  ML_BASE,
  ML_BITS,
  NORM,
  SPREAD,
  CUMULATED,
  WEIGHTS,
  highBit,
  scratch,
  setDefaultLiteralLengths,
  setDefaultMatchLengths,
  setDefaultOffsets,
} from './_zstd-layout'
import { spreadSymbols } from './_zstd-fse'

const LONGEST_BLOCK: u32 = 131072
const BAD: u32 = 0xffffffff

// A stream is read from its end: `left` bits are still unread, and bits before its start read as zeros.
let streamAt: u32 = 0
let left: i32 = 0

/** Finds the one bit that ends a stream; false where the last byte is zero. */
function openStream(at: u32, length: u32): bool {
  if (length == 0) return false
  const last = <u32>load<u8>(at + length - 1)
  if (last == 0) return false
  streamAt = at
  left = <i32>((length - 1) * 8 + highBit(last))
  return true
}

// @ts-ignore: decorator
@inline
function bitsFrom(at: u32, position: i32, bits: u32): u32 {
  if (position >= 0) {
    return <u32>((load<u64>(at + (<u32>position >>> 3)) >>> <u64>(position & 7)) & ((<u64>1 << bits) - 1))
  }
  const missing = <u32>-position
  if (missing >= bits) return 0
  return <u32>((load<u64>(at) << <u64>missing) & ((<u64>1 << bits) - 1))
}

// @ts-ignore: decorator
@inline
function takeBits(bits: u32): u32 {
  left -= <i32>bits
  return bitsFrom(streamAt, left, bits)
}

// Log of the table just described, and where its description ends.
let describedLog: u32 = 0

/** Reads a distribution into NORM; the address behind it, or BAD. */
function readCounts(from: u32, end: u32, maxSymbol: u32, longest: u32): u32 {
  if (from >= end) return BAD
  const available = (end - from) * 8
  let bit: u32 = 4
  const log = (<u32>load<u8>(from) & 15) + 5
  if (log > longest) return BAD
  describedLog = log
  let remaining: i32 = (1 << log) + 1
  let threshold: i32 = 1 << log
  let width: u32 = log + 1
  let symbol: u32 = 0
  let afterZero = false
  memory.fill(scratch + NORM, 0, 128)
  while (remaining > 1 && symbol <= maxSymbol) {
    if (afterZero) {
      while (true) {
        if (bit + 2 > available) return BAD
        const more = (<u32>load<u32>(from + (bit >>> 3)) >>> (bit & 7)) & 3
        bit += 2
        symbol += more
        if (more != 3) break
      }
      if (symbol > maxSymbol) return BAD
    }
    const spare = 2 * threshold - 1 - remaining
    const word = <i32>(<u32>load<u32>(from + (bit >>> 3)) >>> (bit & 7))
    let value: i32
    if ((word & (threshold - 1)) < spare) {
      value = word & (threshold - 1)
      bit += width - 1
    } else {
      value = word & (2 * threshold - 1)
      if (value >= threshold) value -= spare
      bit += width
    }
    if (bit > available) return BAD
    const share = value - 1
    remaining -= share < 0 ? -share : share
    if (remaining < 1) return BAD
    store<i16>(scratch + NORM + (symbol << 1), <i16>share)
    symbol++
    afterZero = share == 0
    while (remaining < threshold) {
      width--
      threshold >>= 1
    }
  }
  if (remaining != 1) return BAD
  return from + ((bit + 7) >>> 3)
}

/** Decoder table of NORM. */
function buildDecoder(table: u32, maxSymbol: u32, log: u32): void {
  const size: u32 = 1 << log
  const next = scratch + CUMULATED
  spreadSymbols(maxSymbol, log)
  for (let s: u32 = 0; s <= maxSymbol; s++) {
    const share = <i32>load<i16>(scratch + NORM + (s << 1))
    store<u16>(next + (s << 1), <u16>(share == -1 ? 1 : share))
  }
  for (let state: u32 = 0; state < size; state++) {
    const symbol = <u32>load<u8>(scratch + SPREAD + state)
    const at = <u32>load<u16>(next + (symbol << 1))
    store<u16>(next + (symbol << 1), <u16>(at + 1))
    const bits = log - highBit(at)
    store<u32>(table + (state << 2), symbol | (bits << 8) | (((at << bits) - size) << 16))
  }
}

/** Weights of a Huffman tree into its decoder table; the address behind the description, or BAD. */
function readTree(from: u32, end: u32): u32 {
  if (from >= end) return BAD
  const weights = scratch + WEIGHTS
  const head = <u32>load<u8>(from)
  let many: u32 = 0
  let behind: u32
  if (head >= 128) {
    many = head - 127
    behind = from + 1 + ((many + 1) >>> 1)
    if (behind > end) return BAD
    for (let i: u32 = 0; i < many; i++) {
      const byte = <u32>load<u8>(from + 1 + (i >>> 1))
      store<u8>(weights + i, <u8>(i & 1 ? byte & 15 : byte >>> 4))
    }
  } else {
    behind = from + 1 + head
    if (behind > end) return BAD
    const stream = readCounts(from + 1, behind, 15, 6)
    if (stream == BAD || !openStream(stream, behind - stream)) return BAD
    const log = describedLog
    const table = scratch + DT_WEIGHTS
    buildDecoder(table, 15, log)
    let one = takeBits(log)
    let two = takeBits(log)
    if (left < 0) return BAD
    while (true) {
      if (many > 253) return BAD
      let entry = load<u32>(table + (one << 2))
      store<u8>(weights + many++, <u8>entry)
      one = (entry >>> 16) + takeBits((entry >>> 8) & 255)
      if (left < 0) {
        store<u8>(weights + many++, load<u8>(table + (two << 2)))
        break
      }
      if (many > 253) return BAD
      entry = load<u32>(table + (two << 2))
      store<u8>(weights + many++, <u8>entry)
      two = (entry >>> 16) + takeBits((entry >>> 8) & 255)
      if (left < 0) {
        store<u8>(weights + many++, load<u8>(table + (one << 2)))
        break
      }
    }
  }
  // The last weight is what is missing to a power of two.
  let sum: u32 = 0
  for (let i: u32 = 0; i < many; i++) {
    const weight = <u32>load<u8>(weights + i)
    if (weight > 11) return BAD
    if (weight > 0) sum += 1 << (weight - 1)
  }
  if (sum == 0) return BAD
  const log = highBit(sum) + 1
  if (log > 11) return BAD
  const rest = (1 << log) - sum
  if ((rest & (rest - 1)) != 0) return BAD
  store<u8>(weights + many++, <u8>(highBit(rest) + 1))
  const table = scratch + DT_HUFFMAN
  huffmanLog = log
  let at: u32 = 0
  for (let weight: u32 = 1; weight <= log; weight++) {
    const span: u32 = 1 << (weight - 1)
    const bits = log + 1 - weight
    for (let s: u32 = 0; s < many; s++) {
      if (<u32>load<u8>(weights + s) != weight) continue
      const entry = <u16>(s | (bits << 8))
      for (let i: u32 = 0; i < span; i++) store<u16>(table + ((at + i) << 1), entry)
      at += span
    }
  }
  return behind
}

// 0 until a tree was read in this frame.
let huffmanLog: u32 = 0

/** Decodes `many` literals from a stream of `length` bytes. */
function readStream(at: u32, length: u32, to: u32, many: u32): bool {
  if (!openStream(at, length)) return false
  const table = scratch + DT_HUFFMAN
  const log = huffmanLog
  const logBits = <i32>log
  let position = left
  let out = to
  const end = to + many
  // Four codes of 11 bits fit what one load of 8 bytes has beyond the 7 that are skipped.
  while (out + 4 <= end && position >= 64) {
    const window = load<u64>(at + (<u32>(position - 56) >>> 3))
    let shift = <u32>(56 + ((position - 56) & 7))
    const mask: u64 = (<u64>1 << log) - 1
    let entry = <u32>load<u16>(table + (<u32>((window >>> <u64>(shift - log)) & mask) << 1))
    store<u8>(out, <u8>entry)
    shift -= entry >>> 8
    position -= <i32>(entry >>> 8)
    entry = <u32>load<u16>(table + (<u32>((window >>> <u64>(shift - log)) & mask) << 1))
    store<u8>(out + 1, <u8>entry)
    shift -= entry >>> 8
    position -= <i32>(entry >>> 8)
    entry = <u32>load<u16>(table + (<u32>((window >>> <u64>(shift - log)) & mask) << 1))
    store<u8>(out + 2, <u8>entry)
    shift -= entry >>> 8
    position -= <i32>(entry >>> 8)
    entry = <u32>load<u16>(table + (<u32>((window >>> <u64>(shift - log)) & mask) << 1))
    store<u8>(out + 3, <u8>entry)
    position -= <i32>(entry >>> 8)
    out += 4
  }
  while (out < end) {
    const entry = <u32>load<u16>(table + (bitsFrom(at, position - logBits, log) << 1))
    store<u8>(out++, <u8>entry)
    position -= <i32>(entry >>> 8)
    if (position < 0) return false
  }
  return position == 0
}

// Literals of the block: where they lie and how many.
let literalsAt: u32 = 0
let literalCount: u32 = 0

/** The literals section; the address behind it, or BAD. */
function readLiterals(from: u32, end: u32): u32 {
  const head = <u32>load<u8>(from)
  const kind = head & 3
  const form = (head >>> 2) & 3
  const buffer = scratch + LARGE
  if (kind < 2) {
    let header: u32 = 1
    let size = head >>> 3
    if (form == 1) {
      header = 2
      size = <u32>load<u16>(from) >>> 4
    } else if (form == 3) {
      header = 3
      size = (load<u32>(from) & 0xffffff) >>> 4
    }
    if (size > LONGEST_BLOCK) return BAD
    literalCount = size
    const at = from + header
    if (kind == 0) {
      if (at > end || size > end - at) return BAD
      literalsAt = at
      return at + size
    }
    if (at >= end) return BAD
    memory.fill(buffer, load<u8>(at), size)
    literalsAt = buffer
    return at + 1
  }
  if (end - from < 5) return BAD
  let header: u32 = 3
  const word = load<u64>(from)
  let size = <u32>(word >>> 4) & 0x3ff
  let packed = <u32>(word >>> 14) & 0x3ff
  if (form == 2) {
    header = 4
    size = <u32>(word >>> 4) & 0x3fff
    packed = <u32>(word >>> 18) & 0x3fff
  } else if (form == 3) {
    header = 5
    size = <u32>(word >>> 4) & 0x3ffff
    packed = <u32>(word >>> 22) & 0x3ffff
  }
  let at = from + header
  if (at > end || packed > end - at || size > LONGEST_BLOCK) return BAD
  const behind = at + packed
  if (kind == 2) {
    at = readTree(at, behind)
    if (at == BAD) return BAD
  } else if (huffmanLog == 0) {
    return BAD
  }
  literalsAt = buffer
  literalCount = size
  if (form == 0) return readStream(at, behind - at, buffer, size) ? behind : BAD
  if (behind - at < 6) return BAD
  const first = <u32>load<u16>(at)
  const second = <u32>load<u16>(at + 2)
  const third = <u32>load<u16>(at + 4)
  at += 6
  if (first + second + third > behind - at) return BAD
  const part = (size + 3) >>> 2
  if (part + part + part > size) return BAD
  if (!readStream(at, first, buffer, part)) return BAD
  at += first
  if (!readStream(at, second, buffer + part, part)) return BAD
  at += second
  if (!readStream(at, third, buffer + 2 * part, part)) return BAD
  at += third
  if (!readStream(at, behind - at, buffer + 3 * part, size - 3 * part)) return BAD
  return behind
}

// Logs of the three tables; BAD until one was made in this frame.
let llLog: u32 = 0
let ofLog: u32 = 0
let mlLog: u32 = 0
let madeLog: u32 = 0

/** Makes the table of one kind of code; sets `madeLog`; the address behind its description, or BAD. */
function readTable(kind: u32, from: u32, end: u32, table: u32, which: u32, maxSymbol: u32, longest: u32): u32 {
  if (kind == 0) {
    if (which == 0) {
      setDefaultLiteralLengths()
      madeLog = 6
      buildDecoder(table, MAX_LL, 6)
    } else if (which == 1) {
      setDefaultOffsets()
      madeLog = 5
      buildDecoder(table, DEFAULT_MAX_OF, 5)
    } else {
      setDefaultMatchLengths()
      madeLog = 6
      buildDecoder(table, MAX_ML, 6)
    }
    return from
  }
  if (kind == 1) {
    if (from >= end) return BAD
    const symbol = <u32>load<u8>(from)
    if (symbol > maxSymbol) return BAD
    store<u32>(table, symbol)
    madeLog = 0
    return from + 1
  }
  if (kind == 2) {
    const behind = readCounts(from, end, maxSymbol, longest)
    if (behind == BAD) return BAD
    madeLog = describedLog
    buildDecoder(table, maxSymbol, madeLog)
    return behind
  }
  return madeLog == BAD ? BAD : from
}

// Offsets of the last three matches.
let offset1: u32 = 0
let offset2: u32 = 0
let offset3: u32 = 0

/** One compressed block; the address behind what it decodes to, or BAD. */
export function readBlock(from: u32, end: u32, start: u32, to: u32, limit: u32): u32 {
  if (from >= end) return BAD
  let at = readLiterals(from, end)
  if (at == BAD || at >= end) return BAD
  let many = <u32>load<u8>(at++)
  if (many >= 128) {
    if (at >= end) return BAD
    if (many == 255) {
      if (end - at < 2) return BAD
      many = <u32>load<u16>(at) + 0x7f00
      at += 2
    } else {
      many = ((many - 128) << 8) + <u32>load<u8>(at++)
    }
  }
  let literal = literalsAt
  const literalEnd = literalsAt + literalCount
  let out = to
  if (many > 0) {
    if (at >= end) return BAD
    const kinds = <u32>load<u8>(at++)
    if ((kinds & 3) != 0) return BAD
    madeLog = llLog
    at = readTable(kinds >>> 6, at, end, scratch + DT_LL, 0, MAX_LL, 9)
    if (at == BAD) return BAD
    llLog = madeLog
    madeLog = ofLog
    at = readTable((kinds >>> 4) & 3, at, end, scratch + DT_OF, 1, MAX_OF, 8)
    if (at == BAD) return BAD
    ofLog = madeLog
    madeLog = mlLog
    at = readTable((kinds >>> 2) & 3, at, end, scratch + DT_ML, 2, MAX_ML, 9)
    if (at == BAD) return BAD
    mlLog = madeLog
    if (at > end || !openStream(at, end - at)) return BAD
    let llState = takeBits(llLog)
    let ofState = takeBits(ofLog)
    let mlState = takeBits(mlLog)
    for (let i: u32 = 0; i < many; i++) {
      const llEntry = load<u32>(scratch + DT_LL + (llState << 2))
      const ofEntry = load<u32>(scratch + DT_OF + (ofState << 2))
      const mlEntry = load<u32>(scratch + DT_ML + (mlState << 2))
      const ofCode = ofEntry & 255
      if (ofCode > 30) return BAD
      const ofValue = (<u32>1 << ofCode) + takeBits(ofCode)
      const mlCode = mlEntry & 255
      const length = load<u32>(scratch + ML_BASE + (mlCode << 2)) + takeBits(load<u8>(scratch + ML_BITS + mlCode))
      const llCode = llEntry & 255
      const run = load<u32>(scratch + LL_BASE + (llCode << 2)) + takeBits(load<u8>(scratch + LL_BITS + llCode))
      if (left < 0) return BAD
      let offset: u32
      if (ofValue > 3) {
        offset = ofValue - 3
        offset3 = offset2
        offset2 = offset1
        offset1 = offset
      } else {
        const which = ofValue - (run == 0 ? 0 : 1)
        if (which == 0) {
          offset = offset1
        } else {
          if (which == 1) offset = offset2
          else if (which == 2) offset = offset3
          else offset = offset1 - 1
          if (which != 1) offset3 = offset2
          offset2 = offset1
          offset1 = offset
        }
      }
      if (run > literalEnd - literal || run > limit - out) return BAD
      memory.copy(out, literal, run)
      literal += run
      out += run
      if (offset == 0 || offset > out - start || length > limit - out) return BAD
      let source = out - offset
      const stop = out + length
      if (offset >= 8) {
        while (out + 8 <= stop) {
          store<u64>(out, load<u64>(source))
          out += 8
          source += 8
        }
      }
      while (out < stop) store<u8>(out++, load<u8>(source++))
      if (i + 1 < many) {
        llState = (llEntry >>> 16) + takeBits((llEntry >>> 8) & 255)
        mlState = (mlEntry >>> 16) + takeBits((mlEntry >>> 8) & 255)
        ofState = (ofEntry >>> 16) + takeBits((ofEntry >>> 8) & 255)
      }
    }
    if (left != 0) return BAD
  } else if (at != end) {
    return BAD
  }
  const rest = literalEnd - literal
  if (rest > limit - out) return BAD
  memory.copy(out, literal, rest)
  return out + rest
}

/** A frame begins without tables; its offsets are those of RFC 8878, 3.1.1.5. */
export function beginFrame(): void {
  huffmanLog = 0
  llLog = BAD
  ofLog = BAD
  mlLog = BAD
  offset1 = 1
  offset2 = 4
  offset3 = 8
}

/** Decodes one frame; the decoded length, or -1. Checksums are skipped, not verified. */
export function decodeFrame(src: u32, n: u32, dst: u32, room: u32): i32 {
  const end = src + n
  if (n < 6 || load<u32>(src) != 0xfd2fb528) return -1
  const descriptor = <u32>load<u8>(src + 4)
  if ((descriptor & 8) != 0 || (descriptor & 3) != 0) return -1
  const single = (descriptor & 32) != 0
  const form = descriptor >>> 6
  let at = src + 5 + (single ? 0 : 1)
  if (form > 0 || single) at += <u32>1 << form
  if (at > end) return -1
  beginFrame()
  let out = dst
  const limit = dst + room
  while (true) {
    if (end - at < 3) return -1
    const header = <u32>load<u16>(at) | (<u32>load<u8>(at + 2) << 16)
    at += 3
    const size = header >>> 3
    const kind = (header >>> 1) & 3
    if (kind == 3) return -1
    if (kind == 1) {
      if (at >= end || size > limit - out) return -1
      memory.fill(out, load<u8>(at++), size)
      out += size
    } else {
      if (size > end - at) return -1
      if (kind == 0) {
        if (size > limit - out) return -1
        memory.copy(out, at, size)
        out += size
      } else {
        out = readBlock(at, at + size, dst, out, limit)
        if (out == BAD) return -1
      }
      at += size
    }
    if (header & 1) break
  }
  if ((descriptor & 4) != 0) at += 4
  return at == end ? <i32>(out - dst) : -1
}
