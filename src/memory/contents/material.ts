import { PseudoRandom } from './pseudo-random.ts'

/** Kinds of page that differ in what their bytes are made of. */
export const MATERIALS = ['text', 'heap', 'sparse', 'binary', 'random'] as const
export type Material = (typeof MATERIALS)[number]

/** Writes `bytes` of class material to `target`: what fresh chunks of generated pages are cut from. */
export function fillMaterial(material: Material, seed: number, target: Uint8Array): void {
  const random = new PseudoRandom(seed)
  writers[material](random, target)
}

const writers: Readonly<Record<Material, (random: PseudoRandom, target: Uint8Array) => void>> = {
  text: writeText,
  heap: writeHeap,
  sparse: writeSparse,
  binary: writeBinary,
  random: writeRandom,
}

function writeRandom(random: PseudoRandom, target: Uint8Array): void {
  for (let at = 0; at < target.length; at += 1) target[at] = random.next() >>> 24
}

/** Words of a vocabulary in which early words are much more frequent, as in source code and prose. */
function writeText(random: PseudoRandom, target: Uint8Array): void {
  const letters = 'eeeeetttaaaooiinnsshrrddlluccmmwfgypbvk_xjqz'
  const words: string[] = []
  for (let i = 0; i < 3000; i += 1) {
    let word = ''
    const length = 2 + random.below(4) + random.below(5)
    for (let j = 0; j < length; j += 1) word += letters[random.below(letters.length)] ?? 'e'
    words.push(word)
  }
  const ends = [' ', ' ', ' ', ' ', ', ', '.', '(', ') ', '\n', '\n    ', ' = ', '"', '":', '/']
  let at = 0
  while (at < target.length) {
    // The product of two uniform numbers prefers small indices.
    const index = (random.below(3000) * random.below(3000)) / 3000
    let word = words[Math.floor(index)] ?? ''
    if (random.below(12) === 0) word = String(random.below(10_000))
    word += ends[random.below(ends.length)] ?? ' '
    for (let j = 0; j < word.length && at < target.length; j += 1) {
      target[at++] = word.charCodeAt(j)
    }
  }
}

function putWord(target: Uint8Array, at: number, low: number, high: number): void {
  for (let byte = 0; byte < 4; byte += 1) {
    target[at + byte] = (low >>> (8 * byte)) & 255
    target[at + 4 + byte] = (high >>> (8 * byte)) & 255
  }
}

/**
 * Words of objects: pointers to neighbours in an arena that moves on slowly, pointers to a few types, small counts, flags, now and then a
 * hash.
 */
function writeHeap(random: PseudoRandom, target: Uint8Array): void {
  const types = Array.from({ length: 40 }, (_, index) => 0x7a000000 + index * 0x40)
  let arena = 0x3a200000
  for (let at = 0; at + 8 <= target.length; at += 8) {
    const kind = random.below(32)
    if (kind < 13) {
      putWord(target, at, (arena + (skewed(random, 128) << 5)) >>> 0, 0x7f3a)
    } else if (kind < 20) {
      putWord(target, at, types[skewed(random, 40)] ?? 0, 0x55d2)
    } else if (kind < 23) {
      putWord(target, at, 0, 0)
    } else if (kind < 31) {
      putWord(target, at, 1 + skewed(random, 48), skewed(random, 6))
    } else {
      arena += random.below(64) << 9
      putWord(target, at, random.below(4096), 0)
    }
  }
}

/** Small values are much more frequent: the product of three uniform numbers. */
function skewed(random: PseudoRandom, limit: number): number {
  const product = (random.below(1024) * random.below(1024)) / 1024
  return Math.floor((product * random.below(1024) * limit) / 1_048_576)
}

/** Mostly zero words with single small values: tables and freshly used heaps. */
function writeSparse(random: PseudoRandom, target: Uint8Array): void {
  target.fill(0)
  for (let at = 0; at + 8 <= target.length; at += 8) {
    const kind = random.below(8)
    if (kind < 3) putWord(target, at, random.below(256), 0)
    else if (kind === 3) putWord(target, at, random.next(), 0x7f3a)
    else if (kind === 4) putWord(target, at, random.below(0x8000), random.below(4))
  }
}

/** Machine code and packed records: short recurring opcodes between operands whose bits are mostly zero. */
function writeBinary(random: PseudoRandom, target: Uint8Array): void {
  const opcodes = Array.from({ length: 96 }, () => {
    const length = 2 + random.below(5)
    return Array.from({ length }, () => lowByte(random))
  })
  let at = 0
  while (at < target.length) {
    const index = Math.floor((random.below(96) * random.below(96)) / 96)
    for (const byte of opcodes[index] ?? []) {
      if (at < target.length) target[at++] = byte
    }
    const operand = random.below(4)
    if (operand === 0 && at < target.length) target[at++] = lowByte(random)
    if (operand === 1) {
      for (let j = 0; j < 4 && at < target.length; j += 1) {
        target[at++] = j < 2 ? lowByte(random) : 0
      }
    }
  }
}

/** Each bit is set with probability 1/4: bytes of 6.5 bits, and mostly few values. */
function lowByte(random: PseudoRandom): number {
  const word = random.next()
  return (word >>> 24) & (word >>> 16) & (random.below(8) === 0 ? 255 : 0x77)
}
