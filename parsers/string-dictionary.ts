import type { StringDictionary } from './batch.ts'
import { toText } from './cursor.ts'

const FIRST_STRINGS = 1024
const HASH_START = 0x811c9dc5
const HASH_PRIME = 0x9e3779b1

/**
 * Distinct strings found by their bytes: a JavaScript string is made once per string, not per event. A key is the string as
 * little-endian words, padded with zeros; as a string has no NUL, equal keys are equal strings.
 */
export class ByteDictionary implements StringDictionary {
  readonly #strings: string[] = []
  #keys = new Uint32Array(4096)
  #keysUsed = 0
  /** First word of each key; one more entry marks the end. */
  #starts = new Uint32Array(FIRST_STRINGS + 1)
  #hashes = new Int32Array(FIRST_STRINGS)
  /** Code + 1 by hash; 0 = free. Never more than half full. */
  #slots = new Int32Array(FIRST_STRINGS * 2)
  #key = new Uint32Array(64)

  get length(): number {
    return this.#strings.length
  }

  /** Bytes held by the distinct strings. */
  get bytesUsed(): number {
    return this.#keysUsed * 4
  }

  get(code: number): string {
    const text = this.#strings[code]
    if (text === undefined) throw new RangeError(`no string has code ${code}`)
    return text
  }

  /** Code of bytes[start .. end) up to the first NUL. */
  intern(bytes: Uint8Array, start: number, end: number): number {
    let hash = HASH_START
    let length = 0
    this.#reserveKey((end - start) / 4 + 1)
    const key = this.#key
    let isLast = false
    for (let at = start; !isLast; at += 4) {
      let word = 0
      for (let i = 0; i < 4; i++) {
        const byte = at + i < end ? (bytes[at + i] as number) : 0
        if (byte === 0) {
          isLast = true
          break
        }
        word |= byte << (8 * i)
      }
      if (word === 0) break
      key[length++] = word
      hash = mix(hash, word)
    }
    return this.#lookUp(length, hash)
  }

  /** The same for `bytes` bytes (a multiple of 4) from words[at], where the words are little endian. */
  internWords(words: Uint32Array, at: number, bytes: number): number {
    let hash = HASH_START
    let length = 0
    const end = at + (bytes >>> 2)
    this.#reserveKey(bytes >>> 2)
    const key = this.#key
    for (let i = at; i < end; i++) {
      let word = words[i] as number
      // Set where a byte is zero, exactly for the lowest such byte.
      const zeros = (word - 0x0101_0101) & ~word & 0x8080_8080
      if (zeros !== 0) {
        const bit = zeros & -zeros
        // bit is 0x80 << 8k: what lies below byte k stays.
        word = bit === 0x80 ? 0 : word & (((bit >>> 7) >>> 0) - 1)
        if (word !== 0) {
          key[length++] = word
          hash = mix(hash, word)
        }
        break
      }
      key[length++] = word
      hash = mix(hash, word)
    }
    return this.#lookUp(length, hash)
  }

  #lookUp(length: number, unfinished: number): number {
    const hash = unfinished ^ (unfinished >>> 16)
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = hash & mask
    for (;;) {
      const code = (slots[slot] as number) - 1
      if (code < 0) return this.#add(length, hash, slot)
      if (this.#hashes[code] === hash && this.#equals(code, length)) return code
      slot = (slot + 1) & mask
    }
  }

  #equals(code: number, length: number): boolean {
    const from = this.#starts[code] as number
    if ((this.#starts[code + 1] as number) - from !== length) return false
    const key = this.#key
    const keys = this.#keys
    for (let i = 0; i < length; i++) if (keys[from + i] !== key[i]) return false
    return true
  }

  #add(length: number, hash: number, slot: number): number {
    const code = this.#strings.length
    if (code === this.#hashes.length) {
      this.#starts = grown(this.#starts, new Uint32Array(code * 2 + 1))
      this.#hashes = grown(this.#hashes, new Int32Array(code * 2))
    }
    if (this.#keysUsed + length > this.#keys.length)
      this.#keys = grown(
        this.#keys,
        new Uint32Array(Math.max(this.#keys.length * 2, this.#keysUsed + length)),
      )
    for (let i = 0; i < length; i++) this.#keys[this.#keysUsed + i] = this.#key[i] as number
    this.#keysUsed += length
    this.#starts[code + 1] = this.#keysUsed
    this.#hashes[code] = hash
    this.#strings.push(this.#keyText(length))
    this.#slots[slot] = code + 1
    if (this.#strings.length * 2 > this.#slots.length) this.#rehash()
    return code
  }

  #keyText(length: number): string {
    const bytes = new Uint8Array(length * 4)
    for (let i = 0; i < bytes.length; i++)
      bytes[i] = ((this.#key[i >>> 2] as number) >>> (8 * (i & 3))) & 0xff
    const end = bytes.indexOf(0)
    return toText(end < 0 ? bytes : bytes.subarray(0, end))
  }

  #reserveKey(words: number): void {
    if (words > this.#key.length) this.#key = new Uint32Array(Math.ceil(words) * 2)
  }

  #rehash(): void {
    const slots = new Int32Array(this.#slots.length * 2)
    const mask = slots.length - 1
    for (let code = 0; code < this.#strings.length; code++) {
      let slot = (this.#hashes[code] as number) & mask
      while (slots[slot] !== 0) slot = (slot + 1) & mask
      slots[slot] = code + 1
    }
    this.#slots = slots
  }
}

function mix(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, HASH_PRIME)
  return mixed ^ (mixed >>> 15)
}

function grown<A extends Uint32Array | Int32Array>(from: A, to: A): A {
  to.set(from)
  return to
}
