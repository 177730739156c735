import type { TableDefinition } from '../database/tables/definition.ts'
import { RowBuffer } from '../model/rows.ts'
import { FREES_RECORDED } from './assembly/_layout.ts'
import type { Following } from './follow-kernel.ts'
import { placeOf, SlotNumbers } from './slot-numbers.ts'

/** Temporary table of page ids that turned out to be another's. */
export const PAGE_ALIASES: TableDefinition = {
  name: '_page_aliases',
  comment: '',
  scope: 'catalogue',
  columns: [
    { name: 'alias', type: 'BIGINT', comment: '' },
    { name: 'page_id', type: 'BIGINT', comment: '' },
  ],
}

/**
 * Which page a swap entry holds. A store gives the entry's page a number; a read brings it back. The fault's address tells
 * that pages read from different entries are one page: the later number becomes an alias of the first.
 */
export class PageIdentities {
  /** Aliases found, for the final join. */
  readonly aliases = new RowBuffer(PAGE_ALIASES.name, { alias: 'number', page_id: 'number' })
  /**
   * By entry: its page, negative when it was read since its store and may be written to the same entry again; the swap-out that
   * it holds.
   */
  readonly #slots: SlotNumbers
  /** By address space, then by number of the page in it. */
  readonly #pageOfAddress = new Map<number, Map<number, number>>()
  /** Pages that an address stands for: never aliases. */
  readonly #canonical = new Set<number>()
  readonly #following: Following
  #aliasCount = 0

  /** Without recorded frees (zram_slot_free) an entry written again may belong to another page: each store is a new one. */
  constructor(following: Following, options: { freesRecorded: boolean }) {
    this.#following = following
    following.words[FREES_RECORDED / 4] = options.freesRecorded ? 1 : 0
    this.#slots = new SlotNumbers(following)
  }

  /** Where the entry's record lies; the kernel writes to it what is stored there. */
  addressOf(key: number): number {
    return this.#slots.addressOf(key)
  }

  /** Page id of what a read of the entry brings back to page number `place` of an address space; NaN = not known. */
  read(key: number, space: number, place: number): number {
    const places = Number.isNaN(place) ? undefined : this.#placesOf(space)
    const first = places?.get(place)
    const entry = this.#slots.addressOf(key)
    const page = this.#following.kernel.readPage(entry, first ?? 0)
    if (places === undefined) return page
    // A page under two addresses (shared memory) keeps its number.
    if (first === undefined || this.#canonical.has(page)) {
      places.set(place, page)
      this.#canonical.add(page)
      return page
    }
    this.#alias(page, first)
    this.#following.kernel.setRead(entry, first)
    return first
  }

  /** Id of the swap-out whose page the entry holds. */
  swapoutOf(key: number): number | undefined {
    return this.#slots.find(key)?.[placeOf(key) + 1] || undefined
  }

  pageOf(key: number): number | undefined {
    return Math.abs(this.#slots.find(key)?.[placeOf(key)] ?? 0) || undefined
  }

  /** An entry that is not held densely was given back: its next store is of another page. Returns its page, 0 = none. */
  freeSparse(key: number): number {
    const page = this.pageOf(key) ?? 0
    this.#slots.release(key)
    return page
  }

  /** Number of aliases found. */
  get aliasCount(): number {
    return this.#aliasCount
  }

  #placesOf(space: number): Map<number, number> {
    let places = this.#pageOfAddress.get(space)
    if (places === undefined) {
      places = new Map()
      this.#pageOfAddress.set(space, places)
    }
    return places
  }

  #alias(alias: number, page: number): void {
    this.#aliasCount++
    const row = this.aliases.add()
    this.aliases.number(row, 'alias', alias)
    this.aliases.number(row, 'page_id', page)
  }
}
