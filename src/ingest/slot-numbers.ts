const KEY_OFFSETS = 2 ** 46
/** Up to 64 GiB of 4 KiB pages per area are held densely; offsets beyond are rare, or not real. */
const DENSE_OFFSETS = 2 ** 24
const BLOCK_BITS = 10
const BLOCK = 1 << BLOCK_BITS

/** A number from 1 on for each swap entry (`swapKey`), 0 = none. Areas are used densely: blocks of numbers beat a map. */
export class SlotNumbers {
  readonly #areas: (Float64Array | undefined)[][] = []
  readonly #sparse = new Map<number, number>()

  get(key: number): number {
    const type = Math.floor(key / KEY_OFFSETS)
    const offset = key - type * KEY_OFFSETS
    if (offset >= DENSE_OFFSETS) return this.#sparse.get(key) ?? 0
    return this.#areas[type]?.[offset >>> BLOCK_BITS]?.[offset & (BLOCK - 1)] ?? 0
  }

  set(key: number, value: number): void {
    const type = Math.floor(key / KEY_OFFSETS)
    const offset = key - type * KEY_OFFSETS
    if (!(offset < DENSE_OFFSETS)) {
      if (value === 0) this.#sparse.delete(key)
      else this.#sparse.set(key, value)
      return
    }
    let area = this.#areas[type]
    if (area === undefined) {
      area = []
      this.#areas[type] = area
    }
    let block = area[offset >>> BLOCK_BITS]
    if (block === undefined) {
      block = new Float64Array(BLOCK)
      area[offset >>> BLOCK_BITS] = block
    }
    block[offset & (BLOCK - 1)] = value
  }
}
