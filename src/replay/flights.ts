import type { Place } from '../memory/backends/backend.ts'

export const PATHS = ['inline', 'queued', 'displaced', 'bypass'] as const
export const INLINE = 0
export const BY_QUEUE = 1
export const DISPLACED = 2
export const BYPASS = 3

export const CONTEXTS = ['kswapd', 'direct'] as const

/** Why a policy was passed by. */
export const REASONS = [undefined, 'zero', 'file', 'context', 'full'] as const
export const NO_REASON = 0
export const IS_ZERO = 1
export const IS_FILE = 2
export const OTHER_CONTEXT = 3
export const IS_FULL = 4

export const PLACES: readonly Place[] = ['zram', 'zswap', 'disk', 'same', 'zero', 'reject']

/** Values of a flight. Times in ns, NaN = not yet. */
export const ID = 0
export const CONTENT = 1
export const SUBMITTED_AT = 2
export const STARTED_AT = 3
export const STORED_AT = 4
/** The reclaimer has it off its hands. */
export const HANDED_AT = 5
export const FREED_AT = 6
/** Who swaps it out, and where. */
export const TASK = 7
export const TID = 8
export const CPU = 9
export const NODE = 10
export const SLOT = 11
export const ORDER = 12
export const CONTEXT = 13
export const SPAN = 14
export const PATH = 15
/** Task id, NaN = nobody yet. */
export const STORED_BY = 16
export const BYTES = 17
/** Ranks in its lane, 0 = none yet. */
export const SUBMIT_RANK = 18
export const START_RANK = 19
export const DONE_RANK = 20
/** Index of REASONS, of PLACES. */
export const REASON = 21
export const PLACE = 22
/** Three cache lines. */
const VALUES = 24

const FIRST_CAPACITY = 1024

/**
 * Swap-outs from their gate until their frame is free. A flight's number is where its values begin: they lie side by side, because they are
 * written together while thousands of other flights wait.
 */
export class Flights {
  values = new Float64Array(FIRST_CAPACITY * VALUES)
  #free = new Int32Array(FIRST_CAPACITY)
  #freeCount = 0
  #unused = VALUES

  /** Number of an unused flight, never 0. */
  open(): number {
    const flight = this.#freeCount > 0 ? (this.#free[--this.#freeCount] as number) : this.#unused
    if (flight === this.#unused) this.#unused += VALUES
    if (flight >= this.values.length) this.#grow()
    const { values } = this
    values[flight + STARTED_AT] = Number.NaN
    values[flight + STORED_AT] = Number.NaN
    values[flight + HANDED_AT] = Number.NaN
    values[flight + FREED_AT] = Number.NaN
    values[flight + PATH] = BYPASS
    values[flight + STORED_BY] = Number.NaN
    values[flight + BYTES] = Number.NaN
    values[flight + SUBMIT_RANK] = 0
    values[flight + START_RANK] = 0
    values[flight + DONE_RANK] = 0
    values[flight + REASON] = NO_REASON
    values[flight + PLACE] = Number.NaN
    return flight
  }

  close(flight: number): void {
    this.#free[this.#freeCount++] = flight
  }

  #grow(): void {
    const values = new Float64Array(this.values.length * 2)
    values.set(this.values)
    this.values = values
    const free = new Int32Array(this.#free.length * 2)
    free.set(this.#free)
    this.#free = free
  }
}
