import type { Place } from '../memory/backends/backend.ts'
import type { Scan } from './scan.ts'

export const PATHS = ['inline', 'queued', 'displaced', 'bypass'] as const
export const INLINE = 0
export const BY_QUEUE = 1
export const DISPLACED = 2
export const BYPASS = 3

/** The first two are those of `Scan.context`. */
export const CONTEXTS = ['kswapd', 'direct', 'memcg'] as const
const FOR_MEMCG = 2

/** As the `swapouts` table has it: who reclaims for a memory cgroup is told apart. */
export function contextOf({ context, memcg }: Pick<Scan, 'context' | 'memcg'>): number {
  return memcg === undefined ? context : FOR_MEMCG
}

/** Why a policy was passed by. */
export const REASONS = [undefined, 'zero', 'file', 'context', 'full'] as const
const NO_REASON = 0
export const IS_ZERO = 1
export const IS_FILE = 2
export const OTHER_CONTEXT = 3
export const IS_FULL = 4

export const PLACES: readonly Place[] = ['zram', 'zswap', 'disk', 'same', 'zero', 'reject']

/** What the engine itself asks of a flight: who swaps it out (index of CONTEXTS), and its ranks in its lane, 0 = none yet. */
export const CONTEXT = 0
export const SUBMIT_RANK = 1
export const START_RANK = 2
export const DONE_RANK = 3
/** Four flights in a cache line. */
const RANKS_SHIFT = 2

/** What only its row tells. Times in ns, NaN = not yet. */
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
export const SPAN = 13
export const PATH = 14
/** Task id, NaN = nobody yet. */
export const STORED_BY = 15
export const BYTES = 16
/** Index of REASONS, of PLACES. */
export const REASON = 17
export const PLACE = 18
const DETAILS = 19

const FIRST_CAPACITY = 1024
const MOST_SCANS = 255

/**
 * Swap-outs from their gate until their frame is free, by number from 1. What is known of one lies side by side: it is written together, while
 * thousands of others wait.
 */
export class Flights {
  readonly #keepsDetails: boolean
  #ranks = new Int32Array(FIRST_CAPACITY << RANKS_SHIFT)
  #details: Float64Array
  #scans = new Uint8Array(FIRST_CAPACITY)
  #free = new Int32Array(FIRST_CAPACITY)
  #freeCount = 0
  #used = 1

  /** Details are kept where somebody gets rows or a log. */
  constructor(options: { readonly keepsDetails: boolean }) {
    this.#keepsDetails = options.keepsDetails
    this.#details = new Float64Array(options.keepsDetails ? FIRST_CAPACITY * DETAILS : 0)
  }

  /** Number of an unused flight. */
  open(context: number): number {
    const flight = this.#freeCount > 0 ? (this.#free[--this.#freeCount] as number) : this.#used++
    if (flight >= this.#free.length) this.#grow()
    const ranks = this.#ranks
    const first = flight << RANKS_SHIFT
    ranks[first + CONTEXT] = context
    ranks[first + SUBMIT_RANK] = 0
    ranks[first + START_RANK] = 0
    ranks[first + DONE_RANK] = 0
    this.#scans[flight] = 0
    if (this.#keepsDetails) this.#clearDetails(flight)
    return flight
  }

  close(flight: number): void {
    this.#free[this.#freeCount++] = flight
  }

  /** Reclaim takes the folio off its list once more. */
  scanAgain(flight: number): void {
    const scans = this.#scans[flight] as number
    if (scans < MOST_SCANS) this.#scans[flight] = scans + 1
  }

  /** How often it did, counted up to 255. */
  scansAgain(flight: number): number {
    return this.#scans[flight] as number
  }

  get keepsDetails(): boolean {
    return this.#keepsDetails
  }

  /** CONTEXT or a rank. */
  rank(flight: number, which: number): number {
    return this.#ranks[(flight << RANKS_SHIFT) + which] as number
  }

  setRank(flight: number, which: number, rank: number): void {
    this.#ranks[(flight << RANKS_SHIFT) + which] = rank
  }

  /** NaN where none are kept. */
  detail(flight: number, which: number): number {
    return this.#keepsDetails ? (this.#details[flight * DETAILS + which] as number) : Number.NaN
  }

  setDetail(flight: number, which: number, value: number): void {
    if (this.#keepsDetails) this.#details[flight * DETAILS + which] = value
  }

  #clearDetails(flight: number): void {
    const first = flight * DETAILS
    this.#details.fill(Number.NaN, first, first + DETAILS)
    this.#details[first + PATH] = BYPASS
    this.#details[first + REASON] = NO_REASON
  }

  #grow(): void {
    const capacity = this.#free.length * 2
    const free = new Int32Array(capacity)
    free.set(this.#free)
    this.#free = free
    const ranks = new Int32Array(capacity << RANKS_SHIFT)
    ranks.set(this.#ranks)
    this.#ranks = ranks
    const scans = new Uint8Array(capacity)
    scans.set(this.#scans)
    this.#scans = scans
    if (!this.#keepsDetails) return
    const details = new Float64Array(capacity * DETAILS)
    details.set(this.#details)
    this.#details = details
  }
}
