import type { SwapBackend } from '../memory/backends/backend.ts'
import type { PageContents } from '../memory/contents/contents.ts'
import { PstraceError } from '../model/error.ts'
import { DEFAULT_TICK_NS, type Workload } from '../workload/types.ts'
import { Allocation } from './allocation.ts'
import { ClassicLru } from './classic-lru.ts'
import type { CostSamplers } from './costs.ts'
import { DirectReclaim } from './direct-reclaim.ts'
import { Faults } from './faults.ts'
import { FileReads } from './file-reads.ts'
import { FolioLocks } from './folio-lock.ts'
import type { PolicyGate } from './gate.ts'
import { checkCharges, checkOrder, checkPages, checkStores, checkThreads } from './invariants.ts'
import { type KernelRules, rulesOf } from './kernel-rules.ts'
import { Kswapd } from './kswapd.ts'
import type { LogEventName } from './log-events.ts'
import { MemcgHigh } from './memcg-high.ts'
import { Memcgs, memcgTree } from './memcgs.ts'
import { Generations } from './mglru.ts'
import type { NodeState } from './node-state.ts'
import * as P from './pages.ts'
import { Pressure } from './pressure.ts'
import { Readahead, type ReadaheadBy } from './readahead.ts'
import type { Recorder } from './recorder.ts'
import { KSWAPD_CONTEXT } from './scan.ts'
import type { Scheduler } from './scheduler.ts'
import { Shrink } from './shrink.ts'
import { Slab } from './slab.ts'
import type { SwapSlots } from './slots.ts'
import { Stolen } from './stolen.ts'
import { Stores } from './store.ts'
import { SwapDevice } from './swap-device.ts'
import { SwapOuts } from './swap-out.ts'
import { HOLDS_COPY, HOLDS_ZERO, SwapPool } from './swap-pool.ts'
import type { Tally } from './tally.ts'
import { Timers } from './timers.ts'
import { TraceReaders } from './trace-readers.ts'
import { WorkDone } from './work-done.ts'
import { WritebackThrottle } from './writeback-throttle.ts'
import { Zones } from './zones.ts'

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
  /** Pages that a swap-in may read, instead of the recorded machine's. */
  readonly readahead: number | undefined
  readonly readaheadBy: ReadaheadBy
  readonly dirties: () => boolean
  /** A place for a cgroup among those of its generation (get_random_u32_below). */
  readonly drawBin: (bins: number) => number
}

/** Memory management of the replayed machine: what all its parts share, and its invariants. */
export class Kernel {
  readonly pages: P.Pages
  readonly scheduler: Scheduler
  readonly costs: CostSamplers
  readonly recorder: Recorder
  readonly isLogged: boolean
  readonly tally: Tally
  readonly backend: SwapBackend
  readonly zones: Zones
  readonly memcgs: Memcgs
  readonly memcgHigh: MemcgHigh
  readonly timers: Timers
  readonly traceReaders: TraceReaders | undefined
  readonly pressure: Pressure
  readonly locks: FolioLocks
  readonly allocation: Allocation
  readonly direct: DirectReclaim
  readonly kswapd: Kswapd
  readonly lru: ClassicLru
  readonly shrink: Shrink
  readonly slab: Slab
  readonly swapOuts: SwapOuts
  readonly stores: Stores
  readonly stolen: Stolen
  readonly work: WorkDone
  readonly pool: SwapPool
  readonly device: SwapDevice
  readonly throttle: WritebackThrottle
  readonly faults: Faults
  readonly fileReads: FileReads
  readonly readahead: Readahead
  gate: PolicyGate | undefined
  exhausted = false
  readonly workload: Workload
  readonly contents: PageContents
  readonly slots: SwapSlots
  readonly dirties: () => boolean
  readonly preemptible: boolean
  readonly zeroMap: boolean
  readonly rules: KernelRules
  readonly generations: Generations | undefined
  readonly keepsCopy: boolean
  #frames: number | undefined
  /** Pages that the pool had before the run. */
  #poolNotTaken: number | undefined
  /** Pages of the pool in its last sample. */
  #sampledPool = -1

  constructor(parts: KernelParts) {
    const { workload } = parts
    const { machine } = workload
    this.workload = workload
    this.scheduler = parts.scheduler
    this.costs = parts.costs
    this.recorder = parts.recorder
    this.isLogged = parts.recorder.log !== undefined
    this.tally = parts.tally
    this.backend = parts.backend
    this.contents = parts.contents
    this.slots = parts.slots
    this.dirties = parts.dirties
    this.preemptible = machine.storePreemptible.value
    this.zeroMap = machine.zeroMap.value
    this.rules = rulesOf(machine)
    this.timers = new Timers(parts.scheduler, machine.scheduler?.tickNs.value ?? DEFAULT_TICK_NS)
    this.traceReaders = machine.traceBuffers && new TraceReaders(this, machine.traceBuffers)
    this.keepsCopy = parts.backend.name === 'disk'
    this.stolen = new Stolen(workload.stolen, workload.stolenDirect)
    this.work = new WorkDone(workload)
    const memcgs = memcgTree(machine)
    this.pages = new P.Pages(workload.pages, machine.nodes.length, {
      multiGeneration: machine.lru.value === 'mglru',
      memcgs: memcgs.length,
    })
    parts.recorder.pageId = (page) => (this.pages.content[page] as number) + 1
    this.zones = new Zones(this, machine, parts.watermarkScale)
    this.memcgs = new Memcgs(this, memcgs)
    this.memcgHigh = new MemcgHigh(this)
    this.pool = new SwapPool(this)
    this.device = new SwapDevice(this)
    this.throttle = new WritebackThrottle(this)
    this.pressure = new Pressure(parts.scheduler.cpus.length, this.timers.tickNs)
    this.pressure.onWindow = (ns) => this.#samplePressure(ns)
    this.#samplePressure(0)
    this.locks = new FolioLocks(this)
    this.allocation = new Allocation(this)
    this.direct = new DirectReclaim(this)
    this.kswapd = new Kswapd(this)
    this.lru = new ClassicLru(this)
    this.shrink = new Shrink(this)
    this.slab = new Slab(this)
    this.swapOuts = new SwapOuts(this)
    this.stores = new Stores(this)
    this.faults = new Faults(this)
    this.fileReads = new FileReads(this)
    this.readahead = new Readahead(
      this,
      parts.readahead ?? machine.readahead.value,
      parts.readaheadBy,
    )
    this.generations = this.pages.multiGeneration
      ? new Generations(this, {
          swappiness: machine.swappiness.value,
          walksPageTables: machine.walksPageTables?.value ?? true,
          drawBin: parts.drawBin,
        })
      : undefined
    this.#placeResident()
    parts.slots.onRelease = (slot) => this.pool.released(slot)
    parts.backend.onMove = (move) => this.pool.recordMove(move)
    parts.backend.inSwapCache = (slot) => this.pool.isInMemory(slot)
  }

  /** Pages resident at the start, oldest first in stream order. Mapped ones have been used since they were faulted in: their first scan keeps them. */
  #placeResident(): void {
    const { pages, stream } = this.workload
    const seen = new Uint8Array(pages.length)
    const place = (page: number): void => {
      if (seen[page] === 1 || pages.residentAtStart[page] !== 1) return
      if (this.pages.wholeOf(page) !== page) return
      seen[page] = 1
      this.pages.state[page] = P.RESIDENT
      const memcg = this.memcgs.ownerOf(page)
      this.pages.chargeTo(page, memcg)
      this.memcgs.charge(memcg, this.pages.pagesOf(page))
      if (this.pages.kind[page] === P.ANON) this.pages.set(page, P.ACCESSED)
      this.shrink.add(page, 0)
    }
    for (const page of stream) place(page)
    for (let page = 0; page < pages.length; page++) place(page)
    const swapped = pages.swappedAtStart
    if (swapped !== undefined)
      for (let page = 0; page < pages.length; page++)
        if (swapped[page] === 1 && this.pages.state[page] === P.FREE) this.#swapOutAtStart(page)
  }

  #swapOutAtStart(page: number): void {
    const first = this.slots.allocate(page, this.pages.order[page] as number)
    if (first < 0) return
    this.pages.slot[page] = first
    this.pages.chargeTo(page, this.memcgs.ownerOf(page))
    this.memcgs.countSwap(page, this.pages.pagesOf(page))
    this.pages.state[page] = P.SWAPPED
    const node = this.zones.nodeOf(this.pages.node[page] as number)
    this.pool.cache(first, this.pages.pagesOf(page), node)
    for (let part = 0; part < this.pages.pagesOf(page); part++) {
      const slot = first + part
      const isZero = this.pool.fill(page, part) && this.zeroMap
      this.pool.hold(slot, isZero ? HOLDS_ZERO : HOLDS_COPY, node, page)
      if (!isZero)
        this.backend.store({
          slot,
          page: this.pages.contentOf(page, part),
          bytes: this.pool.bytes,
          key: this.pool.filledKey,
          memcg: this.memcgs.chargedFor(page).place,
        })
    }
  }

  /** A line of the event log about the thread at work. */
  note(event: LogEventName, page: number, value: number, detail?: string): void {
    if (this.isLogged) this.#log(event, page, value, detail)
  }

  #log(event: LogEventName, page: number, value: number, detail: string | undefined): void {
    const { recorder, scheduler } = this
    recorder.note(scheduler.now, event, scheduler.active, page, value, detail)
  }

  /** After a batch, and at the end. */
  sampleFree({ index, free }: NodeState): void {
    this.recorder.sample(this.scheduler.now, index, 'free_pages', free)
  }

  /** The pool: where it has another number of pages than in its last sample, or in any case. */
  samplePool({ index }: NodeState, inAnyCase = false): void {
    const { recorder, scheduler } = this
    const { poolPages, poolBytes } = this.backend
    if (poolPages === this.#sampledPool && !inAnyCase) return
    this.#sampledPool = poolPages
    recorder.sample(scheduler.now, index, 'pool_pages', poolPages)
    recorder.sample(scheduler.now, index, 'pool_bytes', poolBytes)
  }

  /** As /proc/pressure/memory has them, but in ns. */
  #samplePressure(ns: number): void {
    this.recorder.sample(ns, Number.NaN, 'psi.memory.some_ns', this.pressure.someNs)
    this.recorder.sample(ns, Number.NaN, 'psi.memory.full_ns', this.pressure.fullNs)
    this.memcgs.sample(ns)
  }

  /** The run is over: swap-outs still in flight become rows without the times they never had. */
  finish(): void {
    const { pages, recorder } = this
    this.pressure.finish(this.scheduler.now)
    for (let page = 0; page < pages.capacity; page++) {
      const flight = pages.swapout[page] as number
      if (flight === 0) continue
      recorder.closeFlight(flight)
      pages.swapout[page] = 0
    }
    for (const { kswapd, awakeSince } of this.zones.nodes)
      if (kswapd !== undefined && awakeSince >= 0)
        recorder.closeKswapdSpan(kswapd, awakeSince, this.scheduler.now, true)
    for (const node of this.zones.nodes) this.sampleFree(node)
    this.samplePool(this.zones.nodeOf(0), true)
    this.pool.sampleClasses()
  }

  /** Conservation of frames: free + in memory + pool is constant, less what this run's demand created and gave back. */
  check(): void {
    checkThreads(this.scheduler)
    this.gate?.check()
    let free = 0
    for (const node of this.zones.nodes) {
      free += node.free + node.lists.total
      const inZones = node.zoneList?.free ?? node.free
      if (inZones !== node.free)
        throw new PstraceError(
          'replay-invariant',
          `the zones of node ${node.index} have ${inZones} free pages, the node ${node.free}`,
        )
      for (const lane of node.lanes)
        if (lane.done > lane.started || lane.started > lane.submitted)
          throw new PstraceError(
            'replay-invariant',
            `a lane of node ${node.index}: ${lane.submitted} submitted, ${lane.started} started, ${lane.done} stored`,
          )
      if (this.gate?.keepsOrder !== false)
        checkOrder(node.lanes[KSWAPD_CONTEXT], node.index, this.gate === undefined)
    }
    const inUse = checkPages(this.pages, this.scheduler.now, (slot) => this.pool.holdsContent(slot))
    checkCharges(this.pages, this.memcgs.tree)
    checkStores(this.pages, this.scheduler.now, this.stores.underWay)
    // Taken out of `free` and not yet given back by a batch in progress.
    const { pendingFrames, poolCharged, kernelPages } = this.zones
    const frames = free + inUse + pendingFrames + poolCharged + kernelPages
    if (this.#frames === undefined) this.#frames = frames
    else if (this.#frames !== frames)
      throw new PstraceError(
        'replay-invariant',
        `frames are not conserved at ${this.scheduler.now} ns: found ${frames}, expected ${this.#frames}`,
      )
    if (kernelPages < 0)
      throw new PstraceError(
        'replay-invariant',
        `at ${this.scheduler.now} ns the kernel has given back ${-kernelPages} pages more than it took`,
      )
    this.#checkPool()
  }

  /** What the pool holds was taken from memory; a store's pages are counted when it ends. */
  #checkPool(): void {
    if (this.stores.underWay > 0) return
    const { poolCharged, poolLeaving } = this.zones
    const notTaken = this.backend.poolPages - poolCharged + poolLeaving
    if (this.#poolNotTaken === undefined) this.#poolNotTaken = notTaken
    else if (this.#poolNotTaken !== notTaken)
      throw new PstraceError(
        'replay-invariant',
        `at ${this.scheduler.now} ns the pool has ${this.backend.poolPages} pages, ${poolCharged} were taken for it`,
      )
  }
}
