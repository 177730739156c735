import { NOW } from './assembly/_layout.ts'
import type { Following } from './follow-kernel.ts'

/** Up to when the events are followed, in ns since the reader's base. */
export class Clock {
  readonly #numbers: Float64Array

  constructor({ numbers }: Following) {
    this.#numbers = numbers
    this.now = Number.NaN
  }

  get now(): number {
    return this.#numbers[NOW / 8] as number
  }

  set now(ns: number) {
    this.#numbers[NOW / 8] = ns
  }
}
