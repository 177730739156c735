/** A good 32-bit mix (integers only, so it is the same on every machine). */
export function mix32(value: number): number {
  let x = value >>> 0
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
  return (x ^ (x >>> 16)) >>> 0
}

/** Deterministic sequence of 32-bit integers (a Weyl sequence through mix32). */
export class PseudoRandom {
  #state: number

  constructor(seed: number) {
    this.#state = mix32(seed)
  }

  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0
    return mix32(this.#state)
  }

  /** 0 <= result < limit; limit up to 65,536. */
  below(limit: number): number {
    return ((this.next() >>> 16) * limit) >>> 16
  }
}
