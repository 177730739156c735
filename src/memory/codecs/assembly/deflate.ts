// Raw deflate as the kernel's zlib (1.1 line) writes it for crypto and zram: window of 2 KiB, memory level 8, level 6, one call.
// Own code after RFC 1951 and the library's algorithms. All addresses come from the caller, so that several instances may share one memory.

const WINDOW: u32 = 2048
const WINDOW_MASK: u32 = 2047
const SHORTEST: u32 = 3
const LONGEST: u32 = 258
const LEAST_AHEAD: u32 = LONGEST + SHORTEST + 1
const FARTHEST: u32 = WINDOW - LEAST_AHEAD
// Level 6.
const GOOD_LENGTH: u32 = 8
const LAZY_LENGTH: u32 = 16
const NICE_LENGTH: u32 = 128
const CHAIN_LENGTH: u32 = 128
const BLOCK_SYMBOLS: u32 = 16384

const LITERALS: u32 = 286
const DISTANCES: u32 = 30
const LENGTH_CODES: u32 = 19
const END_OF_BLOCK: u32 = 256
const HEAP_SIZE: u32 = 573

// Scratch: trees are {frequency or code u16, parent or length u16}.
const LITERAL_TREE: u32 = 0
const DISTANCE_TREE: u32 = 2304
const LENGTH_TREE: u32 = 2560
const STATIC_TREE: u32 = 2816
const STATIC_DISTANCES: u32 = 3968
const HEAP: u32 = 4096
const DEPTH: u32 = 6400
const LENGTH_COUNTS: u32 = 7168
const NEXT_CODES: u32 = 7232
const LENGTH_ORDER: u32 = 7296
const PREVIOUS: u32 = 8192
const HEADS: u32 = 12288
const SYMBOLS: u32 = 77824

let scratch: u32 = 0
let out: u32 = 0
let held: u64 = 0
let heldBits: u32 = 0

// @ts-ignore: decorator
@inline
function putBits(value: u32, bits: u32): void {
  held |= <u64>value << heldBits
  heldBits += bits
  if (heldBits >= 32) {
    store<u32>(out, <u32>held)
    out += 4
    held >>>= 32
    heldBits -= 32
  }
}

function padToByte(): void {
  while (heldBits > 0) {
    store<u8>(out++, <u8>held)
    held >>>= 8
    heldBits = heldBits > 8 ? heldBits - 8 : 0
  }
  held = 0
}

// @ts-ignore: decorator
@inline
function frequency(tree: u32, n: u32): u32 {
  return load<u16>(tree + (n << 2))
}

// @ts-ignore: decorator
@inline
function setFrequency(tree: u32, n: u32, value: u32): void {
  store<u16>(tree + (n << 2), <u16>value)
}

// @ts-ignore: decorator
@inline
function lengthOf(tree: u32, n: u32): u32 {
  return load<u16>(tree + (n << 2) + 2)
}

// @ts-ignore: decorator
@inline
function setLength(tree: u32, n: u32, value: u32): void {
  store<u16>(tree + (n << 2) + 2, <u16>value)
}

// @ts-ignore: decorator
@inline
function highBit(value: u32): u32 {
  return 31 - clz<u32>(value)
}

/** Code of a match length less 3, from 0. */
// @ts-ignore: decorator
@inline
function lengthCode(length: u32): u32 {
  if (length < 8) return length
  if (length == 255) return 28
  const high = highBit(length)
  return ((high - 1) << 2) + ((length >>> (high - 2)) & 3)
}

// @ts-ignore: decorator
@inline
function lengthExtra(code: u32): u32 {
  return code < 8 || code == 28 ? 0 : (code >>> 2) - 1
}

// @ts-ignore: decorator
@inline
function lengthBase(code: u32): u32 {
  if (code < 8) return code
  if (code == 28) return 255
  return (4 + (code & 3)) << ((code >>> 2) - 1)
}

/** Code of a distance less 1. */
// @ts-ignore: decorator
@inline
function distanceCode(distance: u32): u32 {
  if (distance < 4) return distance
  const high = highBit(distance)
  return (high << 1) + ((distance >>> (high - 1)) & 1)
}

// @ts-ignore: decorator
@inline
function distanceExtra(code: u32): u32 {
  return code < 4 ? 0 : (code >>> 1) - 1
}

// @ts-ignore: decorator
@inline
function distanceBase(code: u32): u32 {
  return code < 4 ? code : (2 + (code & 1)) << ((code >>> 1) - 1)
}

function reversed(code: u32, bits: u32): u32 {
  let result: u32 = 0
  let rest = code
  for (let i: u32 = 0; i < bits; i++) {
    result = (result << 1) | (rest & 1)
    rest >>>= 1
  }
  return result
}

/** Constant tables; once per instance. */
export function init(at: u32): void {
  scratch = at
  const tree = at + STATIC_TREE
  for (let n: u32 = 0; n < 288; n++) {
    setLength(tree, n, n < 144 ? 8 : n < 256 ? 9 : n < 280 ? 7 : 8)
  }
  const counts = at + LENGTH_COUNTS
  memory.fill(counts, 0, 32)
  store<u16>(counts + 14, 24)
  store<u16>(counts + 16, 152)
  store<u16>(counts + 18, 112)
  makeCodes(tree, 287)
  for (let n: u32 = 0; n < DISTANCES; n++) {
    setLength(at + STATIC_DISTANCES, n, 5)
    setFrequency(at + STATIC_DISTANCES, n, reversed(n, 5))
  }
  // RFC 1951, 3.2.7: 16 17 18 0 8 7 9 6 10 5 11 4 12 3 13 2 14 1 15.
  const order = at + LENGTH_ORDER
  store<u8>(order, 16)
  store<u8>(order + 1, 17)
  store<u8>(order + 2, 18)
  store<u8>(order + 3, 0)
  for (let i: u32 = 0; i < 8; i++) {
    store<u8>(order + 4 + 2 * i, <u8>(8 + i))
    if (i < 7) store<u8>(order + 5 + 2 * i, <u8>(7 - i))
  }
}

/** Codes from lengths and their counts. */
function makeCodes(tree: u32, maxSymbol: u32): void {
  let code: u32 = 0
  for (let bits: u32 = 1; bits <= 15; bits++) {
    code = (code + <u32>load<u16>(scratch + LENGTH_COUNTS + ((bits - 1) << 1))) << 1
    store<u16>(scratch + NEXT_CODES + (bits << 1), <u16>code)
  }
  for (let n: u32 = 0; n <= maxSymbol; n++) {
    const bits = lengthOf(tree, n)
    if (bits == 0) continue
    const slot = scratch + NEXT_CODES + (bits << 1)
    const next = load<u16>(slot)
    store<u16>(slot, next + 1)
    setFrequency(tree, n, reversed(next, bits))
  }
}

let heapLength: u32 = 0
let heapTop: u32 = 0
let dynamicBits: u32 = 0
let staticBits: u32 = 0

// @ts-ignore: decorator
@inline
function heapAt(index: u32): u32 {
  return load<u32>(scratch + HEAP + (index << 2))
}

// @ts-ignore: decorator
@inline
function setHeap(index: u32, node: u32): void {
  store<u32>(scratch + HEAP + (index << 2), node)
}

// @ts-ignore: decorator
@inline
function comesFirst(tree: u32, a: u32, b: u32): bool {
  const fa = frequency(tree, a)
  const fb = frequency(tree, b)
  return fa < fb || (fa == fb && load<u8>(scratch + DEPTH + a) <= load<u8>(scratch + DEPTH + b))
}

function siftDown(tree: u32, from: u32): void {
  let k = from
  const node = heapAt(k)
  let j = k << 1
  while (j <= heapLength) {
    if (j < heapLength && comesFirst(tree, heapAt(j + 1), heapAt(j))) j++
    if (comesFirst(tree, node, heapAt(j))) break
    setHeap(k, heapAt(j))
    k = j
    j <<= 1
  }
  setHeap(k, node)
}

// Which tree: decides extra bits, the static tree and the longest code.
const OF_LITERALS: u32 = 0
const OF_DISTANCES: u32 = 1
const OF_LENGTHS: u32 = 2

function extraBits(which: u32, symbol: u32): u32 {
  if (which == OF_LITERALS) return symbol > END_OF_BLOCK ? lengthExtra(symbol - 257) : 0
  if (which == OF_DISTANCES) return distanceExtra(symbol)
  if (symbol == 16) return 2
  if (symbol == 17) return 3
  return symbol == 18 ? 7 : 0
}

function staticLength(which: u32, symbol: u32): u32 {
  if (which == OF_LITERALS) return lengthOf(scratch + STATIC_TREE, symbol)
  return which == OF_DISTANCES ? 5 : 0
}

/** Lengths and codes from frequencies; adds to the two sums of bits; the largest symbol that occurs. */
function buildTree(tree: u32, elements: u32, which: u32): u32 {
  let maxSymbol: u32 = 0
  let any = false
  heapLength = 0
  heapTop = HEAP_SIZE
  for (let n: u32 = 0; n < elements; n++) {
    if (frequency(tree, n) != 0) {
      setHeap(++heapLength, n)
      maxSymbol = n
      any = true
      store<u8>(scratch + DEPTH + n, 0)
    } else {
      setLength(tree, n, 0)
    }
  }
  // Decoders want two codes at least, so that each has one bit.
  while (heapLength < 2) {
    let node: u32 = 0
    if (!any) {
      any = true
    } else if (maxSymbol < 2) {
      node = ++maxSymbol
    }
    setHeap(++heapLength, node)
    setFrequency(tree, node, 1)
    store<u8>(scratch + DEPTH + node, 0)
    dynamicBits--
    staticBits -= staticLength(which, node)
  }
  for (let n = heapLength >>> 1; n >= 1; n--) siftDown(tree, n)
  let node = elements
  do {
    const a = heapAt(1)
    setHeap(1, heapAt(heapLength--))
    siftDown(tree, 1)
    const b = heapAt(1)
    setHeap(--heapTop, a)
    setHeap(--heapTop, b)
    setFrequency(tree, node, frequency(tree, a) + frequency(tree, b))
    const deepest = max(load<u8>(scratch + DEPTH + a), load<u8>(scratch + DEPTH + b))
    store<u8>(scratch + DEPTH + node, deepest + 1)
    setLength(tree, a, node)
    setLength(tree, b, node)
    setHeap(1, node++)
    siftDown(tree, 1)
  } while (heapLength >= 2)
  setHeap(--heapTop, heapAt(1))
  limitLengths(tree, maxSymbol, which)
  makeCodes(tree, maxSymbol)
  return maxSymbol
}

function limitLengths(tree: u32, maxSymbol: u32, which: u32): void {
  const counts = scratch + LENGTH_COUNTS
  const limit: u32 = which == OF_LENGTHS ? 7 : 15
  memory.fill(counts, 0, 32)
  setLength(tree, heapAt(heapTop), 0)
  let overflow: i32 = 0
  let h = heapTop + 1
  for (; h < HEAP_SIZE; h++) {
    const n = heapAt(h)
    let bits = lengthOf(tree, lengthOf(tree, n)) + 1
    if (bits > limit) {
      bits = limit
      overflow++
    }
    setLength(tree, n, bits)
    if (n > maxSymbol) continue
    const slot = counts + (bits << 1)
    store<u16>(slot, load<u16>(slot) + 1)
    const extra = extraBits(which, n)
    const many = frequency(tree, n)
    dynamicBits += many * (bits + extra)
    if (which != OF_LENGTHS) staticBits += many * (staticLength(which, n) + extra)
  }
  if (overflow == 0) return
  do {
    let bits = limit - 1
    while (load<u16>(counts + (bits << 1)) == 0) bits--
    store<u16>(counts + (bits << 1), load<u16>(counts + (bits << 1)) - 1)
    store<u16>(counts + ((bits + 1) << 1), load<u16>(counts + ((bits + 1) << 1)) + 2)
    store<u16>(counts + (limit << 1), load<u16>(counts + (limit << 1)) - 1)
    overflow -= 2
  } while (overflow > 0)
  for (let bits = limit; bits != 0; bits--) {
    let many = <u32>load<u16>(counts + (bits << 1))
    while (many != 0) {
      const n = heapAt(--h)
      if (n > maxSymbol) continue
      if (lengthOf(tree, n) != bits) {
        dynamicBits += (bits - lengthOf(tree, n)) * frequency(tree, n)
        setLength(tree, n, bits)
      }
      many--
    }
  }
}

/** Goes over the code lengths of a tree in runs: counts them (`send` false) or writes them. */
function runLengths(tree: u32, maxSymbol: u32, send: bool): void {
  const codes = scratch + LENGTH_TREE
  let previous: u32 = 0xffff
  let next = lengthOf(tree, 0)
  let count: u32 = 0
  let most: u32 = next == 0 ? 138 : 7
  let least: u32 = next == 0 ? 3 : 4
  for (let n: u32 = 0; n <= maxSymbol; n++) {
    const current = next
    next = n < maxSymbol ? lengthOf(tree, n + 1) : 0xffff
    count++
    if (count < most && current == next) continue
    if (count < least) {
      if (send) {
        do putBits(frequency(codes, current), lengthOf(codes, current))
        while (--count != 0)
      } else {
        setFrequency(codes, current, frequency(codes, current) + count)
      }
    } else {
      let symbol: u32
      let value: u32
      let bits: u32
      if (current != 0) {
        if (current != previous) {
          if (send) putBits(frequency(codes, current), lengthOf(codes, current))
          else setFrequency(codes, current, frequency(codes, current) + 1)
          count--
        }
        symbol = 16
        value = count - 3
        bits = 2
      } else if (count <= 10) {
        symbol = 17
        value = count - 3
        bits = 3
      } else {
        symbol = 18
        value = count - 11
        bits = 7
      }
      if (send) {
        putBits(frequency(codes, symbol), lengthOf(codes, symbol))
        putBits(value, bits)
      } else {
        setFrequency(codes, symbol, frequency(codes, symbol) + 1)
      }
    }
    count = 0
    previous = current
    if (next == 0) {
      most = 138
      least = 3
    } else if (current == next) {
      most = 6
      least = 3
    } else {
      most = 7
      least = 4
    }
  }
}

let symbolCount: u32 = 0
let matchCount: u32 = 0

function beginBlock(): void {
  memory.fill(scratch + LITERAL_TREE, 0, LITERALS << 2)
  memory.fill(scratch + DISTANCE_TREE, 0, DISTANCES << 2)
  memory.fill(scratch + LENGTH_TREE, 0, LENGTH_CODES << 2)
  setFrequency(scratch + LITERAL_TREE, END_OF_BLOCK, 1)
  dynamicBits = 0
  staticBits = 0
  symbolCount = 0
  matchCount = 0
}

function sendSymbols(literalTree: u32, distanceTree: u32): void {
  for (let i: u32 = 0; i < symbolCount; i++) {
    const symbol = load<u32>(scratch + SYMBOLS + (i << 2))
    const distance = symbol >>> 16
    const value = symbol & 0xffff
    if (distance == 0) {
      putBits(frequency(literalTree, value), lengthOf(literalTree, value))
      continue
    }
    const code = lengthCode(value)
    putBits(frequency(literalTree, code + 257), lengthOf(literalTree, code + 257))
    putBits(value - lengthBase(code), lengthExtra(code))
    const far = distanceCode(distance - 1)
    putBits(frequency(distanceTree, far), lengthOf(distanceTree, far))
    putBits(distance - 1 - distanceBase(far), distanceExtra(far))
  }
  putBits(frequency(literalTree, END_OF_BLOCK), lengthOf(literalTree, END_OF_BLOCK))
}

/** Writes the block in the shortest of the three forms; `from` 0: its bytes have left the window, so it cannot be stored. */
function endBlock(from: u32, length: u32, last: u32): void {
  const literalMax = buildTree(scratch + LITERAL_TREE, LITERALS, OF_LITERALS)
  const distanceMax = buildTree(scratch + DISTANCE_TREE, DISTANCES, OF_DISTANCES)
  runLengths(scratch + LITERAL_TREE, literalMax, false)
  runLengths(scratch + DISTANCE_TREE, distanceMax, false)
  buildTree(scratch + LENGTH_TREE, LENGTH_CODES, OF_LENGTHS)
  let lengthMax: u32 = LENGTH_CODES - 1
  while (lengthMax >= 3 && lengthOf(scratch + LENGTH_TREE, load<u8>(scratch + LENGTH_ORDER + lengthMax)) == 0) lengthMax--
  dynamicBits += 3 * (lengthMax + 1) + 5 + 5 + 4
  let dynamicBytes = (dynamicBits + 3 + 7) >>> 3
  const staticBytes = (staticBits + 3 + 7) >>> 3
  if (staticBytes <= dynamicBytes) dynamicBytes = staticBytes
  if (length + 4 <= dynamicBytes && from != 0) {
    putBits(last, 3)
    padToByte()
    store<u16>(out, <u16>length)
    store<u16>(out + 2, <u16>~length)
    memory.copy(out + 4, from, length)
    out += 4 + length
  } else if (staticBytes == dynamicBytes) {
    putBits((1 << 1) + last, 3)
    sendSymbols(scratch + STATIC_TREE, scratch + STATIC_DISTANCES)
  } else {
    putBits((2 << 1) + last, 3)
    putBits(literalMax - 256, 5)
    putBits(distanceMax, 5)
    putBits(lengthMax - 3, 4)
    for (let i: u32 = 0; i <= lengthMax; i++) {
      putBits(lengthOf(scratch + LENGTH_TREE, load<u8>(scratch + LENGTH_ORDER + i)), 3)
    }
    runLengths(scratch + LITERAL_TREE, literalMax, true)
    runLengths(scratch + DISTANCE_TREE, distanceMax, true)
    sendSymbols(scratch + LITERAL_TREE, scratch + DISTANCE_TREE)
  }
  beginBlock()
  if (last) padToByte()
}

/** Counts one literal (distance 0) or match (length less 3); true when the block should end. `covered`: its input so far. */
// @ts-ignore: decorator
@inline
function tally(distance: u32, value: u32, covered: u32): bool {
  store<u32>(scratch + SYMBOLS + (symbolCount << 2), (distance << 16) | value)
  symbolCount++
  if (distance == 0) {
    const slot = scratch + LITERAL_TREE + (value << 2)
    store<u16>(slot, load<u16>(slot) + 1)
  } else {
    matchCount++
    const slot = scratch + LITERAL_TREE + ((lengthCode(value) + 257) << 2)
    store<u16>(slot, load<u16>(slot) + 1)
    const far = scratch + DISTANCE_TREE + (distanceCode(distance - 1) << 2)
    store<u16>(far, load<u16>(far) + 1)
  }
  if ((symbolCount & 0xfff) == 0 && endsEarly(covered)) return true
  return symbolCount == BLOCK_SYMBOLS - 1
}

/** The rule that later versions of zlib dropped: a block that compresses well with few matches ends every 4096 symbols. */
function endsEarly(covered: u32): bool {
  let estimate = symbolCount * 8
  for (let code: u32 = 0; code < DISTANCES; code++) {
    estimate += frequency(scratch + DISTANCE_TREE, code) * (5 + distanceExtra(code))
  }
  return matchCount < symbolCount >>> 1 && estimate >>> 3 < covered >>> 1
}

// The window, as positions in it; `base` is the input at position 0.
let base: u32 = 0
let start: u32 = 0
let ahead: u32 = 0
let unread: u32 = 0
let blockStart: i32 = 0
let matchStart: u32 = 0
let previousLength: u32 = 0

/** Moves the window on when its upper half is nearly used up, and takes in what fits. */
function fillWindow(): void {
  do {
    let more = 2 * WINDOW - ahead - start
    if (start >= WINDOW + FARTHEST) {
      base += WINDOW
      matchStart -= WINDOW
      start -= WINDOW
      blockStart -= <i32>WINDOW
      for (let slot = scratch + HEADS; slot < scratch + HEADS + 65536; slot += 2) {
        const position = <u32>load<u16>(slot)
        store<u16>(slot, <u16>(position >= WINDOW ? position - WINDOW : 0))
      }
      for (let slot = scratch + PREVIOUS; slot < scratch + PREVIOUS + 4096; slot += 2) {
        const position = <u32>load<u16>(slot)
        store<u16>(slot, <u16>(position >= WINDOW ? position - WINDOW : 0))
      }
      more += WINDOW
    }
    if (unread == 0) return
    const taken = min(more, unread)
    unread -= taken
    ahead += taken
  } while (ahead < LEAST_AHEAD && unread != 0)
}

/** Enters the three bytes at `position`; the last position with their hash, 0 for none. */
// @ts-ignore: decorator
@inline
function enter(position: u32): u32 {
  const at = base + position
  const hash = ((<u32>load<u8>(at) << 10) ^ (<u32>load<u8>(at + 1) << 5) ^ <u32>load<u8>(at + 2)) & 0x7fff
  const slot = scratch + HEADS + (hash << 1)
  const before = load<u16>(slot)
  store<u16>(scratch + PREVIOUS + ((position & WINDOW_MASK) << 1), before)
  store<u16>(slot, <u16>position)
  return before
}

function longestMatch(first: u32): u32 {
  let current = first
  let tries: u32 = previousLength >= GOOD_LENGTH ? CHAIN_LENGTH >>> 2 : CHAIN_LENGTH
  let best = previousLength
  const nice = min(NICE_LENGTH, ahead)
  const limit: u32 = start > FARTHEST ? start - FARTHEST : 0
  const scan = base + start
  do {
    const match = base + current
    if (load<u16>(match + best - 1) == load<u16>(scan + best - 1) && load<u16>(match) == load<u16>(scan)) {
      let length: u32 = 2
      while (length < LONGEST && load<u8>(scan + length) == load<u8>(match + length)) length++
      if (length > best) {
        matchStart = current
        best = length
        if (length >= nice) break
      }
    }
    current = <u32>load<u16>(scratch + PREVIOUS + ((current & WINDOW_MASK) << 1))
  } while (current > limit && --tries != 0)
  return min(best, ahead)
}

function flush(last: u32): void {
  endBlock(blockStart >= 0 ? base + <u32>blockStart : 0, <u32>(<i32>start - blockStart), last)
  blockStart = <i32>start
}

/** Compresses `n` bytes at `src` to `dst`, which has room for 2 n + 1024. */
export function compress(src: u32, n: u32, dst: u32): u32 {
  out = dst
  held = 0
  heldBits = 0
  base = src
  start = 0
  ahead = 0
  unread = n
  blockStart = 0
  matchStart = 0
  previousLength = SHORTEST - 1
  memory.fill(scratch + HEADS, 0, 65536)
  beginBlock()
  let length: u32 = SHORTEST - 1
  let pending = false
  while (true) {
    if (ahead < LEAST_AHEAD) {
      fillWindow()
      if (ahead == 0) break
    }
    let candidate: u32 = 0
    if (ahead >= SHORTEST) candidate = enter(start)
    previousLength = length
    const previousMatch = matchStart
    length = SHORTEST - 1
    if (candidate != 0 && previousLength < LAZY_LENGTH && start - candidate <= FARTHEST) {
      length = longestMatch(candidate)
    }
    if (previousLength >= SHORTEST && length <= previousLength) {
      const lastEntry = start + ahead - SHORTEST
      const ends = tally(start - 1 - previousMatch, previousLength - SHORTEST, <u32>(<i32>start - blockStart))
      ahead -= previousLength - 1
      let rest = previousLength - 2
      do {
        if (++start <= lastEntry) enter(start)
      } while (--rest != 0)
      pending = false
      length = SHORTEST - 1
      start++
      if (ends) flush(0)
    } else if (pending) {
      if (tally(0, load<u8>(base + start - 1), <u32>(<i32>start - blockStart))) flush(0)
      start++
      ahead--
    } else {
      pending = true
      start++
      ahead--
    }
  }
  if (pending) tally(0, load<u8>(base + start - 1), <u32>(<i32>start - blockStart))
  flush(1)
  return out - dst
}

// Decoder: canonical codes by counting, RFC 1951, 3.2.2. The trees' places hold counts u16[16] and symbols u16[288].
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
export function decompress(src: u32, n: u32, dst: u32, room: u32): i32 {
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
