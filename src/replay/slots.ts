/** Swap slots. Allocation comes before any queue, so slot numbers do not depend on the policy's order. */
export interface SwapSlots {
  /** The first of 2^order free slots in a row (order 0 unless told), -1 when there are none. */
  allocate(page: number, order?: number): number
  free(slot: number, cpu?: number): void
  /** The slots of a folio that gives them back together. */
  freeFolio(slot: number, order: number, cpu?: number): void
  /** Slots that nobody has, nor any CPU's cache (get_nr_swap_pages). */
  readonly left: number
  /** Called when a freed slot may be given out again: its content is dropped then. */
  onRelease?: ((slot: number) => void) | undefined
  /** Throws when its lists, counts and maps disagree. */
  check?(): void
}

/** The most recently freed slot first, then the next never used one. */
export class PlainSlots implements SwapSlots {
  onRelease: ((slot: number) => void) | undefined = undefined
  readonly #limit: number
  /** Slots that a CPU frees before it releases them together; 0 = it releases each. */
  readonly #batch: number
  /** Folios of this order and above are released at once. */
  readonly #wholeOrder: number
  #used = 0
  readonly #free: number[] = []
  /** By CPU: freed and not released yet, and how many. */
  readonly #waiting: Int32Array[] = []
  readonly #waits: number[] = []

  constructor(limit = 0x7fffffff, batch = 0, wholeOrder = 1) {
    this.#limit = limit
    this.#batch = batch
    this.#wholeOrder = wholeOrder
  }

  get left(): number {
    return this.#limit - this.#used + this.#free.length
  }

  allocate(_page?: number, order = 0): number {
    if (order > 0) return this.#allocateRow(1 << order)
    const slot = this.#free.pop()
    if (slot !== undefined) return slot
    return this.#used < this.#limit ? this.#used++ : -1
  }

  /** Aligned, as a cluster's are; what is skipped serves single pages. */
  #allocateRow(count: number): number {
    const first = Math.ceil(this.#used / count) * count
    if (first + count > this.#limit) return -1
    while (this.#used < first) this.#free.push(this.#used++)
    this.#used += count
    return first
  }

  /** free_swap_slot. */
  free(slot: number, cpu = 0): void {
    if (this.#batch === 0) {
      this.#release(slot)
      return
    }
    const waiting = this.#waiting[cpu] ?? new Int32Array(this.#batch)
    this.#waiting[cpu] = waiting
    let waits = this.#waits[cpu] ?? 0
    if (waits === this.#batch) {
      for (const freed of waiting) this.#release(freed)
      waits = 0
    }
    waiting[waits] = slot
    this.#waits[cpu] = waits + 1
  }

  /** put_swap_folio. */
  freeFolio(slot: number, order: number, cpu = 0): void {
    const isWhole = order >= this.#wholeOrder
    for (let each = slot; each < slot + (1 << order); each++)
      if (isWhole) this.#release(each)
      else this.free(each, cpu)
  }

  #release(slot: number): void {
    this.onRelease?.(slot)
    this.#free.push(slot)
  }
}
