// Blocks of deflate: symbols are gathered with their frequencies, then written in the shortest of the three forms.
import {
  DISTANCES,
  DISTANCE_TREE,
  END_OF_BLOCK,
  LENGTH_CODES,
  LENGTH_ORDER,
  LENGTH_TREE,
  LITERALS,
  LITERAL_TREE,
  STATIC_DISTANCES,
  STATIC_TREE,
  SYMBOLS,
  distanceBase,
  distanceCode,
  distanceExtra,
  lengthBase,
  lengthCode,
  lengthExtra,
  scratch,
} from './_deflate-layout'
import {
  OF_DISTANCES,
  OF_LENGTHS,
  OF_LITERALS,
  buildTree,
  countNoBits,
  dynamicBits,
  frequency,
  lengthOf,
  setFrequency,
  staticBits,
} from './_deflate-trees'

const BLOCK_SYMBOLS: u32 = 16384

/** Where the next whole bytes go. */
export let out: u32 = 0
let held: u64 = 0
let heldBits: u32 = 0
let mayEndEarly: bool = false

/** `early`: blocks that compress well with few matches end early. */
export function openBlocks(dst: u32, early: bool): void {
  out = dst
  held = 0
  heldBits = 0
  mayEndEarly = early
  beginBlock()
}

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

export function beginBlock(): void {
  memory.fill(scratch + LITERAL_TREE, 0, LITERALS << 2)
  memory.fill(scratch + DISTANCE_TREE, 0, DISTANCES << 2)
  memory.fill(scratch + LENGTH_TREE, 0, LENGTH_CODES << 2)
  setFrequency(scratch + LITERAL_TREE, END_OF_BLOCK, 1)
  countNoBits()
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

/** Writes a block as it is. */
export function putStored(from: u32, length: u32, last: u32): void {
  putBits(last, 3)
  padToByte()
  store<u16>(out, <u16>length)
  store<u16>(out + 2, <u16>~length)
  memory.copy(out + 4, from, length)
  out += 4 + length
}

/** Writes the block in the shortest of the three forms; `isHeld`: its bytes are still in the window; else it cannot be stored. */
export function endBlock(from: u32, length: u32, isHeld: bool, last: u32): void {
  const literalMax = buildTree(scratch + LITERAL_TREE, LITERALS, OF_LITERALS)
  const distanceMax = buildTree(scratch + DISTANCE_TREE, DISTANCES, OF_DISTANCES)
  runLengths(scratch + LITERAL_TREE, literalMax, false)
  runLengths(scratch + DISTANCE_TREE, distanceMax, false)
  buildTree(scratch + LENGTH_TREE, LENGTH_CODES, OF_LENGTHS)
  let lengthMax: u32 = LENGTH_CODES - 1
  while (lengthMax >= 3 && lengthOf(scratch + LENGTH_TREE, load<u8>(scratch + LENGTH_ORDER + lengthMax)) == 0) lengthMax--
  let dynamicBytes = (dynamicBits + 3 * (lengthMax + 1) + 5 + 5 + 4 + 3 + 7) >>> 3
  const staticBytes = (staticBits + 3 + 7) >>> 3
  if (staticBytes <= dynamicBytes) dynamicBytes = staticBytes
  if (length + 4 <= dynamicBytes && isHeld) {
    putStored(from, length, last)
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
export function tally(distance: u32, value: u32, covered: u32): bool {
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
  if (mayEndEarly && (symbolCount & 0xfff) == 0 && endsEarly(covered)) return true
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
