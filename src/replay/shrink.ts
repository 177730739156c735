import * as F from './flights.ts'
import type { Kernel } from './kernel.ts'
import { MemcgWalk } from './memcgs.ts'
import type { NodeState } from './node-state.ts'
import * as P from './pages.ts'
import type { Scan } from './scan.ts'
import type { Steps } from './steps.ts'
import type { Thread } from './thread.ts'

/** What becomes of an isolated folio. */
const KEPT = 0
const FREED = 1
const WRITTEN = 2

/** Of a batch's own cost what isolation takes where that is not known by itself; the rest is freeing its pages. */
const ISOLATE_SHARE = 0.2

/** What both LRU flavours share: one node's shrinking with its slab pass, and what becomes of one isolated folio. */
export class Shrink {
  readonly #kernel: Kernel

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  /** A page new to its list; `borrowed`: its frames in a told block (Zones.together). */
  add(page: number, borrowed: number): void {
    this.#kernel.pages.borrowed[page] = borrowed
    this.#kernel.memcgs.arrived(page)
    this.#kernel.generations?.added(page)
    this.#kernel.pages.addHead(page)
  }

  /** A page in frames that were just allocated for it. */
  addAllocated(page: number, borrowed: number): void {
    this.add(page, borrowed)
    this.#kernel.zones.pendingFrames -= this.#kernel.pages.pagesOf(page)
  }

  /** shrink_node: the cgroups of the scan's subtree, then slab, whose recorded cost is that of all cgroups' shrinkers. */
  *shrinkNode(thread: Thread, node: NodeState, scan: Scan): Steps {
    const { device, generations, lru, memcgs, slab, throttle } = this.#kernel
    const before = scan.reclaimed
    const target = scan.memcg ?? memcgs.root
    device.plug(thread)
    if (generations === undefined) {
      const { scanned } = scan
      scan.underWriteback = 0
      scan.immediate = 0
      lru.prepareScan(memcgs.lruvec(target, node), scan)
      yield* this.#shrinkMemcgs(thread, node, scan)
      yield* device.unplug(thread)
      yield* throttle.afterPass(thread, node, scan, scan.scanned - scanned)
    } else {
      if (target === memcgs.root) yield* generations.shrinkNode(thread, node, scan)
      else yield* this.#shrinkMemcgs(thread, node, scan)
      yield* device.unplug(thread)
    }
    yield* slab.shrink(thread, node, scan)
    if (scan.reclaimed > before) node.failures = 0
  }

  /** shrink_node_memcgs: kswapd sees all; who reclaims for itself may be done before, and the next one goes on from there. */
  *#shrinkMemcgs(thread: Thread, node: NodeState, scan: Scan): Steps {
    const { generations, lru, memcgs } = this.#kernel
    const target = scan.memcg ?? memcgs.root
    const isPart = memcgs.walksPartly && thread.kind !== 'kswapd' && !scan.walksAll
    const walk = new MemcgWalk(memcgs, target, node, { isPart })
    for (let lruvec = walk.next(); lruvec !== undefined; lruvec = walk.next()) {
      if (memcgs.spares(target, lruvec.memcg, scan)) continue
      if (generations === undefined) yield* lru.shrinkLists(thread, lruvec, scan)
      else yield* generations.shrinkForMemcg(thread, lruvec, scan)
      if (isPart && scan.reclaimed >= scan.target) break
    }
  }

  /** What isolating a batch takes, of what it costs as a whole if it frees anything. */
  isolateNs(batchNs: number): number {
    const { isolate } = this.#kernel.costs
    return isolate.isNone ? Math.floor(batchNs * ISOLATE_SHARE) : isolate.draw()
  }

  /** The batch's freed frames arrive. */
  giveFreed(node: NodeState, { freed }: Scan): void {
    const { zones } = this.#kernel
    zones.give(node, freed)
    zones.pendingFrames -= freed
  }

  /** The first `count` of isolated folios, in their order: those that are still there go to their lists' heads. */
  putBack(folios: Int32Array, count: number): void {
    const { pages } = this.#kernel
    let from = 0
    for (let place = 0; place < count; place++) {
      const page = folios[place] as number
      const state = pages.state[page] as number
      if (state !== P.DYING && state !== P.FREE && state !== P.SWAPPED) continue
      pages.addHeads(folios, from, place)
      from = place + 1
      if (state === P.DYING) this.#bury(page)
    }
    pages.addHeads(folios, from, count)
  }

  /** Given back by its task while it was isolated. */
  #bury(page: number): void {
    const { memcgs, pages, zones } = this.#kernel
    memcgs.uncharge(page)
    zones.give(zones.nodeOf(pages.node[page] as number), pages.pagesOf(page))
    this.forget(page)
  }

  recordBatch(
    thread: Thread,
    node: NodeState,
    scan: Scan,
    list: number,
    start: number,
    taken: number,
  ): void {
    this.#kernel.tally.batches++
    this.#kernel.traceReaders?.wrote('batch')
    this.#kernel.note('batch', -1, scan.freed, P.LRU_NAMES[list])
    const { recorder } = this.#kernel
    if (!recorder.recordsRows) return
    const rows = recorder.batches
    const row = rows.add()
    rows.number(row, 'ts_ns', this.#kernel.scheduler.now)
    rows.number(row, 'start_ns', start)
    rows.number(row, 'task_id', thread.taskId)
    rows.number(row, 'node', node.index)
    rows.text(row, 'lru', P.LRU_NAMES[list])
    rows.number(row, 'nr_scanned', scan.looked)
    rows.number(row, 'nr_taken', taken)
    rows.number(row, 'nr_reclaimed', scan.freed)
    rows.number(row, 'nr_dirty', scan.written)
    rows.number(row, 'nr_writeback', scan.writeback)
    rows.number(row, 'nr_activate', scan.activated)
    rows.number(row, 'priority', scan.priority)
    recorder.added(rows)
    this.#kernel.sampleFree(node)
    this.#kernel.samplePool(node)
  }

  /** shrink_folio_list: what becomes of the batch's first folios. Those that stay are in `scan.keep`; frames freed are on their way to the zone. */
  *shrinkFolios(thread: Thread, node: NodeState, scan: Scan, folios: number): Steps {
    const { pages, recorder, scheduler, costs, swapOuts, zones } = this.#kernel
    scan.kept = 0
    for (let place = 0; place < folios; place++) {
      const page = scan.batch[place] as number
      const underWay = pages.swapout[page] as number
      if (underWay !== 0) recorder.flights.scanAgain(underWay)
      const size = pages.pagesOf(page)
      const fate = this.#judge(thread, node, scan, page)
      let isFreed = fate === FREED
      if (fate === WRITTEN) {
        const ns = swapOuts.begin(thread, scan, page)
        if (scan.lostNs > 0) {
          // Nobody else runs on a CPU that is taken away, nor on one that waits for such a one's flush (smp_call_function_many_cond, preemption off).
          thread.preemptOff++
          if (!scheduler.spend(thread, scan.lostNs)) yield
          if (!scheduler.allowPreemption(thread)) yield
        }
        if (!scheduler.spend(thread, ns)) yield
        const ending = swapOuts.handOver(thread, node, scan, page)
        isFreed = typeof ending === 'boolean' ? ending : yield* ending
      } else {
        if (!scheduler.spend(thread, (isFreed ? costs.freeClean : costs.scanKept).draw())) yield
        if (isFreed) this.#release(node, scan, page)
      }
      if (isFreed) {
        // A folio that was split is freed as one page.
        const gone = Math.min(size, pages.pagesOf(page))
        scan.freed += gone
        zones.pendingFrames += gone
      } else scan.keep[scan.kept++] = page
    }
  }

  /** An isolated folio: it goes back, its frame can be freed as it is, or it must be written first. */
  #judge(thread: Thread, node: NodeState, scan: Scan, page: number): number {
    const { generations, pages } = this.#kernel
    const flags = pages.flags[page] as number
    if ((flags & P.LOCKED) !== 0) return KEPT
    scan.looked += pages.pagesOf(page)
    if ((flags & P.WRITEBACK) !== 0) {
      this.#meetWriteback(thread, node, scan, page)
      return KEPT
    }
    // Found accessed while it was isolated (folio_update_gen).
    if (generations !== undefined && (flags & P.REFERENCED) !== 0) return KEPT
    if ((flags & P.ACCESSED) !== 0) {
      this.#keepAccessed(scan, page)
      return KEPT
    }
    // Its next use is a first one again (folio_check_references), whether or not it may be written.
    pages.clear(page, P.REFERENCED)
    const state = pages.state[page] as number
    if (
      state === P.STORED ||
      state === P.DYING ||
      (flags & P.CLEAN_COPY) !== 0 ||
      (pages.kind[page] as number) === P.FILE_PAGE
    ) {
      pages.set(page, P.LOCKED)
      return FREED
    }
    return scan.mayWrite ? WRITTEN : KEPT
  }

  /** Case 2 of shrink_folio_list: marked for rotation at its end, activated meanwhile. */
  #meetWriteback(thread: Thread, node: NodeState, scan: Scan, page: number): void {
    const { pages, throttle } = this.#kernel
    pages.set(page, P.RECLAIM | P.ACTIVE)
    throttle.met(thread, node, scan)
    const size = pages.pagesOf(page)
    scan.writeback += size
    scan.activated += size
  }

  #keepAccessed(scan: Scan, page: number): void {
    const { generations, lru, memcgs, pages } = this.#kernel
    pages.clear(page, P.ACCESSED)
    generations?.lookAround(page)
    if (pages.has(page, P.REFERENCED)) {
      pages.set(page, P.ACTIVE)
      scan.activated += pages.pagesOf(page)
      lru.activated(memcgs.lruvecOf(page), page)
    } else pages.set(page, P.REFERENCED)
  }

  /** A folio whose contents are safe or gone. */
  #release(node: NodeState, scan: Scan, page: number): void {
    this.evict(node, scan, page)
    this.#kernel.locks.unlock(page)
  }

  /** The frame is free from the end of the batch on; the page is gone or only in swap. */
  evict(node: NodeState, scan: Scan, page: number): void {
    const { memcgs, pages } = this.#kernel
    this.#returnFrame(page)
    memcgs.uncharge(page)
    if (pages.state[page] === P.DYING) {
      this.forget(page)
      return
    }
    const { generations } = this.#kernel
    const evictor = memcgs.lruvec(scan.memcg ?? memcgs.root, node)
    evictor.grow(pages.pagesOf(page))
    const isFile = (pages.kind[page] as number) === P.FILE_PAGE
    if (isFile) this.#kernel.fileReads.evicted(page, generations?.fileEvicted(page) ?? 0)
    pages.clear(page, P.REFERENCED | P.ACTIVE | P.RECLAIM | P.CLEAN_COPY | P.READ_AHEAD)
    if (isFile) {
      pages.state[page] = P.FREE
      pages.clear(page, P.LOCKED)
      pages.release(page)
      return
    }
    pages.evictedAt[page] = evictor.age
    if (pages.evictedBy !== undefined) pages.evictedBy[page] = evictor.memcg.index
    generations?.evicted(page)
    pages.state[page] = P.SWAPPED
    const flight = pages.swapout[page] as number
    if (flight > 0) this.#landed(page, flight)
  }

  /** Its frame is free: the swap-out is over. */
  #landed(page: number, flight: number): void {
    const { pages, recorder, scheduler, tally } = this.#kernel
    const { flights } = recorder
    flights.setDetail(flight, F.FREED_AT, scheduler.now)
    tally.freed(flights.scansAgain(flight))
    this.#kernel.note('freed', page, flights.detail(flight, F.ID))
    recorder.closeFlight(flight)
    pages.swapout[page] = 0
  }

  #returnFrame(page: number): void {
    const { pages, zones } = this.#kernel
    const borrowed = pages.borrowed[page] as number
    if (borrowed === 0) return
    pages.borrowed[page] = 0
    zones.returns(zones.nodeOf(pages.node[page] as number), borrowed)
  }

  forget(page: number): void {
    const { pages } = this.#kernel
    this.#returnFrame(page)
    pages.state[page] = P.FREE
    pages.flags[page] = 0
    pages.release(page)
  }
}
