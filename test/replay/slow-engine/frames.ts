import type { Clock } from './clock.ts'

/** A CPU's list gives back above so many pages: the least that pcp->high is. */
const LIST_HIGH = 4
/** Frees since the last allocations count up to here (pcp->free_count). */
const MOST_FREED = 32

/** How often each CPU adds its changes to the counter in any case. */
const SECOND = 1_000_000_000

/** Free memory: the zone and the CPUs' lists, one page at a time. */
export class Frames {
  /** In the zone; pages on CPUs' lists are not free. */
  free: number
  /** What the zone's counter says, which lacks what CPUs have not added to it yet. */
  counted: number
  /** A CPU adds its changes when they are more than so many. */
  threshold = 0
  #second = 0
  readonly #uncounted: number[]
  readonly #clock: Clock
  readonly #listed: number[]
  readonly #freed: number[]

  constructor(clock: Clock, cpus: number, free: number) {
    this.#clock = clock
    this.free = free
    this.counted = free
    this.#uncounted = Array.from({ length: cpus }, () => 0)
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
      this.#change(back)
    }
  }

  /** The CPU has nothing to do, or a second is over. */
  addUp(cpu: number): void {
    this.counted += this.#uncounted[cpu] ?? 0
    this.#uncounted[cpu] = 0
  }

  #change(pages: number): void {
    this.free += pages
    for (let page = 0; page < Math.abs(pages); page++) {
      const { cpu } = this.#clock
      const uncounted = (this.#uncounted[cpu] ?? 0) + Math.sign(pages)
      this.#uncounted[cpu] = uncounted
      if (Math.abs(uncounted) > this.threshold) this.addUp(cpu)
    }
  }

  take(count: number): void {
    for (let page = 0; page < count; page++) this.#takeOne()
  }

  /** The lists of all CPUs go back to the zone. */
  drain(): void {
    for (const pages of this.#listed) this.#change(pages)
    this.#listed.fill(0)
  }

  #takeOne(): void {
    const { cpu } = this.#clock
    if (this.listed(cpu) === 0) {
      const second = Math.floor(this.#clock.now / SECOND)
      if (second !== this.#second) for (const each of this.#listed.keys()) this.addUp(each)
      this.#second = second
      if (this.free <= 0) this.drain()
    }
    if (this.listed(cpu) === 0) {
      this.#change(-1)
      this.#listed[cpu] = 1
    }
    this.#listed[cpu] = this.listed(cpu) - 1
    this.#freed[cpu] = Math.floor((this.#freed[cpu] ?? 0) / 2)
  }
}
