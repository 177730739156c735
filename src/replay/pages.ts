import { PstraceError } from '../model/error.ts'
import type { WorkloadPages } from '../workload/types.ts'
import type { Memcg } from './memcgs.ts'
import { blockOfBorrowed, borrowedOf, countOfBorrowed } from './page-blocks.ts'

/** Where a page is. Only FREE and SWAPPED pages hold no frame. */
export const FREE = 0
export const RESIDENT = 1
/** Unmapped, in the swap cache, waiting in a policy's queue. */
export const QUEUED = 2
export const STORING = 3
/** In the pool and still in memory: clean, freed when reclaim meets it. */
export const STORED = 4
export const SWAPPED = 5
/** Given back by its task while a reclaimer holds it isolated. */
export const DYING = 6

export const ANON = 0
export const SHMEM = 1
export const FILE_PAGE = 2

/** Bits of `flags`. */
export const ACCESSED = 1
export const REFERENCED = 2
export const ACTIVE = 4
export const LOCKED = 8
export const WRITEBACK = 16
export const RECLAIM = 32
export const WORKINGSET = 64
/** Its swap copy is valid: reclaim needs no store. */
export const CLEAN_COPY = 128
/** In the swap cache because a neighbour was faulted in, or in the page cache ahead of its reader; nobody has touched it yet. */
export const READ_AHEAD = 256

export const INACTIVE_ANON = 0
export const ACTIVE_ANON = 1
export const INACTIVE_FILE = 2
export const ACTIVE_FILE = 3
export const LRU_NAMES = ['inactive_anon', 'active_anon', 'inactive_file', 'active_file'] as const
/** MGLRU: generations per kind; anonymous and shared memory first, then file. */
export const GENERATIONS = 4
export const LISTS = 8
/** Places of lists fit in 15 bits. */
const MAX_LISTS = 0x7fff

/**
 * State of every page, by page id, in columns. Ids beyond the workload's are pages without an identity (they never come back) and
 * page-cache pages; their ids are used again once the page is gone, so memory follows the number of live pages.
 */
export class Pages {
  state: Uint8Array
  flags: Uint16Array
  /** Its frames that are in a told page block, and in which (Zones.together). */
  borrowed: Uint16Array
  /** A page is a folio of 2^order base pages, with as many frames and slots one after the other. */
  order: Uint8Array
  kind: Uint8Array
  node: Uint8Array
  /** Rewrites of the content. */
  version: Uint32Array
  slot: Int32Array
  /** Memory cgroup whose charge it is, and the one on whose behalf it was evicted, by their places in the tree; undefined = there is only the root. */
  memcg: Uint16Array | undefined
  evictedBy: Uint16Array | undefined
  /** List it is on (lruvec * LISTS + list), -1 = none (isolated or not in memory). */
  list: Int16Array
  /** Folios that reclaim has taken off lists and not put back: at most so many of those in memory are on none. */
  isolated = 0
  next: Int32Array
  previous: Int32Array
  /** MGLRU: its generation's number modulo GENERATIONS. */
  generation: Uint8Array
  readonly multiGeneration: boolean
  /** Content id: the page id, or a serial number for pages without an identity. */
  content: Float64Array
  /** Flight of its swap-out, until its frame is free; 0 = none. */
  swapout: Int32Array
  /** Eviction clock when it was swapped out. */
  evictedAt: Float64Array
  readonly identified: number
  readonly heads: Int32Array
  readonly tails: Int32Array
  /** Base pages on each list. */
  readonly sizes: Int32Array
  readonly nodes: number
  #used: number
  #freeIds: Int32Array = new Int32Array(64)
  #freeCount = 0
  #serial: number
  /** Of folios: content id of the second base page; the others follow it. */
  readonly #partContents = new Map<number, number>()
  /** Of folios whose base pages have an identity each: the others but the first. */
  readonly #tails: ReadonlyMap<number, readonly number[]>
  /** Page that stands for the folio which this one still is a part of; undefined = no such folios. */
  readonly #whole: Int32Array | undefined

  constructor(
    pages: WorkloadPages,
    nodes: number,
    options: {
      readonly multiGeneration: boolean
      /** With the root; default: there is only that. */
      readonly memcgs?: number
    },
  ) {
    const memcgs = options.memcgs ?? 1
    const lists = nodes * memcgs * LISTS
    if (lists > MAX_LISTS)
      throw new PstraceError(
        'replay-memcgs',
        `the machine has ${memcgs - 1} memory cgroups on ${nodes} nodes; at most ${Math.floor(MAX_LISTS / LISTS / nodes) - 1} can be replayed there`,
      )
    const count = pages.length
    const capacity = count + 64
    this.identified = count
    this.#tails = tailsOf(pages)
    this.#whole = pages.folio?.map((first, page) => (first < 0 ? page : first))
    this.#used = count
    this.#serial = count
    this.state = new Uint8Array(capacity)
    this.flags = new Uint16Array(capacity)
    this.borrowed = new Uint16Array(capacity)
    this.order = new Uint8Array(capacity)
    this.order.set(pages.order.subarray(0, count))
    this.kind = new Uint8Array(capacity)
    this.kind.set(pages.kind.subarray(0, count))
    this.node = new Uint8Array(capacity)
    this.node.set(pages.node.subarray(0, count))
    this.nodes = nodes
    this.memcg = memcgs > 1 ? new Uint16Array(capacity) : undefined
    this.evictedBy = memcgs > 1 ? new Uint16Array(capacity) : undefined
    this.version = new Uint32Array(capacity)
    this.slot = new Int32Array(capacity).fill(-1)
    this.list = new Int16Array(capacity).fill(-1)
    this.next = new Int32Array(capacity).fill(-1)
    this.previous = new Int32Array(capacity).fill(-1)
    this.generation = new Uint8Array(capacity)
    this.multiGeneration = options.multiGeneration
    this.content = new Float64Array(capacity)
    for (let page = 0; page < count; page++) {
      this.content[page] = page
      if (this.order[page] === 0 || this.#tails.has(page)) continue
      this.#partContents.set(page, this.#serial)
      this.#serial += this.pagesOf(page) - 1
    }
    this.swapout = new Int32Array(capacity)
    this.evictedAt = new Float64Array(capacity)
    this.heads = new Int32Array(lists).fill(-1)
    this.tails = new Int32Array(lists).fill(-1)
    this.sizes = new Int32Array(lists)
  }

  /** Ids in use, workload's included. */
  get used(): number {
    return this.#used - this.#freeCount
  }

  get capacity(): number {
    return this.#used
  }

  /** Base pages of the folio. */
  pagesOf(page: number): number {
    return 1 << (this.order[page] as number)
  }

  /** Content id of one of the folio's base pages. */
  contentOf(page: number, part: number): number {
    if (part === 0) return this.content[page] as number
    const tails = this.#tails.get(page)
    if (tails !== undefined) return this.content[tails[part - 1] as number] as number
    return (this.#partContents.get(page) as number) + part - 1
  }

  /** The folio that the page is part of, by its first page; itself when it stands alone. */
  wholeOf(page: number): number {
    return this.#whole?.[page] ?? page
  }

  /** What the folio had beside its first page when it was whole, where these have identities. */
  tailsOf(page: number): readonly number[] {
    return this.#tails.get(page) ?? NO_TAILS
  }

  #part(page: number, part: number): number {
    const known = this.#tails.get(page)?.[part - 1]
    if (known === undefined) {
      const made = this.create(this.kind[page] as number, this.node[page] as number)
      this.#inherit(page, made)
      this.content[made] = this.contentOf(page, part)
      return made
    }
    this.kind[known] = this.kind[page] as number
    this.node[known] = this.node[page] as number
    this.#inherit(page, known)
    if (this.#whole !== undefined) this.#whole[known] = known
    return known
  }

  #inherit(page: number, part: number): void {
    const { evictedBy, memcg } = this
    if (memcg === undefined || evictedBy === undefined) return
    memcg[part] = memcg[page] as number
    evictedBy[part] = evictedBy[page] as number
  }

  /** A folio that is on no list becomes single pages in its state (split_folio_to_list); returns the others but its first, each with its slot. */
  split(page: number): readonly number[] {
    const parts: number[] = []
    const count = this.pagesOf(page)
    const inBlock = this.borrowed[page] as number
    const block = blockOfBorrowed(inBlock)
    let borrowed = countOfBorrowed(inBlock)
    for (let part = 1; part < count; part++) {
      const made = this.#part(page, part)
      this.state[made] = this.state[page] as number
      this.flags[made] = (this.flags[page] as number) & ~LOCKED
      this.version[made] = this.version[page] as number
      this.generation[made] = this.generation[page] as number
      this.evictedAt[made] = this.evictedAt[page] as number
      if ((this.slot[page] as number) >= 0) this.slot[made] = (this.slot[page] as number) + part
      this.borrowed[made] = borrowed > 1 ? borrowedOf(block, 1) : 0
      if (borrowed > 1) borrowed--
      parts.push(made)
    }
    this.order[page] = 0
    this.borrowed[page] = borrowed > 0 ? borrowedOf(block, borrowed) : 0
    return parts
  }

  /** An id for a page without an identity. */
  create(kind: number, node: number): number {
    let page: number
    if (this.#freeCount > 0) page = this.#freeIds[--this.#freeCount] as number
    else {
      page = this.#used++
      if (page >= this.state.length) this.#grow()
    }
    this.kind[page] = kind
    this.node[page] = node
    this.state[page] = FREE
    this.flags[page] = 0
    this.version[page] = 0
    this.slot[page] = -1
    this.swapout[page] = 0
    this.order[page] = 0
    this.content[page] = this.#serial++
    return page
  }

  /** The page without an identity is gone for good. */
  release(page: number): void {
    if (page < this.identified) return
    this.state[page] = FREE
    if (this.#freeCount === this.#freeIds.length) {
      const grown = new Int32Array(this.#freeIds.length * 2)
      grown.set(this.#freeIds)
      this.#freeIds = grown
    }
    this.#freeIds[this.#freeCount++] = page
  }

  has(page: number, flag: number): boolean {
    return ((this.flags[page] as number) & flag) !== 0
  }

  set(page: number, flag: number): void {
    const { flags } = this
    flags[page] = (flags[page] as number) | flag
  }

  clear(page: number, flag: number): void {
    const { flags } = this
    flags[page] = (flags[page] as number) & ~flag
  }

  chargeTo(page: number, memcg: Memcg): void {
    if (this.memcg !== undefined) this.memcg[page] = memcg.index
  }

  /** Its memory cgroup's lists on its node, by their place among all lruvecs. */
  lruvecOf(page: number): number {
    const node = this.node[page] as number
    return this.memcg === undefined ? node : (this.memcg[page] as number) * this.nodes + node
  }

  /** The list the page belongs on now. */
  listOf(page: number): number {
    const first = this.lruvecOf(page) * LISTS
    if (this.multiGeneration)
      return (
        first +
        (this.kind[page] === FILE_PAGE ? GENERATIONS : 0) +
        (this.generation[page] as number)
      )
    const file = this.kind[page] === FILE_PAGE ? INACTIVE_FILE : INACTIVE_ANON
    return first + file + (this.has(page, ACTIVE) ? 1 : 0)
  }

  addHead(page: number): void {
    const list = this.listOf(page)
    this.#mustBeOff(page)
    const first = this.heads[list] as number
    this.next[page] = first
    this.previous[page] = -1
    if (first < 0) this.tails[list] = page
    else this.previous[first] = page
    this.heads[list] = page
    this.list[page] = list
    this.sizes[list] = (this.sizes[list] as number) + this.pagesOf(page)
  }

  /** One after the other to its list's head: the last one comes to lie first. */
  addHeads(folios: Int32Array, from: number, to: number): void {
    const { heads, list: lists, next, previous, sizes, tails } = this
    let place = from
    while (place < to) {
      const list = this.listOf(folios[place] as number)
      let first = heads[list] as number
      let size = sizes[list] as number
      // Mostly all go to the same list, whose own columns are written once then.
      for (; place < to; place++) {
        const page = folios[place] as number
        if (this.listOf(page) !== list) break
        this.#mustBeOff(page)
        next[page] = first
        if (first < 0) tails[list] = page
        else previous[first] = page
        lists[page] = list
        size += this.pagesOf(page)
        first = page
      }
      previous[first] = -1
      heads[list] = first
      sizes[list] = size
    }
  }

  addTail(page: number): void {
    const list = this.listOf(page)
    this.#mustBeOff(page)
    const last = this.tails[list] as number
    this.previous[page] = last
    this.next[page] = -1
    if (last < 0) this.heads[list] = page
    else this.next[last] = page
    this.tails[list] = page
    this.list[page] = list
    this.sizes[list] = (this.sizes[list] as number) + this.pagesOf(page)
  }

  remove(page: number): void {
    const list = this.list[page] as number
    if (list < 0) return
    const next = this.next[page] as number
    const previous = this.previous[page] as number
    if (next < 0) this.tails[list] = previous
    else this.previous[next] = previous
    if (previous < 0) this.heads[list] = next
    else this.next[previous] = next
    this.list[page] = -1
    this.sizes[list] = (this.sizes[list] as number) - this.pagesOf(page)
  }

  /** Takes folios from the list's tail, oldest first, until they are so many base pages or more; returns how many folios. */
  takeTails(list: number, count: number, into: Int32Array): number {
    const { list: lists, next, previous } = this
    let folios = 0
    let taken = 0
    let page = this.tails[list] as number
    while (taken < count && page >= 0) {
      into[folios++] = page
      lists[page] = -1
      taken += this.pagesOf(page)
      page = previous[page] as number
    }
    this.tails[list] = page
    if (page < 0) this.heads[list] = -1
    else next[page] = -1
    this.sizes[list] = (this.sizes[list] as number) - taken
    return folios
  }

  isOnList(page: number): boolean {
    return (this.list[page] as number) >= 0
  }

  #mustBeOff(page: number): void {
    if ((this.list[page] as number) >= 0)
      throw new PstraceError('replay-invariant', `page ${page} is put on a second list`)
  }

  #grow(): void {
    const size = this.state.length * 2
    this.state = grown(this.state, new Uint8Array(size))
    this.flags = grown(this.flags, new Uint16Array(size))
    this.borrowed = grown(this.borrowed, new Uint16Array(size))
    this.order = grown(this.order, new Uint8Array(size))
    this.kind = grown(this.kind, new Uint8Array(size))
    this.node = grown(this.node, new Uint8Array(size))
    this.version = grown(this.version, new Uint32Array(size))
    this.slot = grown(this.slot, new Int32Array(size).fill(-1))
    this.list = grown(this.list, new Int16Array(size).fill(-1))
    this.next = grown(this.next, new Int32Array(size).fill(-1))
    this.previous = grown(this.previous, new Int32Array(size).fill(-1))
    if (this.memcg !== undefined) this.memcg = grown(this.memcg, new Uint16Array(size))
    if (this.evictedBy !== undefined) this.evictedBy = grown(this.evictedBy, new Uint16Array(size))
    this.generation = grown(this.generation, new Uint8Array(size))
    this.content = grown(this.content, new Float64Array(size))
    this.swapout = grown(this.swapout, new Int32Array(size))
    this.evictedAt = grown(this.evictedAt, new Float64Array(size))
  }
}

const NO_TAILS: readonly number[] = []

function tailsOf({ length, folio }: WorkloadPages): Map<number, number[]> {
  const tails = new Map<number, number[]>()
  if (folio === undefined) return tails
  for (let page = 0; page < length; page++) {
    const first = folio[page] as number
    if (first < 0) continue
    const known = tails.get(first)
    if (known === undefined) tails.set(first, [])
    else known.push(page)
  }
  return tails
}

function grown<
  A extends Uint8Array | Uint16Array | Uint32Array | Int16Array | Int32Array | Float64Array,
>(from: A, to: A): A {
  to.set(from)
  return to
}
