import { PseudoRandom } from './pseudo-random.ts'

/** Writes material to the whole of `target`; `unit` bytes is what its pieces are aligned to. */
interface Writer {
  readonly unit: 8 | 64
  readonly write: (random: PseudoRandom, target: Uint8Array) => void
}

/**
 * What generated pages are cut from. Compressors differ in what they find in each: long and short repeats (all of them), repeats at a
 * fixed distance (zstd), bytes of few kinds (those that code entropy), so that mixtures meet the sizes of several codecs at once.
 */
const WRITERS = {
  words: { unit: 8, write: writeWords },
  phrases: { unit: 8, write: writePhrases },
  hex: { unit: 8, write: (random, target) => writeLetters('0123456789abcdef', random, target) },
  base64: {
    unit: 8,
    write: (random, target) =>
      writeLetters(
        'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
        random,
        target,
      ),
  },
  objects: { unit: 8, write: writeObjects },
  records: { unit: 64, write: writeRecords },
  pointers: { unit: 8, write: writePointers },
  scattered: { unit: 8, write: writeScattered },
  islands: { unit: 8, write: writeIslands },
  stripes: { unit: 64, write: writeStripes },
  code: { unit: 8, write: writeCode },
  integers: { unit: 8, write: writeIntegers },
} satisfies Readonly<Record<string, Writer>>

export type Material = keyof typeof WRITERS
export const MATERIALS = Object.keys(WRITERS) as readonly Material[]

/** Fills a pool, and tells what chunks cut from it must be aligned to. */
export function fillMaterial(material: Material, seed: number, target: Uint8Array): number {
  const { unit, write } = WRITERS[material]
  write(new PseudoRandom(seed), target)
  return unit
}

/** A word of letters as frequent as in English, of `shortest` or more. */
function makeWord(random: PseudoRandom, shortest: number): string {
  const letters = 'eeeeetttaaaooiinnsshrrddlluccmmwfgypbvk_xjqz'
  let word = ''
  const length = shortest + random.below(4) + random.below(5)
  for (let j = 0; j < length; j += 1) word += letters[random.below(letters.length)] ?? 'e'
  return word
}

/** Writes what `next` gives, piece after piece. */
function writeText(target: Uint8Array, next: () => string): void {
  let at = 0
  while (at < target.length) {
    const piece = next()
    for (let j = 0; j < piece.length && at < target.length; j += 1) {
      target[at++] = piece.charCodeAt(j)
    }
  }
}

/** Words of a vocabulary in which early words are much more frequent, as in source code and prose. */
function writeWords(random: PseudoRandom, target: Uint8Array): void {
  const words = Array.from({ length: 3000 }, () => makeWord(random, 2))
  const ends = [' ', ' ', ' ', ' ', ', ', '.', '(', ') ', '\n', '\n    ', ' = ', '"', '":', '/']
  writeText(target, () => {
    // The product of two uniform numbers prefers small indices.
    const index = (random.below(3000) * random.below(3000)) / 3000
    const word =
      random.below(12) === 0 ? String(random.below(10_000)) : (words[Math.floor(index)] ?? '')
    return word + (ends[random.below(ends.length)] ?? ' ')
  })
}

/** Lines that begin alike and end in a word or number of their own: logs, paths, generated source. */
function writePhrases(random: PseudoRandom, target: Uint8Array): void {
  const starts = Array.from({ length: 24 }, () =>
    Array.from({ length: 2 + random.below(3) }, () => makeWord(random, 3)).join('/'),
  )
  writeText(target, () => {
    const start = starts[Math.floor((random.below(24) * random.below(24)) / 24)] ?? ''
    const own = random.below(2) === 0 ? makeWord(random, 2) : String(random.below(1000))
    return `${start}: ${own}\n`
  })
}

/** Letters drawn alike: hardly a repeat, but fewer bits than bytes have. */
function writeLetters(letters: string, random: PseudoRandom, target: Uint8Array): void {
  for (let at = 0; at < target.length; at += 1) {
    target[at] = letters.charCodeAt(random.below(letters.length))
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
function writeObjects(random: PseudoRandom, target: Uint8Array): void {
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

/** Objects of one type, 32 bytes each: type, a constant, a pointer to some other object, nothing. Repeats keep their distance. */
function writeRecords(random: PseudoRandom, target: Uint8Array): void {
  for (let at = 0; at + 32 <= target.length; at += 32) {
    putWord(target, at, 0x7a000c40, 0x55d2)
    putWord(target, at + 8, 1, 0)
    putWord(target, at + 16, 0x3a200000 + (random.below(4096) << 4), 0x7f3a)
    putWord(target, at + 24, 0, 0)
  }
}

/** Runs of one pointer, as in tables whose entries nearly all mean nothing. */
function writePointers(random: PseudoRandom, target: Uint8Array): void {
  let run = 0
  let low = 0
  for (let at = 0; at + 8 <= target.length; at += 8) {
    if (run === 0) {
      run = 1 + random.below(40)
      low = 0x7a000000 + (random.below(8192) << 3)
    }
    putWord(target, at, low, 0x7f3a)
    run -= 1
  }
}

/** Small values are much more frequent: the product of three uniform numbers. */
function skewed(random: PseudoRandom, limit: number): number {
  const product = (random.below(1024) * random.below(1024)) / 1024
  return Math.floor((product * random.below(1024) * limit) / 1_048_576)
}

/** Mostly zero words with single small values: tables and freshly used heaps. */
function writeScattered(random: PseudoRandom, target: Uint8Array): void {
  target.fill(0)
  for (let at = 0; at + 8 <= target.length; at += 8) {
    const kind = random.below(8)
    if (kind < 3) putWord(target, at, random.below(256), 0)
    else if (kind === 3) putWord(target, at, random.next(), 0x7f3a)
    else if (kind === 4) putWord(target, at, random.below(0x8000), random.below(4))
  }
}

/** Zeros with a value in one word of sixteen. */
function writeIslands(random: PseudoRandom, target: Uint8Array): void {
  target.fill(0)
  for (let at = 0; at + 8 <= target.length; at += 8) {
    if (random.below(16) === 0) putWord(target, at, random.next() >>> (8 * random.below(3)), 0)
  }
}

/** A table with a row of 16 bytes of which only the first is not zero. */
function writeStripes(random: PseudoRandom, target: Uint8Array): void {
  target.fill(0)
  for (let at = 0; at + 16 <= target.length; at += 16) target[at] = 1 + random.below(255)
}

/** Machine code and packed records: short recurring opcodes between operands whose bits are mostly zero. */
function writeCode(random: PseudoRandom, target: Uint8Array): void {
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

/** 32-bit numbers below 4096: no four bytes repeat for long, but half of them are zero. */
function writeIntegers(random: PseudoRandom, target: Uint8Array): void {
  for (let at = 0; at + 4 <= target.length; at += 4) {
    const value = random.below(4096)
    target[at] = value & 255
    target[at + 1] = value >>> 8
    target[at + 2] = 0
    target[at + 3] = 0
  }
}
