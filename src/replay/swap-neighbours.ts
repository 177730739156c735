import type { WorkloadPages } from '../workload/types.ts'
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
/** A fault reads within its page table. */
const TABLE_PAGES = 512

interface Mapping {
  readonly first: number
  readonly last: number
  hits: number
  previous: number
  pages: number
}

/**
 * Neighbours by address (swap_vma_readahead, of devices that do not rotate). Workloads hold no addresses: the pages of a task are taken to lie
 * in the order in which it allocated them, in one mapping; those that were there at the start in another.
 */
export class AddressNeighbours implements Neighbours {
  readonly #mostPages: number
  /** Pages by place, and places by page. */
  readonly #pages: Int32Array
  readonly #places: Int32Array
  readonly #mappings: readonly Mapping[]

  constructor(pages: WorkloadPages, mostPages: number) {
    this.#mostPages = Math.min(mostPages, MOST_BY_ADDRESS)
    const byOwner = Int32Array.from({ length: pages.length }, (_, page) => page)
    byOwner.sort((a, b) => (pages.owner[a] as number) - (pages.owner[b] as number) || a - b)
    const places: number[] = []
    const mappings: Mapping[] = []
    let first = 0
    byOwner.forEach((page, index) => {
      const next = byOwner[index + 1]
      places.push(page)
      if (next !== undefined && pages.owner[next] === pages.owner[page]) return
      mappings.push({ first, last: places.length, hits: FIRST_HITS, previous: -1, pages: 0 })
      // Mappings begin with a page table of their own.
      while (places.length % TABLE_PAGES !== 0) places.push(-1)
      first = places.length
    })
    this.#pages = Int32Array.from(places)
    this.#mappings = mappings
    this.#places = new Int32Array(pages.length).fill(-1)
    places.forEach((page, place) => {
      if (page >= 0) this.#places[page] = place
    })
  }

  window(page: number): readonly [number, number] {
    const place = this.#places[page] ?? -1
    const mapping = this.#mappingOf(place)
    if (mapping === undefined) return [0, 0]
    const { previous, hits } = mapping
    const pages = windowPages(hits, isNext(place, previous), this.#mostPages, mapping.pages)
    mapping.hits = 0
    mapping.previous = place
    mapping.pages = pages
    const before =
      place === previous + 1 ? 0 : place === previous - 1 ? pages - 1 : (pages - 1) >> 1
    const table = place - (place % TABLE_PAGES)
    return [
      Math.max(place - before, mapping.first, table),
      Math.min(place - before + pages, mapping.last, table + TABLE_PAGES),
    ]
  }

  at(place: number): number {
    return this.#pages[place] ?? -1
  }

  hit(page: number): void {
    const place = this.#places[page] ?? -1
    const mapping = this.#mappingOf(place)
    if (mapping === undefined) return
    mapping.hits = Math.min(mapping.hits + 1, MOST_HITS)
    mapping.previous = place
  }

  /** Pages without an identity have no place. */
  #mappingOf(place: number): Mapping | undefined {
    if (place < 0) return undefined
    return this.#mappings.find(({ last }) => place < last)
  }
}
