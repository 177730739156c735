import type { Codec } from '../codecs/codec.ts'
import type { Pool, PoolOptions } from '../pools/pool.ts'

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
  /** Virtual time; absent = 0. Backends have no clock. */
  readonly nowNs?: number
  /** Memory node of the page; absent = 0. */
  readonly node?: number
  /** A pool page cannot be had without reclaim at this moment: zram of 6.1-6.12 then compresses a second time. */
  readonly poolPageScarce?: boolean
  /** The page belongs to a large folio; zswap before 6.13 refuses those. */
  readonly large?: boolean
}

/** Reused by the backend between calls: read it before the next call. */
export interface StoreResult {
  place: Place
  /** Bytes counted as stored (PAGE_SIZE when kept raw, 0 for same and zero). */
  compressedBytes: number
  /** Times the codec ran on the page (2 on zram's slow path of 6.1-6.12). */
  compressions: number
  /** Pool pages taken less pages given back by what the slot held before; free memory falls by it at the store. */
  poolPagesTaken: number
  /** Device writes this store causes (the page itself, or older pages pushed out first). */
  deviceWrites: number
}

/** Pages that the backend moves by itself (zswap writeback, zram recompression), reported as they happen. */
export interface PoolMove {
  readonly slot: number
  /** The page stored there, as named in its StoreRequest. */
  readonly page: number
  readonly from: Place
  readonly to: Place
  readonly reason: 'writeback' | 'reject' | 'recompress' | 'invalidate'
  /** Time since the page was stored; 0 for a page that is rejected at its store. */
  readonly ageNs: number
}

/** What swap-in and swap-out above the backend depend on. */
export interface BackendTraits {
  /** Stores are done when `store` returns: the folio is never left under writeback (SWP_SYNCHRONOUS_IO, zswap). */
  readonly synchronousIo: boolean
  /** A swap-in of an unshared page goes around swap cache and readahead. */
  readonly swapinBypass: boolean
  /** A load takes the content out of the backend: the page is dirty afterwards and is stored again at its next swap-out. */
  readonly exclusiveLoads: boolean
  /** A store whose pool page had to be waited for compresses the page a second time; absent = yes. */
  readonly compressesAgain?: boolean
  /** The background shrinker runs on a workqueue that reclaim may wait for (WQ_MEM_RECLAIM). */
  readonly shrinkerOnReclaimQueue: boolean
}

/** One iteration of a background shrinker. Reused between calls. */
export interface ShrinkResult {
  /** Pages to be written to the device by this iteration. */
  deviceWrites: number
  /** Entries looked at. */
  scanned: number
  poolPagesFreed: number
  /** Above the given time: nothing was done, the worker sleeps until then. */
  sleepUntilNs: number
  /** The worker ends; `pendingShrink` is false until the next event queues it. */
  done: boolean
}

/** One page of a round of upkeep. Reused between calls. */
export interface UpkeepStep {
  /** Each is waited for before the next step (submit_bio_wait). */
  deviceWrites: number
  decompressions: number
  /** CPU time spent on compression, in stores. */
  stores: number
  done: boolean
}

/** What user space has a backend do from time to time (zram: idle marks, recompression, writeback). */
export interface Upkeep {
  readonly everyNs: number
  begin(nowNs: number): void
  step(nowNs: number): UpkeepStep
}

/** A block device below the backend. Times are those of the caller's virtual clock, and must not go back. */
export interface DeviceQueue {
  /** Completion time of `pages` consecutive pages submitted at `nowNs`; `slot` is the first of them, -1 = not known. */
  submit(op: 'read' | 'write', nowNs: number, pages?: number, slot?: number): number
  /** A page next to a write that still waits to be dispatched goes along with it and needs no request; its completion time, or -1. */
  merge(slot: number, nowNs: number): number
  /** Requests not completed at `nowNs`. */
  inFlight(nowNs: number): number
  /** As many requests are under way as may be: who has one more waits. */
  isBusy(nowNs: number): boolean
  /** When the next request is done; later than `nowNs` in any case. */
  nextDoneNs(nowNs: number): number
  /** CPU time of whoever submits a request. */
  readonly requestNs: number
  counters(): Readonly<Record<string, number>>
}

export interface SwapBackend {
  readonly name: 'zram' | 'zswap' | 'disk'
  /** Pages the pool holds now; memory not available to anybody else. */
  readonly poolPages: number
  /** Sum of compressedBytes of what the pool holds. */
  readonly poolBytes: number
  /** One page, on a multiple of 8, from which stores need no copy; in use by one run at a time. */
  readonly pageBuffer?: Uint8Array | undefined
  store(request: StoreRequest): StoreResult
  /** Where the slot's content is; fills `target` with the decompressed page when given. */
  load(slot: number, target?: Uint8Array, nowNs?: number): Place
  /** The slot's content is dropped; returns pool pages given back. */
  free(slot: number, nowNs?: number): number
  /** Counters named as the kernel names them (mm_stat columns, zswap debugfs and vmstat names). */
  counters(): Readonly<Record<string, number>>
  /** Throws when internal sums disagree (conservation); called by tests and at the end of a run. */
  check(): void
  readonly traits?: BackendTraits
  /** Called for every PoolMove with an object that is reused. */
  onMove?: ((move: PoolMove) => void) | undefined
  /** Set by whoever has the swap cache: is the slot's page in it? Then the backend does not push it out. */
  inSwapCache?: ((slot: number) => boolean) | undefined
  /** A background shrinker has work: schedule `shrinkStep` until it says done. */
  readonly pendingShrink?: boolean
  shrinkStep?(nowNs: number): ShrinkResult
  /** Pages that the slab shrinker of this backend could free now (pool compaction, zswap's dynamic shrinker). */
  reclaimable?(): number
  /** Frees up to about `count` pages as the slab shrinker does; the result is reused. */
  reclaim?(count: number, nowNs: number): ShrinkResult
  readonly device?: DeviceQueue | undefined
  readonly upkeep?: Upkeep | undefined
  /** Of `poolBytes`, those of a memory cgroup by its place in `machine.memcgs` (-1 = of whoever is in none of them); absent = nothing is charged. */
  chargedBytes?(memcg: number): number
  /** The allocator, to be looked at only. */
  readonly pool?: Pool
  /** Pages that compacting the pool would free; zsmalloc's own shrinker counts them and then compacts everything, whatever it was asked for. */
  readonly compactable?: number
  /** Returns pages freed. */
  compact?(): number
  /** Slots of the pages that the latest store, shrinkStep or reclaim pushed out to the device, in that order. */
  readonly writtenBack?: readonly number[]
}

/** One memory cgroup as far as swap is concerned. Its index is its position in the list, also the order in which shrinkers visit. */
export interface MemcgSettings {
  /** Place in the list of the one above it; absent = the root. */
  readonly parent?: number
  /** memory.zswap.max in pages; absent = no limit. */
  readonly zswapMaxPages?: number
  /** memory.zswap.writeback; default true. Off also below one where it is off (6.12). */
  readonly writeback?: boolean
  /** Default true. */
  readonly online?: boolean
}

export interface BackendOptions {
  readonly codec: Codec
  /** How pools are opened (`openPool` of memory/pools): backends know the contract only. */
  readonly openPool: (name: string, options: PoolOptions) => Pool
  /** Default 4096. */
  readonly pageSize?: number
  /** Memory of the machine in pages; zswap's limits are shares of it. */
  readonly totalPages?: number
  /** Memory nodes; default 1. */
  readonly nodes?: number
  /** Default: none, every page belongs to the root. */
  readonly memcgs?: readonly MemcgSettings[]
  /** By the names of the provider's `parameters`; others are ignored. */
  readonly parameters?: Readonly<Record<string, number | string>>
  /** Keep compressed bytes, so that `load` can fill a target and zram can recompress. Default: sizes only. */
  readonly keepBytes?: boolean
  /** Secondary algorithms of zram in order of priority. */
  readonly recompressors?: readonly Codec[]
  /** Service times of the device below; default: made from the parameters of `disk`. */
  readonly device?: DeviceQueue
}

export interface BackendParameter {
  readonly name: string
  readonly fallback: number | string
  readonly summary: string
}

export interface BackendProvider {
  readonly name: SwapBackend['name']
  readonly summary: string
  readonly parameters: readonly BackendParameter[]
  open(options: BackendOptions): SwapBackend
}
