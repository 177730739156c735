import { CLUSTER, DEF_PRIORITY } from '../model/vmscan.ts'
import type { Kernel } from './kernel.ts'
import type { Lruvec } from './lruvec.ts'
import type { NodeState } from './node-state.ts'
import * as P from './pages.ts'
import { DIRECT_CONTEXT, type Scan } from './scan.ts'
import type { Steps } from './steps.ts'
import { FILE, SCAN, type Thread } from './thread.ts'

/** The active and inactive lists (mm/vmscan.c without lru_gen, mm/workingset.c). */
export class ClassicLru {
  readonly #kernel: Kernel
  readonly #swappiness: number

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.#swappiness = kernel.workload.machine.swappiness.value
  }

  snapshotRefaults(lruvec: Lruvec): void {
    lruvec.seenAnonActivations = lruvec.anonActivations
    lruvec.seenFileActivations = lruvec.fileActivations
  }

  #size({ firstList }: Lruvec, list: number): number {
    return this.#kernel.pages.sizes[firstList + list] as number
  }

  #inactiveIsLow(lruvec: Lruvec, inactive: number): boolean {
    const idle = this.#kernel.memcgs.pagesBelow(lruvec, inactive)
    const active = this.#kernel.memcgs.pagesBelow(lruvec, inactive + 1)
    const pagesPerGb = 0x40000000 / this.#kernel.workload.machine.pageSize
    const gb = Math.floor((idle + active) / pagesPerGb)
    const ratio = gb > 0 ? Math.floor(Math.sqrt(10 * gb)) : 1
    return idle * ratio < active
  }

  /** kswapd_age_node. */
  *ageActive(thread: Thread, node: NodeState, scan: Scan): Steps {
    const { generations, memcgs } = this.#kernel
    if (generations !== undefined) return
    if (!this.#inactiveIsLow(memcgs.lruvec(memcgs.root, node), P.INACTIVE_ANON)) return
    for (const memcg of memcgs.tree)
      yield* this.#shrinkActive(thread, memcgs.lruvec(memcg, node), scan, P.ACTIVE_ANON, CLUSTER)
  }

  /** prepare_scan_control, for a walk over the subtree of the lruvec's cgroup. */
  prepareScan(target: Lruvec, scan: Scan): void {
    scan.mayDeactivateAnon =
      scan.forceDeactivate ||
      target.anonActivations !== target.seenAnonActivations ||
      this.#inactiveIsLow(target, P.INACTIVE_ANON)
    scan.mayDeactivateFile =
      scan.forceDeactivate ||
      target.fileActivations !== target.seenFileActivations ||
      this.#inactiveIsLow(target, P.INACTIVE_FILE)
    const shift = 1 << scan.priority
    const { memcgs } = this.#kernel
    const inactiveFile = memcgs.pagesBelow(target, P.INACTIVE_FILE)
    scan.anonShare = 0
    scan.fileShare = 0
    scan.shares = 1
    if (!scan.mayUnmapSwap) scan.fileShare = 1
    else if (scan.priority === 0 && this.#swappiness > 0) {
      scan.anonShare = 1
      scan.fileShare = 1
    } else if (
      this.#fileIsTiny(target, scan) &&
      !scan.mayDeactivateAnon &&
      Math.floor(memcgs.pagesBelow(target, P.INACTIVE_ANON) / shift) > 0
    )
      scan.anonShare = 1
    else if (Math.floor(inactiveFile / shift) > 0 && !scan.mayDeactivateFile) scan.fileShare = 1
    else {
      const total = target.anonCost + target.fileCost
      const anonCost = total + target.anonCost
      const fileCost = total + target.fileCost
      const sum = anonCost + fileCost
      scan.anonShare = Math.floor((this.#swappiness * (sum + 1)) / (anonCost + 1))
      scan.fileShare = Math.floor(((200 - this.#swappiness) * (sum + 1)) / (fileCost + 1))
      scan.shares = Math.max(1, scan.anonShare + scan.fileShare)
    }
  }

  /** All file pages would not bring free memory above high: only where memory as a whole is short. */
  #fileIsTiny(target: Lruvec, { memcg }: Scan): boolean {
    if (memcg !== undefined) return false
    const { memcgs, zones } = this.#kernel
    const { node } = target
    const file =
      memcgs.pagesBelow(target, P.INACTIVE_FILE) + memcgs.pagesBelow(target, P.ACTIVE_FILE)
    return file + node.free + node.reserved <= zones.highOf(node)
  }

  /** get_scan_count: of each list of the lruvec itself a share by its size and the priority. */
  #setQuotas(lruvec: Lruvec, scan: Scan): void {
    const { memcgs } = this.#kernel
    const { quota } = scan
    const shift = 1 << scan.priority
    const target = scan.memcg ?? memcgs.root
    // can_reclaim_anon_pages
    const isFileOnly = memcgs.swapLeft(lruvec.memcg) <= 0
    const anonShare = isFileOnly ? 0 : scan.anonShare
    const fileShare = isFileOnly ? 1 : scan.fileShare
    const shares = isFileOnly ? 1 : scan.shares
    for (let list = 0; list < P.LISTS; list++) {
      const size = memcgs.scannable(target, lruvec.memcg, this.#size(lruvec, list), scan)
      const share = list < P.INACTIVE_FILE ? anonShare : fileShare
      quota[list] = Math.floor((Math.floor(size / shift) * share) / shares)
    }
  }

  /** shrink_lruvec. */
  *shrinkLists(thread: Thread, lruvec: Lruvec, scan: Scan): Steps {
    const { quota } = scan
    this.#setQuotas(lruvec, scan)
    const targets = quota.slice()
    // Direct reclaim walks its whole first quota where memory as a whole is short; below the default priority it stops at its target.
    const proportional =
      scan.context === DIRECT_CONTEXT && scan.memcg === undefined && scan.priority === DEF_PRIORITY
    const began = scan.reclaimed
    let adjusted = false
    while (
      (quota[P.INACTIVE_ANON] as number) > 0 ||
      (quota[P.ACTIVE_FILE] as number) > 0 ||
      (quota[P.INACTIVE_FILE] as number) > 0
    ) {
      for (let list = 0; list < P.LISTS; list++) {
        const left = quota[list] as number
        if (left <= 0) continue
        const count = Math.min(left, CLUSTER)
        quota[list] = left - count
        const isActive = list === P.ACTIVE_ANON || list === P.ACTIVE_FILE
        if (!isActive) {
          this.#kernel.scheduler.enter(
            thread,
            this.#shrinkInactive(thread, lruvec, scan, list, count),
          )
          yield
        } else if (list === P.ACTIVE_ANON ? scan.mayDeactivateAnon : scan.mayDeactivateFile)
          yield* this.#shrinkActive(thread, lruvec, scan, list, count)
        else scan.skippedDeactivate = true
      }
      if (scan.reclaimed - began < scan.target || proportional || adjusted) continue
      const file = (quota[P.INACTIVE_FILE] as number) + (quota[P.ACTIVE_FILE] as number)
      const anon = (quota[P.INACTIVE_ANON] as number) + (quota[P.ACTIVE_ANON] as number)
      if (file === 0 || anon === 0) break
      // The smaller remainder is dropped, the other scanned to the same share (shrink_lruvec).
      const dropped = file > anon ? P.INACTIVE_ANON : P.INACTIVE_FILE
      const other = file > anon ? P.INACTIVE_FILE : P.INACTIVE_ANON
      const whole = (targets[dropped] as number) + (targets[dropped + 1] as number) + 1
      const percentage = Math.floor((Math.min(file, anon) * 100) / whole)
      quota[dropped] = 0
      quota[dropped + 1] = 0
      for (let list = other; list <= other + 1; list++) {
        const done = (targets[list] as number) - (quota[list] as number)
        const wanted = Math.floor(((targets[list] as number) * (100 - percentage)) / 100)
        quota[list] = Math.max(0, wanted - Math.min(wanted, done))
      }
      adjusted = true
    }
    if (this.#inactiveIsLow(lruvec, P.INACTIVE_ANON))
      yield* this.#shrinkActive(thread, lruvec, scan, P.ACTIVE_ANON, CLUSTER)
  }

  /** shrink_active_list: anonymous pages are deactivated whether referenced or not. */
  *#shrinkActive(thread: Thread, lruvec: Lruvec, scan: Scan, list: number, count: number): Steps {
    const { pages, scheduler } = this.#kernel
    this.#kernel.stores.drainRotations(thread.cpu)
    const taken = this.#isolate(lruvec, scan, list, count)
    const folios = scan.batchLength
    pages.isolated += folios
    const start = scheduler.now
    for (let place = 0; place < folios; place++) {
      const page = scan.batch[place] as number
      pages.clear(page, P.ACCESSED | P.ACTIVE)
      pages.set(page, P.WORKINGSET)
      if (!scheduler.spend(thread, this.#kernel.costs.scanKept.draw())) yield
    }
    this.#kernel.shrink.putBack(scan.batch, folios)
    pages.isolated -= folios
    scan.beginBatch()
    scan.looked = taken
    this.#kernel.shrink.recordBatch(thread, lruvec.node, scan, list, start, taken)
  }

  /** Returns base pages taken; the folios are the batch. */
  #isolate(lruvec: Lruvec, scan: Scan, list: number, count: number): number {
    const { pages } = this.#kernel
    const index = lruvec.firstList + list
    const before = pages.sizes[index] as number
    scan.batchLength = pages.takeTails(index, count, scan.batch)
    const taken = before - (pages.sizes[index] as number)
    this.#kernel.traceReaders?.wrote('isolate')
    if (taken > 0) this.#kernel.note('isolate', -1, taken, P.LRU_NAMES[list])
    return taken
  }

  /** shrink_inactive_list: a batch is isolated, looked through, put back; freed frames arrive at its end. */
  *#shrinkInactive(thread: Thread, lruvec: Lruvec, scan: Scan, list: number, count: number): Steps {
    const { scheduler, costs, pages, shrink } = this.#kernel
    const { node } = lruvec
    this.#kernel.stores.drainRotations(thread.cpu)
    const start = scheduler.now
    const taken = this.#isolate(lruvec, scan, list, count)
    if (taken === 0) return
    const folios = scan.batchLength
    pages.isolated += folios
    scan.beginBatch()
    const doing = thread.doing
    scheduler.setDoing(thread, list >= P.INACTIVE_FILE ? FILE : SCAN)
    const batchNs = costs.batch.draw()
    const isolateNs = shrink.isolateNs(batchNs)
    if (!scheduler.spend(thread, isolateNs)) yield
    scheduler.enter(thread, shrink.shrinkFolios(thread, node, scan, folios))
    yield
    shrink.putBack(scan.keep, scan.kept)
    pages.isolated -= folios
    const { freed } = scan
    if (freed > 0 && !scheduler.spend(thread, Math.max(0, batchNs - isolateNs))) yield
    shrink.giveFreed(node, scan)
    scan.reclaimed += freed
    scan.scanned += taken
    const isFile = list >= P.INACTIVE_FILE
    this.#noteCost(lruvec, isFile, scan.written, taken - freed)
    this.#kernel.tally.steal(thread, scan.context, isFile, freed, taken)
    scheduler.setDoing(thread, doing)
    shrink.recordBatch(thread, node, scan, list, start, taken)
  }

  /** lru_note_cost: with decay once the sum passes a quarter of the lists. */
  #noteCost(lruvec: Lruvec, isFile: boolean, written: number, rotated: number): void {
    const cost = written * CLUSTER + rotated
    let at: Lruvec | undefined = lruvec
    for (; at !== undefined; at = at.parent) {
      if (isFile) at.fileCost += cost
      else at.anonCost += cost
      let size = 0
      for (let list = 0; list < P.LISTS; list++) size += this.#kernel.memcgs.pagesBelow(at, list)
      while (at.fileCost + at.anonCost > size / 4 && at.fileCost + at.anonCost > 0) {
        at.fileCost = Math.floor(at.fileCost / 2)
        at.anonCost = Math.floor(at.anonCost / 2)
      }
    }
  }

  activated(lruvec: Lruvec, page: number): void {
    const { pages } = this.#kernel
    const isFile = (pages.kind[page] as number) === P.FILE_PAGE
    lruvec.activate(pages.pagesOf(page), { isFile })
  }

  /** What the lists that anonymous pages compete with hold (workingset_test_recent). */
  refaultReach(evictor: Lruvec): number {
    const { memcgs } = this.#kernel
    const file =
      memcgs.pagesBelow(evictor, P.ACTIVE_FILE) + memcgs.pagesBelow(evictor, P.INACTIVE_FILE)
    return memcgs.swapLeft(evictor.memcg) > 0
      ? file + memcgs.pagesBelow(evictor, P.ACTIVE_ANON)
      : file
  }

  /** workingset_refault: back to the active list if the lists it competes with would have held it. */
  refaulted(evictor: Lruvec, page: number, distance: number): void {
    const { generations, memcgs, pages } = this.#kernel
    if (generations !== undefined || distance > this.refaultReach(evictor)) return
    pages.set(page, P.ACTIVE)
    const own = memcgs.lruvec(memcgs.chargedFor(page), evictor.node)
    this.activated(own, page)
    if (pages.has(page, P.WORKINGSET)) this.#noteCost(own, false, pages.pagesOf(page), 0)
  }
}
