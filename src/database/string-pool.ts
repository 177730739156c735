import type { Vector } from '@duckdb/node-bindings'
import type { StringDictionary } from '../../parsers/batch.ts'
import { bindings as duckdb, VARCHAR } from './duckdb.ts'

const VECTOR_STRINGS = 256
const MOST_STRINGS = 65_536
/** DuckDB keeps strings up to this length inside the 16-byte string_t itself (string_type.hpp, INLINE_LENGTH). */
const INLINE_BYTES = 12

/**
 * Strings as DuckDB's 16-byte `string_t`, each made once. Longer ones point into vectors that the pool owns; DuckDB copies
 * them when a chunk is appended, so a string may be dropped after that.
 */
export class StringPool {
  /** string_t number i is words[4i .. 4i+4). */
  words = new Uint32Array(4 * 1024)
  #length = 0
  #generation = 0
  #codes = new Map<string, number>()
  #vectors: Vector[] = []
  #retired: Vector[] = []
  #usedInVector = VECTOR_STRINGS
  readonly #encoder = new TextEncoder()
  readonly #indexes = new WeakMap<
    object,
    { generation: number; index: Int32Array; length: number }
  >()

  /** Pool index of every string of a list by its code; valid until the next call of an `indexOf*`. */
  indexOfList(strings: readonly string[]): Int32Array {
    return this.#indexOf(strings, strings.length, (code) => strings[code] ?? '')
  }

  indexOfDictionary(dictionary: StringDictionary): Int32Array {
    return this.#indexOf(dictionary, dictionary.length, (code) => dictionary.get(code))
  }

  #indexOf(key: object, length: number, get: (code: number) => string): Int32Array {
    if (this.#length > MOST_STRINGS + 2 * length) this.#forget()
    let entry = this.#indexes.get(key)
    if (entry === undefined || entry.generation !== this.#generation) {
      entry = {
        generation: this.#generation,
        index: new Int32Array(Math.max(64, length)),
        length: 0,
      }
      this.#indexes.set(key, entry)
    }
    if (entry.index.length < length) {
      const grown = new Int32Array(Math.max(length, entry.index.length * 2))
      grown.set(entry.index)
      entry.index = grown
    }
    for (; entry.length < length; entry.length++) {
      entry.index[entry.length] = this.#intern(get(entry.length))
    }
    return entry.index
  }

  #intern(text: string): number {
    const known = this.#codes.get(text)
    if (known !== undefined) return known
    const at = this.#length++
    this.#codes.set(text, at)
    if (at * 4 === this.words.length) {
      const grown = new Uint32Array(this.words.length * 2)
      grown.set(this.words)
      this.words = grown
    }
    const bytes = this.#encoder.encode(text)
    if (bytes.length <= INLINE_BYTES) {
      this.words[4 * at] = bytes.length
      new Uint8Array(this.words.buffer, 16 * at + 4, INLINE_BYTES).set(bytes)
      return at
    }
    if (this.#usedInVector === VECTOR_STRINGS) {
      const type = VARCHAR.toLogicalType().logical_type
      this.#vectors.push(duckdb.create_vector(type, VECTOR_STRINGS))
      this.#usedInVector = 0
    }
    const slot = this.#usedInVector++
    const vector = this.#vectors[this.#vectors.length - 1]
    if (vector === undefined) throw new RangeError('string pool has no vector')
    duckdb.vector_assign_string_element_len(vector, slot, bytes)
    const data = duckdb.vector_get_data(vector, 16 * (slot + 1))
    new Uint8Array(this.words.buffer, 16 * at, 16).set(data.subarray(16 * slot))
    return at
  }

  /** Vectors kept alive: those in use and those retired last. */
  get vectorCount(): number {
    return this.#vectors.length + this.#retired.length
  }

  #forget(): void {
    this.#generation++
    this.#length = 0
    this.#codes = new Map()
    // A chunk that is not appended yet may still point into them.
    this.#retired = this.#vectors
    this.#vectors = []
    this.#usedInVector = VECTOR_STRINGS
  }
}
