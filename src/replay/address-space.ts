import type { WorkloadPages } from '../workload/types.ts'

/** Base pages that one page table maps. */
export const TABLE_PAGES = 512

/** Places from the first to before the last. */
export interface Mapping {
  readonly first: number
  readonly last: number
  /** Place in the tree of the memory cgroup that its task is in. */
  readonly memcg: number
}

/**
 * Where pages lie in the address spaces. Workloads hold no addresses: the pages of a task are taken to lie in the order in which it allocated
 * them, in one mapping, those of a folio one after the other; those that were there at the start in another. Mappings begin with a page table
 * of their own.
 */
export class AddressSpace {
  readonly mappings: readonly Mapping[]
  /** Pages by place, and places by page. */
  readonly #pages: Int32Array
  readonly #places: Int32Array

  constructor(pages: WorkloadPages, memcgOf: (page: number) => number = () => 0) {
    const ownerOf = (page: number): number => pages.owner[page] as number
    const byOwner = Int32Array.from({ length: pages.length }, (_, page) => page)
    const firstOf = (page: number): number => {
      const folio = pages.folio?.[page] ?? -1
      return folio < 0 ? page : folio
    }
    byOwner.sort(
      (a, b) =>
        ownerOf(a) - ownerOf(b) || memcgOf(a) - memcgOf(b) || firstOf(a) - firstOf(b) || a - b,
    )
    const places: number[] = []
    const mappings: Mapping[] = []
    let first = 0
    byOwner.forEach((page, index) => {
      const next = byOwner[index + 1]
      places.push(page)
      const memcg = memcgOf(page)
      if (next !== undefined && ownerOf(next) === ownerOf(page) && memcgOf(next) === memcg) return
      mappings.push({ first, last: places.length, memcg })
      while (places.length % TABLE_PAGES !== 0) places.push(-1)
      first = places.length
    })
    this.mappings = mappings
    this.#pages = Int32Array.from(places)
    this.#places = new Int32Array(pages.length).fill(-1)
    places.forEach((page, place) => {
      if (page >= 0) this.#places[page] = place
    })
  }

  /** Page tables of all mappings. */
  get tables(): number {
    return this.#pages.length / TABLE_PAGES
  }

  /** -1 = none there. */
  pageAt(place: number): number {
    return this.#pages[place] ?? -1
  }

  /** -1: pages without an identity have no place. */
  placeOf(page: number): number {
    return this.#places[page] ?? -1
  }

  /** Index of the mapping that a place belongs to, -1 = none. */
  mappingOf(place: number): number {
    return place < 0 ? -1 : this.mappings.findIndex(({ last }) => place < last)
  }
}
