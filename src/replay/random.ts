/** xorshift32: the same integers on every machine. One instance per purpose, so that one consumer's draws never shift another's. */
export class Random {
  #state: number

  constructor(seed: number, stream: number) {
    // Mixes seed and stream so that neighbours share nothing (constants of splitmix32).
    let mixed = (Math.imul(seed | 0, 0x9e3779b9) ^ Math.imul(stream + 1, 0x85ebca6b)) >>> 0
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    mixed = (mixed ^ (mixed >>> 15)) >>> 0
    this.#state = mixed === 0 ? 0x6d2b79f5 : mixed
  }

  /** 32 random bits, never 0. */
  next(): number {
    let state = this.#state
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    this.#state = state >>> 0
    return this.#state
  }

  /** An integer from 0 to `bound` - 1. */
  below(bound: number): number {
    return this.next() % bound
  }
}
