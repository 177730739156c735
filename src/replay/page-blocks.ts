import { MAX_CHUNK_PAGES, MAX_PAGE_ORDER } from '../model/buddy.ts'

/** Mobility types (migrate types) of page blocks, in the order of the kernel's. */
export const UNMOVABLE = 0
export const MOVABLE = 1
export const RECLAIMABLE = 2
export const TYPES = 3

/** Types that a type falls back to, in this order (mm/page_alloc.c fallbacks). */
const FALLBACKS: readonly (readonly [number, number])[] = [
  [RECLAIMABLE, MOVABLE],
  [RECLAIMABLE, UNMOVABLE],
  [UNMOVABLE, MOVABLE],
]

/** Blocks that are told apart; further ones of the kernel's own count as the rest. */
export const MOST_BLOCKS = 63
/** Where pages outside of those blocks are counted. */
export const REST = MOST_BLOCKS
export const PLACES = MOST_BLOCKS + 1
/** Largest free chunk outside of those blocks once memory has been short: pages of one block come free far apart in time (by recorded frames). */
const FRAGMENT_ORDER = 5

/**
 * Free pages of one node by the mobility type of their page block (mm/page_alloc.c, 6.12). Blocks that unmovable or reclaimable pages of the
 * kernel's have used are told apart; all others are movable and count together. A block's free pages are taken as one stretch, whose chunks
 * are the powers of two of their number. An allocation whose type has none claims another type's block for good if half of it is free or in
 * use alike, else takes single pages of it (__rmqueue_claim, __rmqueue_steal).
 */
export class PageBlocks {
  /** Pages of a block. */
  readonly size: number
  readonly #order: number
  #count = 0
  readonly #types = new Uint8Array(MOST_BLOCKS)
  readonly #free = new Int32Array(MOST_BLOCKS)
  /** Pages of the block in movable use; those on the lists of CPUs are in none (prep_move_freepages_block counts pages on LRU lists). */
  readonly #movable = new Int32Array(MOST_BLOCKS)
  /** Free pages outside of those blocks, all movable. */
  #rest = 0
  /** Of those, chunks of the largest order, which nobody has split since memory was plentiful. */
  #wholes: number
  /** Tries to claim part of a block, each of which boosts the watermarks. */
  fallbacks = 0

  constructor(
    size: number,
    free: { readonly unmovable: number; readonly reclaimable: number; readonly all: number },
  ) {
    this.size = size
    this.#order = 31 - Math.clz32(size)
    const unmovable = Math.min(free.unmovable, Math.max(0, free.all))
    const reclaimable = Math.min(free.reclaimable, Math.max(0, free.all - unmovable))
    this.#open(UNMOVABLE, unmovable)
    this.#open(RECLAIMABLE, reclaimable)
    this.#rest += free.all - unmovable - reclaimable
    this.#wholes = Math.max(0, this.#rest >> MAX_PAGE_ORDER)
  }

  /** Free pages of the type. */
  freeOf(type: number): number {
    let free = type === MOVABLE ? this.#rest : 0
    for (let block = 0; block < this.#count; block++)
      if (this.#types[block] === type) free += this.#free[block] as number
    return free
  }

  /** So many free pages in blocks of the type, one of them in part; what has no block counts as the rest. */
  #open(type: number, free: number): void {
    let left = free
    for (; left > 0 && this.#count < MOST_BLOCKS; left -= this.size) {
      this.#types[this.#count] = type
      this.#free[this.#count++] = Math.min(left, this.size)
    }
    this.#rest += Math.max(0, left)
  }

  /** rmqueue_bulk: `chunks` chunks for allocations of a type; what each block gave is added to `given`, from `at` on. Returns the pages. */
  take(type: number, order: number, chunks: number, given: Int32Array, at: number): number {
    const wanted = chunks << order
    let left = wanted
    let isStealing = false
    while (left > 0) {
      let place = isStealing ? -1 : this.#ownPlace(type, order)
      if (place < 0 && !isStealing && this.#claim(type, order)) place = this.#ownPlace(type, order)
      if (place < 0) {
        place = this.#smallestOther(type, order)
        isStealing = true
      }
      if (place < 0) break
      const pages = isStealing ? 1 << order : Math.min(left, this.#chunksOf(place, order))
      this.#takeFrom(place, pages)
      given[at + place] = (given[at + place] as number) + pages
      left -= pages
    }
    return wanted - left
  }

  /** The reserves' last page is lent. */
  lend(): void {
    this.#rest--
  }

  /** A page comes into movable use. */
  use(place: number): void {
    this.#movable[place] = (this.#movable[place] as number) + 1
  }

  /** A movable use of a page ends; returns the type whose list it goes to, its block's (get_pfnblock_migratetype). */
  unuse(place: number): number {
    this.#movable[place] = (this.#movable[place] as number) - 1
    return this.typeOf(place)
  }

  typeOf(block: number): number {
    return this.#types[block] as number
  }

  /** Pages come back to where they were. */
  give(place: number, pages: number): void {
    if (place === REST) this.#rest += pages
    else this.#free[place] = (this.#free[place] as number) + pages
  }

  /** A page in movable use counts as one of another block. */
  moveUse(from: number, to: number): void {
    this.#movable[from] = (this.#movable[from] as number) - 1
    this.#movable[to] = (this.#movable[to] as number) + 1
  }

  /** Pages in chunks of at least the order. */
  #chunksOf(place: number, order: number): number {
    const free = place === REST ? this.#rest : (this.#free[place] as number)
    return (free >> order) << order
  }

  #takeFrom(place: number, pages: number): void {
    if (place === REST) {
      this.#rest -= pages
      this.#wholes = Math.min(this.#wholes, Math.max(0, this.#rest >> MAX_PAGE_ORDER))
      return
    }
    this.#free[place] = (this.#free[place] as number) - pages
  }

  /** __rmqueue_smallest: where the smallest chunks of the type are; -1 = none. */
  #ownPlace(type: number, order: number): number {
    if (type === MOVABLE && this.#rest >= 1 << order) return REST
    let place = -1
    let least = Number.MAX_SAFE_INTEGER
    for (let block = 0; block < this.#count; block++) {
      const free = this.#free[block] as number
      if (this.#types[block] !== type || free < 1 << order || free >= least) continue
      place = block
      least = free
    }
    return place
  }

  /** Has it a free chunk of just that order? */
  #has(place: number, order: number): boolean {
    if (place !== REST) return (((this.#free[place] as number) >> order) & 1) === 1
    if (order === MAX_PAGE_ORDER) return this.#wholes > 0
    return order <= FRAGMENT_ORDER && this.#rest >= 1 << order
  }

  /** find_suitable_fallback: where another type has a free chunk of the order; -1 = nowhere. */
  #otherWith(type: number, order: number): number {
    const fallbacks = FALLBACKS[type] as readonly [number, number]
    for (let choice = 0; choice < fallbacks.length; choice++) {
      const other = fallbacks[choice] as number
      for (let block = 0; block < this.#count; block++)
        if (this.#types[block] === other && this.#has(block, order)) return block
      if (other === MOVABLE && this.#has(REST, order)) return REST
    }
    return -1
  }

  /** __rmqueue_claim: the block around the largest chunk of another type, or around one of the next order. */
  #claim(type: number, order: number): boolean {
    const least = type === MOVABLE ? Math.max(order, this.#order >> 1) : order
    for (let current = MAX_PAGE_ORDER; current >= least; current--) {
      const place = this.#otherWith(type, current)
      if (place < 0) continue
      if (current >= this.#order) return this.#claimWhole(place, type)
      this.fallbacks++
      if (place === REST || !this.#mayClaim(place, type)) continue
      this.#types[place] = type
      return true
    }
    return false
  }

  /** A free block changes hands without a boost. */
  #claimWhole(place: number, type: number): boolean {
    if (place !== REST) this.#types[place] = type
    else {
      const chunk = MAX_CHUNK_PAGES
      if (this.#count + chunk / this.size > MOST_BLOCKS) return false
      this.#rest -= chunk
      this.#wholes--
      this.#open(type, chunk)
    }
    return true
  }

  /** try_to_claim_block: is half of it free or in use alike? */
  #mayClaim(block: number, type: number): boolean {
    const free = this.#free[block] as number
    const movable = this.#movable[block] as number
    const isMovable = this.#types[block] === MOVABLE
    const alike = type === MOVABLE ? movable : isMovable ? this.size - free - movable : 0
    return free + alike >= this.size >> 1
  }

  /** __rmqueue_steal: where another type has the smallest chunk. */
  #smallestOther(type: number, order: number): number {
    for (let current = order; current <= MAX_PAGE_ORDER; current++) {
      const place = this.#otherWith(type, current)
      if (place >= 0) return place
    }
    return -1
  }
}

/** A folio's frames in told blocks as one number: how many, and the block, which is the first one's. */
const COUNT_BITS = 10

export function countOfBorrowed(borrowed: number): number {
  return borrowed & ((1 << COUNT_BITS) - 1)
}

export function blockOfBorrowed(borrowed: number): number {
  return borrowed >> COUNT_BITS
}

export function borrowedOf(block: number, count: number): number {
  return (block << COUNT_BITS) | count
}
