import type { Clock } from './clock.ts'
import type { Frames } from './frames.ts'

/** So many freed slots a CPU keeps; the next one makes it release them. */
const KEPT = 64

/** Swap slots and the pool behind them, which takes a page for every so many stored ones. */
export class Slots {
  readonly #frames: Frames
  readonly #perPoolPage: number
  readonly #stored = new Set<number>()
  readonly #free: number[] = []
  readonly #clock: Clock
  readonly #kept = new Map<number, number[]>()
  #next = 0

  constructor(clock: Clock, frames: Frames, perPoolPage: number) {
    this.#clock = clock
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

  /** Frames that the pool needs for the slot; who stores takes them when the store is done. */
  store(slot: number): number {
    const before = this.#poolPages()
    this.#stored.add(slot)
    return this.#poolPages() - before
  }

  drop(slot: number, count: number): void {
    for (let each = slot; each < slot + count; each++) {
      const kept = this.#kept.get(this.#clock.cpu) ?? []
      if (kept.length === KEPT) for (const old of kept.splice(0)) this.#release(old)
      this.#kept.set(this.#clock.cpu, [...kept, each])
    }
  }

  #release(slot: number): void {
    const before = this.#poolPages()
    this.#stored.delete(slot)
    this.#frames.give(before - this.#poolPages())
    this.#free.push(slot)
  }

  #poolPages(): number {
    return Math.ceil(this.#stored.size / this.#perPoolPage)
  }
}
