/** Where a swapped page ended up. `reject` = the backend refused and the page stays in memory (redirtied). */
export type Place = 'zram' | 'zswap' | 'disk' | 'same' | 'zero' | 'reject'

export interface StoreRequest {
  /** Swap slot; the key for load, free and writeback. */
  readonly slot: number
  readonly page: number
  readonly bytes: Uint8Array
  /** Content key from PageContents.fill, for size caches. */
  readonly key: number
  /** Memory cgroup index, -1 = none. */
  readonly memcg: number
}

/** Reused by the backend between calls: read it before the next call. */
export interface StoreResult {
  place: Place
  /** Bytes counted as stored (PAGE_SIZE when kept raw, 0 for same and zero). */
  compressedBytes: number
  /** Times the codec ran on the page (2 on zram's slow path of 6.1-6.12). */
  compressions: number
  /** Pool pages taken (may be 0); free memory falls by it at the store. */
  poolPagesTaken: number
  /** Device writes this store causes (the page itself, or older pages pushed out first). */
  deviceWrites: number
}

/** Pages that the backend moves by itself (zswap writeback, zram recompression), reported as they happen. */
export interface PoolMove {
  readonly slot: number
  readonly from: Place
  readonly to: Place
  readonly reason: 'writeback' | 'reject' | 'recompress' | 'invalidate'
}

export interface SwapBackend {
  readonly name: 'zram' | 'zswap' | 'disk'
  /** Pages the pool holds now; memory not available to anybody else. */
  readonly poolPages: number
  /** Sum of compressedBytes of what the pool holds. */
  readonly poolBytes: number
  store(request: StoreRequest): StoreResult
  /** Where the slot's content is; fills `target` with the decompressed page when given. */
  load(slot: number, target?: Uint8Array): Place
  /** The slot's content is dropped; returns pool pages given back. */
  free(slot: number): number
  /** Counters named as the kernel names them (mm_stat columns, zswap debugfs and vmstat names). */
  counters(): Readonly<Record<string, number>>
  /** Throws when internal sums disagree (conservation); called by tests and at the end of a run. */
  check(): void
}
