import type { Kernel } from './kernel.ts'
import * as P from './pages.ts'
import { CLUSTER, DEF_PRIORITY, DIRECT_CONTEXT, ISOLATE_SHARE, type Scan } from './scan.ts'
import type { Steps } from './steps.ts'
import { FILE, SCAN, type Thread } from './thread.ts'
import type { NodeState } from './zones.ts'

/** The active and inactive lists (mm/vmscan.c without lru_gen, mm/workingset.c). */
export class ClassicLru {
  readonly #kernel: Kernel
  readonly #swappiness: number

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.#swappiness = kernel.workload.machine.swappiness.value
  }

  snapshotRefaults(node: NodeState): void {
    node.seenAnonActivations = node.anonActivations
    node.seenFileActivations = node.fileActivations
  }

  #size(node: NodeState, list: number): number {
    return this.#kernel.pages.sizes[node.index * P.LISTS + list] as number
  }

  #inactiveIsLow(node: NodeState, inactive: number): boolean {
    const idle = this.#size(node, inactive)
    const active = this.#size(node, inactive + 1)
    const pagesPerGb = 0x40000000 / this.#kernel.workload.machine.pageSize
    const gb = Math.floor((idle + active) / pagesPerGb)
    const ratio = gb > 0 ? Math.floor(Math.sqrt(10 * gb)) : 1
    return idle * ratio < active
  }

  *ageActive(thread: Thread, node: NodeState, scan: Scan): Steps {
    if (this.#kernel.generations !== undefined) return
    if (this.#inactiveIsLow(node, P.INACTIVE_ANON))
      yield* this.#shrinkActive(thread, node, scan, P.ACTIVE_ANON, CLUSTER)
  }

  prepareScan(node: NodeState, scan: Scan): void {
    scan.mayDeactivateAnon =
      scan.forceDeactivate ||
      node.anonActivations !== node.seenAnonActivations ||
      this.#inactiveIsLow(node, P.INACTIVE_ANON)
    scan.mayDeactivateFile =
      scan.forceDeactivate ||
      node.fileActivations !== node.seenFileActivations ||
      this.#inactiveIsLow(node, P.INACTIVE_FILE)
    const { quota, priority } = scan
    const shift = 1 << priority
    const inactiveFile = this.#size(node, P.INACTIVE_FILE)
    const file = inactiveFile + this.#size(node, P.ACTIVE_FILE)
    const inactiveAnon = this.#size(node, P.INACTIVE_ANON)
    const canSwap = scan.mayUnmapSwap
    let anonShare = 0
    let fileShare = 0
    let denominator = 1
    if (!canSwap) fileShare = 1
    else if (priority === 0 && this.#swappiness > 0) {
      anonShare = 1
      fileShare = 1
    } else if (
      file + node.free <= this.#kernel.zones.highOf(node) &&
      !scan.mayDeactivateAnon &&
      Math.floor(inactiveAnon / shift) > 0
    )
      anonShare = 1
    else if (Math.floor(inactiveFile / shift) > 0 && !scan.mayDeactivateFile) fileShare = 1
    else {
      const total = node.anonCost + node.fileCost
      const anonCost = total + node.anonCost
      const fileCost = total + node.fileCost
      const sum = anonCost + fileCost
      anonShare = Math.floor((this.#swappiness * (sum + 1)) / (anonCost + 1))
      fileShare = Math.floor(((200 - this.#swappiness) * (sum + 1)) / (fileCost + 1))
      denominator = Math.max(1, anonShare + fileShare)
    }
    for (let list = 0; list < P.LISTS; list++) {
      const share = list < P.INACTIVE_FILE ? anonShare : fileShare
      quota[list] = Math.floor((Math.floor(this.#size(node, list) / shift) * share) / denominator)
    }
  }

  /** shrink_lruvec. */
  *shrinkLists(thread: Thread, node: NodeState, scan: Scan): Steps {
    const { quota } = scan
    const targets = quota.slice()
    // Direct reclaim walks its whole first quota; below the default priority it stops at its target.
    const proportional = scan.context === DIRECT_CONTEXT && scan.priority === DEF_PRIORITY
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
            this.#shrinkInactive(thread, node, scan, list, count),
          )
          yield
        } else if (list === P.ACTIVE_ANON ? scan.mayDeactivateAnon : scan.mayDeactivateFile)
          yield* this.#shrinkActive(thread, node, scan, list, count)
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
    if (this.#inactiveIsLow(node, P.INACTIVE_ANON))
      yield* this.#shrinkActive(thread, node, scan, P.ACTIVE_ANON, CLUSTER)
  }

  /** shrink_active_list: anonymous pages are deactivated whether referenced or not. */
  *#shrinkActive(thread: Thread, node: NodeState, scan: Scan, list: number, count: number): Steps {
    const { pages, scheduler } = this.#kernel
    this.#kernel.stores.drainRotations(thread.cpu)
    const taken = this.#isolate(node, scan, list, count)
    const folios = scan.batchLength
    const start = scheduler.now
    for (let place = 0; place < folios; place++) {
      const page = scan.batch[place] as number
      pages.clear(page, P.ACCESSED | P.ACTIVE)
      pages.set(page, P.WORKINGSET)
      if (!scheduler.spend(thread, this.#kernel.costs.scanKept.draw())) yield
    }
    for (let place = 0; place < folios; place++)
      this.#kernel.shrink.putBack(scan.batch[place] as number)
    scan.looked = taken
    scan.freed = 0
    this.#kernel.shrink.recordBatch(thread, node, scan, list, start, taken)
  }

  /** Returns base pages taken; the folios are the batch. */
  #isolate(node: NodeState, scan: Scan, list: number, count: number): number {
    const { pages } = this.#kernel
    const index = node.index * P.LISTS + list
    let taken = 0
    scan.batchLength = 0
    while (taken < count) {
      const page = pages.tails[index] as number
      if (page < 0) break
      pages.remove(page)
      scan.batch[scan.batchLength++] = page
      taken += pages.pagesOf(page)
    }
    if (taken > 0) this.#kernel.note('isolate', -1, taken, P.LRU_NAMES[list])
    return taken
  }

  /** shrink_inactive_list: a batch is isolated, looked through, put back; freed frames arrive at its end. */
  *#shrinkInactive(
    thread: Thread,
    node: NodeState,
    scan: Scan,
    list: number,
    count: number,
  ): Steps {
    const { scheduler, costs, shrink } = this.#kernel
    this.#kernel.stores.drainRotations(thread.cpu)
    const start = scheduler.now
    const taken = this.#isolate(node, scan, list, count)
    if (taken === 0) return
    scan.beginBatch()
    const doing = thread.doing
    scheduler.setDoing(thread, list >= P.INACTIVE_FILE ? FILE : SCAN)
    const batchNs = costs.batch.draw()
    const isolateNs = Math.floor(batchNs * ISOLATE_SHARE)
    if (!scheduler.spend(thread, isolateNs)) yield
    scheduler.enter(thread, shrink.shrinkFolios(thread, node, scan, scan.batchLength))
    yield
    for (let place = 0; place < scan.kept; place++) shrink.putBack(scan.keep[place] as number)
    const { freed } = scan
    if (freed > 0 && !scheduler.spend(thread, batchNs - isolateNs)) yield
    shrink.giveFreed(node, scan)
    scan.reclaimed += freed
    scan.scanned += taken
    const isFile = list >= P.INACTIVE_FILE
    this.#noteCost(node, isFile, scan.written, taken - freed)
    this.#kernel.tally.steal(thread, scan.context, isFile, freed, taken)
    scheduler.setDoing(thread, doing)
    shrink.recordBatch(thread, node, scan, list, start, taken)
  }

  /** lru_note_cost: with decay once the sum passes a quarter of the lists. */
  #noteCost(node: NodeState, isFile: boolean, written: number, rotated: number): void {
    const cost = written * CLUSTER + rotated
    if (isFile) node.fileCost += cost
    else node.anonCost += cost
    let size = 0
    for (let list = 0; list < P.LISTS; list++) size += this.#size(node, list)
    while (node.fileCost + node.anonCost > size / 4 && node.fileCost + node.anonCost > 0) {
      node.fileCost = Math.floor(node.fileCost / 2)
      node.anonCost = Math.floor(node.anonCost / 2)
    }
  }

  activated(node: NodeState, page: number): void {
    if ((this.#kernel.pages.kind[page] as number) === P.FILE_PAGE) node.fileActivations++
    else node.anonActivations++
    node.age += this.#kernel.pages.pagesOf(page)
  }

  /** What the lists that anonymous pages compete with hold (workingset_test_recent). */
  refaultReach(node: NodeState): number {
    return (
      this.#size(node, P.ACTIVE_FILE) +
      this.#size(node, P.INACTIVE_FILE) +
      this.#size(node, P.ACTIVE_ANON)
    )
  }

  /** workingset_refault: back to the active list if the lists it competes with would have held it. */
  refaulted(node: NodeState, page: number, distance: number): void {
    if (this.#kernel.generations !== undefined || distance > this.refaultReach(node)) return
    this.#kernel.pages.set(page, P.ACTIVE)
    this.activated(node, page)
    if (this.#kernel.pages.has(page, P.WORKINGSET))
      this.#noteCost(node, false, this.#kernel.pages.pagesOf(page), 0)
  }
}
