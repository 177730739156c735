/**
 * An allocator of compressed objects inside whole pages. Only places are kept, not bytes: a handle names the place, and `pages` is
 * memory that nobody else can have.
 */
export interface Pool {
  readonly name: string
  readonly pageSize: number
  /** Pages held now. */
  readonly pages: number
  /** Sum of the sizes asked for by the objects held now. */
  readonly bytes: number
  /** Objects held now. */
  readonly objects: number
  /** Larger requests are refused. */
  readonly maxSize: number
  /** A handle (0 or more), or -1 when the size is refused. Handles of freed objects are used again. */
  alloc(size: number): number
  /** Pages given back. */
  free(handle: number): number
  /** The size asked for at `alloc`. */
  sizeOf(handle: number): number
  /** Pages that `alloc(size)` would take now (0 when an open page has room). */
  pagesFor(size: number): number
  /** Bytes that an object of this size occupies; recompression is worth it only where this falls. */
  storedSize(size: number): number
  /** Requests of this size or more cost a whole page each, so a page is better kept raw (huge_class_size of zsmalloc). */
  readonly hugeClassSize: number
  /** Pages freed by `compact` so far. */
  readonly pagesCompacted: number
  /** Pages that `compact` would free. */
  readonly compactable: number
  /** Moves objects together; pages given back. */
  compact(): number
  /** A row per class that holds pages, in ascending size. */
  stats(): readonly PoolClassStats[]
  /** Throws when lists, counters and objects disagree. */
  check(): void
}

export interface PoolClassStats {
  /** Bytes per object place. */
  readonly size: number
  /** Pages and places of one group of pages (zspage, or one page). */
  readonly pagesPerGroup: number
  readonly objectsPerGroup: number
  readonly objects: number
  readonly groups: number
  readonly pages: number
  /** Bytes of these pages that hold no requested byte. */
  readonly wastedBytes: number
}

/** An allocator that also chooses what to evict (zbud and z3fold until 6.2): whole pages, least recently allocated first. */
export interface EvictingPool extends Pool {
  /** Handles in the page at the cold end of the list, written to `out` (room for 3); returns how many, 0 = the pool is empty. */
  coldest(out: Int32Array): number
  /** The page of this handle was tried and could not be freed: it goes to the warm end. */
  rotate(handle: number): void
}

export interface PoolOptions {
  /** Default 4096. */
  readonly pageSize?: number
  /** Longest chain of pages in one zspage, 1..16 (CONFIG_ZSMALLOC_CHAIN_SIZE; 4 before 6.3). Default 8. */
  readonly chain?: number
  /** How zsmalloc sorts zspages by use: `tenths` since 6.4, `quarters` before. Default: by the chain, as kernels shipped it. */
  readonly fullness?: 'tenths' | 'quarters'
  /** How zsmalloc picks the chain length: by `waste` since 6.3, by whole `percent` before. Default: by the chain. */
  readonly rounding?: 'waste' | 'percent'
}

export interface PoolProvider {
  readonly name: string
  /** One line for listings. */
  readonly summary: string
  open(options?: PoolOptions): Pool
}
