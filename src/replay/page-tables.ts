import { type AddressSpace, type Mapping, TABLE_PAGES } from './address-space.ts'
import * as P from './pages.ts'

/** Pages that reclaim looks at around an accessed one (MIN_LRU_BATCH). */
const AROUND = 64
/** A table is worth a walk where one entry in so many was accessed: one per cache line (suitable_to_scan). */
const DENSE = 8

/** Of one lruvec: tables worth a walk when the youngest generation has an even number, and when it has an odd one; undefined = all. */
interface Filters {
  readonly dense: [Uint8Array | undefined, Uint8Array | undefined]
  isWalked: boolean
}

/**
 * Accessed bits as the multi-generational LRU reads them (mm/vmscan.c of 6.12: walk_mm, lru_gen_look_around). Aging walks the tables in which
 * the walk before it, or reclaim that met one of their pages since, found many accessed entries; only the first walk takes them all. What
 * was faulted in since is therefore found by reclaim, page by page with those around it.
 */
export class PageTables {
  readonly #pages: P.Pages
  readonly #space: AddressSpace
  readonly #filters: readonly Filters[]
  /** By table: used since the last walk (the accessed bit of the level above). */
  readonly #isUsed: Uint8Array
  readonly #promote: (page: number) => void

  /** `promote`: an accessed page becomes as young as the youngest. */
  constructor(
    pages: P.Pages,
    space: AddressSpace,
    lruvecs: number,
    promote: (page: number) => void,
  ) {
    this.#pages = pages
    this.#space = space
    this.#promote = promote
    this.#isUsed = new Uint8Array(this.#space.tables).fill(1)
    this.#filters = Array.from({ length: lruvecs }, () => ({
      dense: [undefined, undefined],
      isWalked: false,
    }))
  }

  used(page: number): void {
    const place = this.#space.placeOf(page)
    if (place >= 0) this.#isUsed[Math.floor(place / TABLE_PAGES)] = 1
  }

  /** try_to_inc_max_seq's walk of a cgroup's address spaces for the generation that is the youngest until now. */
  walk(lruvec: number, sequence: number): void {
    const memcg = Math.floor(lruvec / this.#pages.nodes)
    const filters = this.#filters[lruvec] as Filters
    const wanted = filters.dense[sequence & 1]
    const dense = new Uint8Array(this.#isUsed.length)
    filters.dense[(sequence + 1) & 1] = dense
    for (const { first, last, memcg: owner } of this.#space.mappings) {
      if (owner !== memcg) continue
      for (let start = first; start < last; start += TABLE_PAGES) {
        const table = start / TABLE_PAGES
        if (filters.isWalked) {
          const isUsed = this.#isUsed[table] === 1
          this.#isUsed[table] = 0
          if (!isUsed || wanted?.[table] === 0) continue
        }
        const end = Math.min(start + TABLE_PAGES, last)
        if (this.#clear(lruvec, start, end, -1) * DENSE >= end - start) dense[table] = 1
      }
    }
    filters.isWalked = true
  }

  /** lru_gen_look_around: reclaim has met an accessed page. */
  lookAround(lruvec: number, sequence: number, page: number): void {
    const place = this.#space.placeOf(page)
    const mapping = this.#space.mappings[this.#space.mappingOf(place)]
    if (mapping === undefined) return
    const [start, end] = around(place, mapping)
    const young = 1 + this.#clear(lruvec, start, end, place)
    const dense = (this.#filters[lruvec] as Filters).dense[sequence & 1]
    if (dense !== undefined && young * DENSE >= end - start)
      dense[Math.floor(place / TABLE_PAGES)] = 1
  }

  /** Takes the accessed bits of the lruvec's pages in a range, but one; returns how many were set. */
  #clear(lruvec: number, start: number, end: number, but: number): number {
    const pages = this.#pages
    let young = 0
    for (let place = start; place < end; place++) {
      const page = this.#space.pageAt(place)
      if (place === but || page < 0 || pages.lruvecOf(page) !== lruvec) continue
      if (!pages.has(page, P.ACCESSED)) continue
      const state = pages.state[page] as number
      if (state === P.FREE || state === P.SWAPPED || state === P.DYING) continue
      pages.clear(page, P.ACCESSED)
      this.#promote(page)
      young++
    }
    return young
  }
}

/** So many pages around a place as reclaim looks at, within its table and mapping. */
function around(place: number, { first, last }: Mapping): readonly [number, number] {
  const table = place - (place % TABLE_PAGES)
  const start = Math.max(table, first)
  const end = Math.min(table + TABLE_PAGES, last)
  if (end - start <= AROUND) return [start, end]
  if (place - start < AROUND / 2) return [start, start + AROUND]
  if (end - place < AROUND / 2) return [end - AROUND, end]
  return [place - AROUND / 2, place + AROUND / 2]
}
