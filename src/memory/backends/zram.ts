import { PstraceError } from '../../model/error.ts'
import type { Pool } from '../pools/pool.ts'
import type {
  BackendOptions,
  BackendProvider,
  BackendTraits,
  DeviceQueue,
  Place,
  PoolMove,
  ShrinkResult,
  StoreRequest,
  StoreResult,
  SwapBackend,
} from './backend.ts'
import { BackendCheck } from './backend-check.ts'
import { BlockDevice } from './device.ts'
import { KeptBytes } from './kept-bytes.ts'
import { PageCompressor } from './page-compressor.ts'
import { Parameters } from './parameters.ts'
import { PoolMoves } from './pool-moves.ts'
import { isSameFilled } from './same-filled.ts'
import { type RecompressOptions, type WritebackMode, ZramCandidates } from './zram-candidates.ts'
import { ZRAM_PARAMETERS } from './zram-parameters.ts'
import {
  BACKED,
  EMPTY,
  IDLE,
  INCOMPRESSIBLE,
  LOADED,
  OBJECT,
  RAW,
  SAME,
  ZramSlots,
} from './zram-slots.ts'
import { type UpkeepTarget, ZramUpkeep } from './zram-upkeep.ts'

/** zram's write, read and free paths: drivers/block/zram/zram_drv.c of 6.1 and 6.12, and of the development tree of 2026. */
export class ZramBackend implements SwapBackend, UpkeepTarget {
  readonly name = 'zram'
  readonly traits: BackendTraits
  readonly pool: Pool
  /** Holds what was written back. */
  readonly device: DeviceQueue | undefined
  readonly upkeep: ZramUpkeep | undefined
  readonly #slots = new ZramSlots()
  readonly #moves = new PoolMoves(this.#slots)
  readonly #pageSize: number
  readonly #compressors: readonly PageCompressor[]
  readonly #recompressesOnSlowPath: boolean
  readonly #limitPages: number
  readonly #backingPages: number
  #writebackLeft: number
  readonly #kept: KeptBytes
  readonly #candidates: ZramCandidates
  #pagesStored = 0
  #samePages = 0
  #hugePages = 0
  #hugePagesSince = 0
  #usedMax = 0
  #writestall = 0
  #failedWrites = 0
  #notifyFree = 0
  #numReads = 0
  #numWrites = 0
  #bdCount = 0
  #bdReads = 0
  #bdWrites = 0
  #numRecompress = 0
  readonly #result: StoreResult = {
    place: 'zram',
    compressedBytes: 0,
    compressions: 0,
    poolPagesTaken: 0,
    deviceWrites: 0,
  }
  readonly #shrink: ShrinkResult = {
    deviceWrites: 0,
    scanned: 0,
    poolPagesFreed: 0,
    sleepUntilNs: 0,
    done: true,
  }
  constructor(options: BackendOptions) {
    const parameters = new Parameters('zram', ZRAM_PARAMETERS, options)
    const form = parameters.word('form', ['6.1', '6.12', '2026'])
    this.#pageSize = options.pageSize ?? 4096
    const chain = parameters.number('chain', 0, 16)
    this.pool = options.openPool(parameters.word('allocator', ['zsmalloc', 'zbud', 'z3fold']), {
      pageSize: this.#pageSize,
      chain: chain === 0 ? (form === '6.1' ? 4 : 8) : chain,
    })
    const verifyEvery = parameters.number('verify', 1, 0x7fffffff)
    this.#compressors = [options.codec, ...(options.recompressors ?? [])].map(
      (codec) => new PageCompressor(codec, this.#pageSize, verifyEvery),
    )
    this.#recompressesOnSlowPath = form !== '2026'
    this.#candidates = new ZramCandidates(this.#slots, this.pool, form === '2026')
    this.#limitPages = Math.floor(parameters.bytes('mem_limit') / this.#pageSize)
    this.#backingPages = parameters.number('backing_pages', 0, 0x7fffffff)
    const limit = parameters.number('writeback_limit', -1, Number.MAX_SAFE_INTEGER)
    this.#writebackLeft = limit < 0 ? Number.POSITIVE_INFINITY : limit
    this.#kept = new KeptBytes('zram', options.keepBytes === true)
    this.device =
      this.#backingPages === 0 ? undefined : (options.device ?? new BlockDevice(options))
    this.upkeep = ZramUpkeep.open(this, parameters, this.#backingPages > 0)
    this.traits = {
      synchronousIo: true,
      swapinBypass: form !== '2026',
      exclusiveLoads: false,
      compressesAgain: this.#recompressesOnSlowPath,
      shrinkerOnReclaimQueue: false,
    }
  }

  get onMove(): ((move: PoolMove) => void) | undefined {
    return this.#moves.listener
  }

  set onMove(listener: ((move: PoolMove) => void) | undefined) {
    this.#moves.listener = listener
  }

  get poolPages(): number {
    return this.pool.pages
  }

  get pageBuffer(): Uint8Array | undefined {
    return this.#compressor(0).pageBuffer
  }

  get poolBytes(): number {
    return this.pool.bytes
  }

  get compactable(): number {
    return this.pool.compactable
  }

  compact(): number {
    return this.pool.compact()
  }

  store(request: StoreRequest): StoreResult {
    const result = this.#result
    const before = this.pool.pages
    this.#slots.reach(request.slot)
    this.#numWrites++
    result.deviceWrites = 0
    if (isSameFilled(request.bytes)) this.#storeSame(request, result)
    else this.#storeObject(request, result)
    result.poolPagesTaken = this.pool.pages - before
    return result
  }

  #storeSame({ slot, bytes, page, nowNs = 0 }: StoreRequest, result: StoreResult): void {
    this.#drop(slot)
    this.#slots.kind[slot] = SAME
    this.#slots.keepWords(slot, bytes)
    this.#samePages++
    this.#stored(slot, page, nowNs)
    result.place = 'same'
    result.compressedBytes = 0
    result.compressions = 0
  }

  #storeObject(request: StoreRequest, result: StoreResult): void {
    const { slot, bytes } = request
    const compressor = this.#compressor(0)
    const keptBytes = this.#kept.isKept ? compressor.copyCompressed(bytes) : undefined
    const compressed = keptBytes?.length ?? compressor.size(bytes, request.key)
    const isRaw = compressed >= this.pool.hugeClassSize
    const size = isRaw ? this.#pageSize : compressed
    result.compressedBytes = size
    result.compressions = this.#takesSlowPath(request, size) ? 2 : 1
    if (result.compressions === 2) this.#writestall++
    const handle = this.#allocate(size)
    if (handle < 0) {
      this.#failedWrites++
      result.place = 'reject'
      this.#moves.report(slot, request.page, 'zram', 'reject', 'reject', 0)
      return
    }
    // The old content goes after the new is in, as zram_write_page does it: the pool briefly holds both.
    this.#drop(slot)
    this.#slots.kind[slot] = isRaw ? RAW : OBJECT
    this.#slots.handle[slot] = handle
    this.#slots.algorithm[slot] = 0
    if (isRaw) {
      this.#hugePages++
      this.#hugePagesSince++
    }
    if (keptBytes !== undefined) this.#kept.set(slot, isRaw ? bytes.slice() : keptBytes)
    this.#stored(slot, request.page, request.nowNs ?? 0)
    result.place = 'zram'
  }

  /** The pool needs a page that only reclaim would give: the stream is left for it, and the page compressed again. */
  #takesSlowPath({ poolPageScarce }: StoreRequest, size: number): boolean {
    return this.#recompressesOnSlowPath && poolPageScarce === true && this.pool.pagesFor(size) > 0
  }

  /** -1 = the pool has no room, or would be above its limit. */
  #allocate(size: number): number {
    const handle = this.pool.alloc(size)
    // The limit is looked at with the new object already in the pool, so mem_used_max may exceed it.
    if (this.pool.pages > this.#usedMax) this.#usedMax = this.pool.pages
    if (handle < 0 || this.#limitPages === 0 || this.pool.pages <= this.#limitPages) return handle
    this.pool.free(handle)
    return -1
  }

  load(slot: number, target?: Uint8Array, nowNs = 0): Place {
    const kind = this.#slots.held(slot)
    this.#numReads++
    this.#slots.clearFlag(slot, IDLE)
    this.#slots.setFlag(slot, LOADED)
    this.#slots.accessNs[slot] = nowNs
    if (kind === BACKED) this.#bdReads++
    if (target !== undefined) this.#fill(slot, kind, target)
    return placeOf(kind)
  }

  free(slot: number, nowNs = 0): number {
    const place = placeOf(this.#slots.held(slot))
    if (!this.#slots.hasFlag(slot, LOADED))
      this.#moves.reportHeld(slot, place, place, 'invalidate', nowNs)
    this.#notifyFree++
    const before = this.pool.pages
    this.#drop(slot)
    return before - this.pool.pages
  }

  /** Pages that zsmalloc's shrinker could free. */
  reclaimable(): number {
    return this.pool.compactable
  }

  /** zs_shrinker_scan ignores the count: it compacts everything. */
  reclaim(_count: number, _nowNs: number): ShrinkResult {
    return this.#ended(0, 0, this.pool.compact())
  }

  markIdle(nowNs: number, olderThanNs = 0): number {
    return this.#slots.markIdle(nowNs, olderThanNs)
  }

  /** Moves pages to the backing device: one decompressed page per write. */
  writeback(mode: WritebackMode, nowNs: number): ShrinkResult {
    if (this.#backingPages === 0)
      throw new PstraceError(
        'zram-writeback',
        'zram: there is no backing device; set backing_pages',
      )
    const before = this.pool.pages
    let writes = 0
    let scanned = 0
    for (const slot of this.writebackCandidates(mode)) {
      if (!this.writeBackSlot(slot, mode, nowNs)) break
      scanned++
      writes++
    }
    return this.#ended(writes, scanned, before - this.pool.pages)
  }

  writebackCandidates(mode: WritebackMode): readonly number[] {
    return this.#candidates.forWriteback(mode)
  }

  writeBackSlot(slot: number, mode: WritebackMode, nowNs: number): boolean {
    if (!this.#slots.isInPool(slot) || !this.#candidates.wantsWriteback(slot, mode)) return false
    if (this.#writebackLeft <= 0 || this.#bdCount >= this.#backingPages) return false
    const keep = this.#kept.isKept ? this.#content(slot) : undefined
    this.#release(slot)
    this.#slots.kind[slot] = BACKED
    this.#slots.flags[slot] = (this.#slots.flags[slot] ?? 0) & LOADED
    if (keep !== undefined) this.#kept.set(slot, keep)
    this.#bdCount++
    this.#bdWrites++
    this.#writebackLeft--
    this.#moves.reportHeld(slot, 'zram', 'disk', 'writeback', nowNs)
    return true
  }

  /** Needs `keepBytes`. An object moves only to a smaller size class; what no algorithm shrinks becomes incompressible. */
  recompress(options: RecompressOptions = {}): ShrinkResult {
    const threshold = options.threshold ?? 0
    if (threshold >= this.pool.hugeClassSize)
      throw new PstraceError(
        'zram-recompress',
        `zram: threshold is ${threshold}; expected less than ${this.pool.hugeClassSize}`,
        { exitStatus: 2 },
      )
    const before = this.pool.pages
    let scanned = 0
    for (const slot of this.recompressCandidates(options.type, threshold)) {
      scanned++
      this.recompressSlot(slot, threshold, options.nowNs ?? 0, options.codec)
    }
    return this.#ended(0, scanned, before - this.pool.pages)
  }

  recompressCandidates(type: RecompressOptions['type'], threshold: number): readonly number[] {
    return this.#candidates.forRecompression(type, threshold)
  }

  counters(): Readonly<Record<string, number>> {
    const size = this.#pageSize
    return {
      orig_data_size: this.#pagesStored * size,
      compr_data_size: this.pool.bytes,
      mem_used_total: this.pool.pages * size,
      mem_limit: this.#limitPages * size,
      mem_used_max: this.#usedMax * size,
      same_pages: this.#samePages,
      pages_compacted: this.pool.pagesCompacted,
      huge_pages: this.#hugePages,
      huge_pages_since: this.#hugePagesSince,
      pages_stored: this.#pagesStored,
      writestall: this.#writestall,
      failed_writes: this.#failedWrites,
      notify_free: this.#notifyFree,
      num_reads: this.#numReads,
      num_writes: this.#numWrites,
      bd_count: this.#bdCount,
      bd_reads: this.#bdReads,
      bd_writes: this.#bdWrites,
      num_recompress: this.#numRecompress,
    }
  }

  check(): void {
    this.pool.check()
    let stored = 0
    let same = 0
    let huge = 0
    let backed = 0
    let bytes = 0
    for (let slot = 0; slot < this.#slots.length; slot++) {
      const kind = this.#slots.kind[slot] ?? EMPTY
      if (kind === EMPTY) continue
      stored++
      if (kind === SAME) same++
      else if (kind === BACKED) backed++
      else {
        bytes += this.pool.sizeOf(this.#slots.handle[slot] ?? 0)
        if (kind === RAW) huge++
      }
    }
    const check = new BackendCheck('zram')
    check.equal('pages_stored', this.#pagesStored, stored)
    check.equal('same_pages', this.#samePages, same)
    check.equal('huge_pages', this.#hugePages, huge)
    check.equal('bd_count', this.#bdCount, backed)
    check.equal('compr_data_size', this.pool.bytes, bytes)
    check.equal('pool objects', this.pool.objects, stored - same - backed)
    check.fits(bytes, this.pool.pages, this.#pageSize)
  }

  /** `only`: position in `recompressors`. Returns the compressions tried. */
  recompressSlot(slot: number, threshold: number, nowNs: number, only?: number): number {
    if (!this.#kept.isKept || this.#compressors.length < 2)
      throw new PstraceError(
        'zram-recompress',
        'zram: recompression needs keepBytes and at least one more codec',
      )
    if (!this.#slots.isInPool(slot)) return 0
    const content = this.#content(slot)
    const oldSize = this.pool.sizeOf(this.#slots.handle[slot] ?? 0)
    const oldClass = this.pool.storedSize(oldSize)
    let tried = 0
    for (let k = 1; k < this.#compressors.length; k++) {
      // Priorities below the object's own were tried before.
      if ((only !== undefined && k !== only + 1) || k <= (this.#slots.algorithm[slot] ?? 0))
        continue
      tried++
      this.#numRecompress++
      const bytes = this.#compressor(k).copyCompressed(content)
      if (this.pool.storedSize(bytes.length) >= oldClass) continue
      if (threshold > 0 && bytes.length >= threshold) continue
      const handle = this.pool.alloc(bytes.length)
      this.pool.free(this.#slots.handle[slot] ?? 0)
      if (this.#slots.kind[slot] === RAW) this.#hugePages--
      this.#slots.kind[slot] = OBJECT
      this.#slots.handle[slot] = handle
      this.#slots.algorithm[slot] = k
      this.#slots.clearFlag(slot, IDLE)
      this.#kept.set(slot, bytes)
      this.#moves.reportHeld(slot, 'zram', 'zram', 'recompress', nowNs)
      return tried
    }
    if (tried === this.#compressors.length - 1) this.#slots.setFlag(slot, INCOMPRESSIBLE)
    return tried
  }

  #content(slot: number): Uint8Array {
    const target = new Uint8Array(this.#pageSize)
    this.#fill(slot, this.#slots.held(slot), target)
    return target
  }

  #fill(slot: number, kind: number, target: Uint8Array): void {
    if (kind === SAME) {
      this.#slots.fillWords(slot, target)
      return
    }
    const bytes = this.#kept.borrow(slot)
    if (kind === OBJECT)
      this.#compressor(this.#slots.algorithm[slot] ?? 0).decompress(bytes, target)
    else target.set(bytes)
  }

  #stored(slot: number, page: number, nowNs: number): void {
    this.#slots.page[slot] = page
    this.#slots.flags[slot] = 0
    this.#slots.storedNs[slot] = nowNs
    this.#slots.accessNs[slot] = nowNs
    this.#pagesStored++
  }

  #drop(slot: number): void {
    if (this.#slots.kind[slot] === EMPTY) return
    this.#release(slot)
    this.#slots.kind[slot] = EMPTY
    this.#slots.flags[slot] = 0
    this.#pagesStored--
  }

  #release(slot: number): void {
    const kind = this.#slots.kind[slot]
    if (kind === SAME) this.#samePages--
    else if (kind === BACKED) this.#bdCount--
    else {
      if (kind === RAW) this.#hugePages--
      this.pool.free(this.#slots.handle[slot] ?? 0)
    }
    this.#kept.delete(slot)
  }

  #compressor(index: number): PageCompressor {
    const compressor = this.#compressors[index]
    if (compressor === undefined)
      throw new PstraceError('backend-broken', `zram: there is no algorithm ${index}`)
    return compressor
  }

  #ended(deviceWrites: number, scanned: number, poolPagesFreed: number): ShrinkResult {
    const shrink = this.#shrink
    shrink.deviceWrites = deviceWrites
    shrink.scanned = scanned
    shrink.poolPagesFreed = poolPagesFreed
    return shrink
  }
}

function placeOf(kind: number): Place {
  return kind === SAME ? 'same' : kind === BACKED ? 'disk' : 'zram'
}

export const zram: BackendProvider = {
  name: 'zram',
  summary:
    'compressed block device in memory; zsmalloc, same and huge pages, writeback, recompression',
  parameters: ZRAM_PARAMETERS,
  open: (options) => new ZramBackend(options),
}
