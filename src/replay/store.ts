import type { Place, StoreRequest } from '../memory/backends/backend.ts'
import { PstraceError } from '../model/error.ts'
import * as F from './flights.ts'
import type { Kernel } from './kernel.ts'
import type { NodeState } from './node-state.ts'
import * as P from './pages.ts'
import type { StepsTo } from './steps.ts'
import { HOLDS_COPY } from './swap-pool.ts'
import { STORE, type Thread } from './thread.ts'

/** Entries of a per-CPU folio batch (PAGEVEC_SIZE) since 6.9; 15 before. */
const ROTATE_BATCH = 31

/** A thread's store under way. */
interface StoreWork {
  node: NodeState
  /** Whose memory holds what is stored. */
  poolNode: NodeState
  page: number
  flight: number
  /** What the thread did before. */
  doing: number
  memalloc: boolean
  isKworker: boolean
  isFailed: boolean
  place: Place
  poolPagesTaken: number
  /** Pages given to the backend, and what each of them took; what is left of longer folios follows. */
  parts: number
  takenByPage: number[]
  compressedBytes: number
  deviceWrites: number
}

/** The store of one folio by whoever does it, and what happens to the folio at its end. */
export class Stores {
  readonly #kernel: Kernel
  /** One for all stores: backends read it during the call. */
  readonly #request: { -readonly [K in keyof StoreRequest]: StoreRequest[K] }
  readonly #rotations: Int32Array[]
  readonly #rotationCounts: Int32Array
  /** By thread. */
  readonly #works: StoreWork[] = []
  readonly redirtied = new Set<number>()
  readonly #writing = new Set<number>()
  /** Stores that have begun and not ended. */
  underWay = 0
  #refusedInRow = 0
  /**
   * CPU time of a store that is the gate's: who hands the page over spends it, who takes it from a queue does not. All that a zero page takes
   * where the gate looks for those (swap_writepage since 6.12).
   */
  readonly #gateNs: number

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.#gateNs = kernel.zeroMap ? kernel.costs.storeSame.median : 0
    this.#request = {
      slot: 0,
      page: 0,
      bytes: kernel.pool.bytes,
      key: 0,
      memcg: -1,
      nowNs: 0,
      node: 0,
      poolPageScarce: false,
    }
    this.#rotations = kernel.scheduler.cpus.map(() => new Int32Array(ROTATE_BATCH))
    this.#rotationCounts = new Int32Array(kernel.scheduler.cpus.length)
  }

  /**
   * The store itself, by whoever does it: real compression, pool memory. Returns the time it takes: the caller spends it, lets others run
   * if `isPreempted` says so, and goes on with `end`.
   */
  begin(
    thread: Thread,
    node: NodeState,
    page: number,
    memalloc: boolean,
    isKworker: boolean,
  ): number {
    const { pages, scheduler, costs, tally, zones } = this.#kernel
    const { flights } = this.#kernel.recorder
    const flight = pages.swapout[page] as number
    const state = pages.state[page] as number
    if (flight === 0 || (state !== P.QUEUED && state !== P.RESIDENT)) this.#isStored(thread, page)
    pages.state[page] = P.STORING
    this.underWay++
    flights.setDetail(flight, F.STARTED_AT, scheduler.now)
    flights.setDetail(flight, F.STORED_BY, thread.taskId)
    this.#kernel.note('store', page, 0)
    if (thread.kind === 'worker') this.#kernel.traceReaders?.wrote('store')
    const work = this.#workOf(thread)
    work.node = node
    work.page = page
    work.flight = flight
    work.doing = thread.doing
    work.memalloc = memalloc
    work.isKworker = isKworker
    scheduler.setDoing(thread, STORE)
    const poolNode = zones.poolNode(thread)
    work.poolNode = poolNode
    work.isFailed = memalloc && poolNode.free + (poolNode.lists.counts[thread.cpu] as number) <= 0
    if (work.isFailed) {
      // Even the reserves are empty: the pool gets no page, the write ends in an error and the folio is dirty again.
      tally.failedStores++
      return costs.store.draw()
    }
    const request = this.#request
    request.nowNs = scheduler.now
    request.node = node.index
    request.memcg = this.#kernel.memcgs.chargedFor(page).place
    request.poolPageScarce = !memalloc && !this.#hasPoolPage(thread)
    work.poolPagesTaken = 0
    work.compressedBytes = 0
    work.deviceWrites = 0
    if (!this.#kernel.preemptible) thread.preemptOff++
    const count = pages.pagesOf(page)
    let ns = this.#storePart(thread, work, 0)
    // zram and zswap take a folio page by page; one that is refused fails them all.
    for (let part = 1; part < count && work.place !== 'reject'; part++)
      ns += this.#storePart(thread, work, part)
    return ns
  }

  #isStored({ name }: Thread, page: number): never {
    throw new PstraceError(
      'replay-invariant',
      `page ${page} is stored twice (by ${name} at ${this.#kernel.scheduler.now} ns)`,
    )
  }

  /** What is left of a store's CPU time for who takes the page from a queue. */
  beyondGate(ns: number): number {
    return Math.max(0, ns - this.#gateNs)
  }

  /**
   * A folio that was queued locked: while zram compresses it is unlocked and under writeback (swap_writepage_bdev_sync), so that a fault maps it
   * again and reclaim marks it for rotation. zswap keeps it locked.
   */
  startWriteback(page: number): void {
    const { backend, locks, pages } = this.#kernel
    if (backend.name !== 'zram' || pages.has(page, P.WRITEBACK)) return
    pages.set(page, P.WRITEBACK)
    locks.unlock(page)
  }

  /** Gives one base page to the backend; returns what that costs. */
  #storePart(thread: Thread, work: StoreWork, part: number): number {
    const { backend, costs, pages, pool } = this.#kernel
    const { page } = work
    const request = this.#request
    pool.make(page, part)
    request.slot = (pages.slot[page] as number) + part
    request.page = pages.contentOf(page, part)
    request.key = pool.filledKey
    const result = backend.store(request)
    work.place = result.place
    work.poolPagesTaken += result.poolPagesTaken
    work.takenByPage[part] = result.poolPagesTaken
    work.parts = part + 1
    work.compressedBytes += result.compressedBytes
    work.deviceWrites += result.deviceWrites
    if (result.place !== 'reject') pool.hold(request.slot, HOLDS_COPY, work.poolNode, page)
    // Same-filled pages, and those refused unseen, are not compressed.
    if (result.compressions === 0) return costs.storeSame.draw()
    const isDirect = thread.kind === 'user' && !costs.storeDirect.isNone
    return (isDirect ? costs.storeDirect : costs.store).draw()
  }

  #hasPoolPage(thread: Thread): boolean {
    const { zones } = this.#kernel
    return zones.firstAbove(zones.localNode(thread), 'min') !== undefined
  }

  /** The codec ran for what the thread stored last, which was neither zero nor same-filled. */
  hasCompressed(thread: Thread): boolean {
    return this.#workOf(thread).compressedBytes > 0
  }

  /** After the store's time: a switch was due meanwhile, and the caller must yield. */
  isPreempted(thread: Thread): boolean {
    return (
      !this.#kernel.preemptible &&
      !this.#workOf(thread).isFailed &&
      !this.#kernel.scheduler.allowPreemption(thread)
    )
  }

  /** Was it stored? False = refused, the page stays. A program where more has to be waited for. */
  end(thread: Thread): boolean | StepsTo<boolean> {
    const work = this.#workOf(thread)
    const { node, page, memalloc, poolPagesTaken, doing } = work
    if (work.isFailed) {
      this.underWay--
      this.#kernel.scheduler.setDoing(thread, doing)
      this.#kernel.swapOuts.backOut(node, page, false)
      return false
    }
    if (!memalloc && poolPagesTaken > 0) {
      const refused = this.#takePoolPages(thread, work, 0)
      if (refused < work.parts)
        return this.#reclaimAndEnd(
          thread,
          { ...work, takenByPage: work.takenByPage.slice() },
          refused,
        )
    }
    return this.#end(thread, work)
  }

  /** What a folio's pages from `from` on need: each of them has a group of its own (alloc_zspage). Returns the first to which one is refused. */
  #takePoolPages(thread: Thread, work: StoreWork, from: number): number {
    const { zones } = this.#kernel
    const { poolNode, takenByPage } = work
    for (let part = from; part < work.parts; part++) {
      const count = takenByPage[part] as number
      if (count > 0 && !zones.takeForPool(poolNode, zones.localNode(thread), count)) return part
      // Others were pushed out for it.
      if (count < 0) zones.poolChanged(poolNode, count)
    }
    return work.parts
  }

  /** A worker without reserves looks for memory itself, for each page that was refused some; it may store other pages on the way. */
  *#reclaimAndEnd(thread: Thread, work: StoreWork, firstRefused: number): StepsTo<boolean> {
    const { scheduler, costs, direct, backend, preemptible, tally } = this.#kernel
    const { poolNode, takenByPage, isKworker } = work
    let part = firstRefused
    while (part < work.parts) {
      tally.writestalls++
      yield* direct.takeForPool(thread, poolNode, { pages: takenByPage[part] as number, isKworker })
      scheduler.setDoing(thread, STORE)
      if (backend.traits?.compressesAgain !== false) {
        // The stream was released meanwhile: zram up to 6.12 compresses once more.
        if (!preemptible) thread.preemptOff++
        if (!scheduler.spend(thread, costs.store.draw())) yield
        if (!preemptible && !scheduler.allowPreemption(thread)) yield
      }
      part = this.#takePoolPages(thread, work, part + 1)
    }
    const ending = this.#end(thread, work)
    return typeof ending === 'boolean' ? ending : yield* ending
  }

  #end(thread: Thread, work: StoreWork): boolean | StepsTo<boolean> {
    const { pages, scheduler, tally, zones } = this.#kernel
    const { flights } = this.#kernel.recorder
    const { node, page, flight, place, compressedBytes, deviceWrites } = work
    const { memalloc, poolNode, poolPagesTaken } = work
    this.underWay--
    scheduler.setDoing(thread, work.doing)
    tally.stores += pages.pagesOf(page)
    tally.compressedBytes += compressedBytes
    if (flights.keepsDetails) this.#describe(flight, work)
    const submitRank = flights.rank(flight, F.SUBMIT_RANK)
    if (submitRank > 0) {
      const lane = this.#kernel.swapOuts.laneOf(node, flight)
      flights.setRank(flight, F.DONE_RANK, lane.finish(submitRank))
    }
    this.#kernel.note('stored', page, compressedBytes, place)
    if (memalloc || poolPagesTaken <= 0) zones.poolChanged(poolNode, poolPagesTaken)
    else zones.poolCounted(poolNode, poolPagesTaken)
    this.#kernel.pool.kickShrinker()
    if (place === 'reject') {
      // zswap's refusal activates the page (AOP_WRITEPAGE_ACTIVATE); zram's failed write only leaves it dirty.
      const isActivated = this.#kernel.backend.name === 'zswap'
      this.#kernel.swapOuts.backOut(node, page, isActivated)
      return isActivated ? false : this.#refused()
    }
    this.#refusedInRow = 0
    pages.state[page] = P.STORED
    if (deviceWrites > 0 && this.#kernel.device.exists)
      return this.#write(thread, page, place, deviceWrites)
    if (this.redirtied.size > 0) this.#dropStale(page)
    return true
  }

  #describe(flight: number, { place, compressedBytes }: StoreWork): void {
    const { recorder, scheduler } = this.#kernel
    const { flights } = recorder
    flights.setDetail(flight, F.STORED_AT, scheduler.now)
    flights.setDetail(flight, F.PLACE, F.PLACES.indexOf(place))
    flights.setDetail(flight, F.BYTES, compressedBytes)
  }

  /** A refused page is written by itself: under writeback until the device is done. Others were pushed out for it. */
  *#write(thread: Thread, page: number, place: Place, deviceWrites: number): StepsTo<boolean> {
    const { pages, device } = this.#kernel
    const own = place === 'disk' ? 1 : 0
    if (own > 0) {
      this.startsWriting(page)
      yield* device.write(thread, pages.slot[page] as number, page)
    }
    yield* device.writeBack(thread, deviceWrites - own)
    this.#dropStale(page)
    return true
  }

  /** Written while it was under writeback: what was stored is stale. */
  #dropStale(page: number): void {
    if (!this.redirtied.delete(page)) return
    const { pages } = this.#kernel
    pages.version[page] = (pages.version[page] as number) + 1
    pages.swapout[page] = 0
    this.#kernel.pool.dropSlot(page)
    pages.state[page] = P.RESIDENT
  }

  #workOf(thread: Thread): StoreWork {
    return this.#works[thread.index] ?? this.#newWork(thread)
  }

  #newWork(thread: Thread): StoreWork {
    const work: StoreWork = {
      node: this.#kernel.zones.nodeOf(0),
      poolNode: this.#kernel.zones.nodeOf(0),
      page: -1,
      flight: 0,
      doing: thread.doing,
      memalloc: true,
      isKworker: false,
      isFailed: false,
      place: 'zram',
      poolPagesTaken: 0,
      parts: 0,
      takenByPage: [],
      compressedBytes: 0,
      deviceWrites: 0,
    }
    this.#works[thread.index] = work
    return work
  }

  /** Every page was tried and refused: in the kernel minutes of the same follow, and then a kill. The run ends here. */
  *#refused(): StepsTo<boolean> {
    this.#kernel.tally.failedStores++
    this.#refusedInRow++
    let left = 0
    for (const size of this.#kernel.pages.sizes) left += size
    if (this.#refusedInRow <= left) return false
    this.#kernel.exhausted = true
    this.#kernel.scheduler.stopped = true
    yield
    return false
  }

  /** From now on the device has it: reclaim that meets it goes on, and it is rotated when it is written. */
  startsWriting(page: number): void {
    this.#kernel.pages.set(page, P.WRITEBACK | P.RECLAIM)
    this.#writing.add(page)
  }

  get underWriteback(): number {
    return this.#writing.size
  }

  /** The device has written the page: as after any disk write it moves to its list's tail. */
  written(page: number): void {
    const { pages } = this.#kernel
    if (!this.#writing.delete(page)) return
    this.#kernel.throttle.written(this.#kernel.zones.nodeOf(pages.node[page] as number))
    pages.clear(page, P.WRITEBACK | P.RECLAIM)
    if (!pages.isOnList(page) || pages.has(page, P.LOCKED)) return
    pages.remove(page)
    pages.clear(page, P.ACTIVE)
    this.#kernel.generations?.toOldest(page)
    pages.addTail(page)
  }

  /** After a store that the policy asked for: unlocked, and rotated where reclaim waits for it or the policy says so, if it is on its list. */
  completed(page: number, cpu: number, flight: number): void {
    const { pages, gate } = this.#kernel
    if ((pages.swapout[page] as number) !== flight) this.#kernel.recorder.closeFlight(flight)
    if (this.#writing.size > 0 && this.#writing.has(page)) {
      // The device has it: unlocked now, rotated when the write is done.
      this.#kernel.locks.unlock(page)
      return
    }
    const isMet = gate?.writebackWhileQueued === false && pages.has(page, P.RECLAIM)
    pages.clear(page, P.WRITEBACK | P.RECLAIM)
    this.#kernel.locks.unlock(page)
    const isListed = pages.isOnList(page)
    const isRotated = isListed && (isMet || gate?.rotates === true)
    this.#kernel.note('complete', page, isRotated ? 1 : 0)
    if (!isListed) this.#kernel.tally.isolatedAtStore++
    if (isRotated) this.#rotate(page, cpu)
  }

  #rotate(page: number, cpu: number): void {
    const batch = this.#rotations[cpu] as Int32Array
    const count = this.#rotationCounts[cpu] as number
    batch[count] = page
    this.#rotationCounts[cpu] = count + 1
    if (count + 1 === batch.length) this.drainRotations(cpu)
  }

  drainRotations(cpu: number): void {
    const { pages } = this.#kernel
    const batch = this.#rotations[cpu] as Int32Array
    const count = this.#rotationCounts[cpu] as number
    for (let place = 0; place < count; place++) {
      const page = batch[place] as number
      if (!pages.isOnList(page) || pages.has(page, P.LOCKED)) continue
      pages.remove(page)
      pages.clear(page, P.ACTIVE)
      this.#kernel.generations?.toOldest(page)
      pages.addTail(page)
    }
    this.#rotationCounts[cpu] = 0
  }
}
