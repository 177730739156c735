import { type AddressSpace, TABLE_PAGES } from './address-space.ts'
import type { Kernel } from './kernel.ts'

/** Which pages a swap-in reads beside the one that is asked for. */
export interface Neighbours {
  /** Places to read, the page's own among them: the first, and one past the last. */
  window(page: number): readonly [number, number]
  /** The page at a place, -1 = none. */
  at(place: number): number
  /** A page that was read ahead is touched. */
  hit(page: number): void
}

/** How far to read (swapin_nr_pages in mm/swap_state.c): it follows the hits since the last fault and shrinks by half at most. */
function windowPages(
  hits: number,
  isNeighbour: boolean,
  mostPages: number,
  previous: number,
): number {
  let pages = 1
  if (hits > 0) {
    pages = 4
    while (pages < hits + 2) pages *= 2
  } else if (isNeighbour) pages = 2
  return Math.max(Math.min(pages, mostPages), Math.floor(previous / 2))
}

function isNext(one: number, other: number): boolean {
  return one === other + 1 || one === other - 1
}

/** An aligned cluster of slots (swap_cluster_readahead): what lies beside it on the device. One window for all. */
export class SlotNeighbours implements Neighbours {
  readonly #kernel: Kernel
  readonly #mostPages: number
  #hits = 0
  #previousSlot = 0
  #previousPages = 0

  constructor(kernel: Kernel, mostPages: number) {
    this.#kernel = kernel
    this.#mostPages = mostPages
  }

  window(page: number): readonly [number, number] {
    const slot = this.#kernel.pages.slot[page] as number
    const hits = this.#hits
    this.#hits = 0
    const isNeighbour = isNext(slot, this.#previousSlot)
    const pages = windowPages(hits, isNeighbour, this.#mostPages, this.#previousPages)
    if (hits === 0) this.#previousSlot = slot
    this.#previousPages = pages
    const start = slot - (slot % pages)
    return [start, start + pages]
  }

  at(place: number): number {
    return this.#kernel.pool.pageOf(place)
  }

  hit(): void {
    this.#hits++
  }
}

/** SWAP_RA_ORDER_CEILING, and hits that a mapping starts with (GET_SWAP_RA_VAL) and may have (SWAP_RA_HITS_MAX). */
const MOST_BY_ADDRESS = 32
const FIRST_HITS = 4
const MOST_HITS = 63

/** What the faults of one mapping tell of the next ones. */
interface History {
  hits: number
  previous: number
  pages: number
}

/** Neighbours by address (swap_vma_readahead, of devices that do not rotate), within the page table of the fault. */
export class AddressNeighbours implements Neighbours {
  readonly #mostPages: number
  readonly #space: AddressSpace
  readonly #histories: readonly History[]

  constructor(space: AddressSpace, mostPages: number) {
    this.#mostPages = Math.min(mostPages, MOST_BY_ADDRESS)
    this.#space = space
    this.#histories = space.mappings.map(() => ({ hits: FIRST_HITS, previous: -1, pages: 0 }))
  }

  window(page: number): readonly [number, number] {
    const place = this.#space.placeOf(page)
    const index = this.#space.mappingOf(place)
    const history = this.#histories[index]
    const mapping = this.#space.mappings[index]
    if (mapping === undefined || history === undefined) return [0, 0]
    const { previous, hits } = history
    const pages = windowPages(hits, isNext(place, previous), this.#mostPages, history.pages)
    history.hits = 0
    history.previous = place
    history.pages = pages
    const before =
      place === previous + 1 ? 0 : place === previous - 1 ? pages - 1 : (pages - 1) >> 1
    const table = place - (place % TABLE_PAGES)
    return [
      Math.max(place - before, mapping.first, table),
      Math.min(place - before + pages, mapping.last, table + TABLE_PAGES),
    ]
  }

  at(place: number): number {
    return this.#space.pageAt(place)
  }

  hit(page: number): void {
    const place = this.#space.placeOf(page)
    const history = this.#histories[this.#space.mappingOf(place)]
    if (history === undefined) return
    history.hits = Math.min(history.hits + 1, MOST_HITS)
    history.previous = place
  }
}
