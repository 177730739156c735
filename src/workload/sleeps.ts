import { Numbers } from './numbers.ts'

/** Fewer sleeps whose end is known say nothing of the others. */
const LEAST_TOLD = 8

/**
 * How long one task slept, sleep by sleep. Where wake-ups are not recorded, a sleep that ended on a busy CPU holds the wait for that CPU. A task
 * sleeps as long whatever its CPU does meanwhile: recordings with wake-ups have means of .34 ms on CPUs that were idle at the end and .33 ms on
 * others, after which it waits .05 and .39 ms (zram-lz4-6.12). So those without an end are given the lengths of those that have one, rank by rank.
 */
export class Sleeps {
  readonly #ns = new Numbers()
  readonly #untold: number[] = []

  get length(): number {
    return this.#ns.length
  }

  /** `isTold`: its end is known, by an event or by a CPU that was idle until the task ran. Otherwise it lasted `ns` at most. */
  add(ns: number, { isTold }: { readonly isTold: boolean }): void {
    if (!isTold) this.#untold.push(this.#ns.length)
    this.#ns.push(ns)
  }

  /** In the order in which they were added, without waits for a CPU. */
  lengths(): Float64Array {
    const all = this.#ns.copyValues()
    const untold = new Set(this.#untold)
    const told = all.filter((_, n) => !untold.has(n)).sort()
    if (told.length < LEAST_TOLD) return all
    const byLength = this.#untold.slice().sort((x, y) => (all[x] ?? 0) - (all[y] ?? 0) || x - y)
    const lengths = all.slice()
    byLength.forEach((n, rank) => {
      const like = told[Math.floor(((rank + 0.5) * told.length) / byLength.length)] ?? 0
      lengths[n] = Math.min(all[n] ?? 0, like)
    })
    return lengths
  }
}
