/** Swap slots. Allocation comes before any queue, so slot numbers do not depend on the policy's order. */
export interface SwapSlots {
  /** A free slot for the page, -1 when the device is full. */
  allocate(page: number): number
  free(slot: number, cpu?: number): void
  /** Called when a freed slot may be given out again: its content is dropped then. */
  onRelease?: ((slot: number) => void) | undefined
}

/** The most recently freed slot first, then the next never used one. */
export class PlainSlots implements SwapSlots {
  onRelease: ((slot: number) => void) | undefined = undefined
  readonly #limit: number
  #used = 0
  readonly #free: number[] = []

  constructor(limit = 0x7fffffff) {
    this.#limit = limit
  }

  allocate(): number {
    const slot = this.#free.pop()
    if (slot !== undefined) return slot
    return this.#used < this.#limit ? this.#used++ : -1
  }

  free(slot: number): void {
    this.onRelease?.(slot)
    this.#free.push(slot)
  }
}
