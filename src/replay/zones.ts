import { CLUSTER } from '../model/vmscan.ts'
import { type Machine, TREE_BYTES_PER_SLOT } from '../workload/types.ts'
import type { Kernel } from './kernel.ts'
import { LISTS, type NodeState, SLABS, toNodeState } from './node-state.ts'
import {
  blockOfBorrowed,
  borrowedOf,
  countOfBorrowed,
  MOVABLE,
  PLACES,
  RECLAIMABLE,
  REST,
  UNMOVABLE,
} from './page-blocks.ts'
import { MAX_FAILURES } from './scan.ts'
import type { Thread } from './thread.ts'
import type { Mark } from './zone-list.ts'

/** A slab of tree nodes is two pages. */
const SLAB_ORDER = 1
/** A page table entry on 64-bit machines. */
const PTE_BYTES = 8
/** How often counters are brought together and lists shortened (sysctl_stat_interval). */
const DECAY_NS = 1_000_000_000
/** Free memory of every node: watermarks with their boost, the lists of the CPUs, and what the pool takes. */
export class Zones {
  readonly #kernel: Kernel
  readonly nodes: NodeState[] = []
  readonly #zonelists: readonly (readonly NodeState[])[]
  readonly #boostStep: number
  readonly #boostMax: number
  readonly #boostEvery: number
  /** Pool pages taken out of `free`: the backend's own figure runs ahead during a store. */
  poolCharged = 0
  /** Pages that the backend no longer counts, and that have not come back to `free` yet. */
  poolLeaving = 0
  /** Pages that the kernel took for its records. */
  kernelPages = 0
  readonly #recordsPerSlot: number
  readonly #hasRecords: boolean
  readonly #pagesPerTable: number
  /** Pages that the pool has given so far. */
  #poolGiven = 0
  /** Frames between two places: freed in a batch that has not ended, or allocated for a fault that has not. */
  pendingFrames = 0

  constructor(kernel: Kernel, machine: Machine, watermarkScale: number) {
    this.#kernel = kernel
    this.#boostStep = machine.boostStep.value
    this.#boostMax = machine.boostMax.value
    this.#boostEvery = machine.boostEveryPoolPages.value
    this.#recordsPerSlot = Math.max(
      0,
      (machine.recordPagesPerSlot?.value ?? 0) - TREE_BYTES_PER_SLOT / machine.pageSize,
    )
    this.#hasRecords = machine.recordPagesPerSlot !== undefined
    this.#pagesPerTable =
      machine.recordPagesPerSlot === undefined ? 0 : machine.pageSize / PTE_BYTES
    for (const node of machine.nodes)
      this.nodes.push(toNodeState(machine, node, kernel.scheduler.cpus, watermarkScale))
    this.#zonelists = this.nodes.map((_, first) => [
      ...this.nodes.slice(first),
      ...this.nodes.slice(0, first),
    ])
  }

  nodeOf(index: number): NodeState {
    return this.nodes[index] as NodeState
  }

  /** Where a task's memory comes from first: the node of its CPU (numa_node_id, the default policy). */
  localNode(thread: Thread): NodeState {
    return this.nodeOf(this.#kernel.scheduler.cpus[thread.cpu]?.node ?? 0)
  }

  /** The nodes of an allocation's zone list: the preferred one, then the others (build_zonelists). */
  zonelist(preferred: NodeState): readonly NodeState[] {
    return this.#zonelists[preferred.index] as readonly NodeState[]
  }

  /** get_page_from_freelist: the first node of the list with so many pages beyond the mark. */
  firstAbove(preferred: NodeState, mark: Mark, pages = 0): NodeState | undefined {
    return this.isAbove(preferred, mark, pages)
      ? preferred
      : this.#nextAbove(preferred, mark, pages)
  }

  #nextAbove(preferred: NodeState, mark: Mark, pages: number): NodeState | undefined {
    for (const node of this.zonelist(preferred))
      if (node !== preferred && this.isAbove(node, mark, pages)) return node
    return undefined
  }

  /** Whose memory a reclaimer's store takes for the pool: with PF_MEMALLOC watermarks end the search only where one is met. */
  poolNode(thread: Thread): NodeState {
    const local = this.localNode(thread)
    return this.firstAbove(local, 'low') ?? local
  }

  /** Are so many pages free beyond the mark? Of any zone where each is watched, else of the node. */
  isAbove(node: NodeState, mark: Mark, pages = 0): boolean {
    const unseen = pages + node.deltas.lag
    return node.zoneList === undefined
      ? node.free - unseen > markOf(node, mark) + node.boost
      : node.zoneList.passes(mark, unseen)
  }

  /** The same of every zone. Where the node's are not told apart: a lower one with a reserve, which allocations take down to that while memory is low, never is. */
  areAllAbove(node: NodeState, mark: Mark, pages: number): boolean {
    return node.zoneList === undefined
      ? node.held === 0 && this.isAbove(node, mark, pages)
      : node.zoneList.allPass(mark, pages)
  }

  /** Pages that kswapd asks for in a pass. */
  targetOf(node: NodeState): number {
    return node.zoneList?.target(CLUSTER) ?? Math.max(this.highOf(node), CLUSTER)
  }

  /** kswapd has answered for so much of the boosts. */
  lowerBoost(node: NodeState, pages: number): void {
    node.zoneList?.lower(pages)
    node.boost -= Math.min(node.boost, pages)
  }

  #gain(node: NodeState, pages: number): void {
    node.free += pages
    node.zoneList?.give(pages)
    this.#count(node, pages)
  }

  /** Pages that the workload begins without are in the counter. */
  #count(node: NodeState, pages: number): void {
    const { active } = this.#kernel.scheduler
    if (active !== undefined) node.deltas.add(active.cpu, pages)
  }

  /** The CPU has nothing to run: quiet_vmstat. */
  cpuIdles(cpu: number): void {
    for (const node of this.nodes) node.deltas.fold(cpu)
  }

  minOf(node: NodeState): number {
    return node.min + node.boost
  }

  highOf(node: NodeState): number {
    return node.high + node.boost
  }

  /** Freed pages go to the list of the CPU at work, and from there to the zone. */
  give(node: NodeState, count: number): void {
    const cpu = this.#kernel.scheduler.active?.cpu ?? 0
    const returned = Math.min(node.returningAll, count)
    let isBulk = this.#giveOfBlocks(node, cpu, node.returning, returned)
    node.returningAll -= returned
    for (let page = returned; page < count; page++)
      if (this.#givenTo(node, cpu, MOVABLE)) isBulk = true
    if (isBulk) this.#looksAtHigh(node)
  }

  /** free_unref_page_commit looks after it has given pages back. */
  #looksAtHigh(node: NodeState): void {
    const { lists } = node
    if (lists.isBelowHigh && this.isAbove(node, 'high')) lists.isBelowHigh = false
  }

  /** So many frames of those that are counted by block are freed, those of the first block first; each goes on the list of its block's type (free_unref_folios). True = the zone got pages back. */
  #giveOfBlocks(node: NodeState, cpu: number, from: Int32Array, count: number): boolean {
    const { blocks } = node
    let isBulk = false
    let block = 0
    for (let page = 0; page < count; page++) {
      while ((from[block] as number) === 0) block++
      from[block] = (from[block] as number) - 1
      if (this.#giveOfBlock(node, cpu, block, blocks.unuse(block))) isBulk = true
    }
    return isBulk
  }

  /** A frame that is counted by block goes on the CPU's list of a type. True = the zone got pages back. */
  #giveOfBlock(node: NodeState, cpu: number, block: number, list: number): boolean {
    const { borrowedOnList, listed, lists } = node
    const place = placesOf(cpu, list) + block
    listed[place] = (listed[place] as number) + 1
    if (list === MOVABLE) borrowedOnList[cpu] = (borrowedOnList[cpu] as number) + 1
    else lists.kernelCounts[cpu] = (lists.kernelCounts[cpu] as number) + 1
    return this.#givenTo(node, cpu, list)
  }

  /** A list got a page more, and gives some back if there are too many (free_unref_page_commit). True = the zone got them. */
  #givenTo(node: NodeState, cpu: number, list: number): boolean {
    const back = node.lists.give(cpu)
    if (back > 0) this.#trimmed(node, cpu, back, list)
    return back > 0
  }

  /** Takes one page; returns its told block (PageBlocks), -1 = of the rest. */
  take(node: NodeState): number {
    const cpu = this.#kernel.scheduler.active?.cpu ?? 0
    const { lists, borrowedOnList } = node
    if (lists.movable(cpu) === 0) {
      this.#decay(node)
      if (node.free <= 0) this.drain(node)
    }
    const refill = lists.take(cpu, node.zoneList?.available ?? node.free - node.held)
    if (refill > 0) this.#refilled(node, cpu, refill)
    if (lists.movable(cpu) >= (borrowedOnList[cpu] as number)) return -1
    borrowedOnList[cpu] = (borrowedOnList[cpu] as number) - 1
    const block = takeFirst(node.listed, placesOf(cpu, MOVABLE))
    node.blocks.use(block)
    return block
  }

  /** vmstat_update: each CPU shortens its lists once in a second. */
  #decay(node: NodeState): void {
    const second = Math.floor(this.#kernel.scheduler.now / DECAY_NS)
    const times = second - node.decayedAt
    if (times === 0) return
    node.decayedAt = second
    const { lists } = node
    for (let cpu = 0; cpu < lists.counts.length; cpu++) {
      const back = lists.decay(cpu, times)
      if (back > 0) this.#trimmed(node, cpu, back, UNMOVABLE)
      node.deltas.fold(cpu)
    }
  }

  /** A folio's frames in told blocks, as its page keeps them, with one more in that block (-1: in none); they count as being in one. */
  together(node: NodeState, borrowed: number, block: number): number {
    if (block < 0) return borrowed
    const count = countOfBorrowed(borrowed)
    if (count === 0) return borrowedOf(block, 1)
    const first = blockOfBorrowed(borrowed)
    if (first !== block) node.blocks.moveUse(block, first)
    return borrowedOf(first, count + 1)
  }

  /** A folio's frames in told blocks are on their way back. */
  returns(node: NodeState, borrowed: number): void {
    const block = blockOfBorrowed(borrowed)
    const count = countOfBorrowed(borrowed)
    node.returning[block] = (node.returning[block] as number) + count
    node.returningAll += count
  }

  /** A chunk for the kernel's own use, off the CPU's list of its type; returns where it is from. */
  #takeKernel(node: NodeState, type: number, order: number): number {
    const cpu = this.#kernel.scheduler.active?.cpu ?? 0
    const { blocks, listed, lists } = node
    const places = placesOf(cpu, order === 0 ? type : SLABS)
    const pages = 1 << order
    this.kernelPages += pages
    let from = takeFirst(listed, places, pages)
    if (from < 0) {
      if (node.free <= 0) this.drain(node)
      const { fallbacks } = blocks
      const got = blocks.take(type, order, lists.kernelRefill(cpu, order), listed, places)
      lists.addKernel(cpu, got)
      this.#tookBulk(node, got, fallbacks)
      from = takeFirst(listed, places, pages)
    }
    if (from >= 0) lists.addKernel(cpu, -pages)
    else {
      // The reserves' last pages are lent.
      for (let page = 0; page < pages; page++) blocks.lend()
      this.#left(node, pages)
      from = REST
    }
    return from
  }

  /** A page for the kernel's own use, which it will give back; returns where it is from. */
  takeUnmovable(node: NodeState): number {
    return this.#takeKernel(node, UNMOVABLE, 0)
  }

  /** The kernel gives such a page back: it goes on the CPU's list of its block's type. */
  giveUnmovable(node: NodeState, from: number): void {
    const cpu = this.#kernel.scheduler.active?.cpu ?? 0
    this.kernelPages--
    const isBulk =
      from === REST
        ? this.#givenTo(node, cpu, MOVABLE)
        : this.#giveOfBlock(node, cpu, from, node.blocks.typeOf(from))
    if (isBulk) this.#looksAtHigh(node)
  }

  /** What was in swap at the start is paid for. */
  get #isPaid(): boolean {
    return this.#kernel.scheduler.active === undefined || !this.#hasRecords
  }

  /**
   * A page gets the slot, and an entry in the swap cache's tree, which is slab memory. False = a slab is wanted and nobody has a page for it, not
   * even of the reserves, which reclaimers may use up (add_to_swap).
   */
  slotCached(node: NodeState, slot: number): boolean {
    const { treeNodes } = node
    const isPaid = this.#isPaid
    const cpu = this.#kernel.scheduler.active?.cpu ?? 0
    if (!isPaid && treeNodes.wantsSlab(cpu) && !this.#hasSlab(node, cpu)) return false
    if (treeNodes.taken(slot, cpu))
      treeNodes.gainSlab(isPaid ? undefined : this.#takeKernel(node, RECLAIMABLE, SLAB_ORDER))
    return true
  }

  /** Free pages for a slab of tree nodes: of any node, or on the CPU's list, which is not drained for a reclaimer. */
  #hasSlab(node: NodeState, cpu: number): boolean {
    for (const each of this.zonelist(node)) if (each.free > 0) return true
    const places = placesOf(cpu, SLABS)
    for (let place = 0; place < PLACES; place++)
      if ((node.listed[places + place] as number) >= 1 << SLAB_ORDER) return true
    return false
  }

  /** A slot holds content: its entries in the pool's tables are slab memory, too, which stays when slots come free. */
  slotTaken(node: NodeState): void {
    node.slotsHeld++
    if (node.slotsHeld <= node.mostSlotsHeld) return
    node.mostSlotsHeld = node.slotsHeld
    if (this.#isPaid) return
    node.recordShare += this.#recordsPerSlot
    if (node.recordShare < 1) return
    node.recordShare--
    this.#takeKernel(node, UNMOVABLE, 0)
  }

  slotGiven(node: NodeState): void {
    node.slotsHeld--
  }

  /** The slot's entry in the swap cache's tree goes. */
  slotUncached(node: NodeState, slot: number): void {
    const place = node.treeNodes.given(slot)
    if (place < 0) return
    const pages = 1 << SLAB_ORDER
    this.kernelPages -= pages
    node.blocks.give(place, pages)
    this.#gain(node, pages)
  }

  /** A first touch: every table full of them needs the next page table (__pte_alloc). */
  pageMapped(node: NodeState): void {
    if (this.#pagesPerTable === 0 || ++node.newPages < this.#pagesPerTable) return
    node.newPages = 0
    this.#takeKernel(node, UNMOVABLE, 0)
  }

  /** rmqueue_bulk: movable pages first; what they lack comes from other blocks, and boosts the watermarks (PageBlocks). */
  #refilled(node: NodeState, cpu: number, refill: number): void {
    const { blocks, listed } = node
    const places = placesOf(cpu, MOVABLE)
    const { fallbacks } = blocks
    const got = blocks.take(MOVABLE, 0, refill, listed, places)
    for (let lent = got; lent < refill; lent++) blocks.lend()
    node.borrowedOnList[cpu] =
      (node.borrowedOnList[cpu] as number) + got - (listed[places + REST] as number)
    listed[places + REST] = 0
    this.#tookBulk(node, refill, fallbacks)
  }

  /** A list was refilled; `fallbacks`: how many there had been before it. */
  #tookBulk(node: NodeState, pages: number, fallbacks: number): void {
    this.#left(node, pages)
    const more = node.blocks.fallbacks - fallbacks
    if (more > 0) this.#boost(node, more)
  }

  /** So many pages are on a list now. */
  #left(node: NodeState, pages: number): void {
    node.free -= pages
    node.zoneList?.take(pages)
    this.#count(node, -pages)
    if (node.free < node.lowestFree) node.lowestFree = node.free
    if (!this.isAbove(node, 'high')) node.lists.isBelowHigh = true
  }

  /** free_pcppages_bulk: a CPU's lists give so many pages in all: `first`, the freed page's, all that it has, then the one after it, and so on round. */
  #trimmed(node: NodeState, cpu: number, count: number, first: number): void {
    const { blocks, borrowedOnList, lists } = node
    const movable = lists.movable(cpu) + count
    let left = count
    for (let list = first; left > 0; list = (list + 1) % LISTS) {
      if (list !== MOVABLE) {
        const wanted = left
        left = this.#giveListed(node, placesOf(cpu, list), wanted)
        lists.kernelCounts[cpu] = (lists.kernelCounts[cpu] as number) - (wanted - left)
        continue
      }
      const pages = Math.min(left, movable)
      const borrowed = Math.min(pages, borrowedOnList[cpu] as number)
      borrowedOnList[cpu] = (borrowedOnList[cpu] as number) - borrowed
      this.#giveListed(node, placesOf(cpu, MOVABLE), borrowed)
      blocks.give(REST, pages - borrowed)
      left -= pages
    }
    this.#gain(node, count)
  }

  /** So many pages of a list go back to where they are from; returns how many it did not have. */
  #giveListed(node: NodeState, places: number, count: number): number {
    const { blocks, listed } = node
    let left = count
    for (let place = 0; place < PLACES && left > 0; place++) {
      const pages = Math.min(listed[places + place] as number, left)
      if (pages === 0) continue
      listed[places + place] = (listed[places + place] as number) - pages
      blocks.give(place, pages)
      left -= pages
    }
    return left
  }

  /** drain_all_pages. */
  drainAll(): void {
    for (const node of this.nodes) this.drain(node)
  }

  /** The lists of all CPUs go back to the zone. */
  drain(node: NodeState): void {
    const { borrowedOnList, lists } = node
    for (let cpu = 0; cpu < borrowedOnList.length; cpu++) {
      const rest = lists.movable(cpu) - (borrowedOnList[cpu] as number)
      node.blocks.give(REST, rest)
      for (let list = 0; list < LISTS; list++)
        this.#giveListed(node, placesOf(cpu, list), Number.POSITIVE_INFINITY)
      borrowedOnList[cpu] = 0
    }
    this.#gain(node, lists.drain())
  }

  /** Refills found no page of their own block type and tried so many others' blocks: the watermarks are boosted and kswapd is woken. */
  #boost(node: NodeState, times: number): void {
    if (this.#boostStep <= 0) return
    const { zoneList } = node
    for (let time = 0; time < times; time++) {
      zoneList?.raise(this.#boostStep, this.#boostMax)
      node.boost = zoneList?.boost ?? Math.min(node.boost + this.#boostStep, this.#boostMax)
    }
    this.#kernel.tally.boosts++
    this.wakeKswapd(node)
  }

  poolChanged(node: NodeState, pages: number): void {
    if (pages !== 0) this.#changePool(node, pages)
  }

  #changePool(node: NodeState, pages: number): void {
    for (let page = 0; page < pages; page++) this.takeOneForPool(node)
    if (pages < 0) {
      this.#giveFromPool(node, -pages)
      this.poolCharged += pages
    }
    this.poolCounted(node, pages)
  }

  /** The pool has so many pages more, or less. */
  poolCounted(node: NodeState, pages: number): void {
    const pool = this.#kernel.backend.poolPages
    if (pool > this.#kernel.tally.poolPeakPages) this.#kernel.tally.poolPeakPages = pool
    const bytes = this.#kernel.backend.poolBytes
    if (bytes > this.#kernel.tally.poolPeakBytes) this.#kernel.tally.poolPeakBytes = bytes
    if (pages < 0 || this.#boostEvery <= 0) return
    node.poolSinceBoost += pages
    if (node.poolSinceBoost < this.#boostEvery) return
    node.poolSinceBoost -= this.#boostEvery
    this.#boost(node, 1)
  }

  #poolKeeps(node: NodeState, block: number, count: number): void {
    node.pooled[block] = (node.pooled[block] as number) + count
    node.pooledAll += count
  }

  /**
   * Pages that a store takes for the pool where it may not use the reserves: one after the other, each only above min. Where one cannot be
   * had, those before it go back on the CPU's list (alloc_zspage), whose next refill is smaller by it.
   */
  takeForPool(node: NodeState, preferred: NodeState, count: number): boolean {
    let borrowed = 0
    for (let page = 0; page < count; page++) {
      this.wakeKswapds(preferred, 0)
      if (this.firstAbove(preferred, 'min') === undefined) {
        this.returns(node, borrowed)
        this.give(node, page)
        return false
      }
      borrowed = this.together(node, borrowed, this.take(node))
    }
    this.#poolKeeps(node, blockOfBorrowed(borrowed), countOfBorrowed(borrowed))
    this.poolCharged += count
    return true
  }

  /** One page, by who has waited for it. */
  takeOneForPool(node: NodeState): void {
    const block = this.take(node)
    if (block >= 0) this.#poolKeeps(node, block, 1)
    this.poolCharged++
  }

  /** Which of the pool's pages empty is chance: of told blocks so many as they have a share. */
  #giveFromPool(node: NodeState, count: number): void {
    const share = node.pooledAll / Math.max(1, this.poolCharged)
    const due = Math.floor(share * (this.#poolGiven + count)) - Math.floor(share * this.#poolGiven)
    this.#poolGiven += count
    const told = Math.min(due, node.pooledAll, count)
    const cpu = this.#kernel.scheduler.active?.cpu ?? 0
    this.#giveOfBlocks(node, cpu, node.pooled, told)
    node.pooledAll -= told
    this.give(node, count - told)
  }

  /** wake_all_kswapds, by who allocates below low. */
  wakeKswapds(preferred: NodeState, more: number): void {
    for (const node of this.zonelist(preferred)) {
      if (this.isAbove(node, 'low', more)) continue
      this.#kernel.note('low', -1, node.free)
      this.wakeKswapd(node)
    }
  }

  wakeKswapd(node: NodeState): void {
    const kswapd = node.kswapd
    if (kswapd === undefined || node.failures >= MAX_FAILURES) return
    if (!node.kswapdAsleep) return
    if (this.isAbove(node, 'high') && node.boost === 0) return
    if (this.#kernel.scheduler.wake(kswapd)) {
      this.#kernel.recorder.wakeup(
        this.#kernel.scheduler.now,
        this.#kernel.scheduler.active,
        kswapd,
        'kswapd',
      )
      this.#kernel.tally.kswapdWakes++
    }
  }
}

/** Where a CPU's list begins in `listed`. */
function placesOf(cpu: number, list: number): number {
  return (cpu * LISTS + list) * PLACES
}

/** A chunk of the first place that has one: returns the place, -1 = none has. */
function takeFirst(listed: Int32Array, places: number, pages = 1): number {
  for (let place = 0; place < PLACES; place++) {
    const have = listed[places + place] as number
    if (have < pages) continue
    listed[places + place] = have - pages
    return place
  }
  return -1
}

/** By name: a load by a key that varies is a slow one. */
function markOf(node: NodeState, mark: Mark): number {
  return mark === 'min' ? node.min : mark === 'low' ? node.low : node.high
}
