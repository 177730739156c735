import type { StoreRequest } from '../memory/backends/backend.ts'
import { PstraceError } from '../model/error.ts'
import type { Kernel } from './kernel.ts'
import * as P from './pages.ts'
import { KSWAPD_CONTEXT } from './scan.ts'
import { STORE, type Thread } from './scheduler.ts'
import type { Steps, StepsTo } from './steps.ts'
import { HOLDS_COPY } from './swap-pool.ts'
import type { NodeState } from './zones.ts'

/** Entries of a per-CPU folio batch (PAGEVEC_SIZE) since 6.9; 15 before. */
const ROTATE_BATCH = 31

/** The store of one folio by whoever does it, and what happens to the folio at its end. */
export class Stores {
  readonly #kernel: Kernel
  /** One for all stores: backends read it during the call. */
  readonly #request: { -readonly [K in keyof StoreRequest]: StoreRequest[K] }
  readonly #rotations: Int32Array[]
  readonly #rotationCounts: Int32Array
  readonly redirtied = new Set<number>()
  readonly #writing = new Set<number>()
  #refusedInRow = 0

  constructor(kernel: Kernel) {
    this.#kernel = kernel
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

  /** The store itself, by whoever does it: real compression, calibrated time, pool memory. False = refused, the page stays. */
  *store(
    thread: Thread,
    node: NodeState,
    page: number,
    memalloc: boolean,
    isKworker: boolean,
  ): StepsTo<boolean> {
    const { pages, scheduler, costs, tally } = this.#kernel
    const { flights } = this.#kernel.recorder
    const flight = pages.swapout[page] as number
    const state = pages.state[page] as number
    if (flight === 0 || (state !== P.QUEUED && state !== P.RESIDENT))
      throw new PstraceError(
        'replay-invariant',
        `page ${page} is stored twice (by ${thread.name} at ${scheduler.now} ns)`,
      )
    pages.state[page] = P.STORING
    flights.start[flight] = scheduler.now
    flights.storedBy[flight] = thread.taskId
    this.#kernel.note('store', page, 0)
    const doing = thread.doing
    scheduler.setDoing(thread, STORE)
    this.#kernel.pool.fill(page)
    if (memalloc && node.free + (node.lists.counts[thread.cpu] as number) <= 0) {
      // Even the reserves are empty: the pool gets no page, the write ends in an error and the folio is dirty again.
      tally.failedStores++
      if (!scheduler.spend(thread, costs.store.draw())) yield
      scheduler.setDoing(thread, doing)
      this.#kernel.swapOuts.backOut(node, page, false)
      return false
    }
    const request = this.#request
    request.slot = pages.slot[page] as number
    request.page = pages.content[page] as number
    request.key = this.#kernel.pool.filledKey
    request.nowNs = scheduler.now
    request.node = node.index
    request.poolPageScarce = !memalloc && node.free <= this.#kernel.zones.minOf(node)
    const result = this.#kernel.backend.store(request)
    const { place, poolPagesTaken, compressedBytes, deviceWrites, compressions } = result
    if (place !== 'reject') this.#kernel.pool.hold(pages.slot[page] as number, HOLDS_COPY, node)
    // Same-filled pages, and those refused unseen, are not compressed.
    const isQuick = compressions === 0
    if (!this.#kernel.preemptible) thread.preemptOff++
    if (!scheduler.spend(thread, isQuick ? costs.storeSame.draw() : costs.store.draw())) yield
    if (!this.#kernel.preemptible && !scheduler.allowPreemption(thread)) yield
    if (!memalloc && poolPagesTaken > 0 && node.free <= this.#kernel.zones.minOf(node)) {
      tally.writestalls++
      yield* this.#kernel.direct.reclaimForWorker(thread, node, isKworker)
      scheduler.setDoing(thread, STORE)
      if (this.#kernel.backend.traits?.compressesAgain !== false) {
        // The stream was released meanwhile: zram up to 6.12 compresses once more.
        if (!this.#kernel.preemptible) thread.preemptOff++
        if (!scheduler.spend(thread, costs.store.draw())) yield
        if (!this.#kernel.preemptible && !scheduler.allowPreemption(thread)) yield
      }
    }
    scheduler.setDoing(thread, doing)
    tally.stores++
    tally.compressedBytes += compressedBytes
    flights.stored[flight] = scheduler.now
    flights.place[flight] = place
    flights.bytes[flight] = compressedBytes
    const submitRank = flights.submitRank[flight] as number
    if (submitRank > 0) flights.doneRank[flight] = node.lanes[KSWAPD_CONTEXT].finish(submitRank)
    this.#kernel.note('stored', page, compressedBytes, place)
    this.#kernel.zones.poolChanged(node, poolPagesTaken)
    this.#kernel.pool.kickShrinker()
    if (place === 'reject') {
      // zswap's refusal activates the page (AOP_WRITEPAGE_ACTIVATE); zram's failed write only leaves it dirty.
      const isActivated = this.#kernel.backend.name === 'zswap'
      this.#kernel.swapOuts.backOut(node, page, isActivated)
      if (!isActivated) yield* this.#refused()
      return false
    }
    this.#refusedInRow = 0
    pages.state[page] = P.STORED
    if (deviceWrites > 0 && this.#kernel.device.exists) {
      // A refused page is written by itself: under writeback until the device is done. Others were pushed out for it.
      const own = place === 'disk' ? 1 : 0
      if (own > 0) {
        pages.set(page, P.WRITEBACK | P.RECLAIM)
        this.#writing.add(page)
        yield* this.#kernel.device.write(thread, pages.slot[page] as number, page)
      }
      yield* this.#kernel.device.writeBack(thread, node, deviceWrites - own)
    }
    if (this.redirtied.delete(page)) {
      // Written while it was under writeback: what was stored is stale.
      pages.version[page] = (pages.version[page] as number) + 1
      pages.swapout[page] = 0
      this.#kernel.pool.dropSlot(page)
      pages.state[page] = P.RESIDENT
    }
    return true
  }

  /** Every page was tried and refused: in the kernel minutes of the same follow, and then a kill. The run ends here. */
  *#refused(): Steps {
    this.#kernel.tally.failedStores++
    this.#refusedInRow++
    let left = 0
    for (const size of this.#kernel.pages.sizes) left += size
    if (this.#refusedInRow <= left) return
    this.#kernel.exhausted = true
    this.#kernel.scheduler.stopped = true
    yield
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

  /** After a worker's store: unlocked, and rotated if it is on its list; a folio that is still isolated is not. */
  completed(page: number, cpu: number, flight: number): void {
    const { pages, gate } = this.#kernel
    if ((pages.swapout[page] as number) !== flight) this.#kernel.recorder.closeFlight(flight)
    if (this.#writing.has(page)) {
      // The device has it: unlocked now, rotated when the write is done.
      this.#kernel.locks.unlock(page)
      return
    }
    if (pages.has(page, P.WRITEBACK)) pages.clear(page, P.WRITEBACK)
    this.#kernel.locks.unlock(page)
    const isRotated = gate?.rotates === true && pages.isOnList(page)
    this.#kernel.note('complete', page, isRotated ? 1 : 0)
    if (!isRotated) {
      if (!pages.isOnList(page)) this.#kernel.tally.isolatedAtStore++
      return
    }
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
