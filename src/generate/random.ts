import type { Duration } from './scenario.ts'

/** Seeded 32-bit xorshift: the same numbers everywhere. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = (Math.imul(seed | 0, 0x9e3779b1) ^ 0x85ebca6b) | 0 || 1
    for (let i = 0; i < 8; i++) this.next()
  }

  /** An integer in 0 .. 2^32 - 1. */
  next(): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x
    return x >>> 0
  }

  /** An integer in 0 .. below - 1; `below` at most 2^32. */
  below(below: number): number {
    return Math.floor((this.next() / 0x1_0000_0000) * below)
  }

  /** An integer in min .. max. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1)
  }

  /** A duration that is given, or one of its range. */
  draw(duration: Duration): number {
    return typeof duration === 'number' ? duration : this.between(duration[0], duration[1])
  }
}
