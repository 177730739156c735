import { PstraceError } from '../../model/error.ts'
import { IndexLists } from '../../model/index-lists.ts'
import { differenceOf, pageStats } from './page-totals.ts'
import type { EvictingPool, PoolClassStats, PoolOptions, PoolProvider } from './pool.ts'

/** NCHUNKS_ORDER: a page is 64 chunks, the first of which is the header. */
const CHUNKS = 64
const USABLE = CHUNKS - 1
/** List of pages that hold two objects; lists 1..63 hold pages with that many free chunks. */
const BUDDIED = 0

/** zbud (mm/zbud.c of 6.1): at most two objects in a page, one growing from each end. Handle = page * 2 + end. */
export class ZbudPool implements EvictingPool {
  readonly name = 'zbud'
  readonly pageSize: number
  readonly maxSize: number
  readonly hugeClassSize: number
  readonly pagesCompacted = 0
  readonly compactable = 0
  pages = 0
  bytes = 0
  objects = 0
  readonly #chunk: number
  readonly #buddies = new IndexLists(CHUNKS)
  /** Least recently allocated last, as in the kernel. */
  readonly #lru = new IndexLists(1)
  #sizes = new Int32Array(128)
  #known = 0
  readonly #free: number[] = []

  constructor(options: PoolOptions = {}) {
    this.pageSize = options.pageSize ?? 4096
    this.#chunk = this.pageSize / CHUNKS
    this.maxSize = this.pageSize - 2 * this.#chunk
    this.hugeClassSize = this.maxSize + 1
  }

  alloc(size: number): number {
    if (!(size > 0 && size <= this.maxSize)) return -1
    let page = this.#fitting(size)
    let end = 0
    if (page >= 0) {
      this.#buddies.remove(page)
      end = this.#sizes[page * 2] === 0 ? 0 : 1
    } else page = this.#newPage()
    const handle = page * 2 + end
    this.#sizes[handle] = size
    this.#file(page)
    this.#lru.remove(page)
    this.#lru.addFirst(0, page)
    this.bytes += size
    this.objects++
    return handle
  }

  free(handle: number): number {
    const size = this.sizeOf(handle)
    const page = handle >> 1
    this.#sizes[handle] = 0
    this.bytes -= size
    this.objects--
    this.#buddies.remove(page)
    if (this.#sizes[handle ^ 1] !== 0) {
      this.#file(page)
      return 0
    }
    this.#lru.remove(page)
    this.#free.push(page)
    this.pages--
    return 1
  }

  sizeOf(handle: number): number {
    const size = this.#sizes[handle] ?? 0
    if (size === 0) throw new PstraceError('pool-handle', `zbud: handle ${handle} is not allocated`)
    return size
  }

  pagesFor(size: number): number {
    return this.#fitting(size) < 0 ? 1 : 0
  }

  storedSize(size: number): number {
    return this.#chunks(size) * this.#chunk
  }

  compact(): number {
    return 0
  }

  coldest(out: Int32Array): number {
    const page = this.#lru.last(0)
    if (page < 0) return 0
    let n = 0
    for (let end = 0; end < 2; end++)
      if (this.#sizes[page * 2 + end] !== 0) out[n++] = page * 2 + end
    return n
  }

  rotate(handle: number): void {
    const page = handle >> 1
    this.#lru.remove(page)
    this.#lru.addFirst(0, page)
  }

  stats(): readonly PoolClassStats[] {
    return pageStats(this, this.#chunk, 2)
  }

  check(): void {
    let pages = 0
    let bytes = 0
    let objects = 0
    for (let page = 0; page < this.#known; page++) {
      const first = this.#sizes[page * 2] ?? 0
      const last = this.#sizes[page * 2 + 1] ?? 0
      const used = this.#chunks(first) + this.#chunks(last)
      if (used > USABLE) throw broken(`page ${page} holds ${used} chunks, more than ${USABLE}`)
      const expected = used === 0 ? -1 : first > 0 && last > 0 ? BUDDIED : USABLE - used
      if (this.#buddies.listOf(page) !== expected)
        throw broken(`page ${page} is on list ${this.#buddies.listOf(page)}; expected ${expected}`)
      if ((this.#lru.listOf(page) === 0) !== used > 0)
        throw broken(`page ${page} is wrongly on or off the eviction list`)
      if (used > 0) pages++
      bytes += first + last
      objects += (first > 0 ? 1 : 0) + (last > 0 ? 1 : 0)
    }
    const difference = differenceOf(this, { pages, bytes, objects })
    if (difference !== undefined) throw broken(difference)
  }

  /** Best fit: the fewest free chunks that are enough; -1 = none. */
  #fitting(size: number): number {
    for (let list = this.#chunks(size); list < USABLE; list++) {
      const page = this.#buddies.first(list)
      if (page >= 0) return page
    }
    return -1
  }

  #file(page: number): void {
    const first = this.#sizes[page * 2] ?? 0
    const last = this.#sizes[page * 2 + 1] ?? 0
    const list = first > 0 && last > 0 ? BUDDIED : USABLE - this.#chunks(first) - this.#chunks(last)
    this.#buddies.addFirst(list, page)
  }

  #newPage(): number {
    this.pages++
    const free = this.#free.pop()
    if (free !== undefined) return free
    if (this.#known * 2 === this.#sizes.length) {
      const sizes = new Int32Array(this.#known * 4)
      sizes.set(this.#sizes)
      this.#sizes = sizes
    }
    return this.#known++
  }

  #chunks(size: number): number {
    return Math.ceil(size / this.#chunk)
  }
}

export const zbud: PoolProvider = {
  name: 'zbud',
  summary: "two objects to a page; zswap's default until 6.7",
  open: (options) => new ZbudPool(options),
}

function broken(message: string): PstraceError {
  return new PstraceError('pool-broken', `zbud: ${message}`)
}
