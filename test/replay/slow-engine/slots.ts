import type { Frames } from './frames.ts'

/** Swap slots and the pool behind them, which takes a page for every so many stored ones. */
export class Slots {
  readonly #frames: Frames
  readonly #perPoolPage: number
  readonly #stored = new Set<number>()
  readonly #free: number[] = []
  #next = 0

  constructor(frames: Frames, perPoolPage: number) {
    this.#frames = frames
    this.#perPoolPage = perPoolPage
  }

  /** Slots in a row, aligned; those that are skipped serve single pages. */
  take(count: number): number {
    if (count === 1) return this.#free.pop() ?? this.#next++
    while (this.#next % count !== 0) this.#free.push(this.#next++)
    this.#next += count
    return this.#next - count
  }

  /** Frames that the pool needs for these slots; who stores takes them when the store is done. */
  store(slot: number, count: number): number {
    const before = this.#poolPages()
    for (let page = 0; page < count; page++) this.#stored.add(slot + page)
    return this.#poolPages() - before
  }

  drop(slot: number, count: number): void {
    for (let each = slot; each < slot + count; each++) {
      const before = this.#poolPages()
      this.#stored.delete(each)
      this.#frames.give(before - this.#poolPages())
      this.#free.push(each)
    }
  }

  #poolPages(): number {
    return Math.ceil(this.#stored.size / this.#perPoolPage)
  }
}
