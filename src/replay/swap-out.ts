import type { SubmitEnd } from '../policies/policy.ts'
import { type CostSampler, drawn } from './costs.ts'
import type { PolicyGate } from './gate.ts'
import type { Kernel } from './kernel.ts'
import * as P from './pages.ts'
import type { Lane } from './ranks.ts'
import { BY_QUEUE, BYPASS, CONTEXTS, DISPLACED, INLINE } from './recorder.ts'
import { DIRECT_CONTEXT, KSWAPD_CONTEXT, type Scan } from './scan.ts'
import type { Steps, StepsTo } from './steps.ts'
import { HOLDS_ZERO } from './swap-pool.ts'
import { STORE, type Thread, UNMAP } from './thread.ts'
import type { NodeState } from './zones.ts'

/** From reclaim's decision to write a folio up to its hand-over: slot, unmapping, zero map, the policy's gate, the store by the reclaimer itself. */
export class SwapOuts {
  readonly #kernel: Kernel
  #swapoutIds = 0
  readonly #drawFlush: () => number

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.#drawFlush = () => kernel.costs.flushReceived.draw()
  }

  *swapOut(thread: Thread, node: NodeState, scan: Scan, page: number): StepsTo<boolean> {
    const { pages, scheduler, costs, recorder } = this.#kernel
    const slot = this.#allocateSlots(page)
    if (slot < 0) {
      pages.set(page, P.ACTIVE)
      scan.activated += pages.pagesOf(page)
      if (!scheduler.spend(thread, costs.scanKept.draw())) yield
      return false
    }
    pages.set(page, P.LOCKED)
    pages.slot[page] = slot
    const doing = thread.doing
    scheduler.setDoing(thread, UNMAP)
    const remote = scheduler.runsMemoryElsewhere(thread)
    const lost = this.#kernel.stolen.nextPage(scan.context === DIRECT_CONTEXT)
    // Each of its pages has an entry of its own in the page table.
    const count = pages.pagesOf(page)
    const unmapNs = drawn(this.#unmapCost(thread, remote), count)
    if (!scheduler.spend(thread, lost + unmapNs)) yield
    if (remote) scheduler.interruptMemoryElsewhere(thread, this.#drawFlush)
    scheduler.setDoing(thread, doing)
    pages.clear(page, P.REFERENCED)
    const flights = recorder.flights
    const flight = flights.open()
    pages.swapout[page] = flight
    flights.id[flight] = ++this.#swapoutIds
    flights.page[flight] = pages.content[page] as number
    flights.submit[flight] = scheduler.now
    flights.task[flight] = thread.taskId
    flights.tid[flight] = thread.tid
    flights.cpu[flight] = thread.cpu
    flights.node[flight] = node.index
    flights.slot[flight] = slot
    flights.order[flight] = pages.order[page] as number
    flights.context[flight] = scan.context
    flights.span[flight] = thread.span
    scan.written += count
    this.#kernel.tally.swapOuts += count
    this.#kernel.note('swap-out', page, this.#swapoutIds, CONTEXTS[scan.context])
    if (this.#kernel.zeroMap && this.#kernel.pool.isZero(page)) {
      flights.path[flight] = BYPASS
      flights.reason[flight] = 'zero'
      yield* this.#storeZero(thread, node, page)
      flights.handed[flight] = scheduler.now
      this.#kernel.shrink.evict(node, page)
      this.#kernel.locks.unlock(page)
      return true
    }
    const gate = this.#kernel.gate
    if (gate?.admits(page, scan.context) === true) {
      this.#submitted(node, gate, flight, page)
      const submission = gate.submit(thread, page, node.index)
      const end = typeof submission === 'string' ? submission : yield* submission
      if (end === 'queued') {
        this.#kernel.tally.handedOver++
        if ((pages.swapout[page] as number) === flight && Number.isNaN(flights.handed[flight]))
          flights.handed[flight] = scheduler.now
        return false
      }
      this.#returned(node, gate, flight, page, end)
      if (end === 'activate') {
        this.backOut(node, page, true)
        scan.activated += count
        return false
      }
    } else this.#passed(node, scan, flight, page)
    this.#startRank(node, flight, page)
    const { stores } = this.#kernel
    if (!scheduler.spend(thread, stores.begin(thread, node, page, true, false))) yield
    if (stores.isPreempted(thread)) yield
    const ending = stores.end(thread)
    const stored = typeof ending === 'boolean' ? ending : yield* ending
    if (!stored) {
      scan.activated += count
      return false
    }
    flights.handed[flight] = scheduler.now
    if (!this.#paysOwn(thread) && !scheduler.spend(thread, costs.release.draw())) yield
    return this.#freed(node, flight, page)
  }

  /** Its own memory: the costs of such a task are measured with all that surrounds them. */
  #paysOwn(thread: Thread): boolean {
    return thread.hasMemory && !this.#kernel.costs.unmapDirect.isNone
  }

  #unmapCost(thread: Thread, isRemote: boolean): CostSampler {
    const { costs } = this.#kernel
    if (!this.#paysOwn(thread)) return isRemote ? costs.unmapRemote : costs.unmap
    return isRemote && !costs.unmapDirectRemote.isNone ? costs.unmapDirectRemote : costs.unmapDirect
  }

  /** Slots in a row for the whole folio; where there are none it is split, and its other pages wait at the list's end to be met next. */
  #allocateSlots(page: number): number {
    const { generations, pages, slots, tally } = this.#kernel
    const order = pages.order[page] as number
    const row = slots.allocate(page, order)
    if (row >= 0 || order === 0) return row
    tally.foliosSplit++
    const parts = pages.split(page)
    this.#kernel.note('split', page, parts.length)
    for (const part of parts) {
      generations?.toOldest(part)
      pages.addTail(part)
    }
    return slots.allocate(page, 0)
  }

  /** Order is kept per node and context. */
  laneOf(node: NodeState, flight: number): Lane {
    const { context } = this.#kernel.recorder.flights
    return node.lanes[context[flight] === KSWAPD_CONTEXT ? KSWAPD_CONTEXT : DIRECT_CONTEXT]
  }

  /** The reclaimer stores it without asking the policy. */
  #passed(node: NodeState, scan: Scan, flight: number, page: number): void {
    const { flights } = this.#kernel.recorder
    const isKswapd = scan.context === KSWAPD_CONTEXT
    flights.path[flight] = this.#kernel.gate === undefined && isKswapd ? INLINE : BYPASS
    if (flights.path[flight] === BYPASS) flights.reason[flight] = isKswapd ? 'file' : 'context'
    else {
      const rank = this.laneOf(node, flight).submit()
      flights.submitRank[flight] = rank
      this.#kernel.note('submit', page, rank)
    }
  }

  /** The policy has the folio. */
  #submitted(node: NodeState, gate: PolicyGate, flight: number, page: number): void {
    const { pages, recorder } = this.#kernel
    const { flights } = recorder
    const rank = this.laneOf(node, flight).submit()
    flights.submitRank[flight] = rank
    flights.path[flight] = BY_QUEUE
    pages.state[page] = P.QUEUED
    if (gate.writebackWhileQueued) {
      pages.set(page, P.WRITEBACK | P.RECLAIM)
      this.#kernel.locks.unlock(page)
    }
    this.#kernel.note('submit', page, rank)
  }

  /** The policy gives the folio back to the reclaimer. */
  #returned(node: NodeState, gate: PolicyGate, flight: number, page: number, end: SubmitEnd): void {
    const { pages, recorder } = this.#kernel
    const { flights } = recorder
    pages.state[page] = P.RESIDENT
    if (gate.writebackWhileQueued) {
      pages.clear(page, P.WRITEBACK | P.RECLAIM)
      pages.set(page, P.LOCKED)
    }
    if (end === 'activate') return
    flights.path[flight] = end === 'bypass' ? BYPASS : INLINE
    if (end === 'inline') return
    flights.reason[flight] = 'full'
    this.laneOf(node, flight).withdraw(flights.submitRank[flight] as number)
    this.#kernel.note('withdraw', page, flights.submitRank[flight] as number)
    flights.submitRank[flight] = 0
  }

  /** After a store by the reclaimer: false where the folio was written again meanwhile, or is still on its way to the device. */
  #freed(node: NodeState, flight: number, page: number): boolean {
    const { pages, recorder, locks } = this.#kernel
    const isStored = (pages.state[page] as number) === P.STORED
    const isFreed = isStored && !pages.has(page, P.WRITEBACK)
    if (isFreed) this.#kernel.shrink.evict(node, page)
    else if (!isStored) recorder.closeFlight(flight)
    locks.unlock(page)
    return isFreed
  }

  #startRank(node: NodeState, flight: number, page: number): void {
    const { flights } = this.#kernel.recorder
    const submitRank = flights.submitRank[flight] as number
    if (submitRank <= 0) return
    flights.startRank[flight] = this.laneOf(node, flight).start(submitRank)
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
    this.#kernel.recorder.flights.path[this.#kernel.pages.swapout[page] as number] = DISPLACED
    this.#kernel.note('displaced', page, 0)
  }

  *#storeZero(thread: Thread, node: NodeState, page: number): Steps {
    const { scheduler, tally } = this.#kernel
    const { flights } = this.#kernel.recorder
    const flight = this.#kernel.pages.swapout[page] as number
    flights.start[flight] = scheduler.now
    const doing = thread.doing
    scheduler.setDoing(thread, STORE)
    const { pages } = this.#kernel
    const count = pages.pagesOf(page)
    if (!scheduler.spend(thread, drawn(this.#kernel.costs.storeSame, count))) yield
    scheduler.setDoing(thread, doing)
    flights.stored[flight] = scheduler.now
    flights.storedBy[flight] = thread.taskId
    flights.place[flight] = 'zero'
    flights.bytes[flight] = 0
    tally.zeroPages += count
    this.#kernel.note('zero', page, 0)
    const slot = pages.slot[page] as number
    for (let part = 0; part < count; part++)
      this.#kernel.pool.hold(slot + part, HOLDS_ZERO, node, page)
  }

  /** The page stays in memory: its slot is given back; a refused one goes to the active list. */
  backOut(node: NodeState, page: number, activate: boolean): void {
    const { pages } = this.#kernel
    const flight = pages.swapout[page] as number
    const { flights } = this.#kernel.recorder
    this.#kernel.note('refused', page, activate ? 1 : 0)
    const submitRank = flights.submitRank[flight] as number
    if (submitRank > 0 && flights.doneRank[flight] === 0) {
      const lane = this.laneOf(node, flight)
      if (flights.startRank[flight] === 0) lane.start(submitRank)
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
