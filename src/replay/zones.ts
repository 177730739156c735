import type { Machine } from '../workload/types.ts'
import type { Kernel } from './kernel.ts'
import { rulesOf } from './kernel-rules.ts'
import { PageLists } from './page-lists.ts'
import { Lane } from './ranks.ts'
import { CLUSTER, MAX_FAILURES } from './scan.ts'
import type { Thread } from './thread.ts'
import { type Mark, ZoneList } from './zone-list.ts'

/** One node's memory, in pages. */
export interface NodeState {
  readonly index: number
  free: number
  readonly min: number
  readonly low: number
  readonly high: number
  boost: number
  /** Where the workload tells the zones apart: `free` and `boost` are their sums. */
  readonly zoneList: ZoneList | undefined
  poolSinceBoost: number
  kswapd: Thread | undefined
  kswapdAsleep: boolean
  /** Since when kswapd is up, -1 = it sleeps. */
  awakeSince: number
  failures: number
  readonly throttled: Thread[]
  /** Free pages outside `free`: on the lists of the CPUs. */
  readonly lists: PageLists
  /** Of the free pages, those in blocks of other mobility types (unmovable, reclaimable): taken only when the movable lists are empty. */
  otherFree: number
  /** Of the pages on each CPU's list, those that came from such blocks; they lie at the list's end. */
  readonly borrowedOnList: Int32Array
  /** Frames of such blocks that reclaim has freed and not yet given. */
  returning: number
  /** Slots in use, the most ever, and what the kernel's records of them have cost of the page they fill next. */
  slotsHeld: number
  mostSlotsHeld: number
  recordShare: number
  newPages: number
  readonly lanes: readonly [Lane, Lane]
  /** Pages that are nobody's: neither free nor on a list nor in the pool. */
  readonly fixed: number
  lowestFree: number
}

/** A page table entry on 64-bit machines. */
const PTE_BYTES = 8

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
  /** Pages that the kernel took for its records. */
  kernelPages = 0
  readonly #recordsPerSlot: number
  readonly #pagesPerTable: number
  /** Frames between two places: freed in a batch that has not ended, or allocated for a fault that has not. */
  pendingFrames = 0

  constructor(kernel: Kernel, machine: Machine, watermarkScale: number) {
    this.#kernel = kernel
    this.#boostStep = machine.boostStep.value
    this.#boostMax = machine.boostMax.value
    this.#boostEvery = machine.boostEveryPoolPages.value
    this.#recordsPerSlot = machine.recordPagesPerSlot?.value ?? 0
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
    for (const node of this.zonelist(preferred)) if (this.isAbove(node, mark, pages)) return node
    return undefined
  }

  /** Whose memory a reclaimer's store takes for the pool: with PF_MEMALLOC watermarks end the search only where one is met. */
  poolNode(thread: Thread): NodeState {
    const local = this.localNode(thread)
    return this.firstAbove(local, 'low') ?? local
  }

  /** Are so many pages free beyond the mark? Of any zone where each is watched, else of the node. */
  isAbove(node: NodeState, mark: Mark, pages = 0): boolean {
    return node.zoneList === undefined
      ? node.free - pages > markOf(node, mark) + node.boost
      : node.zoneList.passes(mark, pages)
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
    const { lists } = node
    // A page goes back to its own block's type, whoever had it.
    const returned = Math.min(node.returning, count)
    node.returning -= returned
    node.otherFree += returned
    this.#gain(node, returned)
    for (let page = returned; page < count; page++) {
      const back = lists.give(cpu)
      if (back > 0) this.#gain(node, back)
      if (back > 0) this.#returnBorrowed(node, cpu, back)
    }
    if (lists.isBelowHigh && this.isAbove(node, 'high')) lists.isBelowHigh = false
  }

  /** Takes one page; true = it is of a block of another mobility type (__rmqueue_fallback) and will return there. */
  take(node: NodeState): boolean {
    const cpu = this.#kernel.scheduler.active?.cpu ?? 0
    const { lists, borrowedOnList } = node
    if (node.free <= 0 && (lists.counts[cpu] as number) === 0) this.drain(node)
    const refill = lists.take(cpu, node.zoneList?.available ?? node.free)
    if (refill > 0) this.#refilled(node, cpu, refill)
    if ((lists.counts[cpu] as number) >= (borrowedOnList[cpu] as number)) return false
    borrowedOnList[cpu] = (borrowedOnList[cpu] as number) - 1
    return true
  }

  /** A page of the kernel's own: from the blocks that movable pages do not use (slab, page tables). */
  #takeKernelPage(node: NodeState): void {
    this.kernelPages++
    if (node.otherFree > 0) node.otherFree--
    node.free--
    node.zoneList?.take(1)
  }

  /** A slot holds content: its entries in the swap cache's tree and in the pool's tables are slab memory, which stays when slots come free. */
  slotTaken(node: NodeState): void {
    node.slotsHeld++
    if (node.slotsHeld <= node.mostSlotsHeld) return
    node.mostSlotsHeld = node.slotsHeld
    // What was in swap at the start is paid for.
    if (this.#kernel.scheduler.active === undefined) return
    node.recordShare += this.#recordsPerSlot
    if (node.recordShare < 1) return
    node.recordShare--
    this.#takeKernelPage(node)
  }

  slotGiven(node: NodeState): void {
    node.slotsHeld--
  }

  /** A first touch: every table full of them needs the next page table (__pte_alloc). */
  pageMapped(node: NodeState): void {
    if (this.#pagesPerTable === 0 || ++node.newPages < this.#pagesPerTable) return
    node.newPages = 0
    this.#takeKernelPage(node)
  }

  /** rmqueue_bulk: movable pages first; what they lack comes from other blocks, and boosts the watermarks (steal_suitable_fallback). */
  #refilled(node: NodeState, cpu: number, refill: number): void {
    const movable = Math.max(0, node.free - node.otherFree)
    node.free -= refill
    node.zoneList?.take(refill)
    const borrowed = Math.min(Math.max(0, refill - movable), node.otherFree)
    node.otherFree -= borrowed
    node.borrowedOnList[cpu] = (node.borrowedOnList[cpu] as number) + borrowed
    if (node.free < node.lowestFree) node.lowestFree = node.free
    if (!this.isAbove(node, 'high')) node.lists.isBelowHigh = true
    if (borrowed > 0) this.#boost(node)
  }

  /** free_pcppages_bulk begins at a list's end. */
  #returnBorrowed(node: NodeState, cpu: number, count: number): void {
    const borrowed = node.borrowedOnList[cpu] as number
    const back = Math.min(borrowed, count)
    node.borrowedOnList[cpu] = borrowed - back
    node.otherFree += back
  }

  /** drain_all_pages. */
  drainAll(): void {
    for (const node of this.nodes) this.drain(node)
  }

  /** The lists of all CPUs go back to the zone. */
  drain(node: NodeState): void {
    this.#gain(node, node.lists.drain())
    for (let cpu = 0; cpu < node.borrowedOnList.length; cpu++)
      this.#returnBorrowed(node, cpu, Number.POSITIVE_INFINITY)
  }

  /** A refill found no page of its own block type and took another's: the watermarks are boosted and kswapd is woken. */
  #boost(node: NodeState): void {
    if (this.#boostStep <= 0) return
    const { zoneList } = node
    zoneList?.raise(this.#boostStep, this.#boostMax)
    node.boost = zoneList?.boost ?? Math.min(node.boost + this.#boostStep, this.#boostMax)
    this.#kernel.tally.boosts++
    this.wakeKswapd(node)
  }

  poolChanged(node: NodeState, pages: number): void {
    if (pages === 0) return
    for (let page = 0; page < pages; page++) this.take(node)
    if (pages < 0) this.give(node, -pages)
    this.poolCharged += pages
    const pool = this.#kernel.backend.poolPages
    if (pool > this.#kernel.tally.poolPeakPages) this.#kernel.tally.poolPeakPages = pool
    const bytes = this.#kernel.backend.poolBytes
    if (bytes > this.#kernel.tally.poolPeakBytes) this.#kernel.tally.poolPeakBytes = bytes
    if (pages < 0 || this.#boostEvery <= 0) return
    node.poolSinceBoost += pages
    if (node.poolSinceBoost < this.#boostEvery) return
    node.poolSinceBoost -= this.#boostEvery
    this.#boost(node)
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

/** By name: a load by a key that varies is a slow one. */
function markOf(node: NodeState, mark: Mark): number {
  return mark === 'min' ? node.min : mark === 'low' ? node.low : node.high
}

/** A node before anything happened. */
function toNodeState(
  machine: Machine,
  { node, freeAtStart }: Machine['nodes'][number],
  cpus: readonly { readonly node: number }[],
  watermarkScale: number,
): NodeState {
  const zones = machine.zones.filter((zone) => zone.node === node)
  const min = sumOf(zones, 'min')
  const low = sumOf(zones, 'low')
  const high = sumOf(zones, 'high')
  const zoneList =
    zones.length > 0 && zones.every((zone) => zone.freeAtStart !== undefined)
      ? new ZoneList(zones, watermarkScale)
      : undefined
  const free = zoneList?.free ?? freeAtStart.value
  const allLow = sumOf(machine.zones, 'low')
  const cpusOfNode = cpus.filter((cpu) => cpu.node === node).length
  return {
    index: node,
    free,
    min,
    low: min + Math.round((low - min) * watermarkScale),
    high: min + Math.round((high - min) * watermarkScale),
    boost: 0,
    zoneList,
    poolSinceBoost: 0,
    kswapd: undefined,
    kswapdAsleep: true,
    awakeSince: -1,
    failures: 0,
    throttled: [],
    lists: new PageLists(
      cpus.length,
      { managed: sumOf(zones, 'managed'), low, cpusOfNode },
      { tunes: rulesOf(machine).tunesPageLists },
    ),
    otherFree: allLow > 0 ? Math.round(((machine.boostBelowFree?.value ?? 0) * low) / allLow) : 0,
    borrowedOnList: new Int32Array(cpus.length),
    returning: 0,
    slotsHeld: 0,
    mostSlotsHeld: 0,
    recordShare: 0,
    newPages: 0,
    lanes: [new Lane(), new Lane()],
    fixed: 0,
    lowestFree: free,
  }
}

function sumOf(zones: Machine['zones'], of: 'min' | 'low' | 'high' | 'managed'): number {
  return zones.reduce((sum, zone) => sum + zone[of], 0)
}
