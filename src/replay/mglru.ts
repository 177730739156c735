import { DEF_PRIORITY, MAX_SWAPPINESS } from '../model/vmscan.ts'
import { AddressSpace } from './address-space.ts'
import type { Kernel } from './kernel.ts'
import type { Lruvec } from './lruvec.ts'
import { MemcgLru, type MemcgMove, type Step } from './memcg-lru.ts'
import type { NodeState } from './node-state.ts'
import { PageTables } from './page-tables.ts'
import * as P from './pages.ts'
import { ANON_TYPE, FILE_TYPE, RefaultFeedback } from './refault-feedback.ts'
import type { Scan } from './scan.ts'
import type { Steps, StepsTo } from './steps.ts'
import { FILE, SCAN, type Thread } from './thread.ts'

/** MIN_LRU_BATCH, MAX_LRU_BATCH and MIN_NR_GENS of include/linux/mmzone.h on 64 bits. */
const MIN_BATCH = 64
const MAX_BATCH = 4096
const MIN_GENERATIONS = 2
/** Cost of a folio that isolation passes over (a flag test and a move on its list) over that of one kept, by medians: .26 to .38 in recordings that show both. */
const SKIPPED_SHARE = 0.33

interface GenerationOptions {
  readonly swappiness: number
  readonly walksPageTables: boolean
  readonly drawBin: (bins: number) => number
}

/** Of one cgroup on one node. */
interface LruvecGenerations {
  youngest: number
  /** Oldest generation of anonymous and of file pages. */
  readonly oldest: [number, number]
  readonly feedback: RefaultFeedback
}

/**
 * The multi-generational LRU of 6.12 (mm/vmscan.c, lru_gen): new and kept pages are young, eviction takes the oldest generation in batches of
 * 64 and tries once more what became clean meanwhile, aging finds accessed pages by walking page tables (PageTables) unless that is off. Tiers
 * and the walk's own time are left out.
 */
export class Generations {
  readonly #kernel: Kernel
  readonly #swappiness: number
  readonly #walksPageTables: boolean
  readonly #lruvecs: readonly LruvecGenerations[]
  /** By node; undefined: the kernel walks the tree of cgroups as for the classic lists. */
  readonly #memcgLrus: readonly MemcgLru[] | undefined
  readonly #tables: PageTables
  #evictedFrom = new Float64Array(1024)

  constructor(kernel: Kernel, { swappiness, walksPageTables, drawBin }: GenerationOptions) {
    const { memcgs, zones } = kernel
    this.#kernel = kernel
    this.#swappiness = swappiness
    this.#walksPageTables = walksPageTables
    this.#lruvecs = memcgs.lruvecs.map(() => ({
      youngest: MIN_GENERATIONS + 1,
      oldest: [0, 0],
      feedback: new RefaultFeedback(),
    }))
    this.#memcgLrus = memcgs.hasMemcgLru
      ? zones.nodes.map(
          (node) =>
            new MemcgLru(
              memcgs.tree.map((memcg) => memcgs.lruvec(memcg, node)),
              drawBin,
            ),
        )
      : undefined
    this.#tables = new PageTables(
      kernel.pages,
      new AddressSpace(kernel.workload.pages, (page) => memcgs.ownerOf(page).index),
      memcgs.lruvecs.length,
      (page) => this.#promote(page),
    )
  }

  /** A page that was faulted in is young; one read ahead or by a file system goes to the second oldest generation. */
  added(page: number): void {
    const { pages } = this.#kernel
    if ((pages.kind[page] as number) === P.FILE_PAGE) {
      const { youngest, oldest } = this.#of(page)
      const least = oldest[FILE_TYPE]
      this.#set(page, least + MIN_GENERATIONS >= youngest ? least : least + 1)
    } else this.toYoungest(page)
  }

  toYoungest(page: number): void {
    this.#set(page, this.#of(page).youngest)
  }

  toOldest(page: number): void {
    const type = (this.#kernel.pages.kind[page] as number) === P.FILE_PAGE ? FILE_TYPE : ANON_TYPE
    this.#set(page, this.#of(page).oldest[type])
  }

  /** A task uses a page. */
  used(page: number): void {
    this.#tables.used(page)
  }

  /** Reclaim has met a page that was accessed: those around it are looked at, too. */
  lookAround(page: number): void {
    const lruvec = this.#kernel.memcgs.lruvecOf(page)
    this.#tables.lookAround(lruvec.index, this.#of(page).youngest, page)
  }

  /** folio_update_gen: a page that reclaim holds is marked, so that it is kept. */
  #promote(page: number): void {
    const { pages } = this.#kernel
    if (!pages.isOnList(page)) {
      pages.set(page, P.REFERENCED)
      return
    }
    const { youngest } = this.#of(page)
    if (pages.generation[page] === youngest % P.GENERATIONS) return
    pages.remove(page)
    this.#set(page, youngest)
    pages.addHead(page)
  }

  /** lru_gen_eviction: the shadow entry holds the oldest generation. */
  evicted(page: number): void {
    const { pages } = this.#kernel
    const { feedback, oldest } = this.#of(page)
    feedback.evicted(ANON_TYPE, pages.pagesOf(page))
    this.#setEvictedFrom(page, oldest[ANON_TYPE])
  }

  /** lru_gen_eviction of a page of a file, whose shadow entry is returned. */
  fileEvicted(page: number): number {
    const { feedback, oldest } = this.#of(page)
    feedback.evicted(FILE_TYPE, 1)
    return oldest[FILE_TYPE]
  }

  /**
   * lru_gen_refault, before the page's node is another one: true = it was evicted too early, from the lists it comes back to and from the
   * generation that still is their oldest (lru_gen_test_recent). Only such pages count.
   */
  refaulted(page: number, to: Lruvec): boolean {
    const { pages } = this.#kernel
    const { feedback, oldest } = this.#state(to)
    if (pages.lruvecOf(page) !== to.index) return false
    if ((this.#evictedFrom[page] ?? 0) !== oldest[ANON_TYPE]) return false
    feedback.refaulted(ANON_TYPE, pages.pagesOf(page))
    return true
  }

  /** The same of a page of a file that is read again. */
  fileRefaulted(page: number, lruvec: number, generation: number): void {
    const { feedback, oldest } = this.#of(page)
    if (this.#kernel.pages.lruvecOf(page) === lruvec && oldest[FILE_TYPE] === generation)
      feedback.refaulted(FILE_TYPE, 1)
  }

  /** It was part of the folio that this page began. */
  evictedWith(page: number, part: number): void {
    this.#setEvictedFrom(part, this.#evictedFrom[page] as number)
  }

  #setEvictedFrom(page: number, generation: number): void {
    if (page >= this.#evictedFrom.length) {
      const grown = new Float64Array(Math.max(page + 1, this.#evictedFrom.length * 2))
      grown.set(this.#evictedFrom)
      this.#evictedFrom = grown
    }
    this.#evictedFrom[page] = generation
  }

  /** lru_gen_shrink_node. */
  *shrinkNode(thread: Thread, node: NodeState, scan: Scan): Steps {
    // Reclaim for a boost of the watermarks may not write, and does nothing at all here.
    if (!scan.mayUnmapSwap) return
    this.#kernel.stores.drainRotations(thread.cpu)
    this.#setPriority(node, scan)
    scan.began = scan.reclaimed
    const memcgLru = this.#memcgLrus?.[node.index]
    if (memcgLru !== undefined)
      yield* memcgLru.walk((lruvec) => this.#shrinkOne(thread, memcgLru, lruvec, scan))
    else yield* this.#shrinkTree(thread, node, scan)
  }

  /** Up to 6.2 memory-wide reclaim, too, takes one cgroup after the other. */
  *#shrinkTree(thread: Thread, node: NodeState, scan: Scan): Steps {
    const { memcgs } = this.#kernel
    for (const memcg of memcgs.tree)
      if (!memcgs.spares(memcgs.root, memcg, scan))
        yield* this.#shrinkLruvec(thread, memcgs.lruvec(memcg, node), scan)
  }

  /** shrink_one. */
  *#shrinkOne(thread: Thread, memcgLru: MemcgLru, lruvec: Lruvec, scan: Scan): StepsTo<Step> {
    const { memcgs } = this.#kernel
    const { memcg, node } = lruvec
    const hadItsTurn = memcgLru.isAtTail(lruvec)
    const to = (move: MemcgMove): Step => ({ to: move, isOver: this.#isDone(thread, node, scan) })
    if (memcgs.isBelowMin(memcgs.root, memcg)) return to('young')
    if (memcgs.isBelowLow(memcgs.root, memcg) && !hadItsTurn) return to('tail')
    if (yield* this.#shrinkLruvec(thread, lruvec, scan)) return to('young')
    const size = this.#total(lruvec, this.#state(lruvec), this.#canSwap(lruvec))
    // lruvec_is_sizable
    if (size >> scan.priority > 0) return to('stays')
    return to(memcgLru.isAtTail(lruvec) ? 'young' : 'tail')
  }

  /** lru_gen_shrink_lruvec: for a cgroup that is not the root. */
  *shrinkForMemcg(thread: Thread, lruvec: Lruvec, scan: Scan): Steps {
    this.#kernel.stores.drainRotations(thread.cpu)
    if (yield* this.#shrinkLruvec(thread, lruvec, scan))
      this.#memcgLrus?.[lruvec.node.index]?.move(lruvec, 'young')
  }

  /** try_to_shrink_lruvec: true = it was aged instead, and should be left to others now. */
  *#shrinkLruvec(thread: Thread, lruvec: Lruvec, scan: Scan): StepsTo<boolean> {
    let scanned = 0
    for (;;) {
      const toScan = this.#amount(lruvec, scan)
      if (toScan <= 0) return toScan < 0
      const step = yield* this.#evict(thread, lruvec, scan)
      if (step === 0) return false
      scanned += step
      if (scanned >= toScan || this.#isDone(thread, lruvec.node, scan)) return false
    }
  }

  /** should_abort_scan: never for a cgroup of its own; kswapd stops once every zone is well above high. */
  #isDone(thread: Thread, node: NodeState, scan: Scan): boolean {
    const { memcgs, zones } = this.#kernel
    if (scan.memcg !== undefined && scan.memcg !== memcgs.root) return false
    if (scan.reclaimed - scan.began >= scan.target) return true
    return thread.kind === 'kswapd' && zones.areAllAbove(node, 'high', MIN_BATCH)
  }

  /** set_initial_priority: as deep into the inactive generations as the target needs. */
  #setPriority(node: NodeState, scan: Scan): void {
    if (scan.priority !== DEF_PRIORITY || scan.target < MIN_BATCH) return
    const { memcgs } = this.#kernel
    const first = memcgs.swapLeft(memcgs.root) > 0 ? ANON_TYPE : FILE_TYPE
    let inactive = 0
    for (const memcg of memcgs.tree) {
      const lruvec = memcgs.lruvec(memcg, node)
      const { youngest } = this.#state(lruvec)
      for (let type = first; type <= FILE_TYPE; type++)
        for (let back = MIN_GENERATIONS; back < P.GENERATIONS; back++)
          inactive += this.#size(lruvec, type, youngest + P.GENERATIONS - back)
    }
    const priority = bits(inactive) - 1 - bits(scan.target - 1)
    scan.priority = Math.min(DEF_PRIORITY, Math.max(DEF_PRIORITY / 2, priority))
  }

  /** get_swappiness: not where there is less than a batch of slots left. */
  #canSwap({ memcg }: Lruvec): boolean {
    return this.#swappiness > 0 && this.#kernel.memcgs.swapLeft(memcg) >= MIN_BATCH
  }

  #of(page: number): LruvecGenerations {
    return this.#lruvecs[this.#kernel.pages.lruvecOf(page)] as LruvecGenerations
  }

  #state({ index }: Lruvec): LruvecGenerations {
    return this.#lruvecs[index] as LruvecGenerations
  }

  #set(page: number, sequence: number): void {
    this.#kernel.pages.generation[page] = sequence % P.GENERATIONS
    this.#kernel.pages.clear(page, P.ACTIVE)
  }

  #list({ firstList }: Lruvec, type: number, sequence: number): number {
    return firstList + type * P.GENERATIONS + (sequence % P.GENERATIONS)
  }

  #size(lruvec: Lruvec, type: number, sequence: number): number {
    return this.#kernel.pages.sizes[this.#list(lruvec, type, sequence)] as number
  }

  /** get_nr_to_scan: where aging is due this pass ages and takes nothing, but at the default priority it goes without. */
  #amount(lruvec: Lruvec, scan: Scan): number {
    const { memcgs } = this.#kernel
    if (memcgs.isBelowMin(scan.memcg ?? memcgs.root, lruvec.memcg)) return -1
    const state = this.#state(lruvec)
    const canSwap = this.#canSwap(lruvec)
    const isDue = this.#agingIsDue(lruvec, state, canSwap)
    if (isDue && scan.priority !== DEF_PRIORITY) {
      this.#age(lruvec, state)
      return -1
    }
    const isOut = this.#oldest(state, canSwap) + MIN_GENERATIONS > state.youngest
    return isOut ? 0 : Math.floor(this.#total(lruvec, state, canSwap) / (1 << scan.priority))
  }

  #oldest(state: LruvecGenerations, canSwap: boolean): number {
    return canSwap
      ? Math.min(state.oldest[ANON_TYPE], state.oldest[FILE_TYPE])
      : state.oldest[FILE_TYPE]
  }

  #total(lruvec: Lruvec, state: LruvecGenerations, canSwap: boolean): number {
    let total = 0
    for (let type = canSwap ? ANON_TYPE : FILE_TYPE; type <= FILE_TYPE; type++)
      for (let sequence = state.oldest[type] as number; sequence <= state.youngest; sequence++)
        total += this.#size(lruvec, type, sequence)
    return total
  }

  /** should_run_aging. */
  #agingIsDue(lruvec: Lruvec, state: LruvecGenerations, canSwap: boolean): boolean {
    const oldest = this.#oldest(state, canSwap)
    if (oldest + MIN_GENERATIONS > state.youngest) return true
    if (oldest + MIN_GENERATIONS < state.youngest) return false
    let old = 0
    let young = 0
    for (let type = canSwap ? ANON_TYPE : FILE_TYPE; type <= FILE_TYPE; type++) {
      if ((state.oldest[type] as number) + MIN_GENERATIONS > state.youngest) continue
      young += this.#size(lruvec, type, state.youngest)
      old += this.#size(lruvec, type, state.youngest - MIN_GENERATIONS)
    }
    const total = this.#total(lruvec, state, canSwap)
    return young * MIN_GENERATIONS > total || old * (MIN_GENERATIONS + 2) < total
  }

  /** try_to_inc_max_seq: accessed pages become as young as the youngest were, then a new generation begins. */
  #age(lruvec: Lruvec, state: LruvecGenerations): void {
    for (let type = ANON_TYPE; type <= FILE_TYPE; type++)
      if (state.youngest - (state.oldest[type] as number) + 1 >= P.GENERATIONS)
        this.#mergeOldest(lruvec, state, type)
    if (this.#walksPageTables) this.#tables.walk(lruvec.index, state.youngest)
    state.youngest++
  }

  /** inc_min_seq: the oldest generation's pages join the next one's old end. */
  #mergeOldest(lruvec: Lruvec, state: LruvecGenerations, type: number): void {
    const { pages } = this.#kernel
    const list = this.#list(lruvec, type, state.oldest[type] as number)
    for (let page = pages.heads[list] as number; page >= 0; page = pages.heads[list] as number) {
      pages.remove(page)
      this.#set(page, (state.oldest[type] as number) + 1)
      pages.addTail(page)
    }
    this.#setOldest(state, type, (state.oldest[type] as number) + 1)
  }

  #setOldest({ oldest, feedback }: LruvecGenerations, type: number, generation: number): void {
    if (oldest[type] === generation) return
    feedback.carryOver(type)
    oldest[type] = generation
  }

  /** try_to_inc_min_seq: empty generations are passed over, while two are left; anonymous pages' oldest is never younger than files', nor files' ahead of it. */
  #retireEmpty(lruvec: Lruvec, state: LruvecGenerations, canSwap: boolean): boolean {
    const [anonBefore, fileBefore] = state.oldest
    let anon = this.#firstFilled(lruvec, state, ANON_TYPE)
    let file = this.#firstFilled(lruvec, state, FILE_TYPE)
    if (canSwap) {
      anon = Math.min(anon, file)
      file = Math.max(anon, fileBefore)
      this.#setOldest(state, ANON_TYPE, anon)
    }
    this.#setOldest(state, FILE_TYPE, file)
    return state.oldest[ANON_TYPE] > anonBefore || file > fileBefore
  }

  #firstFilled(lruvec: Lruvec, state: LruvecGenerations, type: number): number {
    let oldest = state.oldest[type] as number
    while (oldest + MIN_GENERATIONS <= state.youngest && this.#size(lruvec, type, oldest) === 0)
      oldest++
    return oldest
  }

  /** evict_folios: which kind first; the other where that one had nothing to take. Returns pages looked at, 0 = this pass is over. */
  *#evict(thread: Thread, lruvec: Lruvec, scan: Scan): Generator<undefined, number, undefined> {
    const state = this.#state(lruvec)
    const canSwap = this.#canSwap(lruvec)
    let type = this.#typeToScan(scan, state, canSwap)
    let looked = this.#isolate(lruvec, scan, state, type)
    if (looked === 0 && canSwap) {
      type = FILE_TYPE - type
      looked = this.#isolate(lruvec, scan, state, type)
    }
    if (this.#retireEmpty(lruvec, state, canSwap)) looked++
    const counted = canSwap ? ANON_TYPE : FILE_TYPE
    const isOut = state.youngest - state.oldest[counted] + 1 === MIN_GENERATIONS
    yield* this.#shrinkIsolated(thread, lruvec, scan, state, type)
    return isOut ? 0 : looked
  }

  /** The first choice of isolate_folios. Without __GFP_IO it is files: clean pages of theirs are likelier than clean copies of swap. */
  #typeToScan({ mayWrite }: Scan, { oldest, feedback }: LruvecGenerations, canSwap: boolean) {
    if (!canSwap) return FILE_TYPE
    if (oldest[ANON_TYPE] < oldest[FILE_TYPE]) return ANON_TYPE
    if (this.#swappiness === 1) return FILE_TYPE
    if (this.#swappiness >= MAX_SWAPPINESS) return ANON_TYPE
    return mayWrite ? feedback.typeToScan(this.#swappiness) : FILE_TYPE
  }

  /** scan_folios: takes the oldest generation's pages of one kind, oldest first; returns pages looked at, 0 = nothing to take. */
  #isolate(lruvec: Lruvec, scan: Scan, state: LruvecGenerations, type: number): number {
    const { pages } = this.#kernel
    scan.batchLength = 0
    scan.taken = 0
    const oldest = state.oldest[type] as number
    if (oldest + MIN_GENERATIONS > state.youngest) return 0
    this.#kernel.traceReaders?.wrote('isolate')
    const list = this.#list(lruvec, type, oldest)
    let skipped = 0
    let looked = 0
    while (looked < MAX_BATCH && Math.max(scan.taken, skipped) < MIN_BATCH) {
      const page = pages.tails[list] as number
      if (page < 0) break
      looked++
      pages.remove(page)
      // GFP_NOIO: what is not in the swap cache would need a write. It is not even isolated, it moves to the other end.
      const needsWrite =
        type === ANON_TYPE && pages.state[page] === P.RESIDENT && !pages.has(page, P.CLEAN_COPY)
      if (!scan.mayWrite && needsWrite) {
        pages.addHead(page)
        skipped += pages.pagesOf(page)
        if (skipped > (pages.sizes[list] as number)) break
      } else {
        pages.clear(page, P.REFERENCED)
        scan.batch[scan.batchLength++] = page
        scan.taken += pages.pagesOf(page)
      }
    }
    scan.skipped += skipped
    return scan.taken > 0 || looked === MAX_BATCH ? looked : 0
  }

  /** shrink_folio_list, once more for what became clean meanwhile; the others go back. */
  *#shrinkIsolated(
    thread: Thread,
    lruvec: Lruvec,
    scan: Scan,
    state: LruvecGenerations,
    type: number,
  ): Steps {
    const { scheduler, costs, pages, shrink, tally } = this.#kernel
    const { node } = lruvec
    const { batchLength: folios, taken, skipped } = scan
    pages.isolated += folios
    const list = type === FILE_TYPE ? P.INACTIVE_FILE : P.INACTIVE_ANON
    const start = scheduler.now
    scan.skipped = 0
    if (taken > 0) this.#kernel.note('isolate', -1, taken, P.LRU_NAMES[list])
    const doing = thread.doing
    scheduler.setDoing(thread, type === FILE_TYPE ? FILE : SCAN)
    const batchNs = taken > 0 ? costs.batch.draw() : 0
    const isolateNs = taken > 0 ? shrink.isolateNs(batchNs) : 0
    if (isolateNs > 0 && !scheduler.spend(thread, isolateNs)) yield
    const skippedNs = skipped > 0 ? Math.round(skipped * this.#skipNs()) : 0
    if (skippedNs > 0 && !scheduler.spend(thread, skippedNs)) yield
    scan.beginBatch()
    yield* shrink.shrinkFolios(thread, node, scan, folios)
    const cleaned = this.#putBackKept(scan, state, { isLast: false })
    if (cleaned > 0) {
      yield* shrink.shrinkFolios(thread, node, scan, cleaned)
      this.#putBackKept(scan, state, { isLast: true })
    }
    pages.isolated -= folios
    const { freed } = scan
    if (freed > 0 && !scheduler.spend(thread, Math.max(0, batchNs - isolateNs))) yield
    shrink.giveFreed(node, scan)
    scan.reclaimed += freed
    scan.scanned += taken
    tally.steal(thread, scan.context, type === FILE_TYPE, freed, taken)
    scheduler.setDoing(thread, doing)
    if (taken > 0) shrink.recordBatch(thread, node, scan, list, start, taken)
  }

  /** Of one page. */
  #skipNs(): number {
    const { skip, scanKept } = this.#kernel.costs
    return skip.isNone ? SKIPPED_SHARE * scanKept.median : skip.draw()
  }

  /** Those that became clean meanwhile are the next batch, unless it was the last; returns how many. The others go back. */
  #putBackKept(
    scan: Scan,
    state: LruvecGenerations,
    { isLast }: { readonly isLast: boolean },
  ): number {
    const { pages } = this.#kernel
    let again = 0
    let back = 0
    for (let place = 0; place < scan.kept; place++) {
      const page = scan.keep[place] as number
      const isClean =
        pages.state[page] === P.STORED &&
        ((pages.flags[page] as number) & (P.LOCKED | P.WRITEBACK | P.ACTIVE | P.REFERENCED)) === 0
      if (!isLast && isClean) scan.batch[again++] = page
      else {
        this.#reject(page, state)
        scan.keep[back++] = page
      }
    }
    this.#kernel.shrink.putBack(scan.keep, back)
    return again
  }

  /** Rejected folios are kept out of the oldest generation. */
  #reject(page: number, state: LruvecGenerations): void {
    const { pages } = this.#kernel
    const waits = pages.has(page, P.RECLAIM) && pages.has(page, P.WRITEBACK)
    this.#set(page, waits ? state.youngest - 1 : state.youngest)
    pages.clear(page, P.REFERENCED)
  }
}

/** fls: the number of the highest bit, from 1. */
function bits(value: number): number {
  return value <= 0 ? 0 : 32 - Math.clz32(value)
}
