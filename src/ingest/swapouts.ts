import type { RowBuffer } from '../model/rows.ts'
import { swapKey } from '../model/swap-entry.ts'
import type { Clock } from './clock.ts'
import type { PageIdentities } from './identities.ts'
import type { OpenSpan, SpanKind } from './spans.ts'
import { finalSwapouts, type SwapoutRows, stagedSwapouts } from './swapout-rows.ts'
import type { Task } from './tasks.ts'
import type { Timeline } from './timeline.ts'

export type Context = 'kswapd' | 'direct' | 'memcg' | 'proactive'
type Path = 'inline' | 'queued' | 'displaced'

const AWAITS_GATE = 1
const AWAITS_STORE = 2
const AWAITS_FREE = 4
/** Queues are first in, first out; this many pops may be under way at once in other workers. */
const POPS_UNDER_WAY = 64
/** More rows than this never wait; only a worker stuck for long fills it. */
const MOST_PENDING = 1 << 20

/** A swap-out whose row is not complete yet. Objects are reused. */
export interface OpenSwapout {
  id: number
  pageId: number
  key: number
  type: number
  offset: number
  awaits: number
  submitNs: number
  gateEndNs: number
  startNs: number
  storedNs: number
  ts: number
  freedNs: number
  task: Task
  taskId: number
  tid: number
  cpu: number
  node: number
  pfn: number
  order: number
  context: Context
  path: Path | undefined
  storedBy: number
  place: string | undefined
  spanId: number
  lane: Lane | undefined
  submitRank: number
  doneRank: number
}

export interface SwapoutSetting {
  /** Stores by other tasks are recorded (probe pst_write) or could happen (an asynchronous policy). */
  asynchronous: boolean
  /** The begin and end of stores are recorded. */
  readonly storeProbes: boolean
  /** Where the swap device keeps pages; undefined with several devices. */
  readonly devicePlace: string | undefined
  /** Without any evidence of its own, where a stored page is. */
  readonly defaultPlace: string | undefined
  /** zswap_store's return is recorded: no such event inside a gate means a zero page. */
  readonly zswapProbes: boolean
  nodeOfPfn(pfn: number): number
  /** At most one node: lanes and ranks are known at once, and rows need no staging unless stores may be asynchronous. */
  readonly oneNode: boolean
  /** Every folio is one page, as far as the kernel's version and counters tell. */
  readonly singlePages: boolean
}

/** Counts of one lane, for ranks given on the way. */
export interface Lane {
  submitted: number
  stored: number
}

/** Follows folios from the gate (swap_writepage) to the end of their store. */
export class Swapouts {
  /** Complete rows. */
  readonly buffers: readonly RowBuffer[]
  /** Rows go to a staging table, from which `finishSwapouts` makes the final ones. */
  readonly staged: boolean
  submitted = 0
  /** mm_vmscan_write_folio events that left no row: file pages. */
  otherWrites = 0
  storesWithoutSubmit = 0
  /** End of the gaps met so far, whatever their CPU: until then a store may be hidden. */
  lostUntilNs = Number.NEGATIVE_INFINITY
  /** Set by the first page-free event: from then on rows wait for their frame's end. */
  freesSeen = false
  readonly #clock: Clock
  readonly #complete: SwapoutRows
  readonly #lanes: (Lane | undefined)[] = []
  readonly #setting: SwapoutSetting
  readonly #identities: PageIdentities
  /** A store can come apart from its gate; else the task's gate alone says what is open. */
  readonly #followsStores: boolean
  readonly #pending = new Map<number, OpenSwapout>()
  readonly #byPfn = new Map<number, OpenSwapout>()
  readonly #spare: OpenSwapout[] = []
  #pops = 0
  /** Hand-over times of the last pops, a ring. */
  readonly #popped = new Float64Array(POPS_UNDER_WAY).fill(Number.NEGATIVE_INFINITY)
  #lastPoppedNs = Number.NEGATIVE_INFINITY

  constructor(
    clock: Clock,
    setting: SwapoutSetting,
    identities: PageIdentities,
    timeline: Timeline,
  ) {
    this.#clock = clock
    this.#setting = setting
    this.#identities = identities
    this.staged = setting.asynchronous || !setting.oneNode
    this.#followsStores = setting.asynchronous || setting.storeProbes
    this.#complete = this.staged ? stagedSwapouts() : finalSwapouts(clock, timeline)
    this.buffers = this.#complete.buffers
  }

  /** Entry of swap_writepage. The folio's order, where it is recorded, is the caller's to set. */
  submit(task: Task, cpu: number, type: number, offset: number): OpenSwapout {
    this.#leaveGate(task)
    const key = swapKey(type, offset)
    if (this.#followsStores) {
      const older = this.#pending.get(key)
      if (older !== undefined) this.#settle(older, AWAITS_STORE | AWAITS_GATE)
    }
    const id = ++this.submitted
    const swapout = this.#take(task)
    swapout.id = id
    swapout.pageId = this.#identities.stored(key, id)
    swapout.key = key
    swapout.type = type
    swapout.offset = offset
    swapout.awaits = AWAITS_GATE
    swapout.submitNs = this.#clock.now
    swapout.cpu = cpu
    swapout.node = task.kind === 'kswapd' ? task.node : Number.NaN
    swapout.context = contextOf(task)
    swapout.spanId = innermostReclaim(task)
    this.#enterLane(swapout)
    if (swapout.lane !== undefined) swapout.submitRank = ++swapout.lane.submitted
    if (this.#followsStores) this.#pending.set(key, swapout)
    task.gate = swapout
    task.gateEndNs = Number.NaN
    return swapout
  }

  /** Entry of swap_writepage where the swap entry is not recorded: the row has its times but no page. */
  submitUnknown(task: Task, cpu: number): OpenSwapout {
    this.#leaveGate(task)
    const swapout = this.#withoutGate(task, cpu)
    swapout.submitNs = this.#clock.now
    swapout.gateEndNs = Number.NaN
    if (swapout.lane !== undefined) swapout.submitRank = ++swapout.lane.submitted
    task.gate = swapout
    return swapout
  }

  /** Return of swap_writepage. */
  gateEnd(task: Task): void {
    const { gate } = task
    if (gate === undefined) return
    gate.gateEndNs = this.#clock.now
    if (gate.lane !== undefined) gate.doneRank = ++gate.lane.stored
  }

  zswapStoreEnd(task: Task, taken: boolean): void {
    if (task.gate !== undefined) task.gate.place = taken ? 'zswap' : 'disk'
  }

  /** mm_vmscan_write_folio: the folio left the gate. */
  written(task: Task, cpu: number, pfn: number, anonymous: boolean): void {
    let swapout = task.gate
    if (swapout === undefined) {
      if (!anonymous) {
        this.otherWrites++
        return
      }
      if (this.#addLike(task, cpu, pfn)) return
      swapout = this.#withoutGate(task, cpu)
    }
    task.gate = undefined
    swapout.ts = this.#clock.now
    swapout.pfn = pfn
    if (Number.isNaN(swapout.node)) swapout.node = this.#setting.nodeOfPfn(pfn)
    if (this.freesSeen) {
      const older = this.#byPfn.get(pfn)
      if (older !== undefined) this.#settle(older, AWAITS_FREE)
      this.#byPfn.set(pfn, swapout)
      swapout.awaits |= AWAITS_FREE
    }
    this.#gateDone(swapout)
  }

  /** Begin of the actual store, by whoever does it. */
  storeBegin(task: Task, type: number, offset: number): void {
    const ts = this.#clock.now
    const swapout = this.#pending.get(swapKey(type, offset))
    this.#setting.asynchronous = true
    task.storeStartNs = ts
    task.store = swapout
    if (swapout === undefined) {
      this.storesWithoutSubmit++
      return
    }
    swapout.startNs = ts
    swapout.storedBy = task.id
    if (task.gate === swapout) swapout.path = 'inline'
    else {
      swapout.path = swapout.taskId === task.id ? 'displaced' : 'queued'
      this.#popped[this.#pops++ % POPS_UNDER_WAY] = swapout.submitNs
      if (swapout.submitNs > this.#lastPoppedNs) this.#lastPoppedNs = swapout.submitNs
      if (swapout.path === 'queued' && task.kind !== 'kswapd') task.kind = 'compressor'
    }
    swapout.awaits |= AWAITS_STORE
    swapout.place = this.#setting.devicePlace
    this.#settlePassed()
  }

  storeEnd(task: Task): void {
    const swapout = task.store
    task.store = undefined
    if (swapout === undefined) return
    swapout.storedNs = this.#clock.now
    this.#settle(swapout, AWAITS_STORE)
  }

  pageFreed(pfn: number): void {
    this.freesSeen = true
    const swapout = this.#byPfn.get(pfn)
    if (swapout === undefined) return
    swapout.freedNs = this.#clock.now
    this.#settle(swapout, AWAITS_FREE)
  }

  /** Events of the task were lost: what it had in hand is not completed any more. */
  lose(task: Task): void {
    this.#leaveGate(task)
    const store = task.store
    task.store = undefined
    if (store !== undefined) this.#settle(store, AWAITS_STORE)
  }

  finish(tasks: Iterable<Task>): void {
    for (const task of tasks) this.lose(task)
    for (const swapout of [...this.#pending.values()])
      this.#settle(swapout, AWAITS_STORE | AWAITS_GATE | AWAITS_FREE)
    for (const swapout of [...this.#byPfn.values()]) this.#settle(swapout, AWAITS_FREE)
  }

  /** Rows that wait for something, for tests of bounded memory. */
  get waiting(): number {
    return this.#pending.size + this.#byPfn.size
  }

  /** The folio left the gate; what its row needs of that is set. */
  #gateDone(swapout: OpenSwapout): void {
    if (!this.#setting.asynchronous) {
      swapout.path = 'inline'
      this.#storedInGate(swapout)
      if (swapout.lane !== undefined && Number.isNaN(swapout.doneRank))
        swapout.doneRank = ++swapout.lane.stored
      this.#settle(swapout, AWAITS_GATE | AWAITS_STORE)
      return
    }
    // Stored inside the gate, or not popped yet: only kswapd's folios can be in a queue.
    if (swapout.path === undefined && swapout.context === 'kswapd') {
      if (!this.#setting.storeProbes) {
        this.#settle(swapout, AWAITS_GATE)
        return
      }
      swapout.awaits = (swapout.awaits & ~AWAITS_GATE) | AWAITS_STORE
      return
    }
    if (swapout.path === undefined) this.#storedInGate(swapout)
    this.#settle(swapout, AWAITS_GATE)
  }

  #storedInGate(swapout: OpenSwapout): void {
    swapout.startNs = swapout.submitNs
    swapout.storedNs = Number.isNaN(swapout.gateEndNs) ? swapout.ts : swapout.gateEndNs
    swapout.storedBy = swapout.taskId
  }

  /** Clears what the swap-out waited for; completes the row when nothing is left. */
  #settle(swapout: OpenSwapout, done: number): void {
    const given = swapout.awaits & done & AWAITS_STORE
    swapout.awaits &= ~done
    if (swapout.awaits !== 0) return
    const isPassed = given !== 0 && swapout.submitNs <= this.#lastPoppedNs
    if (isPassed && Number.isNaN(swapout.startNs) && swapout.submitNs > this.lostUntilNs)
      // Younger folios were popped: this one never was in the queue.
      this.#storedInGate(swapout)
    if (this.#followsStores && this.#pending.get(swapout.key) === swapout)
      this.#pending.delete(swapout.key)
    if (this.freesSeen && this.#byPfn.get(swapout.pfn) === swapout) this.#byPfn.delete(swapout.pfn)
    this.#emit(swapout)
    this.#spare.push(swapout)
  }

  #leaveGate(task: Task): void {
    const { gate } = task
    task.gate = undefined
    if (gate === undefined) return
    // pageout() reports nothing when the folio was activated again: the store, if there was one, ended at the gate's return.
    this.#gateDone(gate)
  }

  /** Folios handed over before one that was popped a while ago never were in the queue. */
  #settlePassed(): void {
    const passedNs = this.#popped[this.#pops % POPS_UNDER_WAY] ?? Number.NEGATIVE_INFINITY
    for (const swapout of this.#pending.values()) {
      const passed = swapout.submitNs < passedNs
      if (!passed && this.#pending.size <= MOST_PENDING) return
      // Inside a gate or being stored at this moment: its own events complete it.
      if ((swapout.awaits & AWAITS_GATE) !== 0 || swapout.path !== undefined) continue
      this.#settle(swapout, AWAITS_STORE)
    }
  }

  /** A swap-out that is complete at its end and like the task's last one has its row at once. */
  #addLike(task: Task, cpu: number, pfn: number): boolean {
    if (this.#setting.asynchronous || this.freesSeen) return false
    if (!this.#complete.repeat(task, cpu, pfn, this.submitted + 1)) return false
    this.submitted++
    return true
  }

  #withoutGate(task: Task, cpu: number): OpenSwapout {
    const swapout = this.#take(task)
    swapout.id = ++this.submitted
    swapout.key = Number.NaN
    swapout.type = Number.NaN
    swapout.offset = Number.NaN
    swapout.cpu = cpu
    swapout.node = task.kind === 'kswapd' ? task.node : Number.NaN
    swapout.context = contextOf(task)
    swapout.spanId = innermostReclaim(task)
    swapout.submitNs = Number.NaN
    swapout.gateEndNs = this.#clock.now
    swapout.awaits = AWAITS_GATE
    this.#enterLane(swapout)
    return swapout
  }

  #take(task: Task): OpenSwapout {
    const swapout = this.#spare.pop() ?? {
      id: 0,
      pageId: Number.NaN,
      key: Number.NaN,
      type: Number.NaN,
      offset: Number.NaN,
      awaits: 0,
      submitNs: Number.NaN,
      gateEndNs: Number.NaN,
      startNs: Number.NaN,
      storedNs: Number.NaN,
      ts: Number.NaN,
      freedNs: Number.NaN,
      task,
      taskId: task.id,
      tid: task.tid,
      cpu: 0,
      node: Number.NaN,
      pfn: Number.NaN,
      order: Number.NaN,
      context: 'proactive',
      path: undefined,
      storedBy: Number.NaN,
      place: undefined,
      spanId: Number.NaN,
      lane: undefined,
      submitRank: Number.NaN,
      doneRank: Number.NaN,
    }
    // Mostly the task that gave it back: its address need not be written again, of which V8 keeps account.
    if (swapout.task !== task) {
      swapout.task = task
      swapout.taskId = task.id
      swapout.tid = task.tid
    }
    swapout.pageId = Number.NaN
    swapout.gateEndNs = Number.NaN
    swapout.startNs = Number.NaN
    swapout.storedNs = Number.NaN
    swapout.ts = Number.NaN
    swapout.freedNs = Number.NaN
    swapout.pfn = Number.NaN
    swapout.order = Number.NaN
    swapout.path = undefined
    swapout.storedBy = Number.NaN
    swapout.place = undefined
    swapout.lane = undefined
    swapout.submitRank = Number.NaN
    swapout.doneRank = Number.NaN
    return swapout
  }

  /** Gives the swap-out its node and lane where there can be only one node. */
  #enterLane(swapout: OpenSwapout): void {
    if (this.staged) return
    if (Number.isNaN(swapout.node)) swapout.node = this.#setting.nodeOfPfn(0)
    const key = (Number.isNaN(swapout.node) ? 0 : swapout.node + 1) * 4 + numberOf(swapout.context)
    let lane = this.#lanes[key]
    if (lane === undefined) {
      lane = { submitted: 0, stored: 0 }
      this.#lanes[key] = lane
    }
    swapout.lane = lane
  }

  #emit(swapout: OpenSwapout): void {
    if (this.#setting.singlePages && Number.isNaN(swapout.order)) swapout.order = 0
    swapout.place = this.#placeOf(swapout)
    this.#complete.add(swapout)
  }

  #placeOf(swapout: OpenSwapout): string | undefined {
    if (swapout.place !== undefined) return swapout.place
    const setting = this.#setting
    if (setting.zswapProbes && !setting.asynchronous && !Number.isNaN(swapout.submitNs))
      return 'zero'
    return setting.defaultPlace
  }
}

/** Comparing names that are constants is comparing addresses. */
function numberOf(context: Context): number {
  if (context === 'kswapd') return 0
  if (context === 'direct') return 1
  return context === 'memcg' ? 2 : 3
}

/** What a swap-out within a span is done for, as far as the span tells. */
function contextWithin(kind: SpanKind): Context | undefined {
  if (kind === 'direct' || kind === 'node') return 'direct'
  return kind === 'memcg' || kind === 'memcg_softlimit' ? 'memcg' : undefined
}

function contextOf(task: Task): Context {
  const { spans } = task
  // Soft limit reclaim runs inside kswapd or direct reclaim; the innermost span decides.
  for (let i = spans.length - 1; i >= 0; i--) {
    const context = contextWithin((spans[i] as OpenSpan).kind)
    if (context !== undefined) return context
  }
  return task.kind === 'kswapd' ? 'kswapd' : 'proactive'
}

function innermostReclaim(task: Task): number {
  const { spans } = task
  return spans.length === 0 ? Number.NaN : (spans[spans.length - 1] as OpenSpan).id
}
