const KEY_OFFSETS = 2 ** 46
/** Up to 64 GiB of 4 KiB pages per area are held densely; offsets beyond are rare, or not real. */
const DENSE_OFFSETS = 2 ** 24
const BLOCK_BITS = 10
const BLOCK = 1 << BLOCK_BITS
/** Numbers of one entry lie side by side: each entry is a cache miss. */
const WIDTH = 2

/** Two numbers for each swap entry (`swapKey`), 0 at first. Areas are used densely: blocks of numbers beat a map. */
export class SlotNumbers {
  readonly #areas: (Float64Array | undefined)[][] = []
  readonly #sparse = new Map<number, Float64Array>()

  /** The block that holds the entry's numbers, from `placeOf(key)` on; undefined = all 0. */
  find(key: number): Float64Array | undefined {
    const type = Math.floor(key / KEY_OFFSETS)
    const offset = key - type * KEY_OFFSETS
    if (!(offset < DENSE_OFFSETS)) return this.#sparse.get(key)
    return this.#areas[type]?.[offset >>> BLOCK_BITS]
  }

  /** The same, to be written to. */
  blockOf(key: number): Float64Array {
    return this.find(key) ?? this.#add(key)
  }

  #add(key: number): Float64Array {
    const type = Math.floor(key / KEY_OFFSETS)
    const offset = key - type * KEY_OFFSETS
    if (!(offset < DENSE_OFFSETS)) {
      const numbers = new Float64Array(WIDTH)
      this.#sparse.set(key, numbers)
      return numbers
    }
    const area = this.#areas[type] ?? []
    this.#areas[type] = area
    const block = new Float64Array(BLOCK * WIDTH)
    area[offset >>> BLOCK_BITS] = block
    return block
  }

  /** Forgets an entry whose numbers are all 0 again. */
  release(key: number): void {
    if (this.#sparse.size > 0) this.#sparse.delete(key)
  }
}

/** Where in its block an entry's first number is. */
export function placeOf(key: number): number {
  const offset = key % KEY_OFFSETS
  return offset < DENSE_OFFSETS ? (offset & (BLOCK - 1)) * WIDTH : 0
}
