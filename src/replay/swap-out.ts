import type { SubmitEnd } from '../policies/policy.ts'
import { type CostSampler, drawn } from './costs.ts'
import * as F from './flights.ts'
import type { PolicyGate } from './gate.ts'
import type { Kernel } from './kernel.ts'
import {
  dropMemory,
  holdsMemoryElsewhere,
  interruptMemoryElsewhere,
  runsMemoryElsewhere,
} from './memory-elsewhere.ts'
import type { NodeState } from './node-state.ts'
import * as P from './pages.ts'
import type { Lane } from './ranks.ts'
import { DIRECT_CONTEXT, KSWAPD_CONTEXT, type Scan } from './scan.ts'
import type { StepsTo } from './steps.ts'
import { HOLDS_ZERO } from './swap-pool.ts'
import { STORE, type Thread, UNMAP } from './thread.ts'

/** There are slots, but no page for a node of the swap cache's tree: the way up to there is most of an unmapping's, and nothing is unmapped. */
const NO_MEMORY = -2

/** From reclaim's decision to write a folio up to its hand-over: slot, unmapping, zero map, the policy's gate, the store by the reclaimer itself. */
export class SwapOuts {
  readonly #kernel: Kernel
  #swapoutIds = 0
  readonly #drawFlush: (of: Thread) => number

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    const { flushInReclaim, flushReceived } = kernel.costs
    this.#drawFlush = ({ span }) =>
      (span === 0 || flushInReclaim.isNone ? flushReceived : flushInReclaim).draw()
  }

  /** Its slots, and what unmapping takes, ns: the caller spends that and `scan.lostNs`, and goes on with `handOver`. A folio that gets no slots stays. */
  begin(thread: Thread, scan: Scan, page: number): number {
    const { costs, pages, scheduler, stolen, work } = this.#kernel
    const slot = this.#allocateSlots(thread, page)
    scan.isLeaving = slot >= 0
    scan.lostNs = 0
    scan.unmapsRemotely = false
    if (slot < 0) {
      pages.set(page, P.ACTIVE)
      scan.activated += pages.pagesOf(page)
      return (slot === NO_MEMORY ? costs.unmap : costs.scanKept).draw()
    }
    pages.set(page, P.LOCKED)
    pages.slot[page] = slot
    scan.doing = thread.doing
    scheduler.setDoing(thread, UNMAP)
    scan.lostNs = stolen.nextPage(scan.context === DIRECT_CONTEXT, work.share)
    const cost = this.#isMapped(page) ? this.#flushCost(thread, scan) : costs.unmapShared
    scan.isAfterStore = false
    // Each of its pages has an entry of its own in the page table.
    return drawn(cost, pages.pagesOf(page))
  }

  /** Unmapped, it goes to the policy or is stored here: true = its frame is free. A program where time has to pass first. */
  handOver(thread: Thread, node: NodeState, scan: Scan, page: number): boolean | StepsTo<boolean> {
    if (!scan.isLeaving) return false
    const { gate, pages, pool, scheduler, tally } = this.#kernel
    if (scan.unmapsRemotely) interruptMemoryElsewhere(scheduler, thread, this.#drawFlush)
    scheduler.setDoing(thread, scan.doing)
    const flight = this.#openFlight(thread, node, scan, page)
    const count = pages.pagesOf(page)
    scan.written += count
    tally.swapOuts += count
    this.#kernel.traceReaders?.wrote('swapOut')
    if (this.#kernel.zeroMap && pool.isZero(page)) return this.#storeZero(thread, node, scan, page)
    if (gate?.admits(page, scan.context) !== true) {
      this.#passed(node, scan, flight, page)
      return this.#storeHere(thread, node, scan, flight, page)
    }
    this.#submitted(node, gate, flight, page)
    const submission = gate.submit(thread, page, node.index)
    return typeof submission === 'string'
      ? this.#answered(thread, node, scan, flight, page, submission)
      : this.#awaitAnswer(thread, node, scan, flight, page, submission)
  }

  *#awaitAnswer(
    thread: Thread,
    node: NodeState,
    scan: Scan,
    flight: number,
    page: number,
    submission: StepsTo<SubmitEnd>,
  ): StepsTo<boolean> {
    const end = yield* submission
    const ending = this.#answered(thread, node, scan, flight, page, end)
    return typeof ending === 'boolean' ? ending : yield* ending
  }

  /** What the policy has done with the folio. */
  #answered(
    thread: Thread,
    node: NodeState,
    scan: Scan,
    flight: number,
    page: number,
    end: SubmitEnd,
  ): boolean | StepsTo<boolean> {
    if (end === 'queued') {
      this.#queued(flight, page)
      return this.#kernel.scheduler.isSwitchDue(thread)
        ? this.#isDoneAfterSwitch(node, scan, flight, page)
        : this.#isDoneAlready(node, scan, flight, page)
    }
    this.#returned(node, flight, page, end)
    if (end !== 'activate') return this.#storeHere(thread, node, scan, flight, page)
    this.backOut(node, page, true)
    scan.activated += this.#kernel.pages.pagesOf(page)
    return false
  }

  /** The reclaimer stores it itself. */
  *#storeHere(
    thread: Thread,
    node: NodeState,
    scan: Scan,
    flight: number,
    page: number,
  ): StepsTo<boolean> {
    const { pages, recorder, scheduler, stores } = this.#kernel
    this.#startRank(node, flight, page)
    const count = pages.pagesOf(page)
    if (!scheduler.spend(thread, stores.begin(thread, node, page, true, false))) yield
    if (stores.isPreempted(thread)) yield
    const ending = stores.end(thread)
    const stored = typeof ending === 'boolean' ? ending : yield* ending
    if (!stored) {
      scan.activated += count
      return false
    }
    recorder.flights.setDetail(flight, F.HANDED_AT, scheduler.now)
    scan.isAfterStore = stores.hasCompressed(thread)
    return this.#freed(node, scan, flight, page)
  }

  /** The folio leaves for swap: unmapped, with its slot. */
  #openFlight(thread: Thread, node: NodeState, scan: Scan, page: number): number {
    const { pages, recorder } = this.#kernel
    const { flights } = recorder
    const context = F.contextOf(scan)
    const flight = flights.open(context)
    pages.swapout[page] = flight
    this.#swapoutIds++
    if (flights.keepsDetails) this.#describe(flight, thread, node, page)
    this.#kernel.note('swap-out', page, this.#swapoutIds, F.CONTEXTS[context])
    return flight
  }

  #describe(flight: number, thread: Thread, node: NodeState, page: number): void {
    const { pages, recorder, scheduler } = this.#kernel
    const { flights } = recorder
    flights.setDetail(flight, F.ID, this.#swapoutIds)
    flights.setDetail(flight, F.CONTENT, pages.content[page] as number)
    flights.setDetail(flight, F.SUBMITTED_AT, scheduler.now)
    flights.setDetail(flight, F.TASK, thread.taskId)
    flights.setDetail(flight, F.TID, thread.tid)
    flights.setDetail(flight, F.CPU, thread.cpu)
    flights.setDetail(flight, F.NODE, node.index)
    flights.setDetail(flight, F.SLOT, pages.slot[page] as number)
    flights.setDetail(flight, F.ORDER, pages.order[page] as number)
    flights.setDetail(flight, F.SPAN, thread.span)
  }

  /** Shared memory is that of files (tmpfs), which are read and written without a page table. */
  #isMapped(page: number): boolean {
    const { costs, pages } = this.#kernel
    return (pages.kind[page] as number) !== P.SHMEM || costs.unmapShared.isNone
  }

  /** Unmapping is followed by a flush, everywhere where the page tables are loaded. */
  #flushCost(thread: Thread, scan: Scan): CostSampler {
    const { cpus } = this.#kernel.scheduler
    scan.unmapsRemotely = runsMemoryElsewhere(cpus, thread)
    const isHeld = holdsMemoryElsewhere(cpus, thread)
    if (!isHeld && !thread.isProcess) dropMemory(cpus, thread)
    return this.#unmapCost(thread, scan, isHeld)
  }

  /** Its own memory: the costs of such a task are measured with all that surrounds them. */
  #paysOwn(thread: Thread): boolean {
    return thread.hasMemory && !this.#kernel.costs.unmapDirect.isNone
  }

  #unmapCost(thread: Thread, scan: Scan, isHeld: boolean): CostSampler {
    const { costs } = this.#kernel
    const isRemote = scan.unmapsRemotely
    if (!this.#paysOwn(thread)) {
      const afterStore = isRemote ? costs.unmapRemoteAfterStore : costs.unmapAfterStore
      if (scan.isAfterStore && !afterStore.isNone) return afterStore
      return isRemote ? costs.unmapRemote : costs.unmap
    }
    if (isRemote && !costs.unmapDirectRemote.isNone) return costs.unmapDirectRemote
    return isHeld && !costs.unmapDirectHeld.isNone ? costs.unmapDirectHeld : costs.unmapDirect
  }

  /** Slots in a row for the whole folio; where there are none it is split, and its other pages wait at the list's end to be met next. */
  #allocateSlots(thread: Thread, page: number): number {
    const { generations, pages, tally } = this.#kernel
    const order = pages.order[page] as number
    const row = this.#cachedSlots(thread, page, order)
    if (row >= 0 || order === 0) return row
    tally.foliosSplit++
    const parts = pages.split(page)
    this.#kernel.note('split', page, parts.length)
    for (const part of parts) {
      generations?.toOldest(part)
      pages.addTail(part)
    }
    return this.#cachedSlots(thread, page, 0)
  }

  /** add_to_swap: slots for which the swap cache's tree cannot grow are given back. */
  #cachedSlots(thread: Thread, page: number, order: number): number {
    const { memcgs, pool, slots, zones } = this.#kernel
    const first = this.#chargedSlots(page, order)
    const count = 1 << order
    if (first < 0 || pool.cache(first, count, zones.poolNode(thread))) return first
    memcgs.countSwap(page, -count)
    slots.freeFolio(first, order, thread.cpu)
    return NO_MEMORY
  }

  /** folio_alloc_swap: slots that its cgroup may not have are given back. */
  #chargedSlots(page: number, order: number): number {
    const { memcgs, scheduler, slots } = this.#kernel
    const first = slots.allocate(page, order)
    if (first < 0 || memcgs.tryChargeSwap(page, 1 << order)) return first
    slots.freeFolio(first, order, scheduler.active?.cpu ?? 0)
    return -1
  }

  /** Order is kept per node and context. */
  laneOf(node: NodeState, flight: number): Lane {
    const context = this.#kernel.recorder.flights.rank(flight, F.CONTEXT)
    return node.lanes[context === KSWAPD_CONTEXT ? KSWAPD_CONTEXT : DIRECT_CONTEXT]
  }

  /** The reclaimer stores it without asking the policy. */
  #passed(node: NodeState, scan: Scan, flight: number, page: number): void {
    const { flights } = this.#kernel.recorder
    const isKswapd = scan.context === KSWAPD_CONTEXT
    if (this.#kernel.gate !== undefined || !isKswapd) {
      flights.setDetail(flight, F.PATH, F.BYPASS)
      flights.setDetail(flight, F.REASON, isKswapd ? F.IS_FILE : F.OTHER_CONTEXT)
      return
    }
    flights.setDetail(flight, F.PATH, F.INLINE)
    this.#submit(node, flight, page)
  }

  /** The policy has the folio. */
  #submitted(node: NodeState, gate: PolicyGate, flight: number, page: number): void {
    const { pages, recorder } = this.#kernel
    recorder.flights.setDetail(flight, F.PATH, F.BY_QUEUE)
    pages.state[page] = P.QUEUED
    if (gate.writebackWhileQueued) {
      pages.set(page, P.WRITEBACK | P.RECLAIM)
      this.#kernel.locks.unlock(page)
    }
    this.#submit(node, flight, page)
  }

  #submit(node: NodeState, flight: number, page: number): void {
    const rank = this.laneOf(node, flight).submit()
    this.#kernel.recorder.flights.setRank(flight, F.SUBMIT_RANK, rank)
    this.#kernel.note('submit', page, rank)
  }

  /** The policy keeps it, and may have been done with it already. */
  #queued(flight: number, page: number): void {
    const { pages, recorder, scheduler, tally } = this.#kernel
    const { flights } = recorder
    tally.handedOver++
    const isSame = (pages.swapout[page] as number) === flight
    if (isSame && flights.keepsDetails && Number.isNaN(flights.detail(flight, F.HANDED_AT)))
      flights.setDetail(flight, F.HANDED_AT, scheduler.now)
  }

  /** The release of a policy's lock may wake who runs first. */
  *#isDoneAfterSwitch(node: NodeState, scan: Scan, flight: number, page: number): StepsTo<boolean> {
    yield
    return this.#isDoneAlready(node, scan, flight, page)
  }

  /**
   * What comes after pageout(): a folio that was stored meanwhile is neither dirty nor locked, and is freed at once; one that is under writeback just
   * now is to be rotated at its end.
   */
  #isDoneAlready(node: NodeState, scan: Scan, flight: number, page: number): boolean {
    const { pages, shrink } = this.#kernel
    if ((pages.swapout[page] as number) !== flight) return false
    if (pages.has(page, P.WRITEBACK)) {
      pages.set(page, P.RECLAIM)
      return false
    }
    if (pages.state[page] !== P.STORED || pages.has(page, P.LOCKED)) return false
    shrink.evict(node, scan, page)
    return true
  }

  /** The policy gives the folio back to the reclaimer. */
  #returned(node: NodeState, flight: number, page: number, end: SubmitEnd): void {
    const { gate, pages, recorder } = this.#kernel
    const { flights } = recorder
    pages.state[page] = P.RESIDENT
    if (gate?.writebackWhileQueued === true) {
      pages.clear(page, P.WRITEBACK | P.RECLAIM)
      pages.set(page, P.LOCKED)
    }
    if (end === 'activate') return
    flights.setDetail(flight, F.PATH, end === 'bypass' ? F.BYPASS : F.INLINE)
    if (end === 'inline') return
    flights.setDetail(flight, F.REASON, F.IS_FULL)
    const submitRank = flights.rank(flight, F.SUBMIT_RANK)
    this.laneOf(node, flight).withdraw(submitRank)
    this.#kernel.note('withdraw', page, submitRank)
    flights.setRank(flight, F.SUBMIT_RANK, 0)
  }

  /** After a store by the reclaimer: false where the folio was written again meanwhile, or is still on its way to the device. */
  #freed(node: NodeState, scan: Scan, flight: number, page: number): boolean {
    const { pages, recorder, locks } = this.#kernel
    const isStored = (pages.state[page] as number) === P.STORED
    const isFreed = isStored && !pages.has(page, P.WRITEBACK)
    if (isFreed) this.#kernel.shrink.evict(node, scan, page)
    else if (!isStored) recorder.closeFlight(flight)
    locks.unlock(page)
    return isFreed
  }

  #startRank(node: NodeState, flight: number, page: number): void {
    const { flights } = this.#kernel.recorder
    const submitRank = flights.rank(flight, F.SUBMIT_RANK)
    if (submitRank <= 0) return
    flights.setRank(flight, F.START_RANK, this.laneOf(node, flight).start(submitRank))
    this.#kernel.note('start', page, submitRank)
  }

  /** The policy took the page from its queue: that is where its start is ranked. */
  popped(page: number): void {
    const node = this.#kernel.zones.nodeOf(this.#kernel.pages.node[page] as number)
    this.#startRank(node, this.#kernel.pages.swapout[page] as number, page)
  }

  queueChanged(node: number, queued: number): void {
    this.#kernel.recorder.sample(this.#kernel.scheduler.now, node, 'queued', queued)
  }

  /** A page popped by the reclaimer itself because the queue was full. */
  displaced(page: number): void {
    const { pages, recorder } = this.#kernel
    recorder.flights.setDetail(pages.swapout[page] as number, F.PATH, F.DISPLACED)
    this.#kernel.note('displaced', page, 0)
  }

  /** Its content is nothing but zeros, which the kernel notes beside the slot: freed at once. */
  *#storeZero(thread: Thread, node: NodeState, scan: Scan, page: number): StepsTo<boolean> {
    const { costs, pages, pool, recorder, scheduler } = this.#kernel
    const { flights } = recorder
    const flight = pages.swapout[page] as number
    flights.setDetail(flight, F.PATH, F.BYPASS)
    flights.setDetail(flight, F.REASON, F.IS_ZERO)
    flights.setDetail(flight, F.STARTED_AT, scheduler.now)
    const doing = thread.doing
    scheduler.setDoing(thread, STORE)
    const count = pages.pagesOf(page)
    if (!scheduler.spend(thread, drawn(costs.storeSame, count))) yield
    scheduler.setDoing(thread, doing)
    flights.setDetail(flight, F.STORED_AT, scheduler.now)
    flights.setDetail(flight, F.HANDED_AT, scheduler.now)
    flights.setDetail(flight, F.STORED_BY, thread.taskId)
    flights.setDetail(flight, F.PLACE, F.PLACES.indexOf('zero'))
    flights.setDetail(flight, F.BYTES, 0)
    this.#kernel.tally.zeroPages += count
    this.#kernel.note('zero', page, 0)
    const slot = pages.slot[page] as number
    for (let part = 0; part < count; part++) pool.hold(slot + part, HOLDS_ZERO, node, page)
    this.#kernel.shrink.evict(node, scan, page)
    this.#kernel.locks.unlock(page)
    return true
  }

  /** The page stays in memory: its slot is given back; a refused one goes to the active list. */
  backOut(node: NodeState, page: number, activate: boolean): void {
    const { pages } = this.#kernel
    const flight = pages.swapout[page] as number
    const { flights } = this.#kernel.recorder
    this.#kernel.note('refused', page, activate ? 1 : 0)
    const submitRank = flights.rank(flight, F.SUBMIT_RANK)
    if (submitRank > 0 && flights.rank(flight, F.DONE_RANK) === 0) {
      const lane = this.laneOf(node, flight)
      if (flights.rank(flight, F.START_RANK) === 0) lane.start(submitRank)
      lane.finish(submitRank)
    }
    this.#kernel.recorder.closeFlight(flight)
    pages.swapout[page] = 0
    this.#kernel.pool.dropSlot(page)
    this.#kernel.stores.redirtied.delete(page)
    pages.state[page] = P.RESIDENT
    pages.clear(page, P.WRITEBACK | P.RECLAIM)
    if (activate) {
      const listed = pages.isOnList(page)
      if (listed) pages.remove(page)
      pages.set(page, P.ACTIVE)
      this.#kernel.generations?.toYoungest(page)
      if (listed) pages.addHead(page)
      this.#kernel.tally.rejects++
    }
    this.#kernel.locks.unlock(page)
  }
}
