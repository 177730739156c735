import { CLUSTER } from '../model/vmscan.ts'
import type { Machine } from '../workload/types.ts'
import type { Kernel } from './kernel.ts'
import { Lruvec } from './lruvec.ts'
import { MemcgStocks } from './memcg-stocks.ts'
import type { NodeState } from './node-state.ts'
import { LISTS } from './pages.ts'
import type { Scan } from './scan.ts'
import type { Thread } from './thread.ts'

/** In pages. */
interface Limits {
  readonly min: number
  readonly low: number
  readonly high: number
  readonly max: number
  readonly swapHigh: number
  readonly swapMax: number
}

/** One memory cgroup. */
export class Memcg {
  /** Place among all, the root first; those below it follow at once, up to before `end`. */
  readonly index: number
  end: number
  /** Place in `machine.memcgs`, by which backends know it; -1 = the root, or the cgroup that all tasks are in. */
  readonly place: number
  readonly parent: Memcg | undefined
  readonly min: number
  readonly low: number
  /** Above it its tasks reclaim, and are slowed down (MemcgHigh). */
  readonly high: number
  readonly max: number
  readonly swapHigh: number
  readonly swapMax: number
  /** Pages charged to it and to those below, stocks of the CPUs included. */
  pages = 0
  /** Charged to itself and kept by CPUs for later. */
  stocked = 0
  /** In swap, of it and of those below (memory.swap.current). */
  swapped = 0
  /** memory.events of it and of those below. */
  highEvents = 0
  maxEvents = 0
  /** Charged to itself for pages that are not on a list yet. */
  arriving = 0
  effectiveMin = 0
  effectiveLow = 0

  constructor(index: number, parent: Memcg | undefined, place: number, limits: Limits) {
    this.index = index
    this.end = index + 1
    this.place = place
    this.parent = parent
    this.min = limits.min
    this.low = limits.low
    this.high = limits.high
    this.max = limits.max
    this.swapHigh = limits.swapHigh
    this.swapMax = limits.swapMax
  }

  /** page_counter_charge and page_counter_uncharge. */
  count(pages: number): void {
    let at: Memcg | undefined = this
    for (; at !== undefined; at = at.parent) at.pages += pages
  }

  /** memcg_memory_event. */
  tell(event: 'highEvents' | 'maxEvents'): void {
    let at: Memcg | undefined = this
    for (; at !== undefined; at = at.parent) at[event]++
  }
}

const UNLIMITED: Limits = {
  min: 0,
  low: 0,
  high: Number.POSITIVE_INFINITY,
  max: Number.POSITIVE_INFINITY,
  swapHigh: Number.POSITIVE_INFINITY,
  swapMax: Number.POSITIVE_INFINITY,
}

/** The root cgroup: it has no limits and is below nothing. One for each machine. */
export function rootMemcg(): Memcg {
  return new Memcg(0, undefined, -1, UNLIMITED)
}

/** The machine's cgroups in the order in which the kernel walks them (css_next_descendant_pre): each before those below it. */
export function memcgTree({ memcgs = [], memcgLimitPages }: Machine): readonly Memcg[] {
  const root = rootMemcg()
  const tree = [root]
  let top = root
  if (memcgLimitPages !== undefined) {
    top = new Memcg(1, root, -1, { ...UNLIMITED, max: memcgLimitPages.value })
    tree.push(top)
  }
  const addBelow = (parent: Memcg, parentPlace: number): void => {
    memcgs.forEach((given, place) => {
      if ((given.parent ?? -1) !== parentPlace) return
      const memcg = new Memcg(tree.length, parent, place, {
        min: given.minPages ?? UNLIMITED.min,
        low: given.lowPages ?? UNLIMITED.low,
        high: given.highPages ?? UNLIMITED.high,
        max: given.maxPages ?? UNLIMITED.max,
        swapHigh: given.swapHighPages ?? UNLIMITED.swapHigh,
        swapMax: given.swapMaxPages ?? UNLIMITED.swapMax,
      })
      tree.push(memcg)
      addBelow(memcg, place)
    })
    parent.end = tree.length
  }
  addBelow(top, -1)
  root.end = tree.length
  return tree
}

/** The memory cgroups of the machine: whose page is whose, what they may hold, and how reclaim walks them. */
export class Memcgs {
  readonly #kernel: Kernel
  readonly tree: readonly Memcg[]
  readonly root: Memcg
  readonly lruvecs: readonly Lruvec[]
  /** Of tasks that name none. */
  readonly #usual: Memcg
  readonly #byPlace: readonly Memcg[]
  /** There is only the root, which nothing limits: nobody counts what is charged to it. */
  readonly #isAlone: boolean
  readonly #isLimited: boolean
  readonly #isHighSet: boolean
  readonly #isSwapLimited: boolean
  readonly #stocks: MemcgStocks
  readonly #isProtected: boolean
  readonly #nodes: number
  /** Who reclaims for itself walks a part of the tree at a time. */
  readonly walksPartly: boolean
  /** The multi-generational LRU keeps cgroups in an order of their own. */
  readonly hasMemcgLru: boolean

  constructor(kernel: Kernel, tree: readonly Memcg[]) {
    const { machine } = kernel.workload
    const { nodes } = kernel.zones
    this.#kernel = kernel
    this.tree = tree
    this.root = tree[0] as Memcg
    this.#usual = tree[machine.memcgLimitPages === undefined ? 0 : 1] as Memcg
    this.#byPlace = tree.filter(({ place }) => place >= 0).sort((a, b) => a.place - b.place)
    this.#isAlone = tree.length === 1
    this.#isLimited = tree.some(({ max }) => max !== Number.POSITIVE_INFINITY)
    this.#isHighSet = tree.some(
      ({ high, swapHigh }) => Math.min(high, swapHigh) !== Number.POSITIVE_INFINITY,
    )
    this.#isSwapLimited = tree.some(
      ({ swapHigh, swapMax }) => Math.min(swapHigh, swapMax) !== Number.POSITIVE_INFINITY,
    )
    this.#stocks = new MemcgStocks(kernel.scheduler.cpus.length)
    this.#isProtected = tree.some(({ min, low }) => min > 0 || low > 0)
    this.#nodes = nodes.length
    this.walksPartly = kernel.rules.walksMemcgsPartly
    this.hasMemcgLru = kernel.rules.hasMemcgLru
    const lruvecs: Lruvec[] = []
    for (const memcg of tree)
      for (const node of nodes) {
        const parent = memcg.parent && lruvecs[memcg.parent.index * nodes.length + node.index]
        lruvecs.push(new Lruvec(lruvecs.length, memcg, node, parent))
      }
    this.lruvecs = lruvecs
  }

  /** By its place in `machine.memcgs`; undefined: the one of all who name none. */
  named(place: number | undefined): Memcg {
    return place === undefined ? this.#usual : (this.#byPlace[place] as Memcg)
  }

  /** Whose charge a page of the workload is when it first comes into memory. */
  ownerOf(page: number): Memcg {
    const { pages, tasks } = this.#kernel.workload
    const owner = pages.owner[page] as number
    const place = owner < 0 ? (pages.memcg?.[page] ?? -1) : (tasks[owner]?.memcg ?? -1)
    return this.named(place < 0 ? undefined : place)
  }

  /** Whose charge the page is. */
  chargedFor(page: number): Memcg {
    return this.tree[this.#kernel.pages.memcg?.[page] ?? 0] as Memcg
  }

  lruvec(memcg: Memcg, node: NodeState): Lruvec {
    return this.lruvecs[memcg.index * this.#nodes + node.index] as Lruvec
  }

  lruvecOf(page: number): Lruvec {
    return this.lruvecs[this.#kernel.pages.lruvecOf(page)] as Lruvec
  }

  /** On whose behalf the page was evicted: its shadow entry names that lruvec (workingset_eviction). */
  evictorOf(page: number): Lruvec {
    const { pages } = this.#kernel
    const memcg = pages.evictedBy?.[page] ?? 0
    return this.lruvecs[memcg * this.#nodes + (pages.node[page] as number)] as Lruvec
  }

  /** Base pages on one of the lists, with those of the cgroups below. */
  pagesBelow({ index, memcg }: Lruvec, list: number): number {
    const { sizes } = this.#kernel.pages
    if (this.#isAlone) return sizes[index * LISTS + list] as number
    const end = memcg.end * this.#nodes
    let pages = 0
    for (let at = index; at < end; at += this.#nodes) pages += sizes[at * LISTS + list] as number
    return pages
  }

  /** The limit that so many more pages would exceed first, from the cgroup up (page_counter_try_charge); undefined = none. */
  overLimit(charged: Memcg, pages: number): Memcg | undefined {
    if (!this.#isLimited) return undefined
    let memcg: Memcg | undefined = charged
    for (; memcg !== undefined; memcg = memcg.parent)
      if (memcg.max !== Number.POSITIVE_INFINITY && this.usage(memcg) + pages > memcg.max)
        return memcg
    return undefined
  }

  /** Pages that are about to be on one of its lists, whatever the limits. */
  charge(charged: Memcg, pages: number): void {
    if (this.#isAlone) return
    charged.arriving += pages
    charged.count(pages)
  }

  /** try_charge_memcg without reclaim: ahead of use up to a batch if there is room; false = not even these pages fit. */
  tryCharge(thread: Thread, charged: Memcg, pages: number, batchSize = 0): boolean {
    if (this.#isAlone || charged === this.root) {
      this.charge(charged, pages)
      return true
    }
    if (this.#stocks.take(thread.cpu, charged, pages)) {
      charged.arriving += pages
      return true
    }
    let batch = Math.max(pages, batchSize)
    if (this.overLimit(charged, batch) !== undefined) {
      if (batch === pages || this.overLimit(charged, pages) !== undefined) return false
      batch = pages
    }
    charged.arriving += pages
    charged.count(batch)
    if (batch > pages) this.#stocks.put(thread.cpu, charged, batch - pages)
    if (this.#isHighSet && this.#isOverHigh(charged)) thread.chargedOverHigh += batch
    return true
  }

  /** What CPUs keep for later counts no more against the limit. */
  drainStocks(memcg: Memcg): void {
    this.#stocks.drainBelow(memcg)
  }

  #isOverHigh(charged: Memcg): boolean {
    let memcg: Memcg | undefined = charged
    for (; memcg !== undefined; memcg = memcg.parent)
      if (memcg.swapped > memcg.swapHigh || this.isAboveHigh(memcg)) return true
    return false
  }

  isAboveHigh(memcg: Memcg): boolean {
    return memcg.high !== Number.POSITIVE_INFINITY && this.usage(memcg) > memcg.high
  }

  /** Slots that pages of the cgroup may still get (mem_cgroup_get_nr_swap_pages). */
  swapLeft(memcg: Memcg): number {
    let left = this.#kernel.slots.left
    if (!this.#isSwapLimited) return left
    let at: Memcg | undefined = memcg
    for (; at !== undefined; at = at.parent) left = Math.min(left, at.swapMax - at.swapped)
    return left
  }

  /** Half of what it may have in swap is there: copies of pages in memory are not kept (mem_cgroup_swap_full). */
  isSwapFull(page: number): boolean {
    if (!this.#isSwapLimited) return false
    let memcg: Memcg | undefined = this.chargedFor(page)
    for (; memcg !== undefined; memcg = memcg.parent)
      if (memcg.swapped * 2 >= Math.min(memcg.swapHigh, memcg.swapMax)) return true
    return false
  }

  /** mem_cgroup_try_charge_swap: false = memory.swap.max leaves no room. */
  tryChargeSwap(page: number, slots: number): boolean {
    if (this.#isSwapLimited) {
      let memcg: Memcg | undefined = this.chargedFor(page)
      for (; memcg !== undefined; memcg = memcg.parent)
        if (memcg.swapped + slots > memcg.swapMax) return false
    }
    this.countSwap(page, slots)
    return true
  }

  /** The page got its slots, or gives them back (mem_cgroup_charge_swap). */
  countSwap(page: number, slots: number): void {
    if (this.#isAlone) return
    let memcg: Memcg | undefined = this.chargedFor(page)
    for (; memcg !== undefined; memcg = memcg.parent) memcg.swapped += slots
  }

  /** Charged pages are on a list. */
  arrived(page: number): void {
    if (this.#isAlone) return
    this.chargedFor(page).arriving -= this.#kernel.pages.pagesOf(page)
  }

  /** The page gives its frame back. */
  uncharge(page: number): void {
    if (this.#isAlone) return
    this.chargedFor(page).count(-this.#kernel.pages.pagesOf(page))
  }

  /** What counts against its limits: its pages, and what zswap has of it (obj_cgroup_charge_zswap). */
  usage(memcg: Memcg): number {
    const { backend, workload } = this.#kernel
    if (backend.chargedBytes === undefined) return memcg.pages
    let bytes = 0
    for (let index = memcg.index; index < memcg.end; index++)
      bytes += backend.chargedBytes((this.tree[index] as Memcg).place)
    return memcg.pages + Math.ceil(bytes / workload.machine.pageSize)
  }

  /** What each cgroup's memory.current, memory.swap.current and memory.events would tell. */
  sample(ns: number): void {
    const { recorder, workload } = this.#kernel
    if (!recorder.recordsRows) return
    for (const memcg of this.#byPlace) {
      const name = workload.machine.memcgs?.[memcg.place]?.name
      const sample = (what: string, value: number): void =>
        recorder.sample(ns, Number.NaN, `memcg.${name}.${what}`, value)
      sample('pages', this.usage(memcg))
      sample('swap_pages', memcg.swapped)
      sample('high_events', memcg.highEvents)
      sample('max_events', memcg.maxEvents)
    }
  }

  /** memory.min and memory.low in a walk over `target`'s subtree: true = nothing is taken of the cgroup. */
  spares(target: Memcg, memcg: Memcg, scan: Scan): boolean {
    if (this.isBelowMin(target, memcg)) return true
    if (!this.isBelowLow(target, memcg) || scan.takesLow) return false
    scan.sparedLow = true
    return true
  }

  isBelowMin(target: Memcg, memcg: Memcg): boolean {
    this.#protect(target, memcg)
    return this.#isProtectable(target, memcg) && memcg.effectiveMin >= this.usage(memcg)
  }

  /** Of a cgroup that is not below its minimum. */
  isBelowLow(target: Memcg, memcg: Memcg): boolean {
    return this.#isProtectable(target, memcg) && memcg.effectiveLow >= this.usage(memcg)
  }

  /** mem_cgroup_unprotected. */
  #isProtectable(target: Memcg, memcg: Memcg): boolean {
    return memcg !== target && memcg !== this.root
  }

  /** Pages of a list that a scan may take its share of: the less, the more of the cgroup is protected (get_scan_count). */
  scannable(target: Memcg, memcg: Memcg, size: number, scan: Scan): number {
    if (!this.#isProtected || !this.#isProtectable(target, memcg)) return size
    const { effectiveLow, effectiveMin } = memcg
    if (effectiveMin === 0 && effectiveLow === 0) return size
    const byLow = !scan.takesLow && effectiveLow > effectiveMin
    if (byLow) scan.sparedLow = true
    const spared = byLow ? effectiveLow : effectiveMin
    const whole = Math.max(this.usage(memcg), spared)
    return Math.max(size - Math.floor((size * spared) / (whole + 1)), CLUSTER)
  }

  /** page_counter_calculate_protection, with memory_recursiveprot as systemd mounts it. */
  #protect(target: Memcg, memcg: Memcg): void {
    const { parent } = memcg
    if (!this.#isProtected || parent === undefined || memcg === target) return
    const usage = this.usage(memcg)
    if (usage === 0) return
    if (parent === target) {
      memcg.effectiveMin = memcg.min
      memcg.effectiveLow = memcg.low
      return
    }
    const siblings = this.tree.filter((other) => other.parent === parent)
    const uses = siblings.map((sibling) => this.usage(sibling))
    const claimed = (limits: readonly number[]): number =>
      uses.reduce((sum, use, at) => sum + Math.min(use, limits[at] as number), 0)
    const of = { usage, parentUsage: this.usage(parent) }
    memcg.effectiveMin = effectiveProtection(memcg.min, parent.effectiveMin, {
      ...of,
      siblings: claimed(siblings.map(({ min }) => min)),
    })
    memcg.effectiveLow = effectiveProtection(memcg.low, parent.effectiveLow, {
      ...of,
      siblings: claimed(siblings.map(({ low }) => low)),
    })
  }
}

/** effective_protection of mm/page_counter.c: what the parent affords is shared by use, and what nobody claims by the use beyond the claims. */
function effectiveProtection(
  setting: number,
  afforded: number,
  of: { readonly usage: number; readonly parentUsage: number; readonly siblings: number },
): number {
  const { usage, parentUsage, siblings } = of
  const protects = Math.min(usage, setting)
  if (siblings > afforded) return Math.floor((protects * afforded) / siblings)
  if (afforded <= siblings || parentUsage <= siblings || usage <= protects) return protects
  return (
    protects + Math.floor(((afforded - siblings) * (usage - protects)) / (parentUsage - siblings))
  )
}

/** One walk over the cgroups of a subtree on a node (mem_cgroup_iter). */
export class MemcgWalk {
  readonly #memcgs: Memcgs
  readonly #node: NodeState
  readonly #target: Memcg
  /** A part of the walk that all such walks go on with; undefined = the whole subtree for itself. */
  readonly #shared: Lruvec | undefined
  #walks = -1
  #at = -1

  constructor(memcgs: Memcgs, target: Memcg, node: NodeState, of: { readonly isPart: boolean }) {
    this.#memcgs = memcgs
    this.#node = node
    this.#target = target
    this.#shared = of.isPart ? memcgs.lruvec(target, node) : undefined
  }

  /** Undefined: the walk is over. */
  next(): Lruvec | undefined {
    const index = this.#shared === undefined ? this.#after(this.#at) : this.#share(this.#shared)
    this.#at = index
    const memcg = this.#memcgs.tree[index]
    return memcg && this.#memcgs.lruvec(memcg, this.#node)
  }

  #share(shared: Lruvec): number {
    const isFirst = this.#walks < 0
    if (isFirst) this.#walks = shared.walks
    else if (this.#walks !== shared.walks) return -1
    let index = this.#after(shared.walkedTo)
    if (index < 0) {
      shared.walks++
      // Whoever comes when the walk is at its end sees at least one cgroup of the next.
      if (isFirst) {
        this.#walks = shared.walks
        index = this.#after(-1)
      }
    }
    shared.walkedTo = index
    return index
  }

  #after(index: number): number {
    if (index < 0) return this.#target.index
    return index + 1 < this.#target.end ? index + 1 : -1
  }
}
