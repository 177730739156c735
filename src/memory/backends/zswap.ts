import { PstraceError } from '../../model/error.ts'
import { IndexLists } from '../../model/index-lists.ts'
import type { EvictingPool, Pool } from '../pools/pool.ts'
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
import { PageCompressor } from './page-compressor.ts'
import { Parameters } from './parameters.ts'
import { PoolMoves } from './pool-moves.ts'
import { isSameFilled } from './same-filled.ts'
import { grown, ZswapSlots } from './slot-table.ts'
import { ZSWAP_FORMS, ZSWAP_PARAMETERS, type ZswapForm } from './zswap-forms.ts'
import { ZswapMemcgs } from './zswap-memcgs.ts'

/** Loop of shrink_worker: this many failures end it. */
const MAX_RECLAIM_RETRIES = 16
/** Patch 6: ZSWAP_GLOBAL_SHRINKER_DELAY_MS. */
const SHRINK_DELAY_NS = 500_000_000
/** Patch 5: a page that saves less than this is kept as it is. */
const RAW_MARGIN = 64

const FREE = 0
const POOLED = 1
const SAME = 2
const ON_DISK = 3

/** What a visit to one memcg came to; the kernel's errno. */
type Visit = 'wrote' | 'EAGAIN' | 'ENOENT' | 'EINVAL'

export class ZswapBackend implements SwapBackend {
  readonly name = 'zswap'
  readonly traits: BackendTraits
  readonly pool: Pool
  readonly device: DeviceQueue
  readonly maxPages: number
  readonly acceptPages: number
  /** Patch 3: the pool size at which shrinking begins before the maximum is met. */
  readonly startPages: number
  readonly #moves = new PoolMoves()
  /** Whether a slot's page is in the swap cache: writeback skips it. Absent = never. */
  inSwapCache: ((slot: number) => boolean) | undefined = undefined
  readonly #form: ZswapForm
  readonly #has: (patch: number) => boolean
  readonly #dynamic: boolean
  readonly #pageSize: number
  readonly #nodes: number
  readonly #memcgs: ZswapMemcgs
  readonly #compressor: PageCompressor
  readonly #kept: Map<number, Uint8Array> | undefined
  readonly #evicting: EvictingPool | undefined
  readonly #victims = new Int32Array(3)
  /** Slots by memcg and node, coldest first; the root's list comes first. */
  readonly #lru: IndexLists
  readonly #slots = new ZswapSlots()
  #slotOfHandle = new Int32Array(1024)
  #storedPages = 0
  #sameFilledPages = 0
  #incompressiblePages = 0
  #diskPages = 0
  #reachedFull = false
  #queued = false
  #running = false
  #threshold = 0
  #failures = 0
  #attempts = 0
  /** Position of the shrink worker in the walk over memcgs: 0 = root, n + 1 = the end. */
  #cursor = -1
  #lastContentionNs = Number.NEGATIVE_INFINITY
  #zswpin = 0
  #zswpout = 0
  #zswpwb = 0
  #pswpin = 0
  #pswpout = 0
  #limitHit = 0
  #rejectCompressPoor = 0
  #rejectCompressFail = 0
  #rejectAllocFail = 0
  #rejectReclaimFail = 0
  #duplicates = 0
  #rejects = 0
  #rejectsPastColder = 0
  #shrinkRuns = 0
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
    this.#evicting = this.#form.evictsByPool && isEvicting(this.pool) ? this.pool : undefined
    this.#compressor = new PageCompressor(
      options.codec,
      this.#pageSize,
      parameters.number('verify', 1, 0x7fffffff),
    )
    this.#kept = options.keepBytes === true ? new Map() : undefined
    this.device = options.device ?? new BlockDevice(options)
    const totalPages = options.totalPages ?? 0
    if (!(totalPages > 0))
      throw new PstraceError(
        'backend-parameter',
        'zswap: the machine has no known memory size, and the pool is limited to a share of it',
        { exitStatus: 2 },
      )
    this.maxPages = Math.floor((totalPages * parameters.number('max_pool_percent', 0, 100)) / 100)
    const accept = parameters.number('accept_threshold_percent', 0, 100)
    this.acceptPages = Math.floor((this.maxPages * accept) / 100)
    this.startPages = Math.floor((this.maxPages * Math.min(100, accept + 1)) / 100)
    this.#lru = new IndexLists(this.#memcgs.groups * this.#nodes)
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

  get poolPages(): number {
    return this.pool.pages
  }

  get pageBuffer(): Uint8Array | undefined {
    return this.#compressor.pageBuffer
  }

  get poolBytes(): number {
    return this.pool.bytes
  }

  get chargedBytes(): number {
    return this.#memcgs.chargedBytes
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
    return this.#queued || this.#running
  }

  store(given: StoreRequest): StoreResult {
    const request =
      given.memcg < 0 && this.#memcgs.own >= 0 ? { ...given, memcg: this.#memcgs.own } : given
    const { slot, bytes } = request
    const nowNs = request.nowNs ?? 0
    const result = this.#result
    const before = this.pool.pages
    this.#slots.reach(slot)
    this.#writtenBack.length = 0
    result.deviceWrites = 0
    result.compressions = 0
    result.compressedBytes = 0
    const accepted = this.#tryStore(request, bytes, nowNs, result)
    if (!accepted) this.#reject(request, nowNs, result)
    result.poolPagesTaken = this.pool.pages - before
    return result
  }

  load(slot: number, target?: Uint8Array, nowNs = 0): Place {
    const state = this.#slots.kind[slot] ?? FREE
    if (state === FREE) throw new PstraceError('slot-empty', `zswap: slot ${slot} holds nothing`)
    if (target !== undefined) this.#fill(slot, state, target)
    if (state === ON_DISK) {
      this.#pswpin++
      this.#memcgs.readFromDisk((this.#slots.memcg[slot] ?? -1) + 1)
      this.#lastContentionNs = nowNs
      return 'disk'
    }
    this.#zswpin++
    this.#slots.loaded[slot] = 1
    if (this.#form.exclusiveLoads) this.#dropEntry(slot)
    return state === SAME ? 'same' : 'zswap'
  }

  /** Freeing a slot whose content left with an exclusive load is no error. */
  free(slot: number, nowNs = 0): number {
    const before = this.pool.pages
    const state = this.#slots.kind[slot] ?? FREE
    if ((state === POOLED || state === SAME) && (this.#slots.loaded[slot] ?? 0) === 0) {
      const place = state === SAME ? 'same' : 'zswap'
      const age = nowNs - (this.#slots.storedNs[slot] ?? 0)
      this.#moves.report(slot, this.#slots.page[slot] ?? 0, place, place, 'invalidate', age)
    }
    if (state === ON_DISK) {
      this.#slots.kind[slot] = FREE
      this.#diskPages--
      this.#kept?.delete(slot)
    } else if (state !== FREE) this.#dropEntry(slot)
    return before - this.pool.pages
  }

  shrinkStep(nowNs: number): ShrinkResult {
    const shrink = this.#shrink
    this.#writtenBack.length = 0
    shrink.deviceWrites = 0
    shrink.scanned = 0
    shrink.sleepUntilNs = 0
    shrink.done = false
    const before = this.pool.pages
    if (!this.#running) {
      if (!this.#queued) {
        shrink.poolPagesFreed = 0
        shrink.done = true
        return shrink
      }
      this.#queued = false
      this.#running = true
      this.#threshold = this.acceptPages
      this.#failures = 0
      this.#attempts = 0
      this.#shrinkRuns++
    }
    const wakeNs = this.#lastContentionNs + SHRINK_DELAY_NS
    if (this.#has(6) && wakeNs > nowNs) {
      shrink.sleepUntilNs = wakeNs
      shrink.poolPagesFreed = 0
      return shrink
    }
    const goesOn = this.#form.evictsByPool ? this.#evictPoolPage(nowNs) : this.#visitNext(nowNs)
    if (!goesOn || this.pool.pages <= this.#threshold) {
      this.#running = false
      shrink.done = true
    }
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
      const length = this.#lruLength(group)
      const freeable = length - this.#memcgs.takeCredit(group, length)
      total += Math.floor((freeable * this.#memcgs.pages(group)) / stored)
    }
    return total
  }

  reclaim(count: number, nowNs: number): ShrinkResult {
    const shrink = this.#shrink
    this.#writtenBack.length = 0
    shrink.deviceWrites = 0
    shrink.scanned = 0
    shrink.sleepUntilNs = 0
    shrink.done = true
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
    return {
      zswpin: this.#zswpin,
      zswpout: this.#zswpout,
      zswpwb: this.#zswpwb,
      pswpin: this.#pswpin,
      pswpout: this.#pswpout,
      pool_total_size: this.pool.pages * this.#pageSize,
      stored_pages: this.#storedPages,
      same_filled_pages: this.#sameFilledPages,
      stored_incompressible_pages: this.#incompressiblePages,
      pool_limit_hit: this.#limitHit,
      written_back_pages: this.#zswpwb,
      reject_compress_poor: this.#rejectCompressPoor,
      reject_compress_fail: this.#rejectCompressFail,
      reject_alloc_fail: this.#rejectAllocFail,
      reject_reclaim_fail: this.#rejectReclaimFail,
      duplicate_entry: this.#duplicates,
      disk_pages: this.#diskPages,
      rejects: this.#rejects,
      rejects_past_colder: this.#rejectsPastColder,
      shrink_runs: this.#shrinkRuns,
    }
  }

  check(): void {
    const check = new BackendCheck('zswap')
    this.pool.check()
    let pooled = 0
    let same = 0
    let onDisk = 0
    const bytes = new Float64Array(this.#memcgs.groups)
    const stored = new Float64Array(this.#memcgs.groups)
    for (let slot = 0; slot < this.#slots.length; slot++) {
      const state = this.#slots.kind[slot]
      const group = (this.#slots.memcg[slot] ?? -1) + 1
      if (state === ON_DISK) onDisk++
      if (state === POOLED) {
        pooled++
        bytes[group] = (bytes[group] ?? 0) + this.pool.sizeOf(this.#slots.handle[slot] ?? 0)
        if (this.#lru.listOf(slot) !== this.#list(slot))
          check.fail(`slot ${slot} is on the wrong list`)
      } else if (this.#lru.listOf(slot) >= 0)
        check.fail(`slot ${slot} is on a list but not in the pool`)
      if (state === SAME) same++
      if (state === POOLED || state === SAME) stored[group] = (stored[group] ?? 0) + 1
    }
    check.equal('stored_pages', this.#storedPages, pooled + same)
    check.equal('same_filled_pages', this.#sameFilledPages, same)
    check.equal('pages on disk', this.#diskPages, onDisk)
    check.equal('pool objects', this.pool.objects, pooled)
    this.#memcgs.check(check, bytes, stored)
    check.fits(this.pool.bytes, this.pool.pages, this.#pageSize)
  }

  #tryStore(request: StoreRequest, bytes: Uint8Array, nowNs: number, result: StoreResult): boolean {
    if (request.large === true && !this.#form.largeFolios) return false
    const group = request.memcg + 1
    if (this.#memcgs.isOverLimit(group)) {
      // 6.1 has no lists per memcg to take from.
      if (this.#form.evictsByPool) return false
      const shrink = this.#shrink
      shrink.deviceWrites = 0
      shrink.scanned = 0
      const visit = this.#visit(group, 1, nowNs)
      result.deviceWrites += shrink.deviceWrites
      if (visit !== 'wrote') return false
    }
    if (!this.#admits()) return false
    if (this.#form.sameFilled && isSameFilled(bytes)) {
      this.#dropOld(request.slot)
      this.#slots.kind[request.slot] = SAME
      this.#slots.keepWords(request.slot, bytes)
      this.#sameFilledPages++
      this.#enter(request, nowNs)
      result.place = 'same'
      return true
    }
    return this.#compressInto(request, bytes, nowNs, result)
  }

  #compressInto(
    request: StoreRequest,
    bytes: Uint8Array,
    nowNs: number,
    result: StoreResult,
  ): boolean {
    const kept = this.#kept === undefined ? undefined : this.#compressor.copyCompressed(bytes)
    let size = kept?.length ?? this.#compressor.size(bytes, request.key)
    result.compressions = 1
    result.compressedBytes = size
    const raw = this.#keepsRaw(size, request.memcg + 1)
    if (raw) size = this.#pageSize
    if (size > this.#pageSize) {
      this.#rejectCompressFail++
      return false
    }
    if (size > this.pool.maxSize) {
      this.#rejectCompressPoor++
      return false
    }
    if (request.poolPageScarce === true && this.pool.pagesFor(size) > 0) {
      this.#rejectAllocFail++
      return false
    }
    const handle = this.pool.alloc(size)
    this.#dropOld(request.slot)
    this.#slots.kind[request.slot] = POOLED
    this.#setHandle(request.slot, handle)
    this.#slots.referenced[request.slot] = 1
    if (raw) this.#incompressiblePages++
    this.#enter(request, nowNs)
    const group = request.memcg + 1
    this.#memcgs.charge(group, size)
    this.#lru.addLast(this.#list(request.slot), request.slot)
    if (kept !== undefined) this.#kept?.set(request.slot, raw ? bytes.slice() : kept)
    result.place = 'zswap'
    result.compressedBytes = size
    if (this.#has(3) && this.pool.pages >= this.startPages && this.startPages < this.maxPages)
      this.#queued = true
    return true
  }

  #keepsRaw(size: number, group: number): boolean {
    if (this.#form.keepsIncompressible)
      return size >= this.#pageSize && this.#memcgs.writesBack(group)
    return this.#has(5) && size > this.#pageSize - RAW_MARGIN
  }

  /** zswap_check_limits: at the maximum the pool closes until it is down to the accept threshold. */
  #admits(): boolean {
    if (this.pool.pages >= this.maxPages) {
      this.#limitHit++
      this.#reachedFull = true
      return false
    }
    // Patch 3: no hysteresis, pages are taken while the shrinker runs.
    if (this.#has(3)) this.#reachedFull = false
    else if (this.#reachedFull && this.pool.pages <= this.acceptPages) this.#reachedFull = false
    return !this.#reachedFull
  }

  #reject(request: StoreRequest, nowNs: number, result: StoreResult): void {
    const { slot } = request
    const hitLimit = this.#reachedFull
    // 6.1 queues its worker when the limit is hit, not while it waits for the pool to fall to the threshold.
    if (hitLimit && (!this.#form.evictsByPool || this.pool.pages >= this.maxPages))
      this.#queued = true
    this.#lastContentionNs = nowNs
    this.#rejects++
    if (this.pool.objects > 0) this.#rejectsPastColder++
    this.#dropOld(slot)
    result.compressedBytes = this.#pageSize
    if (!this.#memcgs.writesBack(request.memcg + 1)) {
      result.place = 'reject'
      this.#moves.report(slot, request.page, 'zswap', 'reject', 'reject', 0)
      return
    }
    this.#slots.kind[slot] = ON_DISK
    this.#slots.page[slot] = request.page
    this.#slots.memcg[slot] = request.memcg
    this.#slots.storedNs[slot] = nowNs
    this.#diskPages++
    this.#pswpout++
    this.#kept?.set(slot, request.bytes.slice())
    result.place = 'disk'
    result.deviceWrites++
    this.#moves.report(slot, request.page, 'zswap', 'disk', 'reject', 0)
  }

  /** One turn of shrink_worker's loop; false = the worker gives up. */
  #visitNext(nowNs: number): boolean {
    const skipsOffline = this.#has(1)
    const end = this.#memcgs.groups
    do this.#cursor = this.#cursor >= end ? 0 : this.#cursor + 1
    while (skipsOffline && this.#cursor < end && !this.#memcgs.isOnline(this.#cursor))
    if (this.#cursor === end) {
      const idle = this.#has(2) ? this.#attempts === 0 : true
      this.#attempts = 0
      return !idle || ++this.#failures < MAX_RECLAIM_RETRIES
    }
    if (!this.#memcgs.isOnline(this.#cursor)) {
      // Before patch 1 an offline memcg sends the walk back to the root and counts as a failure.
      this.#cursor = -1
      return ++this.#failures < MAX_RECLAIM_RETRIES
    }
    const visit = this.#visit(this.#cursor, this.#form.batch, nowNs)
    if (visit === 'EINVAL') return false
    if (visit === 'ENOENT') return true
    this.#attempts++
    return visit === 'wrote' || ++this.#failures < MAX_RECLAIM_RETRIES
  }

  /** shrink_memcg: `batch` entries of each node. */
  #visit(group: number, batch: number, nowNs: number): Visit {
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
    const list = group * this.#nodes + node
    const shrink = this.#shrink
    // A rotated entry is not met twice in one walk.
    let left = Math.min(count, this.#lru.length(list))
    while (left-- > 0) {
      const slot = this.#lru.first(list)
      if (slot < 0) break
      shrink.scanned++
      if (this.#form.secondChance && this.#slots.referenced[slot] === 1) {
        this.#slots.referenced[slot] = 0
        this.#rotate(list, slot)
        continue
      }
      if (this.inSwapCache?.(slot) === true) {
        this.#rejectReclaimFail++
        this.#rotate(list, slot)
        if (dynamic) return false
        continue
      }
      this.#writeBack(slot, nowNs)
    }
    return true
  }

  /** 6.1, zpool_shrink(pool, 1): every object of the pool's coldest page; zsmalloc cannot. False = nothing to evict. */
  #evictPoolPage(nowNs: number): boolean {
    const pool = this.#evicting
    const n = pool?.coldest(this.#victims) ?? 0
    if (pool === undefined || n === 0) {
      this.#rejectReclaimFail++
      return false
    }
    const victims = Array.from(this.#victims.subarray(0, n))
    for (const handle of victims) {
      const slot = this.#slotOfHandle[handle] ?? 0
      this.#shrink.scanned++
      if (this.inSwapCache?.(slot) === true) {
        this.#rejectReclaimFail++
        pool.rotate(handle)
      } else this.#writeBack(slot, nowNs)
    }
    // One page to a run: the next refused store queues the next run.
    return false
  }

  #writeBack(slot: number, nowNs: number): void {
    const kept = this.#kept === undefined ? undefined : new Uint8Array(this.#pageSize)
    if (kept !== undefined) this.#fill(slot, POOLED, kept)
    this.#dropEntry(slot)
    if (kept !== undefined) this.#kept?.set(slot, kept)
    this.#slots.kind[slot] = ON_DISK
    this.#diskPages++
    this.#zswpwb++
    this.#pswpout++
    this.#shrink.deviceWrites++
    this.#writtenBack.push(slot)
    this.#moves.report(
      slot,
      this.#slots.page[slot] ?? 0,
      'zswap',
      'disk',
      'writeback',
      nowNs - (this.#slots.storedNs[slot] ?? 0),
    )
  }

  #enter(request: StoreRequest, nowNs: number): void {
    const { slot } = request
    const group = request.memcg + 1
    this.#slots.page[slot] = request.page
    this.#slots.memcg[slot] = request.memcg
    this.#slots.node[slot] = request.node ?? 0
    this.#slots.storedNs[slot] = nowNs
    this.#slots.loaded[slot] = 0
    this.#storedPages++
    this.#zswpout++
    this.#memcgs.entered(group)
  }

  #dropOld(slot: number): void {
    const state = this.#slots.kind[slot]
    if (state === FREE) return
    if (state === ON_DISK) {
      this.#slots.kind[slot] = FREE
      this.#diskPages--
      this.#kept?.delete(slot)
      return
    }
    this.#duplicates++
    this.#dropEntry(slot)
  }

  #dropEntry(slot: number): void {
    const group = (this.#slots.memcg[slot] ?? -1) + 1
    if (this.#slots.kind[slot] === SAME) this.#sameFilledPages--
    else {
      const handle = this.#slots.handle[slot] ?? 0
      const size = this.pool.sizeOf(handle)
      this.#memcgs.charge(group, -size)
      if (size === this.#pageSize && (this.#form.keepsIncompressible || this.#has(5)))
        this.#incompressiblePages--
      this.#lru.remove(slot)
      this.pool.free(handle)
    }
    this.#kept?.delete(slot)
    this.#slots.kind[slot] = FREE
    this.#storedPages--
    this.#memcgs.left(group)
  }

  #rotate(list: number, slot: number): void {
    this.#lru.remove(slot)
    this.#lru.addLast(list, slot)
  }

  #list(slot: number): number {
    return ((this.#slots.memcg[slot] ?? -1) + 1) * this.#nodes + (this.#slots.node[slot] ?? 0)
  }

  #lruLength(group: number): number {
    let length = 0
    for (let node = 0; node < this.#nodes; node++)
      length += this.#lru.length(group * this.#nodes + node)
    return length
  }

  #setHandle(slot: number, handle: number): void {
    this.#slots.handle[slot] = handle
    if (handle >= this.#slotOfHandle.length) {
      const length = Math.max(handle + 1, this.#slotOfHandle.length * 2)
      this.#slotOfHandle = grown(this.#slotOfHandle, new Int32Array(length))
    }
    this.#slotOfHandle[handle] = slot
  }

  #fill(slot: number, state: number, target: Uint8Array): void {
    if (state === SAME) {
      this.#slots.fillWords(slot, target)
      return
    }
    const bytes = this.#kept?.get(slot)
    if (bytes === undefined)
      throw new PstraceError(
        'content-not-kept',
        'zswap: the backend was opened without keepBytes, so it cannot give back a page',
      )
    if (state === ON_DISK || this.#isRaw(bytes)) target.set(bytes)
    else this.#compressor.decompress(bytes, target)
  }

  /** A kept page of full length is raw only where raw pages are kept at all. */
  #isRaw(bytes: Uint8Array): boolean {
    return bytes.length === this.#pageSize && (this.#form.keepsIncompressible || this.#has(5))
  }
}

export const zswap: BackendProvider = {
  name: 'zswap',
  summary:
    'compressed cache in front of a swap device; limits, writeback, shrinkers of 6.1, 6.10, 6.12 and 2026',
  parameters: ZSWAP_PARAMETERS,
  open: (options) => new ZswapBackend(options),
}

function isEvicting(pool: Pool): pool is EvictingPool {
  return 'coldest' in pool && 'rotate' in pool
}
