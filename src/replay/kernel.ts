import type { Place, PoolMove, SwapBackend } from '../memory/backends/backend.ts'
import type { PageContents } from '../memory/contents/contents.ts'
import { PstraceError } from '../model/error.ts'
import type { Workload } from '../workload/types.ts'
import type { CostSamplers } from './costs.ts'
import { Generations } from './mglru.ts'
import { PageLists } from './page-lists.ts'
import * as P from './pages.ts'
import { Lane } from './ranks.ts'
import { BY_QUEUE, BYPASS, DISPLACED, INLINE, type LogSink, type Recorder } from './recorder.ts'
import {
  FILE,
  IO,
  LOCK,
  NAP,
  NONE,
  SCAN,
  type Scheduler,
  SLAB,
  SLEEPING,
  STORE,
  THROTTLE,
  type Thread,
  UNMAP,
} from './scheduler.ts'
import type { SwapSlots } from './slots.ts'
import type { Tally } from './tally.ts'

export type Steps = Generator<undefined, void, undefined>
type StepsTo<T> = Generator<undefined, T, undefined>

const CLUSTER = 32
const DEF_PRIORITY = 12
const MAX_FAILURES = 16
const NAP_NS = 100_000_000
const TICK_NS = 1_000_000
/** Entries of a per-CPU folio batch (PAGEVEC_SIZE) since 6.9; 15 before. */
const ROTATE_BATCH = 31
const HOLDS_NOTHING = 0
const HOLDS_COPY = 1
const HOLDS_ZERO = 2
const MAX_FRUITLESS = 16
/** Ticks without any progress after which the run is cut: nothing will change. */
const OOM_FRUITLESS = 200

export const KSWAPD_CONTEXT = 0
export const DIRECT_CONTEXT = 1

/** One node's memory, in pages. */
export interface NodeState {
  readonly index: number
  free: number
  readonly min: number
  readonly low: number
  readonly high: number
  boost: number
  poolSinceBoost: number
  kswapd: Thread | undefined
  kswapdAsleep: boolean
  /** Since when kswapd is up, -1 = it sleeps. */
  awakeSince: number
  failures: number
  readonly throttled: Thread[]
  /** Free pages outside `free`: on the lists of the CPUs. */
  readonly lists: PageLists
  /** Clock of evictions and activations (nonresident_age). */
  age: number
  anonCost: number
  fileCost: number
  anonActivations: number
  fileActivations: number
  seenAnonActivations: number
  seenFileActivations: number
  readonly lanes: readonly [Lane, Lane]
  /** Pages that are nobody's: neither free nor on a list nor in the pool. */
  readonly fixed: number
  lowestFree: number
}

/** What one reclaiming thread works with (scan_control and its scratch lists). */
export class Scan {
  readonly context: number
  /** May start writes; a worker's own reclaim (GFP_NOIO) may not. */
  readonly mayWrite: boolean
  priority = DEF_PRIORITY
  target = CLUSTER
  reclaimed = 0
  scanned = 0
  mayDeactivateAnon = true
  mayDeactivateFile = true
  skippedDeactivate = false
  forceDeactivate = false
  mayUnmapSwap = true
  readonly batch = new Int32Array(64)
  batchLength = 0
  readonly keep = new Int32Array(64)
  activated = 0
  writeback = 0
  written = 0
  readonly quota = new Float64Array(P.LISTS)

  constructor(context: number, mayWrite: boolean) {
    this.context = context
    this.mayWrite = mayWrite
  }
}

/** How the policy takes a folio from kswapd; the executor in virtual time. */
export interface PolicyGate {
  /** Does this folio of kswapd's go to the policy? */
  admits(page: number, node: number): boolean
  submit(thread: Thread, page: number, node: number): StepsTo<number>
  readonly writebackWhileQueued: boolean
  readonly rotates: boolean
  /** Stops the run's idle workers from counting as pending. */
  check(): void
}

export const QUEUED_END = 0
export const INLINE_END = 1
export const BYPASS_END = 2
export const ACTIVATE_END = 3

export interface KernelParts {
  readonly workload: Workload
  readonly scheduler: Scheduler
  readonly costs: CostSamplers
  readonly recorder: Recorder
  readonly tally: Tally
  readonly backend: SwapBackend
  readonly contents: PageContents
  readonly slots: SwapSlots
  readonly watermarkScale: number
  readonly dirties: () => boolean
}

/** Memory management of the replayed machine: zones, LRU lists, kswapd, direct reclaim, swap-out and swap-in. */
export class Kernel {
  readonly nodes: NodeState[] = []
  readonly pages: P.Pages
  readonly scheduler: Scheduler
  readonly costs: CostSamplers
  readonly recorder: Recorder
  readonly tally: Tally
  readonly backend: SwapBackend
  gate: PolicyGate | undefined
  exhausted = false
  readonly #workload: Workload
  readonly #contents: PageContents
  readonly #slots: SwapSlots
  readonly #bytes: Uint8Array
  readonly #words: Float64Array
  #filled = -1
  #filledVersion = -1
  #filledKey = 0
  readonly #dirties: () => boolean
  readonly #preemptible: boolean
  readonly #zeroMap: boolean
  readonly #generations: Generations | undefined
  readonly #keepsCopy: boolean
  readonly #boostStep: number
  readonly #boostMax: number
  readonly #boostEvery: number
  readonly #boostBelow: number
  readonly #swappiness: number
  readonly #lockWaiters = new Map<number, Thread[]>()
  readonly #rotations: Int32Array[]
  readonly #rotationCounts: Int32Array
  readonly #log: LogSink | undefined
  #swapoutIds = 0
  readonly #drawFlush: () => number

  constructor(parts: KernelParts) {
    const { workload } = parts
    const { machine } = workload
    this.#workload = workload
    this.scheduler = parts.scheduler
    this.costs = parts.costs
    this.recorder = parts.recorder
    this.tally = parts.tally
    this.backend = parts.backend
    this.#contents = parts.contents
    this.#slots = parts.slots
    this.#dirties = parts.dirties
    this.#log = parts.recorder.log
    this.#bytes = new Uint8Array(machine.pageSize)
    this.#words = new Float64Array(this.#bytes.buffer)
    this.#preemptible = machine.storePreemptible.value
    this.#zeroMap = machine.zeroMap.value
    this.#keepsCopy = parts.backend.name === 'disk'
    this.#boostStep = machine.boostStep.value
    this.#boostMax = machine.boostMax.value
    this.#boostEvery = machine.boostEveryPoolPages.value
    this.#boostBelow = machine.boostBelowFree?.value ?? 0
    this.#swappiness = machine.swappiness.value
    this.#drawFlush = () => this.costs.flushReceived.draw()
    this.pages = new P.Pages(workload.pages, machine.nodes.length, {
      multiGeneration: machine.lru.value === 'mglru',
    })
    this.#rotations = parts.scheduler.cpus.map(() => new Int32Array(ROTATE_BATCH))
    this.#rotationCounts = new Int32Array(parts.scheduler.cpus.length)
    for (const { node, freeAtStart } of machine.nodes) {
      let min = 0
      let low = 0
      let high = 0
      let managed = 0
      for (const zone of machine.zones) {
        if (zone.node !== node) continue
        min += zone.min
        low += zone.low
        high += zone.high
        managed += zone.managed
      }
      const free = freeAtStart.value
      this.nodes.push({
        index: node,
        free,
        min,
        low: min + Math.round((low - min) * parts.watermarkScale),
        high: min + Math.round((high - min) * parts.watermarkScale),
        boost: 0,
        poolSinceBoost: 0,
        kswapd: undefined,
        kswapdAsleep: true,
        awakeSince: -1,
        failures: 0,
        throttled: [],
        lists: new PageLists(
          parts.scheduler.cpus.length,
          {
            managed,
            low,
            cpusOfNode: parts.scheduler.cpus.filter((cpu) => cpu.node === node).length,
          },
          // Kernels with a zero map (6.12) have lists that tune themselves (6.7).
          { tunes: machine.zeroMap.value },
        ),
        age: 0,
        anonCost: 0,
        fileCost: 0,
        anonActivations: 0,
        fileActivations: 0,
        seenAnonActivations: 0,
        seenFileActivations: 0,
        lanes: [new Lane(), new Lane()],
        fixed: 0,
        lowestFree: free,
      })
    }
    this.#generations = this.pages.multiGeneration
      ? new Generations(this, machine.swappiness.value)
      : undefined
    this.#placeResident()
    parts.slots.onRelease = (slot) => this.#released(slot)
    parts.backend.onMove = (move) => this.#recordMove(move)
  }

  #recordMove(move: PoolMove): void {
    this.tally.moves++
    const { recorder } = this
    if (!recorder.recordsRows) return
    const rows = recorder.moves
    const row = rows.add()
    rows.number(row, 'ts_ns', this.scheduler.now)
    rows.number(row, 'page_id', move.page + 1)
    rows.text(row, 'from_place', move.from)
    rows.text(row, 'to_place', move.reason === 'invalidate' ? undefined : move.to)
    rows.text(row, 'reason', move.reason)
    rows.number(row, 'age_ns', move.ageNs)
    recorder.added(rows)
  }

  /** The backend's own shrinker (zswap's shrink_worker): one iteration after the other while it has work. */
  *shrinkerMain(thread: Thread, node: NodeState): Steps {
    const { backend, scheduler, costs } = this
    for (;;) {
      while (backend.pendingShrink === true && backend.shrinkStep !== undefined) {
        const before = backend.poolPages
        const { deviceWrites, scanned, sleepUntilNs, done } = backend.shrinkStep(scheduler.now)
        this.#poolChanged(node, backend.poolPages - before)
        if (deviceWrites > 0) backend.device?.submit('write', scheduler.now, deviceWrites)
        // Writing back decompresses the page first; looking at an entry costs what looking at a page does.
        let ns = 0
        for (let write = 0; write < deviceWrites; write++) ns += costs.swapIn.draw()
        for (let entry = deviceWrites; entry < scanned; entry++) ns += costs.scanKept.draw()
        if (!scheduler.spend(thread, Math.max(1, ns))) yield
        if (sleepUntilNs > scheduler.now) {
          scheduler.sleepUntil(thread, sleepUntilNs, SLEEPING)
          yield
        }
        if (done) break
      }
      this.#shrinkerAsleep = true
      scheduler.block(thread, SLEEPING)
      yield
      this.#shrinkerAsleep = false
    }
  }

  shrinker: Thread | undefined
  #shrinkerAsleep = true

  #kickShrinker(): void {
    if (this.shrinker !== undefined && this.#shrinkerAsleep && this.backend.pendingShrink === true)
      this.scheduler.wake(this.shrinker)
  }

  /** Pages resident at the start, oldest first in stream order. Mapped ones have been used since they were faulted in: their first scan keeps them. */
  #placeResident(): void {
    const { pages, stream } = this.#workload
    const seen = new Uint8Array(pages.length)
    const place = (page: number): void => {
      if (seen[page] === 1 || pages.residentAtStart[page] !== 1) return
      seen[page] = 1
      this.pages.state[page] = P.RESIDENT
      if (this.pages.kind[page] === P.ANON) this.pages.set(page, P.ACCESSED)
      this.#add(page)
    }
    for (const page of stream) place(page)
    for (let page = 0; page < pages.length; page++) place(page)
    const swapped = pages.swappedAtStart
    if (swapped !== undefined)
      for (let page = 0; page < pages.length; page++)
        if (swapped[page] === 1 && seen[page] === 0) this.#swapOutAtStart(page)
  }

  #swapOutAtStart(page: number): void {
    const slot = this.#slots.allocate(page)
    if (slot < 0) return
    this.pages.slot[page] = slot
    this.pages.state[page] = P.SWAPPED
    const isZero = this.#fill(page)
    const node = this.nodeOf(this.pages.node[page] as number)
    this.#hold(slot, isZero && this.#zeroMap ? HOLDS_ZERO : HOLDS_COPY, node)
    if (!isZero || !this.#zeroMap)
      this.backend.store({
        slot,
        page: this.pages.content[page] as number,
        bytes: this.#bytes,
        key: this.#filledKey,
        memcg: -1,
      })
  }

  // ---------------------------------------------------------------- free memory

  nodeOf(index: number): NodeState {
    return this.nodes[index] as NodeState
  }

  minOf(node: NodeState): number {
    return node.min + node.boost
  }

  highOf(node: NodeState): number {
    return node.high + node.boost
  }

  /** Freed pages go to the list of the CPU at work, and from there to the zone. */
  give(node: NodeState, count: number): void {
    const cpu = this.scheduler.active?.cpu ?? 0
    const { lists } = node
    for (let page = 0; page < count; page++) node.free += lists.give(cpu)
    if (lists.isBelowHigh && node.free > this.highOf(node)) lists.isBelowHigh = false
  }

  #take(node: NodeState): void {
    const cpu = this.scheduler.active?.cpu ?? 0
    if (node.free <= 0 && (node.lists.counts[cpu] as number) === 0) node.free += node.lists.drain()
    const refill = node.lists.take(cpu, node.free)
    if (refill === 0) return
    node.free -= refill
    if (node.free < node.lowestFree) node.lowestFree = node.free
    if (node.free <= this.highOf(node)) node.lists.isBelowHigh = true
    if (node.free < this.#boostBelow) this.#boost(node)
  }

  /** A refill found no page of its own block type and took another's: the watermarks are boosted and kswapd is woken. */
  #boost(node: NodeState): void {
    if (this.#boostStep <= 0) return
    node.boost = Math.min(node.boost + this.#boostStep, this.#boostMax)
    this.tally.boosts++
    this.wakeKswapd(node)
  }

  #poolChanged(node: NodeState, pages: number): void {
    if (pages === 0) return
    for (let page = 0; page < pages; page++) this.#take(node)
    if (pages < 0) this.give(node, -pages)
    this.#poolCharged += pages
    const pool = this.backend.poolPages
    if (pool > this.tally.poolPeakPages) this.tally.poolPeakPages = pool
    const bytes = this.backend.poolBytes
    if (bytes > this.tally.poolPeakBytes) this.tally.poolPeakBytes = bytes
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
    if (node.free > this.highOf(node) && node.boost === 0) return
    if (this.scheduler.wake(kswapd)) {
      this.recorder.wakeup(this.scheduler.now, this.scheduler.active, kswapd, 'kswapd')
      this.tally.kswapdWakes++
    }
  }

  /** Takes one page for a task; may wake kswapd, wait for it, and reclaim. */
  *allocate(thread: Thread, node: NodeState): Steps {
    if (node.free > node.low + node.boost) {
      this.#take(node)
      this.pendingFrames++
      return
    }
    let fruitless = 0
    let scan: Scan | undefined
    for (;;) {
      if (node.free <= node.low + node.boost) this.wakeKswapd(node)
      if (node.free > this.minOf(node)) break
      yield* this.#throttle(thread, node)
      if (scan === undefined) scan = this.#scanOf(thread, DIRECT_CONTEXT, true)
      const reclaimed = yield* this.directReclaim(thread, node, scan)
      if (reclaimed > 0) {
        fruitless = 0
        // Progress but no page: the per-CPU lists are emptied before the next try.
        if (node.free <= this.minOf(node)) node.free += node.lists.drain()
      } else {
        if (node.free <= this.minOf(node)) node.free += node.lists.drain()
        fruitless++
        if (fruitless >= MAX_FRUITLESS && (!this.#canFree() || fruitless >= OOM_FRUITLESS)) {
          this.exhausted = true
          this.scheduler.stopped = true
          yield
          return
        }
        if (fruitless >= MAX_FRUITLESS) {
          // Where the kernel would kill: time for stores in flight to end.
          this.scheduler.sleepUntil(thread, this.scheduler.now + TICK_NS, IO)
          yield
        }
      }
    }
    this.#take(node)
    this.pendingFrames++
  }

  /** A page new to its list. */
  #add(page: number): void {
    this.#generations?.added(page)
    this.pages.addHead(page)
  }

  /** Could any page of the machine still be freed, now or when its store is done? */
  #canFree(): boolean {
    for (const size of this.pages.sizes) if (size > 0) return true
    return false
  }

  readonly #scans: (Scan | undefined)[] = []

  #scanOf(thread: Thread, context: number, mayWrite: boolean): Scan {
    const known = this.#scans[thread.index]
    if (known !== undefined) return known
    const scan = new Scan(context, mayWrite)
    this.#scans[thread.index] = scan
    return scan
  }

  #allowsDirectReclaim(node: NodeState): boolean {
    return node.failures >= MAX_FAILURES || node.free > Math.floor(this.minOf(node) / 2)
  }

  /** throttle_direct_reclaim: below half of min a task waits until kswapd's call has returned. */
  *#throttle(thread: Thread, node: NodeState): Steps {
    if (this.#allowsDirectReclaim(node) || node.kswapd === undefined) return
    const { scheduler, recorder } = this
    scheduler.account(thread)
    const start = scheduler.now
    const before = thread.parts.slice()
    const parent = thread.span
    const span = recorder.openSpan()
    thread.span = span
    this.tally.throttled++
    while (!this.#allowsDirectReclaim(node)) {
      this.wakeKswapd(node)
      node.throttled.push(thread)
      scheduler.block(thread, THROTTLE)
      yield
    }
    scheduler.account(thread)
    thread.span = parent
    recorder.closeSpan(span, 'throttle', thread, parent, start, scheduler.now, 0, before)
    this.tally.stall(thread, start, scheduler.now, false)
  }

  #wakeThrottled(node: NodeState): void {
    if (node.throttled.length === 0 || !this.#allowsDirectReclaim(node)) return
    for (const thread of node.throttled.splice(0)) this.scheduler.wake(thread)
  }

  // ---------------------------------------------------------------- direct reclaim

  /** One call of try_to_free_pages: returns pages freed. */
  *directReclaim(thread: Thread, node: NodeState, scan: Scan): StepsTo<number> {
    const { scheduler, recorder } = this
    scheduler.account(thread)
    const start = scheduler.now
    const before = thread.parts.slice()
    const parent = thread.span
    const doing = thread.doing
    const span = recorder.openSpan()
    thread.span = span
    scan.reclaimed = 0
    scan.target = CLUSTER
    scan.forceDeactivate = false
    scheduler.setDoing(thread, SCAN)
    if (!scheduler.spend(thread, this.costs.directEntry.draw())) yield
    // Empty-handed calls try again: with forced deactivation (classic LRU only), then with all control groups.
    const rounds = this.#generations === undefined ? 3 : 2
    for (let round = 0; round < rounds; round++) {
      this.tally.allocstall(thread)
      scan.skippedDeactivate = false
      for (scan.priority = DEF_PRIORITY; scan.priority >= 0; scan.priority--) {
        scan.scanned = 0
        yield* this.#shrinkNode(thread, node, scan)
        if (scan.reclaimed >= scan.target) break
      }
      this.#snapshotRefaults(node)
      if (scan.reclaimed > 0) break
      scan.forceDeactivate = true
    }
    scheduler.setDoing(thread, doing)
    scheduler.account(thread)
    thread.span = parent
    recorder.closeSpan(span, 'direct', thread, parent, start, scheduler.now, scan.reclaimed, before)
    this.tally.stall(thread, start, scheduler.now, true)
    return scan.reclaimed
  }

  /** A worker without PF_MEMALLOC needs a pool page below min: GFP_NOIO reclaim until there is one. */
  *#reclaimForWorker(thread: Thread, node: NodeState, isKworker: boolean): Steps {
    let scan: Scan | undefined
    let fruitless = 0
    while (node.free <= this.minOf(node)) {
      this.wakeKswapd(node)
      if (scan === undefined) scan = this.#scanOf(thread, DIRECT_CONTEXT, false)
      const reclaimed = yield* this.directReclaim(thread, node, scan)
      if (reclaimed > 0 && node.free <= this.minOf(node)) node.free += node.lists.drain()
      if (node.free > this.minOf(node)) return
      // Nobody frees anything any more: a real machine hangs here; the run goes on below min.
      fruitless = reclaimed > 0 ? 0 : fruitless + 1
      if (fruitless >= OOM_FRUITLESS) return
      if (isKworker) {
        this.scheduler.sleepUntil(thread, this.scheduler.now + TICK_NS, SLEEPING)
        yield
      }
    }
  }

  // ---------------------------------------------------------------- kswapd

  *kswapdMain(thread: Thread, node: NodeState): Steps {
    const { scheduler } = this
    const scan = this.#scanOf(thread, KSWAPD_CONTEXT, true)
    // Parked until its first wake-up: the program begins where kswapd wakes.
    for (;;) {
      node.kswapdAsleep = false
      const start = scheduler.now
      node.awakeSince = start
      for (;;) {
        yield* this.#balanceNode(thread, node, scan)
        if (yield* this.#kswapdNaps(thread, node)) break
      }
      this.recorder.closeKswapdSpan(thread, start, scheduler.now, false)
      this.tally.kswapdAwakeNs += scheduler.now - start
      node.awakeSince = -1
      node.kswapdAsleep = true
      scheduler.block(thread, SLEEPING)
      yield
    }
  }

  /** kswapd_try_to_sleep: a nap of HZ/10, then true if it may sleep on. A wake-up during the nap means work. */
  *#kswapdNaps(thread: Thread, node: NodeState): StepsTo<boolean> {
    if (!this.#mayKswapdSleep(node)) return false
    const wakesAt = this.scheduler.now + NAP_NS
    node.kswapdAsleep = true
    this.scheduler.sleepUntil(thread, wakesAt, NAP)
    yield
    node.kswapdAsleep = false
    if (this.scheduler.now < wakesAt) return false
    return this.#mayKswapdSleep(node)
  }

  #mayKswapdSleep(node: NodeState): boolean {
    // prepare_kswapd_sleep: throttled tasks are let go first.
    for (const waiting of node.throttled.splice(0)) this.scheduler.wake(waiting)
    return node.failures >= MAX_FAILURES || node.free > this.highOf(node)
  }

  /** balance_pgdat. */
  *#balanceNode(thread: Thread, node: NodeState, scan: Scan): Steps {
    const { scheduler } = this
    const boosted = node.boost
    let boostLeft = boosted
    scan.priority = DEF_PRIORITY
    scan.reclaimed = 0
    let total = 0
    scan.forceDeactivate = false
    node.lists.isReclaimActive = true
    do {
      const balanced = node.free > this.highOf(node)
      if (!balanced && boostLeft > 0) {
        boostLeft = 0
        scan.priority = DEF_PRIORITY
        continue
      }
      if (balanced && boostLeft === 0) break
      let raise = !(boostLeft > 0 && scan.priority === DEF_PRIORITY - 2)
      scan.mayUnmapSwap = boostLeft === 0
      scheduler.setDoing(thread, SCAN)
      yield* this.#ageActive(thread, node, scan)
      scan.reclaimed = 0
      scan.scanned = 0
      scan.target = Math.max(this.highOf(node), CLUSTER)
      yield* this.#shrinkNode(thread, node, scan)
      if (scan.scanned >= scan.target) raise = false
      const reclaimed = scan.reclaimed
      total += reclaimed
      this.#wakeThrottled(node)
      boostLeft -= Math.min(boostLeft, reclaimed)
      if (boostLeft > 0 && reclaimed === 0) break
      if (raise || reclaimed === 0) scan.priority--
    } while (scan.priority >= 1)
    node.lists.isReclaimActive = false
    if (scan.priority < 1 && total === 0) node.failures++
    scheduler.setDoing(thread, NONE)
    if (boosted > 0) node.boost -= Math.min(node.boost, boosted)
    this.#snapshotRefaults(node)
    scan.mayUnmapSwap = true
  }

  #snapshotRefaults(node: NodeState): void {
    node.seenAnonActivations = node.anonActivations
    node.seenFileActivations = node.fileActivations
  }

  // ---------------------------------------------------------------- classic LRU

  #size(node: NodeState, list: number): number {
    return this.pages.sizes[node.index * P.LISTS + list] as number
  }

  #inactiveIsLow(node: NodeState, inactive: number): boolean {
    const idle = this.#size(node, inactive)
    const active = this.#size(node, inactive + 1)
    const pagesPerGb = 0x40000000 / this.#workload.machine.pageSize
    const gb = Math.floor((idle + active) / pagesPerGb)
    const ratio = gb > 0 ? Math.floor(Math.sqrt(10 * gb)) : 1
    return idle * ratio < active
  }

  *#ageActive(thread: Thread, node: NodeState, scan: Scan): Steps {
    if (this.#generations !== undefined) return
    if (this.#inactiveIsLow(node, P.INACTIVE_ANON))
      yield* this.#shrinkActive(thread, node, scan, P.ACTIVE_ANON, CLUSTER)
  }

  /** shrink_node for the classic LRU: shares between the lists (get_scan_count), batches, then slab. */
  *#shrinkNode(thread: Thread, node: NodeState, scan: Scan): Steps {
    const before = scan.reclaimed
    if (this.#generations !== undefined) yield* this.#generations.shrink(thread, node, scan)
    else {
      this.#prepareScan(node, scan)
      yield* this.#shrinkLists(thread, node, scan)
    }
    yield* this.#shrinkSlab(thread, node)
    if (scan.reclaimed > before) node.failures = 0
  }

  #prepareScan(node: NodeState, scan: Scan): void {
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
      file + node.free <= this.highOf(node) &&
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
  *#shrinkLists(thread: Thread, node: NodeState, scan: Scan): Steps {
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
        if (!isActive) yield* this.#shrinkInactive(thread, node, scan, list, count)
        else if (list === P.ACTIVE_ANON ? scan.mayDeactivateAnon : scan.mayDeactivateFile)
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

  *#shrinkSlab(thread: Thread, node: NodeState): Steps {
    const ns = this.costs.slab.draw()
    if (ns <= 0) return
    const { scheduler, recorder } = this
    const doing = thread.doing
    const start = scheduler.now
    scheduler.setDoing(thread, SLAB)
    if (!scheduler.spend(thread, ns)) yield
    scheduler.setDoing(thread, doing)
    if (!recorder.recordsRows) return
    const rows = recorder.slabs
    const row = rows.add()
    rows.number(row, 'start_ns', start)
    rows.number(row, 'end_ns', scheduler.now)
    rows.number(row, 'task_id', thread.taskId)
    rows.number(row, 'node', node.index)
    recorder.added(rows)
  }

  /** shrink_active_list: anonymous pages are deactivated whether referenced or not. */
  *#shrinkActive(thread: Thread, node: NodeState, scan: Scan, list: number, count: number): Steps {
    const { pages, scheduler } = this
    this.drainRotations(thread.cpu)
    const taken = this.#isolate(node, scan, list, count)
    const start = scheduler.now
    for (let place = 0; place < taken; place++) {
      const page = scan.batch[place] as number
      pages.clear(page, P.ACCESSED | P.ACTIVE)
      pages.set(page, P.WORKINGSET)
      if (!scheduler.spend(thread, this.costs.scanKept.draw())) yield
    }
    for (let place = 0; place < taken; place++) this.putBack(scan.batch[place] as number)
    this.recordBatch(thread, node, scan, list, start, taken, taken, 0)
  }

  #isolate(node: NodeState, scan: Scan, list: number, count: number): number {
    const { pages } = this
    const index = node.index * P.LISTS + list
    let taken = 0
    while (taken < count) {
      const page = pages.tails[index] as number
      if (page < 0) break
      pages.remove(page)
      scan.batch[taken++] = page
    }
    scan.batchLength = taken
    return taken
  }

  putBack(page: number): void {
    const state = this.pages.state[page] as number
    if (state === P.DYING) {
      this.give(this.nodeOf(this.pages.node[page] as number), 1)
      this.#forget(page)
    } else if (state !== P.FREE && state !== P.SWAPPED) this.pages.addHead(page)
  }

  /** shrink_inactive_list: a batch is isolated, looked through, put back; freed frames arrive at its end. */
  *#shrinkInactive(
    thread: Thread,
    node: NodeState,
    scan: Scan,
    list: number,
    count: number,
  ): Steps {
    const { pages, scheduler, costs } = this
    this.drainRotations(thread.cpu)
    const start = scheduler.now
    const taken = this.#isolate(node, scan, list, count)
    if (taken === 0) {
      scan.scanned += 0
      return
    }
    scan.activated = 0
    scan.writeback = 0
    scan.written = 0
    const doing = thread.doing
    scheduler.setDoing(thread, list >= P.INACTIVE_FILE ? FILE : SCAN)
    if (!scheduler.spend(thread, costs.batch.draw())) yield
    let freed = 0
    let scanned = 0
    let kept = 0
    for (let place = 0; place < taken; place++) {
      const page = scan.batch[place] as number
      if (pages.has(page, P.LOCKED)) {
        scan.keep[kept++] = page
        if (!scheduler.spend(thread, costs.scanKept.draw())) yield
        continue
      }
      scanned++
      const isFreed = yield* this.shrinkPage(thread, node, scan, page)
      if (isFreed) {
        freed++
        this.pendingFrames++
      } else scan.keep[kept++] = page
    }
    for (let place = 0; place < kept; place++) this.putBack(scan.keep[place] as number)
    this.give(node, freed)
    this.pendingFrames -= freed
    scan.reclaimed += freed
    scan.scanned += taken
    const isFile = list >= P.INACTIVE_FILE
    this.#noteCost(node, isFile, scan.written, taken - freed)
    this.tally.steal(thread, scan.context, isFile, freed, taken)
    scheduler.setDoing(thread, doing)
    this.recordBatch(thread, node, scan, list, start, taken, scanned, freed)
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

  recordBatch(
    thread: Thread,
    node: NodeState,
    scan: Scan,
    list: number,
    start: number,
    taken: number,
    scanned: number,
    freed: number,
  ): void {
    this.tally.batches++
    const { recorder } = this
    if (!recorder.recordsRows) return
    const rows = recorder.batches
    const row = rows.add()
    rows.number(row, 'ts_ns', this.scheduler.now)
    rows.number(row, 'start_ns', start)
    rows.number(row, 'task_id', thread.taskId)
    rows.number(row, 'node', node.index)
    rows.text(row, 'lru', P.LRU_NAMES[list])
    rows.number(row, 'nr_scanned', scanned)
    rows.number(row, 'nr_taken', taken)
    rows.number(row, 'nr_reclaimed', freed)
    rows.number(row, 'nr_dirty', scan.written)
    rows.number(row, 'nr_writeback', scan.writeback)
    rows.number(row, 'nr_activate', scan.activated)
    rows.number(row, 'priority', scan.priority)
    recorder.added(rows)
    recorder.sample(this.scheduler.now, node.index, 'free_pages', node.free)
  }

  /** shrink_folio_list for one unlocked, isolated folio: true = freed, false = goes back. */
  *shrinkPage(thread: Thread, node: NodeState, scan: Scan, page: number): StepsTo<boolean> {
    const { pages, scheduler, costs } = this
    if (pages.has(page, P.WRITEBACK)) {
      // Case 2 of shrink_folio_list: marked for rotation at its end, activated meanwhile.
      pages.set(page, P.RECLAIM | P.ACTIVE)
      scan.writeback++
      scan.activated++
      if (!scheduler.spend(thread, costs.scanKept.draw())) yield
      return false
    }
    if (pages.has(page, P.ACCESSED)) {
      pages.clear(page, P.ACCESSED)
      if (pages.has(page, P.REFERENCED)) {
        pages.set(page, P.ACTIVE)
        scan.activated++
        this.#activated(node, page)
      } else pages.set(page, P.REFERENCED)
      if (!scheduler.spend(thread, costs.scanKept.draw())) yield
      return false
    }
    const state = pages.state[page] as number
    if (
      state === P.STORED ||
      state === P.DYING ||
      (pages.kind[page] as number) === P.FILE_PAGE ||
      pages.has(page, P.CLEAN_COPY)
    ) {
      pages.set(page, P.LOCKED)
      if (!scheduler.spend(thread, costs.freeClean.draw())) yield
      this.#evict(node, page)
      this.unlock(page)
      return true
    }
    if (!scan.mayWrite) {
      if (!scheduler.spend(thread, costs.scanKept.draw())) yield
      return false
    }
    return yield* this.#swapOut(thread, node, scan, page)
  }

  #activated(node: NodeState, page: number): void {
    if ((this.pages.kind[page] as number) === P.FILE_PAGE) node.fileActivations++
    else node.anonActivations++
    node.age++
  }

  /** The frame is free from the end of the batch on; the page is gone or only in swap. */
  #evict(node: NodeState, page: number): void {
    const { pages } = this
    if (pages.state[page] === P.DYING) {
      this.#forget(page)
      return
    }
    node.age++
    pages.clear(page, P.REFERENCED | P.ACTIVE | P.RECLAIM | P.CLEAN_COPY)
    if ((pages.kind[page] as number) === P.FILE_PAGE) {
      pages.state[page] = P.FREE
      pages.clear(page, P.LOCKED)
      pages.release(page)
      return
    }
    pages.evictedAt[page] = node.age
    pages.state[page] = P.SWAPPED
    const flight = pages.swapout[page] as number
    if (flight > 0) {
      const { flights } = this.recorder
      flights.freed[flight] = this.scheduler.now
      this.recorder.closeFlight(flight)
      pages.swapout[page] = 0
    }
  }

  // ---------------------------------------------------------------- swap-out

  *#swapOut(thread: Thread, node: NodeState, scan: Scan, page: number): StepsTo<boolean> {
    const { pages, scheduler, costs, recorder } = this
    const slot = this.#slots.allocate(page)
    if (slot < 0) {
      pages.set(page, P.ACTIVE)
      scan.activated++
      if (!scheduler.spend(thread, costs.scanKept.draw())) yield
      return false
    }
    pages.set(page, P.LOCKED)
    pages.slot[page] = slot
    const doing = thread.doing
    scheduler.setDoing(thread, UNMAP)
    const remote = scheduler.runsMemoryElsewhere(thread)
    if (!scheduler.spend(thread, remote ? costs.unmapRemote.draw() : costs.unmap.draw())) yield
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
    flights.context[flight] = scan.context
    flights.span[flight] = thread.span
    scan.written++
    this.tally.swapOuts++
    if (this.#zeroMap && this.#fill(page)) {
      flights.path[flight] = BYPASS
      flights.reason[flight] = 'zero'
      yield* this.#storeZero(thread, node, page)
      flights.handed[flight] = scheduler.now
      this.#evict(node, page)
      this.unlock(page)
      return true
    }
    const gate = this.gate
    if (gate === undefined || scan.context !== KSWAPD_CONTEXT || !gate.admits(page, node.index)) {
      const isKswapd = scan.context === KSWAPD_CONTEXT
      flights.path[flight] = gate === undefined && isKswapd ? INLINE : BYPASS
      if (flights.path[flight] === BYPASS) flights.reason[flight] = isKswapd ? 'file' : 'context'
      else {
        const lane = node.lanes[KSWAPD_CONTEXT]
        flights.submitRank[flight] = lane.submit()
      }
      return yield* this.#storeInline(thread, node, scan, page)
    }
    const lane = node.lanes[KSWAPD_CONTEXT]
    flights.submitRank[flight] = lane.submit()
    flights.path[flight] = BY_QUEUE
    pages.state[page] = P.QUEUED
    if (gate.writebackWhileQueued) {
      pages.set(page, P.WRITEBACK | P.RECLAIM)
      this.unlock(page)
    }
    this.#log?.({
      ns: scheduler.now,
      event: 'submit',
      thread: thread.name,
      page,
      value: flights.submitRank[flight] as number,
    })
    const end = yield* gate.submit(thread, page, node.index)
    if (end === QUEUED_END) {
      this.tally.handedOver++
      if ((pages.swapout[page] as number) === flight && Number.isNaN(flights.handed[flight]))
        flights.handed[flight] = scheduler.now
      return false
    }
    pages.state[page] = P.RESIDENT
    if (gate.writebackWhileQueued) {
      pages.clear(page, P.WRITEBACK | P.RECLAIM)
      pages.set(page, P.LOCKED)
    }
    if (end === ACTIVATE_END) {
      this.#backOut(node, page, true)
      scan.activated++
      return false
    }
    flights.path[flight] = end === BYPASS_END ? BYPASS : INLINE
    if (end === BYPASS_END) {
      flights.reason[flight] = 'full'
      lane.withdraw(flights.submitRank[flight] as number)
      flights.submitRank[flight] = 0
    }
    return yield* this.#storeInline(thread, node, scan, page)
  }

  *#storeInline(thread: Thread, node: NodeState, scan: Scan, page: number): StepsTo<boolean> {
    const flight = this.pages.swapout[page] as number
    const { flights } = this.recorder
    this.#startRank(node, flight)
    const stored = yield* this.store(thread, node, page, true, false)
    if (!stored) {
      scan.activated++
      return false
    }
    flights.handed[flight] = this.scheduler.now
    if ((this.pages.state[page] as number) !== P.STORED || this.pages.has(page, P.WRITEBACK)) {
      // Written again meanwhile, or still on its way to the device: it stays.
      if ((this.pages.state[page] as number) !== P.STORED) this.recorder.closeFlight(flight)
      this.unlock(page)
      return false
    }
    this.#evict(node, page)
    this.unlock(page)
    return true
  }

  #startRank(node: NodeState, flight: number): void {
    const { flights } = this.recorder
    const submitRank = flights.submitRank[flight] as number
    if (submitRank > 0) flights.startRank[flight] = node.lanes[KSWAPD_CONTEXT].start(submitRank)
  }

  /** The policy took the page from its queue: that is where its start is ranked. */
  popped(page: number): void {
    const node = this.nodeOf(this.pages.node[page] as number)
    this.#startRank(node, this.pages.swapout[page] as number)
  }

  queueChanged(node: number, queued: number): void {
    this.recorder.sample(this.scheduler.now, node, 'queued', queued)
  }

  /** A page popped by the reclaimer itself because the queue was full. */
  displaced(page: number): void {
    this.recorder.flights.path[this.pages.swapout[page] as number] = DISPLACED
  }

  #fill(page: number): boolean {
    const { pages } = this
    const content = pages.content[page] as number
    const version = pages.version[page] as number
    if (this.#filled !== content || this.#filledVersion !== version) {
      this.#filledKey = this.#contents.fill(
        content,
        version,
        pages.slot[page] as number,
        this.#bytes,
      )
      this.#filled = content
      this.#filledVersion = version
    }
    return isZero(this.#words)
  }

  *#storeZero(thread: Thread, node: NodeState, page: number): Steps {
    const { scheduler, tally } = this
    const { flights } = this.recorder
    const flight = this.pages.swapout[page] as number
    flights.start[flight] = scheduler.now
    const doing = thread.doing
    scheduler.setDoing(thread, STORE)
    if (!scheduler.spend(thread, this.costs.storeSame.draw())) yield
    scheduler.setDoing(thread, doing)
    flights.stored[flight] = scheduler.now
    flights.storedBy[flight] = thread.taskId
    flights.place[flight] = 'zero'
    flights.bytes[flight] = 0
    tally.zeroPages++
    this.#hold(this.pages.slot[page] as number, HOLDS_ZERO, node)
  }

  /** The store itself, by whoever does it: real compression, calibrated time, pool memory. False = refused, the page stays. */
  *store(
    thread: Thread,
    node: NodeState,
    page: number,
    memalloc: boolean,
    isKworker: boolean,
  ): StepsTo<boolean> {
    const { pages, scheduler, costs, tally } = this
    const { flights } = this.recorder
    const flight = pages.swapout[page] as number
    const state = pages.state[page] as number
    if (flight === 0 || (state !== P.QUEUED && state !== P.RESIDENT))
      throw new PstraceError(
        'replay-invariant',
        `page ${page} is stored twice (by ${thread.name} at ${scheduler.now} ns)`,
      )
    pages.state[page] = P.STORING
    flights.start[flight] = scheduler.now
    flights.storedBy[flight] = thread.taskId
    const doing = thread.doing
    scheduler.setDoing(thread, STORE)
    this.#fill(page)
    if (memalloc && node.free + (node.lists.counts[thread.cpu] as number) <= 0) {
      // Even the reserves are empty: the pool gets no page, the write ends in an error and the folio is dirty again.
      tally.failedStores++
      if (!scheduler.spend(thread, costs.store.draw())) yield
      scheduler.setDoing(thread, doing)
      this.#backOut(node, page, false)
      return false
    }
    const result = this.backend.store({
      slot: pages.slot[page] as number,
      page: pages.content[page] as number,
      bytes: this.#bytes,
      key: this.#filledKey,
      memcg: -1,
      nowNs: scheduler.now,
      node: node.index,
    })
    const { place, poolPagesTaken, compressedBytes, deviceWrites } = result
    if (place !== 'reject') this.#hold(pages.slot[page] as number, HOLDS_COPY, node)
    const isSame = place === 'same' || place === 'zero'
    if (!this.#preemptible) thread.preemptOff++
    if (!scheduler.spend(thread, isSame ? costs.storeSame.draw() : costs.store.draw())) yield
    if (!this.#preemptible) thread.preemptOff--
    if (!memalloc && poolPagesTaken > 0 && node.free <= this.minOf(node)) {
      tally.writestalls++
      yield* this.#reclaimForWorker(thread, node, isKworker)
      scheduler.setDoing(thread, STORE)
      // The stream was released meanwhile: zram up to 6.12 compresses once more.
      if (!this.#preemptible) thread.preemptOff++
      if (!scheduler.spend(thread, costs.store.draw())) yield
      if (!this.#preemptible) thread.preemptOff--
    }
    scheduler.setDoing(thread, doing)
    tally.stores++
    tally.compressedBytes += compressedBytes
    flights.stored[flight] = scheduler.now
    flights.place[flight] = place
    flights.bytes[flight] = compressedBytes
    const submitRank = flights.submitRank[flight] as number
    if (submitRank > 0) flights.doneRank[flight] = node.lanes[KSWAPD_CONTEXT].finish(submitRank)
    this.#log?.({
      ns: scheduler.now,
      event: 'stored',
      thread: thread.name,
      page,
      value: compressedBytes,
    })
    this.#poolChanged(node, poolPagesTaken)
    this.#kickShrinker()
    if (place === 'reject') {
      this.#backOut(node, page, true)
      return false
    }
    pages.state[page] = P.STORED
    const { device } = this.backend
    if (deviceWrites > 0 && device !== undefined) {
      const done = device.submit('write', scheduler.now, deviceWrites)
      // A refused page is written by itself: under writeback until the device is done.
      if (place === 'disk') {
        pages.set(page, P.WRITEBACK | P.RECLAIM)
        this.#writing.add(page)
        scheduler.at(done, page)
      }
    }
    if (this.#redirtied.delete(page)) {
      // Written while it was under writeback: what was stored is stale.
      pages.version[page] = (pages.version[page] as number) + 1
      pages.swapout[page] = 0
      this.#dropSlot(page)
      pages.state[page] = P.RESIDENT
    }
    return true
  }

  readonly #redirtied = new Set<number>()
  readonly #writing = new Set<number>()

  /** The device has written the page: as after any disk write it moves to its list's tail. */
  written(page: number): void {
    const { pages } = this
    if (!this.#writing.delete(page)) return
    pages.clear(page, P.WRITEBACK | P.RECLAIM)
    if (!pages.isOnList(page) || pages.has(page, P.LOCKED)) return
    pages.remove(page)
    pages.clear(page, P.ACTIVE)
    this.#generations?.toOldest(page)
    pages.addTail(page)
  }

  /** The page stays in memory: its slot is given back; a refused one goes to the active list. */
  #backOut(node: NodeState, page: number, activate: boolean): void {
    const { pages } = this
    const flight = pages.swapout[page] as number
    const { flights } = this.recorder
    const submitRank = flights.submitRank[flight] as number
    if (submitRank > 0 && flights.doneRank[flight] === 0) {
      const lane = node.lanes[KSWAPD_CONTEXT]
      if (flights.startRank[flight] === 0) lane.start(submitRank)
      lane.finish(submitRank)
    }
    this.recorder.closeFlight(flight)
    pages.swapout[page] = 0
    this.#dropSlot(page)
    pages.state[page] = P.RESIDENT
    pages.clear(page, P.WRITEBACK | P.RECLAIM)
    if (activate) {
      const listed = pages.isOnList(page)
      if (listed) pages.remove(page)
      pages.set(page, P.ACTIVE)
      this.#generations?.toYoungest(page)
      if (listed) pages.addHead(page)
      this.tally.rejects++
    }
    this.unlock(page)
  }

  /** After a worker's store: unlocked, and rotated if it is on its list; a folio that is still isolated is not. */
  completed(page: number, cpu: number, flight: number): void {
    const { pages, gate } = this
    if ((pages.swapout[page] as number) !== flight) this.recorder.closeFlight(flight)
    if (this.#writing.has(page)) {
      // The device has it: unlocked now, rotated when the write is done.
      this.unlock(page)
      return
    }
    if (pages.has(page, P.WRITEBACK)) pages.clear(page, P.WRITEBACK)
    this.unlock(page)
    if (gate?.rotates !== true || !pages.isOnList(page)) {
      if (!pages.isOnList(page)) this.tally.isolatedAtStore++
      return
    }
    const batch = this.#rotations[cpu] as Int32Array
    const count = this.#rotationCounts[cpu] as number
    batch[count] = page
    this.#rotationCounts[cpu] = count + 1
    if (count + 1 === batch.length) this.drainRotations(cpu)
  }

  drainRotations(cpu: number): void {
    const { pages } = this
    const batch = this.#rotations[cpu] as Int32Array
    const count = this.#rotationCounts[cpu] as number
    for (let place = 0; place < count; place++) {
      const page = batch[place] as number
      if (!pages.isOnList(page) || pages.has(page, P.LOCKED)) continue
      pages.remove(page)
      pages.clear(page, P.ACTIVE)
      this.#generations?.toOldest(page)
      pages.addTail(page)
    }
    this.#rotationCounts[cpu] = 0
  }

  // ---------------------------------------------------------------- folio lock

  unlock(page: number): void {
    this.pages.clear(page, P.LOCKED)
    const waiters = this.#lockWaiters.get(page)
    if (waiters === undefined) return
    this.#lockWaiters.delete(page)
    for (const thread of waiters) this.scheduler.wake(thread)
  }

  *#waitForLock(thread: Thread, page: number): Steps {
    while (this.pages.has(page, P.LOCKED)) {
      const waiters = this.#lockWaiters.get(page)
      if (waiters === undefined) this.#lockWaiters.set(page, [thread])
      else waiters.push(thread)
      this.scheduler.block(thread, LOCK)
      yield
    }
  }

  // ---------------------------------------------------------------- faults

  /** First touch of an anonymous page; returns its id. */
  *faultNew(thread: Thread, wanted: number, nodeIndex: number): StepsTo<number> {
    const { pages } = this
    const node = this.nodeOf(nodeIndex)
    yield* this.allocate(thread, node)
    if (this.scheduler.stopped) return -1
    if (!this.scheduler.spend(thread, this.costs.fault.draw())) yield
    const page = wanted >= 0 ? wanted : pages.create(P.ANON, nodeIndex)
    pages.state[page] = P.RESIDENT
    pages.flags[page] = P.ACCESSED
    this.#add(page)
    this.pendingFrames--
    this.tally.allocated++
    return page
  }

  /** Pages of a file read through the page cache: clean, on the inactive file list. */
  *readFile(thread: Thread, nodeIndex: number, count: number): Steps {
    const { pages } = this
    const node = this.nodeOf(nodeIndex)
    for (let read = 0; read < count; read++) {
      yield* this.allocate(thread, node)
      if (this.scheduler.stopped) return
      if (!this.scheduler.spend(thread, this.costs.fault.draw())) yield
      const page = pages.create(P.FILE_PAGE, nodeIndex)
      pages.state[page] = P.RESIDENT
      this.#add(page)
      this.pendingFrames--
      this.tally.filePages++
    }
  }

  /** A task touches a page it has allocated before. */
  *touch(thread: Thread, page: number): Steps {
    const { pages, scheduler, costs } = this
    const flights = this.recorder.flights
    const start = scheduler.now
    let met: 'queued' | 'storing' | 'stored' | 'pool' | 'disk' | undefined
    for (;;) {
      const state = pages.state[page] as number
      if (state === P.FREE) return
      if (state === P.RESIDENT) {
        // A reclaimer that unmaps it holds its lock; the fault waits, then maps it again.
        if (pages.has(page, P.LOCKED)) {
          yield* this.#waitForLock(thread, page)
          continue
        }
        pages.set(page, P.ACCESSED)
        if (met !== undefined) this.#recordSwapIn(thread, page, 0, -1, met, start)
        return
      }
      if (state === P.QUEUED || state === P.STORING) {
        met ??= state === P.QUEUED ? 'queued' : 'storing'
        if (pages.has(page, P.LOCKED)) yield* this.#waitForLock(thread, page)
        else {
          // Under writeback the fault maps it at once; its store goes on for nothing.
          pages.set(page, P.ACCESSED)
          if (this.#dirties()) this.#redirtied.add(page)
          this.#recordSwapIn(
            thread,
            page,
            flights.id[pages.swapout[page] as number] ?? 0,
            pages.slot[page] as number,
            met,
            start,
          )
          return
        }
        continue
      }
      if (state === P.STORED) {
        if (pages.has(page, P.LOCKED)) {
          yield* this.#waitForLock(thread, page)
          continue
        }
        met ??= 'stored'
        pages.set(page, P.LOCKED)
        const flight = pages.swapout[page] as number
        const id = flights.id[flight] as number
        const slot = pages.slot[page] as number
        if (flight > 0) {
          this.recorder.closeFlight(flight)
          pages.swapout[page] = 0
        }
        pages.state[page] = P.RESIDENT
        pages.set(page, P.ACCESSED)
        if (this.#dirties()) {
          pages.version[page] = (pages.version[page] as number) + 1
          this.#dropSlot(page)
        } else pages.set(page, P.CLEAN_COPY)
        this.unlock(page)
        this.tally.refaultsStored++
        this.#recordSwapIn(thread, page, id, slot, met, start)
        return
      }
      if (pages.has(page, P.LOCKED)) {
        yield* this.#waitForLock(thread, page)
        continue
      }
      pages.set(page, P.LOCKED)
      const nodeIndex = pages.node[page] as number
      const node = this.nodeOf(nodeIndex)
      yield* this.allocate(thread, node)
      if (scheduler.stopped) return
      if (!scheduler.spend(thread, costs.swapIn.draw())) yield
      const slot = pages.slot[page] as number
      const place = this.#load(node, slot)
      if (place === 'disk' && this.backend.device !== undefined) {
        scheduler.sleepUntil(thread, this.backend.device.submit('read', scheduler.now), IO)
        yield
      }
      if (this.#dirties()) {
        pages.version[page] = (pages.version[page] as number) + 1
        this.#dropSlot(page)
      } else if (this.#keepsCopy) pages.set(page, P.CLEAN_COPY)
      else this.#dropSlot(page)
      pages.state[page] = P.RESIDENT
      pages.set(page, P.ACCESSED)
      const distance = node.age - (pages.evictedAt[page] as number)
      this.#refaulted(node, page, distance)
      this.#add(page)
      this.pendingFrames--
      this.unlock(page)
      this.tally.swapIns++
      this.#recordSwapIn(
        thread,
        page,
        0,
        slot,
        met ?? (place === 'disk' ? 'disk' : 'pool'),
        start,
        distance,
      )
      return
    }
  }

  #load(node: NodeState, slot: number): Place {
    if (this.#slotHolds[slot] === HOLDS_ZERO) return 'zero'
    const before = this.backend.poolPages
    const place = this.backend.load(slot, undefined, this.scheduler.now)
    // A load may take the content out of the pool (zswap since 6.12).
    this.#poolChanged(node, this.backend.poolPages - before)
    return place
  }

  /** workingset_refault: back to the active list if the lists it competes with would have held it. */
  #refaulted(node: NodeState, page: number, distance: number): void {
    if (this.#generations !== undefined) return
    const reach =
      this.#size(node, P.ACTIVE_FILE) +
      this.#size(node, P.INACTIVE_FILE) +
      this.#size(node, P.ACTIVE_ANON)
    if (distance > reach) return
    this.pages.set(page, P.ACTIVE)
    this.#activated(node, page)
    if (this.pages.has(page, P.WORKINGSET)) this.#noteCost(node, false, 1, 0)
  }

  #dropSlot(page: number): void {
    const slot = this.pages.slot[page] as number
    if (slot < 0) return
    this.pages.slot[page] = -1
    this.#slots.free(slot, this.scheduler.active?.cpu ?? 0)
  }

  /** The slot is really free, which slot caches put off: its content goes. */
  #released(slot: number): void {
    const holds = this.#slotHolds[slot]
    this.#slotHolds[slot] = HOLDS_NOTHING
    if (holds !== HOLDS_COPY) return
    const given = this.backend.free(slot)
    if (given > 0) this.#poolChanged(this.nodeOf(this.#slotNodes[slot] as number), -given)
  }

  /** What each slot holds and whose node paid for it; grows with the device's used part. */
  #slotHolds = new Uint8Array(1024)
  #slotNodes = new Uint8Array(1024)

  #hold(slot: number, holds: number, node: NodeState): void {
    if (slot >= this.#slotHolds.length) {
      const size = Math.max(slot + 1, this.#slotHolds.length * 2)
      const grownHolds = new Uint8Array(size)
      grownHolds.set(this.#slotHolds)
      this.#slotHolds = grownHolds
      const grownNodes = new Uint8Array(size)
      grownNodes.set(this.#slotNodes)
      this.#slotNodes = grownNodes
    }
    this.#slotHolds[slot] = holds
    this.#slotNodes[slot] = node.index
  }

  #recordSwapIn(
    thread: Thread,
    page: number,
    swapout: number,
    slot: number,
    met: 'queued' | 'storing' | 'stored' | 'pool' | 'disk',
    start: number,
    distance = Number.NaN,
  ): void {
    const { recorder, scheduler, tally } = this
    if (met === 'queued') tally.refaultsQueued++
    else if (met === 'storing') tally.refaultsStoring++
    if (!recorder.recordsRows) return
    const rows = recorder.swapins
    const row = rows.add()
    rows.number(row, 'page_id', (this.pages.content[page] as number) + 1)
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
    rows.number(row, 'readahead', 0)
    rows.number(row, 'refault_distance', distance)
    recorder.added(rows)
  }

  /** The task gives the page back (exit, munmap). */
  *freePage(thread: Thread, page: number): Steps {
    const { pages } = this
    for (;;) {
      if (pages.has(page, P.LOCKED)) yield* this.#waitForLock(thread, page)
      else if (pages.has(page, P.WRITEBACK)) {
        this.scheduler.sleepUntil(thread, this.scheduler.now + TICK_NS, IO)
        yield
      } else break
    }
    const state = pages.state[page] as number
    if (state === P.FREE || state === P.DYING) return
    const node = this.nodeOf(pages.node[page] as number)
    const flight = pages.swapout[page] as number
    if (flight > 0) {
      this.recorder.closeFlight(flight)
      pages.swapout[page] = 0
    }
    this.#dropSlot(page)
    if (state !== P.SWAPPED && !pages.isOnList(page)) {
      // Isolated by a reclaimer, which holds the last reference: its batch frees it.
      pages.flags[page] = 0
      pages.state[page] = P.DYING
      return
    }
    if (state !== P.SWAPPED) {
      pages.remove(page)
      this.give(node, 1)
    }
    this.#forget(page)
  }

  #forget(page: number): void {
    const { pages } = this
    pages.state[page] = P.FREE
    pages.flags[page] = 0
    pages.release(page)
  }

  /** The run is over: swap-outs still in flight become rows without the times they never had. */
  finish(): void {
    const { pages, recorder } = this
    for (let page = 0; page < pages.capacity; page++) {
      const flight = pages.swapout[page] as number
      if (flight === 0) continue
      recorder.closeFlight(flight)
      pages.swapout[page] = 0
    }
    for (const { kswapd, awakeSince } of this.nodes)
      if (kswapd !== undefined && awakeSince >= 0)
        recorder.closeKswapdSpan(kswapd, awakeSince, this.scheduler.now, true)
  }

  // ---------------------------------------------------------------- invariants

  /** Conservation of frames: free + in memory + pool is constant, less what this run's demand created and gave back. */
  check(): void {
    this.scheduler.check()
    this.gate?.check()
    let free = 0
    for (const node of this.nodes) {
      free += node.free + node.lists.total
      const [lane] = node.lanes
      if (lane.done > lane.started || lane.started > lane.submitted)
        throw new PstraceError(
          'replay-invariant',
          `kswapd's lane of node ${node.index}: ${lane.submitted} submitted, ${lane.started} started, ${lane.done} stored`,
        )
    }
    const frames = free + this.#framesInUse() + this.#poolCharged
    if (this.#frames === undefined) this.#frames = frames
    else if (this.#frames !== frames)
      throw new PstraceError(
        'replay-invariant',
        `frames are not conserved at ${this.scheduler.now} ns: found ${frames}, expected ${this.#frames}`,
      )
  }

  #frames: number | undefined
  /** Pool pages taken out of `free`: the backend's own figure runs ahead during a store. */
  #poolCharged = 0

  /** In memory, or taken out of `free` and not yet given back by a batch in progress. */
  #framesInUse(): number {
    const { pages } = this
    let used = this.pendingFrames
    for (let page = 0; page < pages.capacity; page++) {
      const state = pages.state[page] as number
      if (state !== P.FREE && state !== P.SWAPPED) used++
    }
    return used
  }

  /** Frames between two places: freed in a batch that has not ended, or allocated for a fault that has not. */
  pendingFrames = 0
}

function isZero(words: Float64Array): boolean {
  // The last word first, as the kernel does: it differs most often. -0 has a bit set, so both are compared.
  const last = words.length - 1
  if (!Object.is(words[last], 0)) return false
  for (let word = 0; word < last; word++) if (!Object.is(words[word], 0)) return false
  return true
}
