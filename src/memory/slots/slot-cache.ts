import { SLOT_BATCH } from '../../model/swap-slots.ts'

/** THRESHOLD_ACTIVATE and THRESHOLD_DEACTIVATE_SWAP_SLOTS_CACHE, each times 64 slots per CPU. */
const ACTIVATE_BATCHES = 5
const DEACTIVATE_BATCHES = 2

/**
 * The per-CPU slot caches of mm/swap_slots.c (4.11 to 6.13): 64 slots taken ahead, 64 freed slots held back. Allocations and releases
 * therefore reach the device in batches, and a freed slot stays taken until its CPU has freed 64 more.
 */
export class SlotCaches {
  readonly #ahead: number[][]
  readonly #back: number[][]
  readonly #refill: (cpu: number, count: number) => number[]
  readonly #release: (slots: readonly number[]) => void
  readonly #putBack: (slots: readonly number[]) => void
  #active = false

  constructor(
    cpus: number,
    refill: (cpu: number, count: number) => number[],
    release: (slots: readonly number[]) => void,
    putBack: (slots: readonly number[]) => void,
  ) {
    this.#ahead = Array.from({ length: cpus }, () => [])
    this.#back = Array.from({ length: cpus }, () => [])
    this.#refill = refill
    this.#release = release
    this.#putBack = putBack
  }

  /** Slots taken ahead and not handed out. */
  get held(): number {
    return this.#ahead.reduce((sum, slots) => sum + slots.length, 0)
  }

  /** Freed slots not released yet. */
  get waiting(): number {
    return this.#back.reduce((sum, slots) => sum + slots.length, 0)
  }

  take(cpu: number, freeSlots: number): number {
    this.#consider(freeSlots)
    const ahead = this.#ahead[cpu]
    if (ahead === undefined) return -1
    if (ahead.length === 0) {
      if (!this.#active) return this.#refill(cpu, 1)[0] ?? -1
      // Kept in reverse, so that the next one is the last.
      ahead.push(...this.#refill(cpu, SLOT_BATCH).reverse())
    }
    return ahead.pop() ?? -1
  }

  give(slot: number, cpu: number): void {
    const back = this.#back[cpu]
    if (back === undefined || !this.#active) {
      this.#release([slot])
      return
    }
    if (back.length === SLOT_BATCH) this.#release(back.splice(0))
    back.push(slot)
  }

  flush(): void {
    for (const slots of this.#ahead) if (slots.length > 0) this.#putBack(slots.splice(0))
    for (const slots of this.#back) if (slots.length > 0) this.#release(slots.splice(0))
  }

  /** check_cache_active. */
  #consider(freeSlots: number): void {
    const unit = this.#ahead.length * SLOT_BATCH
    if (this.#active && freeSlots < unit * DEACTIVATE_BATCHES) {
      this.#active = false
      this.flush()
    } else if (!this.#active && freeSlots > unit * ACTIVATE_BATCHES) this.#active = true
  }
}
