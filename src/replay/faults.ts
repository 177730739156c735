import type { Place } from '../memory/backends/backend.ts'
import { drawn } from './costs.ts'
import * as F from './flights.ts'
import type { Kernel } from './kernel.ts'
import type { Lruvec } from './lruvec.ts'
import type { NodeState } from './node-state.ts'
import * as P from './pages.ts'
import type { Steps, StepsTo } from './steps.ts'
import { IO, type Thread } from './thread.ts'

/** What a fault met of its page. */
type Met = 'queued' | 'storing' | 'stored' | 'pool' | 'disk'

const NONE_ALONG: readonly number[] = []

/** What tasks do to pages: first touch, file reads, touches that may swap in, giving back. */
export class Faults {
  readonly #kernel: Kernel

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  /** First touch of an anonymous page; returns its id. `ns`: what it takes, absent = what such a fault costs. */
  *faultNew(thread: Thread, wanted: number, ns?: number): StepsTo<number> {
    const { pages } = this.#kernel
    const { allocation, costs, scheduler, shrink, tally, zones } = this.#kernel
    const count = wanted >= 0 ? pages.pagesOf(wanted) : 1
    const { node, borrowed } = yield* allocation.allocate(thread, thread.memcg, count)
    if (scheduler.stopped) return -1
    // Every page of it is cleared.
    if (!scheduler.spend(thread, ns ?? drawn(costs.fault, count))) yield
    const page = wanted >= 0 ? wanted : pages.create(P.ANON, node.index)
    pages.node[page] = node.index
    pages.chargeTo(page, thread.memcg)
    pages.state[page] = P.RESIDENT
    pages.flags[page] = 0
    this.#access(page)
    shrink.addAllocated(page, borrowed)
    for (let mapped = 0; mapped < count; mapped++) zones.pageMapped(node)
    tally.allocated += count
    return page
  }

  /** A task touches a page it has allocated before. */
  *touch(thread: Thread, wanted: number): Steps {
    const { locks, pages, scheduler } = this.#kernel
    const start = scheduler.now
    let met: Met | undefined
    for (;;) {
      this.leaveFolio(wanted)
      const page = pages.wholeOf(wanted)
      const state = pages.state[page] as number
      if (state === P.FREE) return
      if (state === P.QUEUED) met ??= 'queued'
      else if (state === P.STORING) met ??= 'storing'
      if (pages.has(page, P.LOCKED)) {
        // Its reclaimer holds the lock: the fault waits, then maps it again.
        yield* locks.waitForLock(thread, page)
        continue
      }
      if (state === P.RESIDENT) {
        this.#access(page)
        if (pages.has(page, P.READ_AHEAD)) this.#touchReadAhead(page)
        if (met !== undefined) this.#recordSwapIn(thread, page, 0, -1, met, start)
      } else if (state === P.QUEUED || state === P.STORING)
        this.#touchUnderWriteback(thread, page, met ?? 'storing', start)
      else if (state === P.STORED) this.#touchStored(thread, page, met ?? 'stored', start)
      else yield* this.#swapIn(thread, page, met, start)
      return
    }
  }

  /** In swap there is no folio any more where its pages have identities: a fault brings its own one back, alone. */
  leaveFolio(member: number): void {
    const { generations, pages, pool } = this.#kernel
    const page = pages.wholeOf(member)
    if (pages.state[page] !== P.SWAPPED || (pages.order[page] as number) === 0) return
    if (pages.tailsOf(page).length === 0) return
    for (const part of pages.split(page)) {
      pool.belongsTo(pages.slot[part] as number, part)
      generations?.evictedWith(page, part)
    }
  }

  /** Under writeback the fault maps it at once; its store goes on for nothing. */
  #touchUnderWriteback(thread: Thread, page: number, met: Met, start: number): void {
    const { pages, recorder } = this.#kernel
    const flight = pages.swapout[page] as number
    this.#access(page)
    if (this.#kernel.dirties()) this.#kernel.stores.redirtied.add(page)
    const id = recorder.flights.detail(flight, F.ID)
    this.#recordSwapIn(thread, page, id, pages.slot[page] as number, met, start)
  }

  /** Stored and not yet freed: mapped again as it is. */
  #touchStored(thread: Thread, page: number, met: Met, start: number): void {
    const { locks, pages, recorder, tally } = this.#kernel
    pages.set(page, P.LOCKED)
    const flight = pages.swapout[page] as number
    const id = recorder.flights.detail(flight, F.ID)
    const slot = pages.slot[page] as number
    if (flight > 0) {
      recorder.closeFlight(flight)
      pages.swapout[page] = 0
    }
    pages.state[page] = P.RESIDENT
    this.#access(page)
    this.#keepOrDropCopy(page, true)
    locks.unlock(page)
    tally.refaultsStored++
    this.#recordSwapIn(thread, page, id, slot, met, start)
  }

  /** A touch that writes makes the copy in swap stale; else it stays good for as long as it is kept (should_try_to_free_swap). */
  #keepOrDropCopy(page: number, isKept: boolean, isMapped = false): void {
    const { memcgs, pages, pool } = this.#kernel
    if (this.#kernel.dirties()) {
      pages.version[page] = (pages.version[page] as number) + 1
      pool.dropSlot(page, isMapped)
    } else if (isKept && !memcgs.isSwapFull(page)) pages.set(page, P.CLEAN_COPY)
    else pool.dropSlot(page, isMapped)
  }

  /** From the pool or the device into a new frame. */
  *#swapIn(thread: Thread, page: number, met: Met | undefined, start: number): Steps {
    const {
      allocation,
      backend,
      costs,
      device,
      keepsCopy,
      locks,
      memcgs,
      pages,
      pressure,
      scheduler,
    } = this.#kernel
    pages.set(page, P.LOCKED)
    const evictor = memcgs.evictorOf(page)
    const { readahead } = this.#kernel
    const along = readahead.isOn ? yield* readahead.around(thread, page) : NONE_ALONG
    if (scheduler.stopped) return
    const count = pages.pagesOf(page)
    // Swapped in it is the charge of who had it (lookup_swap_cgroup_id).
    const charged = memcgs.chargedFor(page)
    const { node, borrowed } = yield* allocation.allocate(thread, charged, count)
    if (scheduler.stopped) return
    // swap_read_folio: only the return of a page that was in use when it was evicted counts as a stall.
    const wasInUse = this.#wasInUse(evictor, page, memcgs.lruvec(charged, node))
    const entered = wasInUse && pressure.enter(thread, scheduler.now)
    if (!scheduler.spend(thread, drawn(costs.swapIn, count))) yield
    const slot = pages.slot[page] as number
    const place = this.#load(node, page)
    // Plugged: the neighbours are one request with the fault's page.
    const reads = along.length + (place === 'disk' ? count : 0)
    if (reads > 0) yield* device.wait(thread, 'read', reads)
    for (const other of along) locks.unlock(other)
    pressure.leave(thread, scheduler.now, entered)
    this.#keepOrDropCopy(page, keepsCopy, backend.traits?.swapinBypass === true)
    pages.state[page] = P.RESIDENT
    this.#access(page)
    const distance = evictor.age - (pages.evictedAt[page] as number)
    pages.node[page] = node.index
    this.#kernel.lru.refaulted(evictor, page, distance)
    this.#kernel.shrink.addAllocated(page, borrowed)
    locks.unlock(page)
    this.#kernel.tally.swapIns += count
    const from = place === 'disk' ? 'disk' : 'pool'
    this.#kernel.note('load', page, count, from)
    this.#kernel.traceReaders?.wrote('fault')
    this.#recordSwapIn(thread, page, 0, slot, met ?? from, start, distance)
  }

  /** A neighbour of a faulted page comes along: into the swap cache, mapped by nobody. The caller holds its lock; true = it is still to be read from the device. */
  *readAhead(thread: Thread, page: number): StepsTo<boolean> {
    const { memcgs, pages, scheduler, costs, tally, pool } = this.#kernel
    const start = scheduler.now
    const evictor = memcgs.evictorOf(page)
    const count = pages.pagesOf(page)
    const charged = memcgs.chargedFor(page)
    const { node, borrowed } = yield* this.#kernel.allocation.allocate(thread, charged, count)
    if (scheduler.stopped) return false
    this.#kernel.generations?.refaulted(page, memcgs.lruvec(charged, node))
    if (!scheduler.spend(thread, drawn(costs.swapIn, count))) yield
    const slot = pages.slot[page] as number
    const place = this.#load(node, page)
    // A load that empties the pool's entry leaves a dirty page.
    if (this.#kernel.keepsCopy) pages.set(page, P.CLEAN_COPY)
    else pool.dropSlot(page)
    pages.state[page] = P.RESIDENT
    pages.set(page, P.READ_AHEAD)
    pages.node[page] = node.index
    this.#kernel.shrink.addAllocated(page, borrowed)
    if (place !== 'disk') this.#kernel.locks.unlock(page)
    tally.swapIns += count
    tally.readaheads += count
    const distance = evictor.age - (pages.evictedAt[page] as number)
    const from = place === 'disk' ? 'disk' : 'pool'
    this.#recordSwapIn(thread, page, 0, slot, from, start, distance, 1)
    return place === 'disk'
  }

  #access(page: number): void {
    this.#kernel.pages.set(page, P.ACCESSED)
    this.#kernel.generations?.used(page)
  }

  /** A folio comes back as it went out: all its pages. */
  #load(node: NodeState, page: number): Place {
    const { pages, pool } = this.#kernel
    const slot = pages.slot[page] as number
    const place = pool.load(node, slot)
    for (let part = 1; part < pages.pagesOf(page); part++) pool.load(node, slot + part)
    return place
  }

  /** swap_cache_get_folio. */
  #touchReadAhead(page: number): void {
    const { pages, pool, readahead } = this.#kernel
    pages.clear(page, P.READ_AHEAD)
    readahead.hit(page)
    if (!pages.has(page, P.CLEAN_COPY) || !this.#kernel.dirties()) return
    pages.clear(page, P.CLEAN_COPY)
    pages.version[page] = (pages.version[page] as number) + 1
    pool.dropSlot(page)
  }

  /** workingset_refault: would the lists have held the page, had it not been evicted? */
  #wasInUse(evictor: Lruvec, page: number, to: Lruvec): boolean {
    const { generations, lru, pages } = this.#kernel
    if (generations !== undefined) return generations.refaulted(page, to)
    return (
      pages.has(page, P.WORKINGSET) &&
      evictor.age - (pages.evictedAt[page] as number) <= lru.refaultReach(evictor)
    )
  }

  #recordSwapIn(
    thread: Thread,
    page: number,
    swapout: number,
    slot: number,
    met: Met,
    start: number,
    distance = Number.NaN,
    isReadAhead: 0 | 1 = 0,
  ): void {
    const { recorder, scheduler, tally } = this.#kernel
    this.#kernel.note('swap-in', page, scheduler.now - start, met)
    if (met === 'queued') tally.refaultsQueued++
    else if (met === 'storing') tally.refaultsStoring++
    if (!recorder.recordsRows) return
    const rows = recorder.swapins
    const row = rows.add()
    rows.number(row, 'page_id', (this.#kernel.pages.content[page] as number) + 1)
    if (swapout > 0) rows.number(row, 'swapout_id', swapout)
    rows.number(row, 'ts_ns', start)
    rows.number(row, 'end_ns', scheduler.now)
    rows.number(row, 'task_id', thread.taskId)
    rows.number(row, 'tid', thread.tid)
    rows.number(row, 'cpu', thread.cpu)
    rows.number(row, 'swap_type', 0)
    if (slot >= 0) rows.number(row, 'swap_offset', slot)
    rows.text(row, 'met', met)
    rows.number(row, 'wait_ns', scheduler.now - start)
    rows.number(row, 'readahead', isReadAhead)
    rows.number(row, 'refault_distance', distance)
    recorder.added(rows)
  }

  /** The task gives the page back (exit, munmap). */
  *freePage(thread: Thread, page: number): Steps {
    const { pages } = this.#kernel
    for (;;) {
      if (pages.has(page, P.LOCKED)) yield* this.#kernel.locks.waitForLock(thread, page)
      else if (pages.has(page, P.WRITEBACK)) {
        this.#kernel.timers.sleep(thread, 1, IO)
        yield
      } else break
    }
    const state = pages.state[page] as number
    if (state === P.FREE || state === P.DYING) return
    const node = this.#kernel.zones.nodeOf(pages.node[page] as number)
    const flight = pages.swapout[page] as number
    if (flight > 0) {
      this.#kernel.recorder.closeFlight(flight)
      pages.swapout[page] = 0
    }
    this.#kernel.pool.dropSlot(page)
    if (state !== P.SWAPPED && !pages.isOnList(page)) {
      // Isolated by a reclaimer, which holds the last reference: its batch frees it.
      pages.flags[page] = 0
      pages.state[page] = P.DYING
      return
    }
    if (state !== P.SWAPPED) {
      pages.remove(page)
      this.#kernel.memcgs.uncharge(page)
      this.#kernel.zones.give(node, pages.pagesOf(page))
    }
    this.#kernel.shrink.forget(page)
  }
}
