/** A policy's queue of folios: a ring of its physical capacity. */
export class PolicyQueue {
  readonly name: string
  length = 0
  /** How many the policy lets wait; what the present submit may leave: more only where more waited before, since the depth was lowered. */
  depth: number
  limit: number
  readonly #folios: Int32Array
  #head = 0

  constructor(name: string, capacity: number, depth: number) {
    this.name = name
    this.depth = depth
    this.limit = depth
    this.#folios = new Int32Array(capacity)
  }

  get capacity(): number {
    return this.#folios.length
  }

  /** False: it is physically full. */
  push(folio: number): boolean {
    const { length } = this.#folios
    if (this.length === length) return false
    const place = this.#head + this.length
    this.#folios[place < length ? place : place - length] = folio
    this.length++
    return true
  }

  /** Oldest first. */
  folios(): Int32Array {
    const { length } = this.#folios
    return Int32Array.from(
      { length: this.length },
      (_, place) => this.#folios[(this.#head + place) % length] as number,
    )
  }

  /** The oldest; there must be one. */
  pop(): number {
    const folio = this.#folios[this.#head] as number
    this.#head = this.#head + 1 === this.#folios.length ? 0 : this.#head + 1
    this.length--
    return folio
  }
}
