import {
  AWAITS,
  CONTEXT,
  DONE_RANK,
  FREED_NS,
  GATE_END_NS,
  KEY,
  OFFSET,
  ORDER,
  OWNER_ID,
  OWNER_TID,
  PAGE_ID,
  PATH,
  PFN,
  PLACE,
  SPAN_ID,
  START_NS,
  STORED_BY,
  STORED_NS,
  SUBMIT_NS,
  SUBMIT_RANK,
  SWAPOUT_BYTES,
  SWAPOUT_CPU,
  SWAPOUT_ID,
  SWAPOUT_NODE,
  TYPE,
  WRITTEN_NS,
} from './assembly/_layout.ts'
import type { Following } from './follow-kernel.ts'

// Texts by code (assembly/_layout.ts).
export const CONTEXTS = ['kswapd', 'direct', 'memcg', 'proactive'] as const
export const PATHS = ['inline', 'queued', 'displaced'] as const
export const PLACES = ['zram', 'disk', 'zswap', 'zero'] as const
export type Path = (typeof PATHS)[number]
export type Place = (typeof PLACES)[number]

/** A swap-out whose row is not complete yet: a record of the kernel's, used again and again. NaN = not known. */
export class OpenSwapout {
  readonly place: number
  readonly #numbers: Float64Array
  readonly #words: Int32Array

  constructor(following: Following, place: number) {
    this.place = place
    this.#numbers = following.floats(place, SWAPOUT_BYTES / 8)
    this.#words = following.integers(place, SWAPOUT_BYTES / 4)
  }

  get id(): number {
    return this.#numbers[SWAPOUT_ID / 8] as number
  }

  get pageId(): number {
    return this.#numbers[PAGE_ID / 8] as number
  }

  get key(): number {
    return this.#numbers[KEY / 8] as number
  }

  get type(): number {
    return this.#numbers[TYPE / 8] as number
  }

  get offset(): number {
    return this.#numbers[OFFSET / 8] as number
  }

  /** What it waits for, bits. */
  get awaits(): number {
    return this.#words[AWAITS / 4] as number
  }

  set awaits(bits: number) {
    this.#words[AWAITS / 4] = bits
  }

  get submitNs(): number {
    return this.#numbers[SUBMIT_NS / 8] as number
  }

  get gateEndNs(): number {
    return this.#numbers[GATE_END_NS / 8] as number
  }

  get startNs(): number {
    return this.#numbers[START_NS / 8] as number
  }

  set startNs(ns: number) {
    this.#numbers[START_NS / 8] = ns
  }

  get storedNs(): number {
    return this.#numbers[STORED_NS / 8] as number
  }

  set storedNs(ns: number) {
    this.#numbers[STORED_NS / 8] = ns
  }

  /** mm_vmscan_write_folio. */
  get ts(): number {
    return this.#numbers[WRITTEN_NS / 8] as number
  }

  get freedNs(): number {
    return this.#numbers[FREED_NS / 8] as number
  }

  set freedNs(ns: number) {
    this.#numbers[FREED_NS / 8] = ns
  }

  get taskId(): number {
    return this.#numbers[OWNER_ID / 8] as number
  }

  get tid(): number {
    return this.#numbers[OWNER_TID / 8] as number
  }

  get cpu(): number {
    return this.#words[SWAPOUT_CPU / 4] as number
  }

  get node(): number {
    return this.#numbers[SWAPOUT_NODE / 8] as number
  }

  get pfn(): number {
    return this.#numbers[PFN / 8] as number
  }

  get order(): number {
    return this.#numbers[ORDER / 8] as number
  }

  get context(): (typeof CONTEXTS)[number] {
    return CONTEXTS[this.#words[CONTEXT / 4] as number] as (typeof CONTEXTS)[number]
  }

  get path(): Path | undefined {
    return PATHS[this.#words[PATH / 4] as number]
  }

  set path(path: Path) {
    this.#words[PATH / 4] = PATHS.indexOf(path)
  }

  get storedBy(): number {
    return this.#numbers[STORED_BY / 8] as number
  }

  set storedBy(task: number) {
    this.#numbers[STORED_BY / 8] = task
  }

  get stored(): Place | undefined {
    return PLACES[this.#words[PLACE / 4] as number]
  }

  /** Where the page is now. */
  set stored(place: Place | undefined) {
    this.#words[PLACE / 4] = codeOf(place)
  }

  get spanId(): number {
    return this.#numbers[SPAN_ID / 8] as number
  }

  get submitRank(): number {
    return this.#numbers[SUBMIT_RANK / 8] as number
  }

  get doneRank(): number {
    return this.#numbers[DONE_RANK / 8] as number
  }
}

/** -1 = none. */
export function codeOf(place: Place | undefined): number {
  return place === undefined ? -1 : PLACES.indexOf(place)
}
