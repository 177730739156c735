/** Up to when the events are followed, in ns since the reader's base. */
export class Clock {
  // V8 makes an object of every time that is an argument of a function which it does not inline; an array's element is none.
  readonly #ns = Float64Array.of(Number.NaN)

  get now(): number {
    return this.#ns[0] as number
  }

  set now(ns: number) {
    this.#ns[0] = ns
  }
}
