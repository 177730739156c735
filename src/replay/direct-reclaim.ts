import { CLUSTER, DEF_PRIORITY, wakeupsOfEmptyRound } from '../model/vmscan.ts'
import { shareOfColdEntry, shareOfWorkersEntry, Warmth } from '../model/warmth.ts'
import type { Kernel } from './kernel.ts'
import type { Memcg } from './memcgs.ts'
import type { NodeState } from './node-state.ts'
import { DIRECT_CONTEXT, OOM_FRUITLESS, Scan } from './scan.ts'
import type { Steps, StepsTo } from './steps.ts'
import { SCAN, SLEEPING, type Thread } from './thread.ts'

/** Reclaim by whoever needs a page: tasks, and workers without PF_MEMALLOC. */
export class DirectReclaim {
  readonly #kernel: Kernel
  readonly #scans: (Scan | undefined)[] = []
  readonly #warmth: Warmth

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.#warmth = new Warmth(shareOfColdEntry, kernel.scheduler.cpus.length)
  }

  scanOf(thread: Thread, context: number, mayWrite: boolean): Scan {
    const known = this.#scans[thread.index]
    if (known !== undefined) return known
    const scan = new Scan(context, mayWrite)
    this.#scans[thread.index] = scan
    return scan
  }

  /** One call of try_to_free_pages, or for a cgroup of try_to_free_mem_cgroup_pages: returns pages freed, on the preferred node and on all others (shrink_zones). */
  *directReclaim(
    thread: Thread,
    preferred: NodeState,
    scan: Scan,
    memcg?: Memcg,
    target = CLUSTER,
  ): StepsTo<number> {
    const { lru, memcgs, recorder, scheduler, zones } = this.#kernel
    const kind = memcg === undefined ? 'direct' : 'memcg'
    const nodes = zones.zonelist(preferred)
    scheduler.account(thread)
    const start = scheduler.now
    const before = thread.parts.slice()
    const parent = thread.span
    const doing = thread.doing
    const span = recorder.openSpan()
    thread.span = span
    this.#kernel.note('direct-begin', -1, 0)
    this.#kernel.traceReaders?.wrote('direct')
    const entered = this.#kernel.pressure.enter(thread, start)
    scan.reclaimed = 0
    scan.target = Math.max(target, CLUSTER)
    scan.memcg = memcg
    scan.forceDeactivate = false
    scan.walksAll = false
    scan.sparedLow = false
    scan.takesLow = false
    scheduler.setDoing(thread, SCAN)
    if (!scheduler.spend(thread, this.#entryNs(thread, scan))) yield
    // Empty-handed calls try again: with all control groups, with forced deactivation (classic LRU only), then with those that memory.low spares.
    const rounds = this.#kernel.generations === undefined ? 3 : 2
    for (let round = 0; round < rounds || takesLow(scan); round++) {
      if (kind === 'direct') this.#kernel.tally.allocstall(thread)
      this.#kernel.note('round', -1, round)
      scan.skippedDeactivate = false
      for (scan.priority = DEF_PRIORITY; scan.priority >= 0; scan.priority--) {
        scan.scanned = 0
        for (const node of nodes) yield* this.#kernel.shrink.shrinkNode(thread, node, scan)
        if (scan.reclaimed >= scan.target) break
        if (scan.scanned === 0 && !scheduler.spend(thread, this.#emptyRoundNs(scan))) yield
        if (scan.priority === 1 && scan.reclaimed === 0 && memcg === undefined)
          yield* this.#kernel.throttle.withoutProgress(thread)
      }
      for (const node of nodes) lru.snapshotRefaults(memcgs.lruvec(memcg ?? memcgs.root, node))
      if (scan.reclaimed > 0) break
      scan.walksAll = true
      scan.forceDeactivate = true
    }
    this.#kernel.pressure.leave(thread, scheduler.now, entered)
    if (memcg === undefined) this.#warmth.ended(thread.cpu, scheduler.now)
    scheduler.setDoing(thread, doing)
    scheduler.account(thread)
    thread.span = parent
    recorder.closeSpan(span, kind, thread, parent, start, scheduler.now, scan.reclaimed, before)
    this.#kernel.tally.stall(thread, start, scheduler.now, true)
    return scan.reclaimed
  }

  /** A call by who needs a page with so many more free beside it: where it freed some and none can be had, the CPUs' lists are emptied before the next try (__alloc_pages_direct_reclaim). */
  *reclaimForPage(thread: Thread, preferred: NodeState, scan: Scan, more: number): StepsTo<number> {
    const { zones } = this.#kernel
    const reclaimed = yield* this.directReclaim(thread, preferred, scan)
    if (reclaimed > 0 && zones.firstAbove(preferred, 'min', more) === undefined) zones.drainAll()
    return reclaimed
  }

  /** Entry and exit of a call, together. */
  #entryNs({ cpu }: Thread, { memcg, mayWrite }: Scan): number {
    const { costs, scheduler } = this.#kernel
    if (memcg !== undefined)
      return (costs.memcgEntry.isNone ? costs.directEntry : costs.memcgEntry).draw()
    const { now } = scheduler
    const share = mayWrite
      ? this.#warmth.shareAt(cpu, now)
      : shareOfWorkersEntry(this.#warmth.sinceNs(cpu, now))
    return Math.round(costs.directEntry.draw() * share)
  }

  /** One for a cgroup is all in its entry's cost. */
  #emptyRoundNs({ memcg, priority }: Scan): number {
    if (memcg !== undefined) return 0
    return Math.round(this.#kernel.costs.wake.draw() * wakeupsOfEmptyRound(priority))
  }

  /** A worker without PF_MEMALLOC needs pool pages below min: each by GFP_NOIO reclaim until there is one. */
  *takeForPool(
    thread: Thread,
    poolNode: NodeState,
    of: { readonly pages: number; readonly isKworker: boolean },
  ): Steps {
    const { zones } = this.#kernel
    for (let page = 0; page < of.pages; page++) {
      const node = zones.localNode(thread)
      zones.wakeKswapds(node, 0)
      yield* this.#reclaimForWorker(thread, node, of.isKworker)
      zones.takeOneForPool(poolNode)
    }
  }

  *#reclaimForWorker(thread: Thread, node: NodeState, isKworker: boolean): Steps {
    let scan: Scan | undefined
    let fruitless = 0
    const { zones } = this.#kernel
    while (zones.firstAbove(node, 'min') === undefined) {
      for (const each of zones.zonelist(node)) zones.wakeKswapd(each)
      if (scan === undefined) scan = this.scanOf(thread, DIRECT_CONTEXT, false)
      const reclaimed = yield* this.reclaimForPage(thread, node, scan, 0)
      if (zones.firstAbove(node, 'min') !== undefined) return
      // Nobody frees anything any more: a real machine hangs here; the run goes on below min.
      fruitless = reclaimed > 0 ? 0 : fruitless + 1
      if (fruitless >= OOM_FRUITLESS) return
      if (isKworker) {
        this.#kernel.timers.sleep(thread, 1, SLEEPING)
        yield
      }
    }
  }
}

/** What the cgroups' memory.low protects is the last reserve: true = it was not tapped yet, and is now. */
function takesLow(scan: Scan): boolean {
  if (!scan.sparedLow) return false
  scan.sparedLow = false
  scan.takesLow = true
  scan.forceDeactivate = false
  return true
}
