// Huffman trees of deflate: code lengths from frequencies, as zlib's heap makes them, and codes from lengths.
import {
  DEPTH,
  DISTANCES,
  END_OF_BLOCK,
  HEAP,
  LENGTH_COUNTS,
  NEXT_CODES,
  STATIC_DISTANCES,
  STATIC_TREE,
  distanceExtra,
  lengthExtra,
  scratch,
} from './_deflate-layout'

const HEAP_SIZE: u32 = 573

// @ts-ignore: decorator
@inline
export function frequency(tree: u32, n: u32): u32 {
  return load<u16>(tree + (n << 2))
}

// @ts-ignore: decorator
@inline
export function setFrequency(tree: u32, n: u32, value: u32): void {
  store<u16>(tree + (n << 2), <u16>value)
}

// @ts-ignore: decorator
@inline
export function lengthOf(tree: u32, n: u32): u32 {
  return load<u16>(tree + (n << 2) + 2)
}

// @ts-ignore: decorator
@inline
function setLength(tree: u32, n: u32, value: u32): void {
  store<u16>(tree + (n << 2) + 2, <u16>value)
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

/** The trees of static blocks: RFC 1951, 3.2.6. */
export function setStaticTrees(): void {
  const tree = scratch + STATIC_TREE
  for (let n: u32 = 0; n < 288; n++) {
    setLength(tree, n, n < 144 ? 8 : n < 256 ? 9 : n < 280 ? 7 : 8)
  }
  const counts = scratch + LENGTH_COUNTS
  memory.fill(counts, 0, 32)
  store<u16>(counts + 14, 24)
  store<u16>(counts + 16, 152)
  store<u16>(counts + 18, 112)
  makeCodes(tree, 287)
  for (let n: u32 = 0; n < DISTANCES; n++) {
    setLength(scratch + STATIC_DISTANCES, n, 5)
    setFrequency(scratch + STATIC_DISTANCES, n, reversed(n, 5))
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

/** What the symbols of the block take by trees of their own, and by the static ones. */
export let dynamicBits: u32 = 0
export let staticBits: u32 = 0

export function countNoBits(): void {
  dynamicBits = 0
  staticBits = 0
}

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
export const OF_LITERALS: u32 = 0
export const OF_DISTANCES: u32 = 1
export const OF_LENGTHS: u32 = 2

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
export function buildTree(tree: u32, elements: u32, which: u32): u32 {
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
