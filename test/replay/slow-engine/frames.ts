import type { Clock } from './clock.ts'

/** A CPU's list gives back above so many pages: the least that pcp->high is. */
const LIST_HIGH = 4
/** Frees since the last allocations count up to here (pcp->free_count). */
const MOST_FREED = 32

/** Free memory: the zone and the CPUs' lists, one page at a time. */
export class Frames {
  /** In the zone; pages on CPUs' lists are not free. */
  free: number
  readonly #clock: Clock
  readonly #listed: number[]
  readonly #freed: number[]

  constructor(clock: Clock, cpus: number, free: number) {
    this.#clock = clock
    this.free = free
    this.#listed = Array.from({ length: cpus }, () => 0)
    this.#freed = Array.from({ length: cpus }, () => 0)
  }

  listed(cpu: number): number {
    return this.#listed[cpu] ?? 0
  }

  give(count: number): void {
    const { cpu } = this.#clock
    for (let page = 0; page < count; page++) {
      const length = this.listed(cpu) + 1
      const freed = Math.min(MOST_FREED, (this.#freed[cpu] ?? 0) + 1)
      this.#listed[cpu] = length
      this.#freed[cpu] = freed
      if (length < LIST_HIGH) continue
      const back = Math.min(length, freed, LIST_HIGH - 1)
      this.#listed[cpu] = length - back
      this.free += back
    }
  }

  take(count: number): void {
    for (let page = 0; page < count; page++) this.#takeOne()
  }

  /** The lists of all CPUs go back to the zone. */
  drain(): void {
    for (const pages of this.#listed) this.free += pages
    this.#listed.fill(0)
  }

  #takeOne(): void {
    const { cpu } = this.#clock
    if (this.free <= 0 && this.listed(cpu) === 0) this.drain()
    if (this.listed(cpu) === 0) {
      this.free--
      this.#listed[cpu] = 1
    }
    this.#listed[cpu] = this.listed(cpu) - 1
    this.#freed[cpu] = Math.floor((this.#freed[cpu] ?? 0) / 2)
  }
}
