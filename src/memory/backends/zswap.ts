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
import { ZswapCounts } from './zswap-counts.ts'
import { FREE, ON_DISK, POOLED, SAME, ZswapEntries } from './zswap-entries.ts'
import { ZSWAP_FORMS, ZSWAP_PARAMETERS, type ZswapForm } from './zswap-forms.ts'
import { ZswapLimit } from './zswap-limit.ts'
import { ZswapMemcgs } from './zswap-memcgs.ts'
import { type ShrinkTarget, ShrinkWorker, type Visit } from './zswap-shrink-worker.ts'

/** Patch 5: a page that saves less than this is kept as it is. */
const RAW_MARGIN = 64

export class ZswapBackend implements SwapBackend, ShrinkTarget {
  readonly name = 'zswap'
  readonly traits: BackendTraits
  readonly pool: Pool
  readonly device: DeviceQueue
  readonly #limit: ZswapLimit
  readonly #entries: ZswapEntries
  readonly #moves: PoolMoves
  readonly #worker: ShrinkWorker
  /** Whether a slot's page is in the swap cache: writeback skips it. Absent = never. */
  inSwapCache: ((slot: number) => boolean) | undefined = undefined
  readonly #form: ZswapForm
  readonly #has: (patch: number) => boolean
  readonly #dynamic: boolean
  readonly #pageSize: number
  readonly #nodes: number
  readonly #memcgs: ZswapMemcgs
  readonly #compressor: PageCompressor
  readonly #kept: KeptBytes
  readonly #counts = new ZswapCounts()
  readonly #writtenBack: number[] = []
  readonly #result: StoreResult = {
    place: 'zswap',
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
    const parameters = new Parameters('zswap', ZSWAP_PARAMETERS, options)
    this.#form = ZSWAP_FORMS[parameters.word('form', ['6.1', '6.10', '6.12', '2026'])]
    const patches = new Set([...this.#form.patches, ...parameters.list('shrinker_patches', 1, 6)])
    if (this.#form.evictsByPool && patches.size > 0)
      throw new PstraceError(
        'backend-parameter',
        'zswap: shrinker_patches need the form 6.10, 6.12 or 2026; 6.1 has another shrinker',
        { exitStatus: 2 },
      )
    this.#has = (patch) => patches.has(patch)
    this.#dynamic = parameters.switch('shrinker_enabled') && !this.#form.evictsByPool
    this.#pageSize = options.pageSize ?? 4096
    this.#nodes = options.nodes ?? 1
    this.#memcgs = new ZswapMemcgs(options.memcgs ?? [], parameters, this.#pageSize)
    const name = parameters.word('zpool', ['', 'zsmalloc', 'zbud', 'z3fold'])
    const chain = parameters.number('chain', 0, 16)
    this.pool = options.openPool(name === '' ? this.#form.defaultPool : name, {
      pageSize: this.#pageSize,
      chain: chain === 0 ? this.#form.chain : chain,
    })
    this.#compressor = new PageCompressor(
      options.codec,
      this.#pageSize,
      parameters.number('verify', 1, 0x7fffffff),
    )
    this.#kept = new KeptBytes('zswap', options.keepBytes === true)
    this.device = options.device ?? new BlockDevice(options)
    this.#limit = new ZswapLimit(options.totalPages ?? 0, parameters, this.#has(3))
    this.#worker = new ShrinkWorker(this, this.#memcgs, this.#form, this.#has)
    this.#entries = new ZswapEntries({
      pool: this.pool,
      pageSize: this.#pageSize,
      nodes: this.#nodes,
      form: this.#form,
      keepsRaw: this.#form.keepsIncompressible || this.#has(5),
      memcgs: this.#memcgs,
      counts: this.#counts,
      compressor: this.#compressor,
      kept: this.#kept,
    })
    this.#moves = new PoolMoves(this.#entries.slots)
    this.traits = {
      synchronousIo: true,
      swapinBypass: false,
      exclusiveLoads: this.#form.exclusiveLoads,
      shrinkerOnReclaimQueue: !this.#has(4),
    }
  }

  get onMove(): ((move: PoolMove) => void) | undefined {
    return this.#moves.listener
  }

  set onMove(listener: ((move: PoolMove) => void) | undefined) {
    this.#moves.listener = listener
  }

  get maxPages(): number {
    return this.#limit.maxPages
  }

  get acceptPages(): number {
    return this.#limit.acceptPages
  }

  get startPages(): number {
    return this.#limit.startPages
  }

  get poolPages(): number {
    return this.pool.pages
  }

  get pageBuffer(): Uint8Array | undefined {
    return this.#compressor.pageBuffer
  }

  get poolBytes(): number {
    return this.pool.bytes
  }

  chargedBytes(memcg: number): number {
    return this.#memcgs.chargedBytes(memcg)
  }

  get compactable(): number {
    return this.pool.compactable
  }

  compact(): number {
    return this.pool.compact()
  }

  get writtenBack(): readonly number[] {
    return this.#writtenBack
  }

  get pendingShrink(): boolean {
    return this.#worker.isPending
  }

  store(given: StoreRequest): StoreResult {
    const request =
      given.memcg < 0 && this.#memcgs.own >= 0 ? { ...given, memcg: this.#memcgs.own } : given
    const { slot } = request
    const nowNs = request.nowNs ?? 0
    const result = this.#result
    const before = this.pool.pages
    this.#entries.slots.reach(slot)
    this.#writtenBack.length = 0
    result.deviceWrites = 0
    result.compressions = 0
    result.compressedBytes = 0
    const accepted = this.#tryStore(request, nowNs, result)
    if (!accepted) this.#reject(request, nowNs, result)
    result.poolPagesTaken = this.pool.pages - before
    return result
  }

  load(slot: number, target?: Uint8Array, nowNs = 0): Place {
    const { slots } = this.#entries
    const state = slots.held(slot)
    if (target !== undefined) this.#entries.fill(slot, state, target)
    if (state === ON_DISK) {
      this.#counts.pswpin++
      this.#memcgs.readFromDisk((slots.memcg[slot] ?? -1) + 1)
      this.#worker.contend(nowNs)
      return 'disk'
    }
    this.#counts.zswpin++
    slots.loaded[slot] = 1
    if (this.#form.exclusiveLoads) this.#entries.drop(slot)
    return state === SAME ? 'same' : 'zswap'
  }

  /** Freeing a slot whose content left with an exclusive load is no error. */
  free(slot: number, nowNs = 0): number {
    const before = this.pool.pages
    const { slots } = this.#entries
    const state = slots.kind[slot] ?? FREE
    if ((state === POOLED || state === SAME) && (slots.loaded[slot] ?? 0) === 0) {
      const place = state === SAME ? 'same' : 'zswap'
      this.#moves.reportHeld(slot, place, place, 'invalidate', nowNs)
    }
    if (state === ON_DISK) this.#entries.dropFromDisk(slot)
    else if (state !== FREE) this.#entries.drop(slot)
    return before - this.pool.pages
  }

  shrinkStep(nowNs: number): ShrinkResult {
    const shrink = this.#beginShrink(false)
    const before = this.pool.pages
    this.#worker.turn(nowNs, shrink)
    shrink.poolPagesFreed = before - this.pool.pages
    return shrink
  }

  /** zswap_shrinker_count of the dynamic shrinker. Counting uses up the credit of recent swap-ins from disk. */
  reclaimable(): number {
    if (!this.#dynamic) return 0
    let total = 0
    for (let group = 0; group < this.#memcgs.groups; group++) {
      const stored = this.#memcgs.stored(group)
      if (stored === 0 || !this.#memcgs.writesBack(group)) continue
      const length = this.#entries.lru.lengthOf(group)
      const freeable = length - this.#memcgs.takeCredit(group, length)
      total += Math.floor((freeable * this.#memcgs.pages(group)) / stored)
    }
    return total
  }

  reclaim(count: number, nowNs: number): ShrinkResult {
    const shrink = this.#beginShrink(true)
    const before = this.pool.pages
    if (this.#dynamic)
      for (let group = 0; group < this.#memcgs.groups && shrink.scanned < count; group++) {
        if (!this.#memcgs.writesBack(group)) continue
        for (let node = 0; node < this.#nodes; node++)
          if (!this.#walk(group, node, count - shrink.scanned, nowNs, true)) break
      }
    shrink.poolPagesFreed = before - this.pool.pages
    return shrink
  }

  counters(): Readonly<Record<string, number>> {
    return this.#counts.byName(this.pool.pages * this.#pageSize, this.#worker.runs)
  }

  check(): void {
    const check = new BackendCheck('zswap')
    this.pool.check()
    this.#entries.check(check)
    check.fits(this.pool.bytes, this.pool.pages, this.#pageSize)
    check.within(this.pool, this.#limit.maxPages)
  }

  #tryStore(request: StoreRequest, nowNs: number, result: StoreResult): boolean {
    if (request.large === true && !this.#form.largeFolios) return false
    const group = request.memcg + 1
    if (this.#memcgs.isOverLimit(group)) {
      // 6.1 has no lists per memcg to take from.
      if (this.#form.evictsByPool) return false
      const shrink = this.#shrink
      shrink.deviceWrites = 0
      shrink.scanned = 0
      const visit = this.visit(group, 1, nowNs)
      result.deviceWrites += shrink.deviceWrites
      if (visit !== 'wrote') return false
    }
    if (this.pool.pages >= this.maxPages) this.#counts.limitHit++
    if (!this.#limit.admits(this.pool.pages)) return false
    if (this.#form.sameFilled && isSameFilled(request.bytes)) {
      this.#entries.addSame(request, nowNs)
      result.place = 'same'
      return true
    }
    return this.#compressInto(request, nowNs, result)
  }

  #compressInto(request: StoreRequest, nowNs: number, result: StoreResult): boolean {
    const { bytes, key } = request
    const compressed = this.#kept.isKept ? this.#compressor.copyCompressed(bytes) : undefined
    let size = compressed?.length ?? this.#compressor.size(bytes, key)
    result.compressions = 1
    result.compressedBytes = size
    if (this.#keepsRaw(size, request.memcg + 1)) size = this.#pageSize
    else if (size > this.#pageSize || (size === this.#pageSize && this.#form.keepsIncompressible)) {
      this.#counts.rejectCompressFail++
      return false
    }
    if (size > this.pool.maxSize) {
      this.#counts.rejectCompressPoor++
      return false
    }
    if (request.poolPageScarce === true && this.pool.pagesFor(size) > 0) {
      this.#counts.rejectAllocFail++
      return false
    }
    this.#entries.addPooled(request, size, compressed, nowNs)
    result.place = 'zswap'
    result.compressedBytes = size
    if (this.#limit.shrinksAt(this.pool.pages)) this.#worker.queue()
    return true
  }

  #keepsRaw(size: number, group: number): boolean {
    if (this.#form.keepsIncompressible)
      return size >= this.#pageSize && this.#memcgs.writesBack(group)
    return this.#has(5) && size > this.#pageSize - RAW_MARGIN
  }

  #reject(request: StoreRequest, nowNs: number, result: StoreResult): void {
    const { slot } = request
    // 6.1 queues its worker when the limit is hit, not while it waits for the pool to fall to the threshold.
    if (this.#limit.isReached && (!this.#form.evictsByPool || this.pool.pages >= this.maxPages))
      this.#worker.queue()
    this.#worker.contend(nowNs)
    this.#counts.rejects++
    if (this.pool.objects > 0) this.#counts.rejectsPastColder++
    this.#entries.dropOld(slot)
    result.compressedBytes = this.#pageSize
    if (!this.#memcgs.writesBack(request.memcg + 1)) {
      result.place = 'reject'
      this.#moves.report(slot, request.page, 'zswap', 'reject', 'reject', 0)
      return
    }
    this.#entries.addToDisk(request, nowNs)
    result.place = 'disk'
    result.deviceWrites++
    this.#moves.report(slot, request.page, 'zswap', 'disk', 'reject', 0)
  }

  #beginShrink(done: boolean): ShrinkResult {
    const shrink = this.#shrink
    this.#writtenBack.length = 0
    shrink.deviceWrites = 0
    shrink.scanned = 0
    shrink.sleepUntilNs = 0
    shrink.done = done
    return shrink
  }

  /** shrink_memcg: `batch` entries of each node. */
  visit(group: number, batch: number, nowNs: number): Visit {
    const tellsEmpty = this.#has(2)
    if (!this.#memcgs.writesBack(group)) return tellsEmpty ? 'ENOENT' : 'EINVAL'
    const shrink = this.#shrink
    const scanned = shrink.scanned
    const written = shrink.deviceWrites
    for (let node = 0; node < this.#nodes; node++) this.#walk(group, node, batch, nowNs, false)
    if (tellsEmpty && shrink.scanned === scanned) return 'ENOENT'
    return shrink.deviceWrites > written ? 'wrote' : 'EAGAIN'
  }

  /** Looks at up to `count` of the coldest entries of one list; false = a page in the swap cache ended a dynamic walk. */
  #walk(group: number, node: number, count: number, nowNs: number, dynamic: boolean): boolean {
    const { lru, slots } = this.#entries
    const list = lru.list(group, node)
    const shrink = this.#shrink
    // A rotated entry is not met twice in one walk.
    let left = Math.min(count, lru.length(list))
    while (left-- > 0) {
      const slot = lru.first(list)
      if (slot < 0) break
      shrink.scanned++
      if (this.#form.secondChance && slots.referenced[slot] === 1) {
        slots.referenced[slot] = 0
        lru.rotate(slot)
        continue
      }
      if (this.inSwapCache?.(slot) === true) {
        this.#counts.rejectReclaimFail++
        lru.rotate(slot)
        if (dynamic) return false
        continue
      }
      this.#writeBack(slot, nowNs)
    }
    return true
  }

  /** 6.1, zpool_shrink(pool, 1): every object of the pool's coldest page; zsmalloc cannot. False: one page to a run, the next refused store queues the next. */
  evictPoolPage(nowNs: number): false {
    const { eviction, slots } = this.#entries
    const coldest = eviction?.coldestSlots() ?? []
    if (coldest.length === 0) this.#counts.rejectReclaimFail++
    for (const slot of coldest) {
      this.#shrink.scanned++
      if (this.inSwapCache?.(slot) === true) {
        this.#counts.rejectReclaimFail++
        eviction?.rotate(slots.handle[slot] ?? 0)
      } else this.#writeBack(slot, nowNs)
    }
    return false
  }

  #writeBack(slot: number, nowNs: number): void {
    this.#entries.moveToDisk(slot)
    this.#shrink.deviceWrites++
    this.#writtenBack.push(slot)
    this.#moves.reportHeld(slot, 'zswap', 'disk', 'writeback', nowNs)
  }
}

export const zswap: BackendProvider = {
  name: 'zswap',
  summary:
    'compressed cache in front of a swap device; limits, writeback, shrinkers of 6.1, 6.10, 6.12 and 2026',
  parameters: ZSWAP_PARAMETERS,
  open: (options) => new ZswapBackend(options),
}
