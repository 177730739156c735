import type { RowBuffer } from '../model/rows.ts'
import { swapKey } from '../model/swap-entry.ts'
import {
  ASYNCHRONOUS,
  AWAITS_FREE,
  AWAITS_GATE,
  AWAITS_STORE,
  DEFAULT_PLACE,
  FOLLOWS_STORES,
  FREES_SEEN,
  LANE_BYTES,
  MOST_LANES,
  ONLY_NODE,
  SINGLE_PAGES,
  STAGED,
  SWAPOUT_BYTES,
  ZSWAP_PROBES,
} from './assembly/_layout.ts'
import type { Clock } from './clock.ts'
import type { Following } from './follow-kernel.ts'
import { codeOf, OpenSwapout, type Place } from './open-swapout.ts'
import { finalSwapouts, type SwapoutRows, stagedSwapouts } from './swapout-rows.ts'
import type { Task } from './task.ts'

/** Queues are first in, first out; this many pops may be under way at once in other workers. */
const POPS_UNDER_WAY = 64
/** More rows than this never wait; only a worker stuck for long fills it. */
const MOST_PENDING = 1 << 20
/** Swap-outs that are made at once. */
const MADE_AT_ONCE = 64

export interface SwapoutSetting {
  /** Stores by other tasks are recorded (probe pst_write) or could happen (an asynchronous policy). */
  readonly asynchronous: boolean
  /** The begin and end of stores are recorded. */
  readonly storeProbes: boolean
  /** Where the swap device keeps pages; undefined with several devices. */
  readonly devicePlace: Place | undefined
  /** Without any evidence of its own, where a stored page is. */
  readonly defaultPlace: Place | undefined
  /** zswap_store's return is recorded: no such event inside a gate means a zero page. */
  readonly zswapProbes: boolean
  nodeOfPfn(pfn: number): number
  /** At most one node: lanes and ranks are known at once, and rows need no staging unless stores may be asynchronous. */
  readonly oneNode: boolean
  /** Every folio is one page, as far as the kernel's version and counters tell. */
  readonly singlePages: boolean
}

/**
 * Follows folios from the gate (swap_writepage) to the end of their store. What lies between the gate and mm_vmscan_write_folio is
 * followed by WebAssembly (assembly/_swapouts.ts), and here what becomes of folios whose store can be apart from their gate, or whose
 * frame's end is recorded.
 */
export class Swapouts {
  /** Complete rows go to a staging table, from which `finishSwapouts` makes the final ones. */
  readonly staged: boolean
  storesWithoutSubmit = 0
  /** End of the gaps met so far, whatever their CPU: until then a store may be hidden. */
  lostUntilNs = Number.NEGATIVE_INFINITY
  readonly #following: Following
  readonly #clock: Clock
  readonly #complete: SwapoutRows
  readonly #setting: SwapoutSetting
  readonly #byPlace = new Map<number, OpenSwapout>()
  readonly #rareLanes = new Map<number, number>()
  readonly #pending = new Map<number, OpenSwapout>()
  readonly #byPfn = new Map<number, OpenSwapout>()
  #pops = 0
  /** Hand-over times of the last pops, a ring. */
  readonly #popped = new Float64Array(POPS_UNDER_WAY).fill(Number.NEGATIVE_INFINITY)
  #lastPoppedNs = Number.NEGATIVE_INFINITY

  constructor(following: Following, clock: Clock, setting: SwapoutSetting) {
    this.#following = following
    this.#clock = clock
    this.#setting = setting
    this.staged = setting.asynchronous || !setting.oneNode
    this.#complete = this.staged ? stagedSwapouts() : finalSwapouts(following)
    const { numbers, words } = following
    const flag = (word: number, isSet: boolean): void => {
      words[word / 4] = isSet ? 1 : 0
    }
    flag(STAGED, this.staged)
    flag(ASYNCHRONOUS, setting.asynchronous)
    // A store can come apart from its gate; else the task's gate alone says what is open.
    flag(FOLLOWS_STORES, setting.asynchronous || setting.storeProbes)
    flag(ZSWAP_PROBES, setting.zswapProbes)
    flag(SINGLE_PAGES, setting.singlePages)
    words[DEFAULT_PLACE / 4] = codeOf(setting.defaultPlace)
    numbers[ONLY_NODE / 8] = setting.nodeOfPfn(0)
  }

  /** Complete rows. */
  get buffers(): readonly RowBuffer[] {
    return this.#complete.buffers
  }

  /** Others than the submitter may store. */
  get asynchronous(): boolean {
    return this.#following.words[ASYNCHRONOUS / 4] !== 0
  }

  /** The swap-out in the task's gate. */
  gateOf(task: Task): OpenSwapout | undefined {
    return this.#byPlace.get(task.gate)
  }

  /** Begin of the actual store, by whoever does it. */
  storeBegin(task: Task, type: number, offset: number): void {
    const ts = this.#clock.now
    const swapout = this.#pending.get(swapKey(type, offset))
    this.#following.words[ASYNCHRONOUS / 4] = 1
    task.store = swapout
    if (swapout === undefined) {
      this.storesWithoutSubmit++
      return
    }
    swapout.startNs = ts
    swapout.storedBy = task.id
    if (task.gate === swapout.place) swapout.path = 'inline'
    else {
      swapout.path = swapout.taskId === task.id ? 'displaced' : 'queued'
      this.#popped[this.#pops++ % POPS_UNDER_WAY] = swapout.submitNs
      if (swapout.submitNs > this.#lastPoppedNs) this.#lastPoppedNs = swapout.submitNs
      if (swapout.path === 'queued' && task.kind !== 'kswapd') task.kind = 'compressor'
    }
    swapout.awaits |= AWAITS_STORE
    swapout.stored = this.#setting.devicePlace
    this.#settlePassed()
  }

  /** Where a page goes that zswap leaves alone. */
  get devicePlace(): Place {
    return this.#setting.devicePlace ?? 'disk'
  }

  /** The returns of zswap_store tell of a pool: the kernel calls it where zswap is switched off, too. */
  get hasZswap(): boolean {
    return this.#setting.zswapProbes
  }

  storeEnd(task: Task): void {
    const swapout = task.store
    task.store = undefined
    if (swapout === undefined) return
    swapout.storedNs = this.#clock.now
    this.#settle(swapout, AWAITS_STORE)
  }

  pageFreed(pfn: number): void {
    // From the first such event on rows wait for their frame's end.
    this.#following.words[FREES_SEEN / 4] = 1
    const swapout = this.#byPfn.get(pfn)
    if (swapout === undefined) return
    swapout.freedNs = this.#clock.now
    this.#settle(swapout, AWAITS_FREE)
  }

  /** Events of the task were lost: what it had in hand is not completed any more. */
  lose(task: Task): void {
    this.#following.kernel.leaveGate(task.place)
    const store = task.store
    task.store = undefined
    if (store !== undefined) this.#settle(store, AWAITS_STORE)
  }

  finish(tasks: Iterable<Task>): void {
    for (const task of tasks) this.lose(task)
    for (const swapout of [...this.#pending.values()])
      this.#settle(swapout, AWAITS_STORE | AWAITS_GATE | AWAITS_FREE)
    for (const swapout of [...this.#byPfn.values()]) this.#settle(swapout, AWAITS_FREE)
    this.#following.kernel.addHeld()
  }

  /** What the kernel asks for while it follows a swap-out. */
  get host() {
    const at = (place: number): OpenSwapout => this.#byPlace.get(place) as OpenSwapout
    return {
      swapoutShape: (rows: number, place: number) => this.#complete.shapeOf(rows, at(place)),
      moreSwapouts: () => this.#makeMore(),
      lane: (key: number) => this.#laneOf(key),
      nodeOfPfn: (pfn: number) => this.#setting.nodeOfPfn(pfn),
      storedAgain: (key: number) => {
        const older = this.#pending.get(key)
        if (older !== undefined) this.#settle(older, AWAITS_STORE | AWAITS_GATE)
      },
      awaitStore: (place: number) => {
        const swapout = at(place)
        this.#pending.set(swapout.key, swapout)
      },
      awaitFree: (place: number) => this.#awaitFree(at(place)),
      leftGate: (place: number) => this.#leftGate(at(place)),
      settle: (place: number, done: number) => this.#settle(at(place), done),
      addSwapout: (place: number) => this.#complete.add(at(place)),
    }
  }

  #makeMore(): void {
    const chunk = this.#following.room(MADE_AT_ONCE * SWAPOUT_BYTES)
    for (let place = chunk; place < chunk + MADE_AT_ONCE * SWAPOUT_BYTES; place += SWAPOUT_BYTES) {
      this.#byPlace.set(place, new OpenSwapout(this.#following, place))
      this.#following.kernel.release(place)
    }
  }

  #laneOf(key: number): number {
    let lane = this.#rareLanes.get(key)
    if (lane === undefined) {
      lane = this.#following.room(LANE_BYTES)
      if (key >= 0 && key < MOST_LANES) this.#following.lanes[key] = lane
      else this.#rareLanes.set(key, lane)
    }
    return lane
  }

  /** The folio left the gate: its row waits until its frame is free. */
  #awaitFree(swapout: OpenSwapout): void {
    const older = this.#byPfn.get(swapout.pfn)
    if (older !== undefined) this.#settle(older, AWAITS_FREE)
    this.#byPfn.set(swapout.pfn, swapout)
    swapout.awaits |= AWAITS_FREE
  }

  /** The folio left the gate of a kernel in which others may store it. */
  #leftGate(swapout: OpenSwapout): void {
    // Stored inside the gate, or not popped yet: only kswapd's folios can be in a queue.
    if (swapout.path === undefined && swapout.context === 'kswapd') {
      if (!this.#setting.storeProbes) {
        this.#settle(swapout, AWAITS_GATE)
        return
      }
      swapout.awaits = (swapout.awaits & ~AWAITS_GATE) | AWAITS_STORE
      return
    }
    if (swapout.path === undefined) this.#following.kernel.storedInGate(swapout.place)
    this.#settle(swapout, AWAITS_GATE)
  }

  /** Clears what the swap-out waited for; completes the row when nothing is left. */
  #settle(swapout: OpenSwapout, done: number): void {
    const { kernel } = this.#following
    const given = swapout.awaits & done & AWAITS_STORE
    swapout.awaits &= ~done
    if (swapout.awaits !== 0) return
    const isPassed = given !== 0 && swapout.submitNs <= this.#lastPoppedNs
    if (isPassed && Number.isNaN(swapout.startNs) && swapout.submitNs > this.lostUntilNs)
      // Younger folios were popped: this one never was in the queue.
      kernel.storedInGate(swapout.place)
    const { key, pfn } = swapout
    if (this.#pending.get(key) === swapout) this.#pending.delete(key)
    if (this.#byPfn.get(pfn) === swapout) this.#byPfn.delete(pfn)
    kernel.emit(swapout.place)
    kernel.release(swapout.place)
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
}
