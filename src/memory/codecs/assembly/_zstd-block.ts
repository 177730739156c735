// A block from what a search has stored: the literals, the tables and the sequences, and the frame around it.
import {
  COST,
  COST_LL,
  COST_ML,
  COST_OF,
  COUNT,
  CT_LL,
  CT_LL_DEFAULT,
  CT_ML,
  CT_ML_DEFAULT,
  CT_OF,
  CT_OF_DEFAULT,
  DEFAULT_MAX_OF,
  LL_BITS,
  MAX_LL,
  MAX_ML,
  MAX_OF,
  ML_BITS,
  codeOfLiterals,
  codeOfMatch,
  highBit,
  scratch,
  setCosts,
  setDefaultCosts,
  setDefaultLiteralLengths,
  setDefaultMatchLengths,
  setDefaultOffsets,
  setLengthCodes,
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
import { SEQUENCE_BYTES, literalEnd, literals, sequenceEnd, sequences } from './_zstd-store'

// The library's strategies, by their numbers.
export const FAST: u32 = 1
export const DOUBLE_FAST: u32 = 2
export const GREEDY: u32 = 3
export const LAZY: u32 = 4
export const LAZY_TREE: u32 = 6
export const OPTIMAL: u32 = 7
export const ULTRA: u32 = 8
export const ULTRA_TWICE: u32 = 9

const BASIC: u32 = 0
const SINGLE: u32 = 1
const COMPRESSED: u32 = 2

let strategy: u32 = DOUBLE_FAST

/** Fills the constant tables; once per instance. */
export function setConstants(): void {
  setLengthCodes()
  setCosts()
  setDefaultLiteralLengths()
  setDefaultCosts(scratch + COST_LL, MAX_LL, 6)
  buildEncoder(scratch + CT_LL_DEFAULT, MAX_LL, 6)
  setDefaultMatchLengths()
  setDefaultCosts(scratch + COST_ML, MAX_ML, 6)
  buildEncoder(scratch + CT_ML_DEFAULT, MAX_ML, 6)
  setDefaultOffsets()
  setDefaultCosts(scratch + COST_OF, DEFAULT_MAX_OF, 5)
  buildEncoder(scratch + CT_OF_DEFAULT, DEFAULT_MAX_OF, 5)
}

/** What compressing `length` bytes must save. */
function leastGain(length: u32): u32 {
  return (length >>> (strategy >= ULTRA ? strategy - 1 : 6)) + 2
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
  if (size == 0 || size >= length - leastGain(length)) return putPlainLiterals(to, 0, length)
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

// @ts-ignore: decorator
@inline
function lowProbability(total: u32): i32 {
  return total >= 2048 ? -1 : 1
}

/** Whether the default table does: the quick strategies go by how many sequences there are, the others by what either takes. */
function prefersDefault(
  many: u32,
  most: u32,
  maxSymbol: u32,
  longest: u32,
  defaultLog: u32,
  defaultCosts: u32,
): bool {
  if (strategy < LAZY) {
    const fewest: u32 = (<u32>(10 - strategy) << defaultLog) >>> 3
    return many < fewest || most < many >>> (defaultLog - 1)
  }
  let byDefault: u32 = 0
  let byOwn: u32 = 0
  for (let s: u32 = 0; s <= maxSymbol; s++) {
    const count = load<u32>(scratch + COUNT + (s << 2))
    if (count == 0) continue
    byDefault += count * load<u16>(scratch + defaultCosts + (s << 1))
    const share = max<u32>((count << 8) / many, 1)
    byOwn += count * load<u16>(scratch + COST + (share << 1))
  }
  const log = optimalLog(longest, many, maxSymbol, 2)
  if (!normalise(log, many, maxSymbol, lowProbability(many))) return true
  // The description goes where the table's own will stand, or less.
  return byDefault >>> 8 <= (writeCounts(tableEnd, maxSymbol, log) << 3) + (byOwn >>> 8)
}

/** Counts the codes at byte `field` of each sequence, chooses a table and makes it; returns its kind. */
function makeTable(
  field: u32,
  many: u32,
  longest: u32,
  table: u32,
  defaultLog: u32,
  defaultMax: u32,
  largestCode: u32,
  defaultCosts: u32,
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
  if (defaultAllowed && prefersDefault(many, most, maxSymbol, longest, defaultLog, defaultCosts)) return BASIC
  const log = optimalLog(longest, many, maxSymbol, 2)
  let total = many
  // The last symbol costs nothing: it is the state that the decoder begins with.
  const last = count + (<u32>load<u8>(sequenceEnd - SEQUENCE_BYTES + field) << 2)
  if (load<u32>(last) > 1) {
    store<u32>(last, load<u32>(last) - 1)
    total--
  }
  if (!normalise(log, total, maxSymbol, lowProbability(total))) return 3
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
    store<u8>(p + 12, <u8>codeOfLiterals(ll))
    store<u8>(p + 13, <u8>highBit(load<u32>(p + 4)))
    store<u8>(p + 14, <u8>codeOfMatch(ml))
  }
  const head = out++
  tableEnd = out
  lastTableBytes = 0
  let llTable = scratch + CT_LL
  let ofTable = scratch + CT_OF
  let mlTable = scratch + CT_ML
  const llKind = makeTable(12, many, 9, llTable, 6, MAX_LL, MAX_LL, COST_LL)
  const ofKind = makeTable(13, many, 8, ofTable, 5, DEFAULT_MAX_OF, MAX_OF, COST_OF)
  const mlKind = makeTable(14, many, 9, mlTable, 6, MAX_ML, MAX_ML, COST_ML)
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
export function openFrame(dst: u32, n: u32): u32 {
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

/**
 * What the search of strategy `by` found, as the frame's only block at `out`, or the input as it is where that is not shorter; the frame's
 * length. `isPlain`: literals stay as they are.
 */
export function closeFrame(src: u32, n: u32, dst: u32, out: u32, by: u32, isPlain: bool): u32 {
  strategy = by
  let size: u32 = 0
  if (n >= 7) {
    const body = out + 3
    const end = putSequences(putLiterals(body, isPlain))
    if (end != 0 && end - body < n - leastGain(n)) size = end - body
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
