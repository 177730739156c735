import { PstraceError } from '../../model/error.ts'
import { IndexLists } from '../../model/index-lists.ts'
import { differenceOf, pageStats } from './page-totals.ts'
import type { EvictingPool, PoolClassStats, PoolOptions, PoolProvider } from './pool.ts'

/** NCHUNKS_ORDER: a page is 64 chunks; the header, rounded up, takes two of them. */
const TOTAL = 64
const HEADER = 2
const USABLE = TOTAL - HEADER
/** Gap in chunks from which moving the middle object is worth it. */
const BIG_GAP = 3

const FIRST = 0
const MIDDLE = 1
const LAST = 2
const NONE = -1

/**
 * z3fold (mm/z3fold.c of 6.1): up to three objects to a page.
 *
 *   [header][first ->][   gap   ][middle][   gap   ][<- last]
 *
 * The kernel compacts in the background and keeps lists per CPU; here compaction is done at the free that makes it possible, and there is
 * one set of lists. Objects that leave no room beside a header get a page of their own without one.
 */
export class Z3foldPool implements EvictingPool {
  readonly name = 'z3fold'
  readonly pageSize: number
  readonly maxSize: number
  readonly hugeClassSize: number
  readonly compactable = 0
  pagesCompacted = 0
  pages = 0
  bytes = 0
  objects = 0
  readonly #chunk: number
  /** By free chunks; list 0 is unused. */
  readonly #unbuddied = new IndexLists(USABLE + 1)
  readonly #lru = new IndexLists(1)
  /** Three per page: chunks of first, middle, last; all 0 in a headless page. */
  #chunks = new Uint8Array(48)
  #startMiddle = new Uint8Array(16)
  /** Three per page: handle + 1, 0 = free. A headless page uses the first. */
  #holds = new Int32Array(48)
  #headless = new Uint8Array(16)
  #place = new Int32Array(64)
  #sizes = new Int32Array(64)
  #handles = 0
  #known = 0
  readonly #freePages: number[] = []
  readonly #freeHandles: number[] = []

  constructor(options: PoolOptions = {}) {
    this.pageSize = options.pageSize ?? 4096
    this.#chunk = this.pageSize / TOTAL
    this.maxSize = this.pageSize
    this.hugeClassSize = this.pageSize - (HEADER + 1) * this.#chunk + 1
  }

  alloc(size: number): number {
    if (!(size > 0 && size <= this.maxSize)) return -1
    const handle = this.#newHandle()
    let page: number
    let bud = FIRST
    if (this.#wantsOwnPage(size)) {
      page = this.#newPage()
      this.#headless[page] = 1
    } else {
      const chunks = this.#chunksOf(size)
      page = this.#fitting(chunks, NONE)
      if (page >= 0) {
        this.#unbuddied.remove(page)
        bud = this.#freeBuddy(page, chunks)
      } else page = this.#newPage()
      this.#fill(page, bud, chunks)
      this.#file(page)
    }
    this.#holds[page * 3 + bud] = handle + 1
    this.#place[handle] = page * 3 + bud
    this.#sizes[handle] = size
    this.#lru.remove(page)
    this.#lru.addFirst(0, page)
    this.bytes += size
    this.objects++
    return handle
  }

  free(handle: number): number {
    const before = this.pages
    this.bytes -= this.sizeOf(handle)
    this.objects--
    const place = this.#place[handle] ?? 0
    const page = Math.floor(place / 3)
    this.#sizes[handle] = 0
    this.#freeHandles.push(handle)
    this.#holds[place] = 0
    if (this.#headless[page] === 1) this.#drop(page)
    else {
      this.#unbuddied.remove(page)
      this.#chunks[place] = 0
      if (place % 3 === MIDDLE) this.#startMiddle[page] = 0
      this.#settle(page)
    }
    return before - this.pages
  }

  sizeOf(handle: number): number {
    const size = this.#sizes[handle] ?? 0
    if (size === 0)
      throw new PstraceError('pool-handle', `z3fold: handle ${handle} is not allocated`)
    return size
  }

  pagesFor(size: number): number {
    return this.#wantsOwnPage(size) || this.#fitting(this.#chunksOf(size), NONE) < 0 ? 1 : 0
  }

  storedSize(size: number): number {
    return this.#wantsOwnPage(size) ? this.pageSize : this.#chunksOf(size) * this.#chunk
  }

  compact(): number {
    return 0
  }

  coldest(out: Int32Array): number {
    const page = this.#lru.last(0)
    if (page < 0) return 0
    let n = 0
    for (let bud = 0; bud < 3; bud++) {
      const held = this.#holds[page * 3 + bud] ?? 0
      if (held > 0) out[n++] = held - 1
    }
    return n
  }

  rotate(handle: number): void {
    const page = Math.floor((this.#place[handle] ?? 0) / 3)
    this.#lru.remove(page)
    this.#lru.addFirst(0, page)
  }

  stats(): readonly PoolClassStats[] {
    return pageStats(this, this.#chunk, 3)
  }

  check(): void {
    let pages = 0
    let bytes = 0
    let objects = 0
    for (let page = 0; page < this.#known; page++) {
      let here = 0
      for (let bud = 0; bud < 3; bud++) {
        const held = this.#holds[page * 3 + bud] ?? 0
        if (held === 0) continue
        here++
        const size = this.#sizes[held - 1] ?? 0
        if (this.#place[held - 1] !== page * 3 + bud || size === 0)
          throw broken(`page ${page} and handle ${held - 1} disagree`)
        if (this.#headless[page] === 0 && this.#chunks[page * 3 + bud] !== this.#chunksOf(size))
          throw broken(`page ${page} has a wrong chunk count`)
        bytes += size
      }
      objects += here
      if (here > 0) pages++
      if ((this.#lru.listOf(page) === 0) !== here > 0)
        throw broken(`page ${page} is wrongly on or off the eviction list`)
      this.#checkLayout(page)
    }
    const difference = differenceOf(this, { pages, bytes, objects })
    if (difference !== undefined) throw broken(difference)
  }

  #checkLayout(page: number): void {
    const first = this.#chunks[page * 3] ?? 0
    const middle = this.#chunks[page * 3 + MIDDLE] ?? 0
    const last = this.#chunks[page * 3 + LAST] ?? 0
    const start = this.#startMiddle[page] ?? 0
    if (
      middle > 0
        ? start < HEADER + first || start + middle > TOTAL - last
        : HEADER + first + last > TOTAL
    )
      throw broken(
        `objects of page ${page} overlap: first ${first}, middle ${middle} at ${start}, last ${last} chunks`,
      )
  }

  #wantsOwnPage(size: number): boolean {
    return size > this.pageSize - (HEADER + 1) * this.#chunk
  }

  #fitting(chunks: number, except: number): number {
    for (let list = chunks; list <= USABLE; list++) {
      let page = this.#unbuddied.first(list)
      if (page === except && page >= 0) page = this.#unbuddied.after(page)
      if (page >= 0) return page
    }
    return -1
  }

  #freeBuddy(page: number, chunks: number): number {
    const first = this.#chunks[page * 3] ?? 0
    const last = this.#chunks[page * 3 + LAST] ?? 0
    if ((this.#chunks[page * 3 + MIDDLE] ?? 0) > 0)
      return first === 0 && chunks <= (this.#startMiddle[page] ?? 0) - HEADER ? FIRST : LAST
    return first === 0 ? FIRST : last === 0 ? LAST : MIDDLE
  }

  #fill(page: number, bud: number, chunks: number): void {
    this.#chunks[page * 3 + bud] = chunks
    if (bud === MIDDLE) this.#startMiddle[page] = (this.#chunks[page * 3] ?? 0) + HEADER
  }

  /** add_to_unbuddied: a page with three objects is on no list. */
  #file(page: number): void {
    const first = this.#chunks[page * 3] ?? 0
    const middle = this.#chunks[page * 3 + MIDDLE] ?? 0
    const last = this.#chunks[page * 3 + LAST] ?? 0
    if (first > 0 && middle > 0 && last > 0) return
    let room = USABLE - first - last
    if (middle > 0) {
      const start = this.#startMiddle[page] ?? 0
      const before = first > 0 ? 0 : start - HEADER
      const after = last > 0 ? 0 : TOTAL - start - middle
      room = Math.max(before, after)
    }
    if (room > 0) this.#unbuddied.addFirst(room, page)
  }

  /** do_compact_page after a free: a lone object moves to another page, a middle one closes its gap. */
  #settle(page: number): void {
    const base = page * 3
    const first = this.#chunks[base] ?? 0
    const middle = this.#chunks[base + MIDDLE] ?? 0
    const last = this.#chunks[base + LAST] ?? 0
    const alive = (first > 0 ? 1 : 0) + (middle > 0 ? 1 : 0) + (last > 0 ? 1 : 0)
    if (alive === 0) {
      this.#drop(page)
      return
    }
    if (alive === 1 && this.#moveAway(page, first > 0 ? FIRST : middle > 0 ? MIDDLE : LAST)) return
    if (middle > 0) this.#closeGap(page, first, middle, last)
    this.#file(page)
  }

  #moveAway(page: number, bud: number): boolean {
    const from = page * 3 + bud
    const chunks = this.#chunks[from] ?? 0
    const target = this.#fitting(chunks, page)
    if (target < 0) return false
    this.#unbuddied.remove(target)
    const into = this.#freeBuddy(target, chunks)
    this.#fill(target, into, chunks)
    const held = this.#holds[from] ?? 0
    this.#holds[target * 3 + into] = held
    this.#place[held - 1] = target * 3 + into
    this.#file(target)
    this.#holds[from] = 0
    this.#chunks[from] = 0
    this.#startMiddle[page] = 0
    this.#drop(page)
    this.pagesCompacted++
    return true
  }

  #closeGap(page: number, first: number, middle: number, last: number): void {
    const base = page * 3
    const start = this.#startMiddle[page] ?? 0
    if (first === 0 && last === 0) {
      const held = this.#holds[base + MIDDLE] ?? 0
      this.#chunks[base] = middle
      this.#chunks[base + MIDDLE] = 0
      this.#holds[base] = held
      this.#holds[base + MIDDLE] = 0
      this.#place[held - 1] = base
      this.#startMiddle[page] = 0
    } else if (first > 0 && last === 0 && start - (first + HEADER) >= BIG_GAP)
      this.#startMiddle[page] = first + HEADER
    else if (last > 0 && first === 0 && TOTAL - (last + start + middle) >= BIG_GAP)
      this.#startMiddle[page] = TOTAL - last - middle
  }

  #drop(page: number): void {
    this.#lru.remove(page)
    this.#headless[page] = 0
    this.#freePages.push(page)
    this.pages--
  }

  #newPage(): number {
    this.pages++
    const free = this.#freePages.pop()
    if (free !== undefined) return free
    if (this.#known === this.#headless.length) {
      const length = this.#known * 2
      this.#chunks = grown(this.#chunks, new Uint8Array(length * 3))
      this.#startMiddle = grown(this.#startMiddle, new Uint8Array(length))
      this.#holds = grown(this.#holds, new Int32Array(length * 3))
      this.#headless = grown(this.#headless, new Uint8Array(length))
    }
    return this.#known++
  }

  #newHandle(): number {
    const free = this.#freeHandles.pop()
    if (free !== undefined) return free
    if (this.#handles === this.#sizes.length) {
      this.#place = grown(this.#place, new Int32Array(this.#handles * 2))
      this.#sizes = grown(this.#sizes, new Int32Array(this.#handles * 2))
    }
    return this.#handles++
  }

  #chunksOf(size: number): number {
    return Math.ceil(size / this.#chunk)
  }
}

export const z3fold: PoolProvider = {
  name: 'z3fold',
  summary: 'three objects to a page; an option of zswap until 6.14',
  open: (options) => new Z3foldPool(options),
}

function grown<A extends Int32Array | Uint8Array>(from: A, to: A): A {
  to.set(from)
  return to
}

function broken(message: string): PstraceError {
  return new PstraceError('pool-broken', `z3fold: ${message}`)
}
