import { MOST_INT32 } from './cells.ts'

const KEY_OFFSETS = 2 ** 46
/** Up to 64 GiB of 4 KiB pages per area are held densely; offsets beyond are rare, or not real. */
const DENSE_OFFSETS = 2 ** 24
const BLOCK_BITS = 10
const BLOCK = 1 << BLOCK_BITS
/** Numbers of one entry lie side by side: each entry is a cache miss. */
const WIDTH = 2

type Numbers = Int32Array | Float64Array

/** Two whole numbers for each swap entry (`swapKey`), 0 at first. Areas are used densely: blocks of numbers beat a map. */
export class SlotNumbers {
  readonly #areas: (Numbers | undefined)[][] = []
  readonly #sparse = new Map<number, Numbers>()
  /** Numbers of 32 bits, as long as none needs more: half the cache. */
  #isNarrow = true

  /** The block that holds the entry's numbers, from `placeOf(key)` on; undefined = all 0. */
  find(key: number): Numbers | undefined {
    const type = Math.floor(key / KEY_OFFSETS)
    const offset = key - type * KEY_OFFSETS
    if (!(offset < DENSE_OFFSETS)) return this.#sparse.get(key)
    return this.#areas[type]?.[offset >>> BLOCK_BITS]
  }

  /** The same, to be written to. */
  blockOf(key: number): Numbers {
    return this.find(key) ?? this.#add(key)
  }

  /** To be called before numbers of this size are written. */
  reserve(most: number): void {
    if (this.#isNarrow && most > MOST_INT32) this.#widen()
  }

  #add(key: number): Numbers {
    const type = Math.floor(key / KEY_OFFSETS)
    const offset = key - type * KEY_OFFSETS
    if (!(offset < DENSE_OFFSETS)) {
      const numbers = new Float64Array(WIDTH)
      this.#sparse.set(key, numbers)
      return numbers
    }
    const area = this.#areas[type] ?? []
    this.#areas[type] = area
    const length = BLOCK * WIDTH
    const block = this.#isNarrow ? new Int32Array(length) : new Float64Array(length)
    area[offset >>> BLOCK_BITS] = block
    return block
  }

  #widen(): void {
    this.#isNarrow = false
    for (const area of this.#areas)
      for (const [i, block] of (area ?? []).entries())
        if (block !== undefined) area[i] = Float64Array.from(block)
  }

  /** Forgets an entry whose numbers are all 0 again. */
  release(key: number): void {
    if (this.#sparse.size > 0) this.#sparse.delete(key)
  }
}

/** Where in its block an entry's first number is. */
export function placeOf(key: number): number {
  // Not by `%`, which is a loop of the processor's oldest instructions for numbers of more than 32 bits.
  const offset = key - Math.floor(key / KEY_OFFSETS) * KEY_OFFSETS
  return offset < DENSE_OFFSETS ? (offset & (BLOCK - 1)) * WIDTH : 0
}
