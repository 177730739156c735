// Huffman coding of literals: code lengths of at most 11 bits, their description, one or four streams.
import {
  CODES,
  COUNT,
  CT_WEIGHTS,
  NODES,
  RANKS,
  WEIGHTS,
  highBit,
  scratch,
} from './_zstd-layout'
import {
  buildEncoder,
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

const LONGEST_CODE: u32 = 11
// Inner nodes of the tree come after the 256 places for symbols.
const INNER: i32 = 256
const RANK_PLACES: u32 = 192
// Counts below have a place of their own; those from here on share one per power of two.
const OWN_PLACES: u32 = 165
const LOG_PLACES: u32 = 158

// @ts-ignore: decorator
@inline
function node(index: i32): u32 {
  return scratch + NODES + <u32>((index + 1) << 3)
}

// @ts-ignore: decorator
@inline
function countAt(index: i32): u32 {
  return load<u32>(node(index))
}

// @ts-ignore: decorator
@inline
function bitsAt(index: i32): u32 {
  return load<u8>(node(index) + 7)
}

// @ts-ignore: decorator
@inline
function setBitsAt(index: i32, bits: u32): void {
  store<u8>(node(index) + 7, <u8>bits)
}

// @ts-ignore: decorator
@inline
function placeOf(count: u32): u32 {
  return count < OWN_PLACES ? count : highBit(count) + LOG_PLACES
}

function swapNodes(a: i32, b: i32): void {
  const held = load<u64>(node(a))
  store<u64>(node(a), load<u64>(node(b)))
  store<u64>(node(b), held)
}

/** Descending by count. The order of equal counts decides who gets the shorter code, so the steps are the library's. */
function sortNodes(first: i32, last: i32): void {
  let low = first
  let high = last
  if (high - low < 8) {
    for (let i = low + 1; i <= high; i++) {
      const key = load<u64>(node(i))
      let j = i - 1
      while (j >= low && countAt(j) < <u32>key) {
        store<u64>(node(j + 1), load<u64>(node(j)))
        j--
      }
      store<u64>(node(j + 1), key)
    }
    return
  }
  while (low < high) {
    const pivot = countAt(high)
    let i = low - 1
    for (let j = low; j < high; j++) {
      if (countAt(j) > pivot) {
        i++
        swapNodes(i, j)
      }
    }
    swapNodes(i + 1, high)
    const middle = i + 1
    if (middle - low < high - middle) {
      sortNodes(low, middle - 1)
      low = middle + 1
    } else {
      sortNodes(middle + 1, high)
      high = middle - 1
    }
  }
}

/** Symbols in NODES, most frequent first. */
function sortSymbols(maxSymbol: u32): void {
  const ranks = scratch + RANKS
  memory.fill(ranks, 0, RANK_PLACES << 2)
  for (let s: u32 = 0; s <= maxSymbol; s++) {
    const slot = ranks + (placeOf(load<u32>(scratch + COUNT + (s << 2))) << 2)
    store<u16>(slot, load<u16>(slot) + 1)
  }
  for (let n = RANK_PLACES - 1; n > 0; n--) {
    const lower = ranks + ((n - 1) << 2)
    const base = load<u16>(lower) + load<u16>(ranks + (n << 2))
    store<u16>(lower, base)
    store<u16>(lower + 2, base)
  }
  for (let s: u32 = 0; s <= maxSymbol; s++) {
    const count = load<u32>(scratch + COUNT + (s << 2))
    const slot = ranks + ((placeOf(count) + 1) << 2)
    const at = load<u16>(slot + 2)
    store<u16>(slot + 2, at + 1)
    store<u64>(node(at), <u64>count | (<u64>s << 48))
  }
  for (let n = OWN_PLACES; n < RANK_PLACES - 1; n++) {
    const slot = ranks + (n << 2)
    const first = <i32>load<u16>(slot)
    const size = <i32>load<u16>(slot + 2) - first
    if (size > 1) sortNodes(first, first + size - 1)
  }
}

/** Code lengths without a limit; the index of the rarest symbol that occurs. */
function buildTree(maxSymbol: u32): i32 {
  let rarest = <i32>maxSymbol
  while (countAt(rarest) == 0) rarest--
  let symbol = rarest
  let next = INNER
  let inner = INNER
  const root = INNER + rarest - 1
  store<u32>(node(next), countAt(symbol) + countAt(symbol - 1))
  store<u16>(node(symbol) + 4, <u16>next)
  store<u16>(node(symbol - 1) + 4, <u16>next)
  next++
  symbol -= 2
  for (let n = next; n <= root; n++) store<u32>(node(n), 1 << 30)
  // Stops the walk over the symbols.
  store<u32>(node(-1), 1 << 31)
  while (next <= root) {
    const a = countAt(symbol) < countAt(inner) ? symbol-- : inner++
    const b = countAt(symbol) < countAt(inner) ? symbol-- : inner++
    store<u32>(node(next), countAt(a) + countAt(b))
    store<u16>(node(a) + 4, <u16>next)
    store<u16>(node(b) + 4, <u16>next)
    next++
  }
  setBitsAt(root, 0)
  for (let n = root - 1; n >= INNER; n--) setBitsAt(n, bitsAt(<i32>load<u16>(node(n) + 4)) + 1)
  for (let n = 0; n <= rarest; n++) setBitsAt(n, bitsAt(<i32>load<u16>(node(n) + 4)) + 1)
  return rarest
}

const NONE: u32 = 0xf0f0f0f0

// Last symbol of each length below the limit, by how far below; the place of RANKS is free by then.
// @ts-ignore: decorator
@inline
function lastOf(rank: u32): u32 {
  return load<u32>(scratch + RANKS + (rank << 2))
}

// @ts-ignore: decorator
@inline
function setLastOf(rank: u32, index: u32): void {
  store<u32>(scratch + RANKS + (rank << 2), index)
}

/** Cuts code lengths to `limit` and gives back what that cost; the longest length. */
function limitLengths(rarest: i32, limit: u32): u32 {
  const longest = bitsAt(rarest)
  if (longest <= limit) return longest
  let cost: i32 = 0
  const unit: i32 = 1 << (longest - limit)
  let n = rarest
  while (bitsAt(n) > limit) {
    cost += unit - (1 << (longest - bitsAt(n)))
    setBitsAt(n, limit)
    n--
  }
  while (bitsAt(n) == limit) n--
  cost >>= longest - limit
  for (let rank: u32 = 0; rank < 14; rank++) setLastOf(rank, NONE)
  let current = limit
  for (let at = n; at >= 0; at--) {
    if (bitsAt(at) >= current) continue
    current = bitsAt(at)
    setLastOf(limit - current, <u32>at)
  }
  while (cost > 0) {
    let fewer = highBit(<u32>cost) + 1
    for (; fewer > 1; fewer--) {
      const high = lastOf(fewer)
      const low = lastOf(fewer - 1)
      if (high == NONE) continue
      if (low == NONE) break
      if (countAt(<i32>high) <= 2 * countAt(<i32>low)) break
    }
    while (fewer <= 12 && lastOf(fewer) == NONE) fewer++
    const at = <i32>lastOf(fewer)
    cost -= 1 << (fewer - 1)
    setBitsAt(at, bitsAt(at) + 1)
    if (lastOf(fewer - 1) == NONE) setLastOf(fewer - 1, <u32>at)
    if (at == 0) {
      setLastOf(fewer, NONE)
    } else {
      setLastOf(fewer, bitsAt(at - 1) == limit - fewer ? <u32>(at - 1) : NONE)
    }
  }
  while (cost < 0) {
    if (lastOf(1) == NONE) {
      while (bitsAt(n) == limit) n--
      setBitsAt(n + 1, bitsAt(n + 1) - 1)
      setLastOf(1, <u32>(n + 1))
      cost++
      continue
    }
    const at = <i32>lastOf(1) + 1
    setBitsAt(at, bitsAt(at) - 1)
    setLastOf(1, <u32>at)
    cost++
  }
  return limit
}

/** CODES of the symbols up to `maxSymbol` from COUNT; the longest length. */
function buildCodes(maxSymbol: u32, limit: u32): u32 {
  sortSymbols(maxSymbol)
  const rarest = buildTree(maxSymbol)
  const longest = limitLengths(rarest, limit)
  const codes = scratch + CODES
  memory.fill(codes, 0, 1024)
  // How many symbols have each length, then the first code of each: RANKS again.
  const ranks = scratch + RANKS
  memory.fill(ranks, 0, 64)
  for (let n = 0; n <= rarest; n++) {
    const slot = ranks + (bitsAt(n) << 2)
    store<u32>(slot, load<u32>(slot) + 1)
  }
  let first: u32 = 0
  for (let bits = longest; bits > 0; bits--) {
    const slot = ranks + (bits << 2)
    const many = load<u32>(slot)
    store<u32>(slot, first)
    first = (first + many) >>> 1
  }
  for (let n = 0; n <= rarest; n++) {
    store<u32>(codes + (<u32>load<u8>(node(n) + 6) << 2), bitsAt(n) << 16)
  }
  for (let s: u32 = 0; s <= maxSymbol; s++) {
    const code = codes + (s << 2)
    const bits = load<u32>(code) >>> 16
    if (bits == 0) continue
    const slot = ranks + (bits << 2)
    const value = load<u32>(slot)
    store<u32>(slot, value + 1)
    store<u32>(code, (bits << 16) | value)
  }
  return longest
}

/** Weights compressed by FSE with two states; 0 where that gains nothing, 1 where they are all equal. */
function compressWeights(to: u32, many: u32): u32 {
  if (many <= 1) return 0
  const count = scratch + COUNT
  const weights = scratch + WEIGHTS
  memory.fill(count, 0, 64)
  for (let i: u32 = 0; i < many; i++) {
    const slot = count + (<u32>load<u8>(weights + i) << 2)
    store<u32>(slot, load<u32>(slot) + 1)
  }
  let maxSymbol: u32 = 12
  while (load<u32>(count + (maxSymbol << 2)) == 0) maxSymbol--
  let most: u32 = 0
  for (let s: u32 = 0; s <= maxSymbol; s++) most = max(most, load<u32>(count + (s << 2)))
  if (most == many) return 1
  if (most == 1) return 0
  const log = optimalLog(6, many, maxSymbol, 2)
  if (!normalise(log, many, maxSymbol, 1)) return 0
  const out = to + writeCounts(to, maxSymbol, log)
  const table = scratch + CT_WEIGHTS
  buildEncoder(table, maxSymbol, log)
  if (many <= 2) return 0
  openBits(out)
  let ip = weights + many
  let one: u32
  let two: u32
  if (many & 1) {
    one = firstState(table, load<u8>(--ip))
    two = firstState(table, load<u8>(--ip))
    one = encodeSymbol(table, one, load<u8>(--ip))
    flushBits()
  } else {
    two = firstState(table, load<u8>(--ip))
    one = firstState(table, load<u8>(--ip))
  }
  while (ip > weights) {
    two = encodeSymbol(table, two, load<u8>(--ip))
    one = encodeSymbol(table, one, load<u8>(--ip))
    flushBits()
  }
  putBits(two, log)
  putBits(one, log)
  flushBits()
  return closeBits() - to
}

/** The tree's description (RFC 8878, 4.2.1); 0 where there is none. */
function writeTree(to: u32, maxSymbol: u32, longest: u32): u32 {
  const weights = scratch + WEIGHTS
  for (let s: u32 = 0; s < maxSymbol; s++) {
    const bits = load<u32>(scratch + CODES + (s << 2)) >>> 16
    store<u8>(weights + s, <u8>(bits == 0 ? 0 : longest + 1 - bits))
  }
  const size = compressWeights(to + 1, maxSymbol)
  if (size > 1 && size < maxSymbol >>> 1) {
    store<u8>(to, <u8>size)
    return size + 1
  }
  if (maxSymbol > 128) return 0
  store<u8>(to, <u8>(128 + maxSymbol - 1))
  store<u8>(weights + maxSymbol, 0)
  for (let s: u32 = 0; s < maxSymbol; s += 2) {
    store<u8>(to + (s >>> 1) + 1, (load<u8>(weights + s) << 4) + load<u8>(weights + s + 1))
  }
  return ((maxSymbol + 1) >>> 1) + 1
}

/** One stream, from the last literal to the first; the address behind it. */
function writeStream(to: u32, from: u32, length: u32): u32 {
  const codes = scratch + CODES
  let out = to
  let held: u64 = 0
  let bits: u64 = 0
  let ip = from + length
  // Five codes of 11 bits and 7 left over make 62.
  while (ip >= from + 5) {
    let code = load<u32>(codes + (<u32>load<u8>(ip - 1) << 2))
    held |= <u64>(code & 0xffff) << bits
    bits += <u64>(code >>> 16)
    code = load<u32>(codes + (<u32>load<u8>(ip - 2) << 2))
    held |= <u64>(code & 0xffff) << bits
    bits += <u64>(code >>> 16)
    code = load<u32>(codes + (<u32>load<u8>(ip - 3) << 2))
    held |= <u64>(code & 0xffff) << bits
    bits += <u64>(code >>> 16)
    code = load<u32>(codes + (<u32>load<u8>(ip - 4) << 2))
    held |= <u64>(code & 0xffff) << bits
    bits += <u64>(code >>> 16)
    code = load<u32>(codes + (<u32>load<u8>(ip - 5) << 2))
    held |= <u64>(code & 0xffff) << bits
    bits += <u64>(code >>> 16)
    ip -= 5
    store<u64>(out, held)
    out += <u32>(bits >>> 3)
    held >>>= bits & 56
    bits &= 7
  }
  while (ip > from) {
    const code = load<u32>(codes + (<u32>load<u8>(--ip) << 2))
    held |= <u64>(code & 0xffff) << bits
    bits += <u64>(code >>> 16)
  }
  held |= <u64>1 << bits
  bits++
  store<u64>(out, held)
  return out + <u32>((bits + 7) >>> 3)
}

/** Most frequent of the bytes at `from`, counted into COUNT. */
function countBytes(from: u32, length: u32): u32 {
  const count = scratch + COUNT
  memory.fill(count, 0, 1024)
  for (let i: u32 = 0; i < length; i++) {
    const slot = count + (<u32>load<u8>(from + i) << 2)
    store<u32>(slot, load<u32>(slot) + 1)
  }
  let most: u32 = 0
  for (let s: u32 = 0; s < 1024; s += 4) most = max(most, load<u32>(count + s))
  return most
}

/**
 * Tree and stream(s) of `length` literals at `to`; 1 where all are equal, 0 where they do not compress.
 * `suspect`: few matches were found, so a sample decides first whether counting is worth while.
 */
export function compressHuffman(to: u32, from: u32, length: u32, single: bool, suspect: bool): u32 {
  if (suspect && length >= 40960) {
    const sampled = countBytes(from, 4096) + countBytes(from + length - 4096, 4096)
    if (sampled <= ((2 * 4096) >>> 7) + 4) return 0
  }
  const most = countBytes(from, length)
  if (most == length) return 1
  if (most <= (length >>> 7) + 4) return 0
  let maxSymbol: u32 = 255
  while (load<u32>(scratch + COUNT + (maxSymbol << 2)) == 0) maxSymbol--
  const longest = buildCodes(maxSymbol, optimalLog(LONGEST_CODE, length, maxSymbol, 1))
  const tree = writeTree(to, maxSymbol, longest)
  if (tree == 0 || tree + 12 >= length) return 0
  let out = to + tree
  if (single) {
    out = writeStream(out, from, length)
  } else {
    const jump = out
    const part = (length + 3) >>> 2
    out += 6
    let ip = from
    for (let i: u32 = 0; i < 3; i++) {
      const end = writeStream(out, ip, part)
      if (end - out > 65535) return 0
      store<u16>(jump + (i << 1), <u16>(end - out))
      out = end
      ip += part
    }
    out = writeStream(out, ip, from + length - ip)
  }
  return out - to >= length - 1 ? 0 : out - to
}
