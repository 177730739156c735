// zstd frames of one block with the bytes of libzstd 1.5.2, the library of Linux 6.2 to 6.14, for the fast and double-fast strategies: own code
// after RFC 8878 and the library's algorithms. All addresses come from the caller, so that several instances may share one memory.
import {
  COUNT,
  CT_LL,
  CT_LL_DEFAULT,
  CT_ML,
  CT_ML_DEFAULT,
  CT_OF,
  CT_OF_DEFAULT,
  DEFAULT_MAX_OF,
  LARGE,
  LL_BITS,
  LL_CODE,
  MAX_LL,
  MAX_ML,
  MAX_OF,
  ML_BITS,
  ML_CODE,
  highBit,
  scratch,
  setDefaultLiteralLengths,
  setDefaultMatchLengths,
  setDefaultOffsets,
  setLengthCodes,
  setScratch,
} from './_zstd-layout'
import {
  buildEncoder,
  buildSingle,
  closeBits,
  encodeSymbol,
  firstState,
  flushBits,
  normalise,
  openBits,
  optimalLog,
  putBits,
  writeCounts,
} from './_zstd-fse'
import { compressHuffman } from './_zstd-huffman'
import { decodeFrame } from './_zstd-decoder'

const BASIC: u32 = 0
const SINGLE: u32 = 1
const COMPRESSED: u32 = 2

// One sequence: literal length, offset value (1 = the last offset again, else offset + 3), match length - 3; codes of the three.
const SEQUENCE_BYTES: u32 = 16

// From how many sequences on a table of their own pays, in eighths of the default table's size: 10 less the strategy.
const FAST_EIGHTHS: u32 = 9
const DOUBLE_FAST_EIGHTHS: u32 = 8
let tableEighths: u32 = DOUBLE_FAST_EIGHTHS

let sequences: u32 = 0
let sequenceEnd: u32 = 0
let literals: u32 = 0
let literalEnd: u32 = 0

/** Fills the constant tables; once per instance. */
export function init(at: u32): void {
  setScratch(at)
  setLengthCodes()
  setDefaultLiteralLengths()
  buildEncoder(at + CT_LL_DEFAULT, MAX_LL, 6)
  setDefaultMatchLengths()
  buildEncoder(at + CT_ML_DEFAULT, MAX_ML, 6)
  setDefaultOffsets()
  buildEncoder(at + CT_OF_DEFAULT, DEFAULT_MAX_OF, 5)
}

// @ts-ignore: decorator
@inline
function hash8(p: u32, shift: u64): u32 {
  return <u32>((load<u64>(p) * 0xcf1bbcdcb7a56463) >>> shift)
}

// @ts-ignore: decorator
@inline
function hashShort(p: u32, bits: u32, five: bool): u32 {
  if (five) return <u32>(((load<u64>(p) << 24) * 889523592379) >>> <u64>(64 - bits))
  return (load<u32>(p) * 2654435761) >>> (32 - bits)
}

// @ts-ignore: decorator
@inline
function commonBytes(a: u32, b: u32, limit: u32): u32 {
  let p = a
  let q = b
  while (p + 8 <= limit) {
    const difference = load<u64>(p) ^ load<u64>(q)
    if (difference != 0) return p - a + <u32>(ctz<u64>(difference) >>> 3)
    p += 8
    q += 8
  }
  while (p < limit && load<u8>(p) == load<u8>(q)) {
    p++
    q++
  }
  return p - a
}

// @ts-ignore: decorator
@inline
function putSequence(anchor: u32, literalLength: u32, offset: u32, length: u32): void {
  const stop = literalEnd + literalLength
  let from = anchor
  do {
    v128.store(literalEnd, v128.load(from))
    literalEnd += 16
    from += 16
  } while (literalEnd < stop)
  literalEnd = stop
  store<u32>(sequenceEnd, literalLength)
  store<u32>(sequenceEnd + 4, offset)
  store<u32>(sequenceEnd + 8, length - 3)
  sequenceEnd += SEQUENCE_BYTES
}

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
  const rest = end - anchor
  memory.copy(literalEnd, anchor, rest)
  literalEnd += rest
}

function search16(src: u32, n: u32, longTable: u32, longBits: u32, shortTable: u32, shortBits: u32, five: bool): void {
  if (five) search<u16>(src, n, longTable, longBits, shortTable, shortBits, true)
  else search<u16>(src, n, longTable, longBits, shortTable, shortBits, false)
}

function search32(src: u32, n: u32, longTable: u32, longBits: u32, shortTable: u32, shortBits: u32, five: bool): void {
  search<u32>(src, n, longTable, longBits, shortTable, shortBits, five)
}

// @ts-ignore: decorator
@inline
function hashFast(p: u32, bits: u32, minMatch: u32): u32 {
  if (minMatch == 6) return <u32>(((load<u64>(p) << 16) * 227718039650203) >>> <u64>(64 - bits))
  return hashShort(p, bits, minMatch == 5)
}

/** The fast search: one table, positions looked at in pairs, `step` apart; it grows by one for each 128 bytes without a match. */
function searchFast(src: u32, n: u32, table: u32, bits: u32, minMatch: u32, firstStep: u32): void {
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
  const rest = end - anchor
  memory.copy(literalEnd, anchor, rest)
  literalEnd += rest
}

/** Literals that are not compressed (`kind` 0), or one of many equal ones (`kind` 1); the address behind them. */
function putPlainLiterals(to: u32, kind: u32, length: u32): u32 {
  let out = to
  if (length > 4095) {
    store<u32>(out, kind | 12 | (length << 4))
    out += 3
  } else if (length > 31) {
    store<u16>(out, <u16>(kind | 4 | (length << 4)))
    out += 2
  } else {
    store<u8>(out++, <u8>(kind | (length << 3)))
  }
  if (kind == 1) {
    store<u8>(out, load<u8>(literals))
    return out + 1
  }
  memory.copy(out, literals, length)
  return out + length
}

function putLiterals(to: u32, isPlain: bool): u32 {
  const length = literalEnd - literals
  if (isPlain || length <= 63) return putPlainLiterals(to, 0, length)
  const many = (sequenceEnd - sequences) / SEQUENCE_BYTES
  const single = length < 256
  const header: u32 = 3 + (length >= 1024 ? 1 : 0) + (length >= 16384 ? 1 : 0)
  const suspect = many == 0 || length / many >= 20
  const size = compressHuffman(to + header, literals, length, single, suspect)
  if (size == 0 || size >= length - ((length >>> 6) + 2)) return putPlainLiterals(to, 0, length)
  if (size == 1) return putPlainLiterals(to, 1, length)
  const kind: u32 = 2
  if (header == 3) {
    const word = kind | (single ? 0 : 4) | (length << 4) | (size << 14)
    store<u16>(to, <u16>word)
    store<u8>(to + 2, <u8>(word >>> 16))
  } else if (header == 4) {
    store<u32>(to, kind | 8 | (length << 4) | (size << 18))
  } else {
    store<u32>(to, kind | 12 | (length << 4) | (size << 22))
    store<u8>(to + 4, <u8>(size >>> 10))
  }
  return to + header + size
}

// What the last compressed table took, and where the next one goes.
let lastTableBytes: u32 = 0
let tableEnd: u32 = 0

/** Counts the codes at byte `field` of each sequence, chooses a table and makes it; returns its kind. */
function makeTable(
  field: u32,
  many: u32,
  longest: u32,
  table: u32,
  defaultLog: u32,
  defaultMax: u32,
  largestCode: u32,
): u32 {
  const count = scratch + COUNT
  memory.fill(count, 0, 256)
  for (let p = sequences + field; p < sequenceEnd; p += SEQUENCE_BYTES) {
    const slot = count + (<u32>load<u8>(p) << 2)
    store<u32>(slot, load<u32>(slot) + 1)
  }
  let maxSymbol = largestCode
  while (load<u32>(count + (maxSymbol << 2)) == 0) maxSymbol--
  let most: u32 = 0
  for (let s: u32 = 0; s <= maxSymbol; s++) most = max(most, load<u32>(count + (s << 2)))
  const defaultAllowed = maxSymbol <= defaultMax
  if (most == many) {
    if (defaultAllowed && many <= 2) return BASIC
    buildSingle(table, maxSymbol)
    store<u8>(tableEnd++, <u8>maxSymbol)
    return SINGLE
  }
  const fewest = (tableEighths << defaultLog) >>> 3
  if (defaultAllowed && (many < fewest || most < many >>> (defaultLog - 1))) return BASIC
  const log = optimalLog(longest, many, maxSymbol, 2)
  let total = many
  // The last symbol costs nothing: it is the state that the decoder begins with.
  const last = count + (<u32>load<u8>(sequenceEnd - SEQUENCE_BYTES + field) << 2)
  if (load<u32>(last) > 1) {
    store<u32>(last, load<u32>(last) - 1)
    total--
  }
  if (!normalise(log, total, maxSymbol, total >= 2048 ? -1 : 1)) return 3
  lastTableBytes = writeCounts(tableEnd, maxSymbol, log)
  tableEnd += lastTableBytes
  buildEncoder(table, maxSymbol, log)
  return COMPRESSED
}

/** The sequences section; the address behind it, or 0 where the block must stay raw. */
function putSequences(to: u32): u32 {
  const many = (sequenceEnd - sequences) / SEQUENCE_BYTES
  let out = to
  if (many < 128) {
    store<u8>(out++, <u8>many)
  } else if (many < 0x7f00) {
    store<u8>(out, <u8>((many >>> 8) + 128))
    store<u8>(out + 1, <u8>many)
    out += 2
  } else {
    store<u8>(out, 255)
    store<u16>(out + 1, <u16>(many - 0x7f00))
    out += 3
  }
  if (many == 0) return out
  for (let p = sequences; p < sequenceEnd; p += SEQUENCE_BYTES) {
    const ll = load<u32>(p)
    const ml = load<u32>(p + 8)
    store<u8>(p + 12, ll < 64 ? load<u8>(scratch + LL_CODE + ll) : <u8>(highBit(ll) + 19))
    store<u8>(p + 13, <u8>highBit(load<u32>(p + 4)))
    store<u8>(p + 14, ml < 128 ? load<u8>(scratch + ML_CODE + ml) : <u8>(highBit(ml) + 36))
  }
  const head = out++
  tableEnd = out
  lastTableBytes = 0
  let llTable = scratch + CT_LL
  let ofTable = scratch + CT_OF
  let mlTable = scratch + CT_ML
  const llKind = makeTable(12, many, 9, llTable, 6, MAX_LL, MAX_LL)
  const ofKind = makeTable(13, many, 8, ofTable, 5, DEFAULT_MAX_OF, MAX_OF)
  const mlKind = makeTable(14, many, 9, mlTable, 6, MAX_ML, MAX_ML)
  if (llKind == 3 || ofKind == 3 || mlKind == 3) return 0
  if (llKind == BASIC) llTable = scratch + CT_LL_DEFAULT
  if (ofKind == BASIC) ofTable = scratch + CT_OF_DEFAULT
  if (mlKind == BASIC) mlTable = scratch + CT_ML_DEFAULT
  store<u8>(head, <u8>((llKind << 6) | (ofKind << 4) | (mlKind << 2)))
  const start = tableEnd
  openBits(start)
  let p = sequenceEnd - SEQUENCE_BYTES
  let llCode = <u32>load<u8>(p + 12)
  let ofCode = <u32>load<u8>(p + 13)
  let mlCode = <u32>load<u8>(p + 14)
  let mlState = firstState(mlTable, mlCode)
  let ofState = firstState(ofTable, ofCode)
  let llState = firstState(llTable, llCode)
  while (true) {
    putBits(load<u32>(p), load<u8>(scratch + LL_BITS + llCode))
    putBits(load<u32>(p + 8), load<u8>(scratch + ML_BITS + mlCode))
    flushBits()
    putBits(load<u32>(p + 4), ofCode)
    flushBits()
    if (p == sequences) break
    p -= SEQUENCE_BYTES
    llCode = <u32>load<u8>(p + 12)
    ofCode = <u32>load<u8>(p + 13)
    mlCode = <u32>load<u8>(p + 14)
    ofState = encodeSymbol(ofTable, ofState, ofCode)
    mlState = encodeSymbol(mlTable, mlState, mlCode)
    llState = encodeSymbol(llTable, llState, llCode)
    flushBits()
  }
  putBits(mlState, load<u32>(mlTable))
  putBits(ofState, load<u32>(ofTable))
  putBits(llState, load<u32>(llTable))
  flushBits()
  out = closeBits()
  // Decoders up to 1.3.4 misread a last table and a stream of 3 bytes together: the library avoids that.
  if (lastTableBytes != 0 && lastTableBytes + (out - start) < 4) return 0
  return out
}

/** The frame's header; the address behind it. */
function openFrame(dst: u32, n: u32): u32 {
  let out = dst
  store<u32>(out, 0xfd2fb528)
  if (n < 256) {
    store<u8>(out + 4, 0x20)
    store<u8>(out + 5, <u8>n)
    out += 6
  } else if (n < 65792) {
    store<u8>(out + 4, 0x60)
    store<u16>(out + 5, <u16>(n - 256))
    out += 7
  } else {
    store<u8>(out + 4, 0xa0)
    store<u32>(out + 5, n)
    out += 9
  }
  return out
}

/** Sequences of a block of `n` bytes go to `at`, its literals behind them. */
function openBlock(at: u32, n: u32): void {
  sequences = at
  literals = sequences + ((n >>> 2) + 1) * SEQUENCE_BYTES
  sequenceEnd = sequences
  literalEnd = literals
}

/** What the search found, as the frame's only block at `out`, or the input as it is where that is not shorter; the frame's length. */
function closeFrame(src: u32, n: u32, dst: u32, out: u32, isPlain: bool): u32 {
  let size: u32 = 0
  if (n >= 7) {
    const body = out + 3
    const end = putSequences(putLiterals(body, isPlain))
    if (end != 0 && end - body < n - ((n >>> 6) + 2)) size = end - body
  }
  if (size == 0) {
    const header = 1 | (n << 3)
    store<u16>(out, <u16>header)
    store<u8>(out + 2, <u8>(header >>> 16))
    memory.copy(out + 3, src, n)
    return out + 3 + n - dst
  }
  const header = 1 | (2 << 1) | (size << 3)
  store<u16>(out, <u16>header)
  store<u8>(out + 2, <u8>(header >>> 16))
  return out + 3 + size - dst
}

/**
 * Compresses `n` bytes (up to 131072) at `src` to `dst`, which has room for 1.5 n + 1024. `longBits` and `shortBits`: the sizes of the
 * two hash tables; `minMatch` 4 or 5.
 */
export function compress(src: u32, n: u32, dst: u32, longBits: u32, shortBits: u32, minMatch: u32): u32 {
  const out = openFrame(dst, n)
  if (n >= 7) {
    const unit: u32 = n <= 65536 ? 2 : 4
    const longTable = scratch + LARGE
    const shortTable = longTable + (unit << longBits)
    openBlock(shortTable + (unit << shortBits), n)
    tableEighths = DOUBLE_FAST_EIGHTHS
    if (n <= 65536) search16(src, n, longTable, longBits, shortTable, shortBits, minMatch == 5)
    else search32(src, n, longTable, longBits, shortTable, shortBits, minMatch == 5)
  }
  return closeFrame(src, n, dst, out, false)
}

/** The same with the fast search: one table, `minMatch` 4 to 6. `targetLength` above 0 skips faster, and literals stay as they are. */
export function compressFast(src: u32, n: u32, dst: u32, bits: u32, minMatch: u32, targetLength: u32): u32 {
  const out = openFrame(dst, n)
  if (n >= 7) {
    const table = scratch + LARGE
    openBlock(table + (<u32>4 << bits), n)
    tableEighths = FAST_EIGHTHS
    searchFast(src, n, table, bits, minMatch, max<u32>(targetLength, 1) + 1)
  }
  return closeFrame(src, n, dst, out, targetLength > 0)
}

/** Decodes a frame of `n` bytes at `src` into at most `room` bytes at `dst`; the decoded length, or -1 for a malformed frame. */
export function decompress(src: u32, n: u32, dst: u32, room: u32): i32 {
  return decodeFrame(src, n, dst, room)
}
