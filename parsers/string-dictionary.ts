import type { StringDictionary } from './batch.ts'
import { toText } from './cursor.ts'

const FIRST_SLOTS = 1024
const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193

/** Distinct strings found by their bytes: a JavaScript string is made once per string, not per event. */
export class ByteDictionary implements StringDictionary {
  readonly #strings: string[] = []
  #bytes = new Uint8Array(16_384)
  #used = 0
  #starts = new Uint32Array(FIRST_SLOTS)
  #hashes = new Int32Array(FIRST_SLOTS)
  /** Code + 1 by hash; 0 = free. Never more than half full. */
  #slots = new Int32Array(FIRST_SLOTS * 2)

  get length(): number {
    return this.#strings.length
  }

  /** Bytes held by the distinct strings. */
  get bytesUsed(): number {
    return this.#used
  }

  get(code: number): string {
    const text = this.#strings[code]
    if (text === undefined) throw new RangeError(`no string has code ${code}`)
    return text
  }

  /** Code of bytes[start .. end) up to the first NUL. */
  intern(bytes: Uint8Array, start: number, end: number): number {
    let hash = FNV_OFFSET
    let stop = start
    for (; stop < end; stop++) {
      const byte = bytes[stop] as number
      if (byte === 0) break
      hash = Math.imul(hash ^ byte, FNV_PRIME)
    }
    // Low bits of FNV are weak for short strings.
    hash ^= hash >>> 15
    const mask = this.#slots.length - 1
    let slot = hash & mask
    for (;;) {
      const code = (this.#slots[slot] as number) - 1
      if (code < 0) return this.#add(bytes, start, stop, hash, slot)
      if (this.#hashes[code] === hash && this.#equals(code, bytes, start, stop)) return code
      slot = (slot + 1) & mask
    }
  }

  #equals(code: number, bytes: Uint8Array, start: number, stop: number): boolean {
    const from = this.#starts[code] as number
    const end = code + 1 < this.#strings.length ? (this.#starts[code + 1] as number) : this.#used
    if (end - from !== stop - start) return false
    const own = this.#bytes
    for (let i = 0; i < stop - start; i++) if (own[from + i] !== bytes[start + i]) return false
    return true
  }

  #add(bytes: Uint8Array, start: number, stop: number, hash: number, slot: number): number {
    const code = this.#strings.length
    const length = stop - start
    if (code === this.#starts.length) {
      this.#starts = grown(this.#starts, new Uint32Array(code * 2))
      this.#hashes = grown(this.#hashes, new Int32Array(code * 2))
    }
    if (this.#used + length > this.#bytes.length)
      this.#bytes = grown(
        this.#bytes,
        new Uint8Array(Math.max(this.#bytes.length * 2, this.#used + length)),
      )
    for (let i = 0; i < length; i++) this.#bytes[this.#used + i] = bytes[start + i] as number
    this.#starts[code] = this.#used
    this.#hashes[code] = hash
    this.#used += length
    this.#strings.push(toText(bytes.subarray(start, stop)))
    this.#slots[slot] = code + 1
    if (this.#strings.length * 2 > this.#slots.length) this.#rehash()
    return code
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

function grown<A extends Uint8Array | Uint32Array | Int32Array>(from: A, to: A): A {
  to.set(from)
  return to
}
