import { DENSE_OFFSETS, ENTRY_BITS, ENTRY_BYTES } from './assembly/_layout.ts'
import type { Following } from './follow-kernel.ts'

const KEY_OFFSETS = 2 ** 46
const BLOCK = 1 << ENTRY_BITS
/** Numbers of one entry lie side by side: each entry is a cache miss. */
const WIDTH = ENTRY_BYTES / 8

/** Two whole numbers for each swap entry (`swapKey`), 0 at first. Areas are used densely: blocks of numbers beat a map. */
export class SlotNumbers {
  readonly #following: Following
  readonly #areas: { readonly places: Int32Array; readonly blocks: Float64Array[] }[] = []
  readonly #sparse = new Map<number, Float64Array>()
  readonly #spare: Float64Array[] = []

  constructor(following: Following) {
    this.#following = following
  }

  /** The block that holds the entry's numbers, from `placeOf(key)` on; undefined = all 0. */
  find(key: number): Float64Array | undefined {
    const type = Math.floor(key / KEY_OFFSETS)
    const offset = key - type * KEY_OFFSETS
    if (!(offset < DENSE_OFFSETS)) return this.#sparse.get(key)
    return this.#areas[type]?.blocks[offset >>> ENTRY_BITS]
  }

  /** The same, to be written to. */
  blockOf(key: number): Float64Array {
    return this.find(key) ?? this.#add(key)
  }

  /** Where the entry's numbers lie in the kernel's memory. */
  addressOf(key: number): number {
    return this.blockOf(key).byteOffset + placeOf(key) * 8
  }

  #add(key: number): Float64Array {
    const following = this.#following
    const type = Math.floor(key / KEY_OFFSETS)
    const offset = key - type * KEY_OFFSETS
    if (!(offset < DENSE_OFFSETS)) {
      const numbers = this.#spare.pop() ?? following.floats(following.room(ENTRY_BYTES), WIDTH)
      this.#sparse.set(key, numbers)
      return numbers
    }
    const { places, blocks } = this.#areaOf(type)
    const block = following.floats(following.room(ENTRY_BYTES * BLOCK), WIDTH * BLOCK)
    places[offset >>> ENTRY_BITS] = block.byteOffset
    blocks[offset >>> ENTRY_BITS] = block
    return block
  }

  #areaOf(type: number): { readonly places: Int32Array; readonly blocks: Float64Array[] } {
    let area = this.#areas[type]
    if (area === undefined) {
      const length = DENSE_OFFSETS / BLOCK
      const places = this.#following.integers(this.#following.room(4 * length), length)
      area = { places, blocks: [] }
      this.#areas[type] = area
      this.#following.areas[type] = places.byteOffset
    }
    return area
  }

  /** Forgets an entry that is not held densely. */
  release(key: number): void {
    const numbers = this.#sparse.get(key)
    if (numbers === undefined) return
    this.#sparse.delete(key)
    this.#spare.push(numbers.fill(0))
  }
}

/** Where in its block an entry's first number is. */
export function placeOf(key: number): number {
  // Not by `%`, which is a loop of the processor's oldest instructions for numbers of more than 32 bits.
  const offset = key - Math.floor(key / KEY_OFFSETS) * KEY_OFFSETS
  return offset < DENSE_OFFSETS ? (offset & (BLOCK - 1)) * WIDTH : 0
}
