import type { Kernel } from './kernel.ts'
import type { NodeState } from './node-state.ts'
import * as P from './pages.ts'
import type { Steps, StepsTo } from './steps.ts'
import { IO, type Thread } from './thread.ts'

/** What a plug holds before it is let go: requests, and pages of the newest one (BLK_MAX_REQUEST_COUNT, BLK_PLUG_FLUSH_SIZE in block/blk.h). */
const PLUG_REQUESTS = 32
const PLUG_PAGES = 32

/** Requests that a thread gathers while it shrinks lists (blk_start_plug in shrink_lruvec): neighbours in slot order become one. */
interface Plug {
  depth: number
  requests: number
  pages: number
  lastSlot: number
  /** First page of each request in `waiting`, and its slot. */
  readonly starts: Int32Array
  readonly slots: Int32Array
  /** Pages under writeback, or -1 - node for a frame that is given back when the write is done. */
  readonly waiting: Int32Array
}

/** The way to the swap device: plugs, the limit of requests under way, and what happens when a write is done. */
export class SwapDevice {
  readonly #kernel: Kernel
  readonly #plugs: (Plug | undefined)[] = []
  /** Threads that wait for a request, longest first. */
  readonly #queue: Thread[] = []

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  get exists(): boolean {
    return this.#kernel.backend.device !== undefined
  }

  plug(thread: Thread): void {
    if (!this.exists) return
    const plug = this.#plugs[thread.index] ?? newPlug()
    this.#plugs[thread.index] = plug
    plug.depth++
  }

  *unplug(thread: Thread): Steps {
    const plug = this.#plugs[thread.index]
    if (plug === undefined || --plug.depth > 0) return
    yield* this.#flush(thread, plug)
  }

  /** Writes a page that is under writeback until the device is done. */
  *write(thread: Thread, slot: number, page: number): Steps {
    const plug = this.#plugs[thread.index]
    const isPlugged = plug !== undefined && plug.depth > 0
    const isNext = isPlugged && plug.requests > 0 && slot === plug.lastSlot + 1
    if (!isNext && this.#merges(thread, slot, page)) return
    if (!isPlugged) {
      this.#finishAt(yield* this.#submit(thread, 'write', 1, slot), page)
      return
    }
    if (!isNext) {
      plug.slots[plug.requests] = slot
      plug.starts[plug.requests++] = plug.pages
    }
    plug.waiting[plug.pages++] = page
    plug.lastSlot = slot
    const newest = plug.pages - (plug.starts[plug.requests - 1] as number)
    if (plug.requests === PLUG_REQUESTS || newest === PLUG_PAGES) yield* this.#flush(thread, plug)
  }

  /** Pages that the backend pushes out by itself need a frame each (zswap_writeback_entry). */
  *writeBack(thread: Thread, pages: number): Steps {
    if (pages === 0) return
    // A copy: what is stored meanwhile may push out others.
    const slots = this.#kernel.backend.writtenBack?.slice(0, pages) ?? []
    for (let page = 0; page < pages; page++) {
      // A kworker allocates like any task; reclaimers take from the reserves.
      const { allocation, memcgs, pool } = this.#kernel
      const slot = slots[page] ?? -1
      const owner = pool.pageOf(slot)
      const charged = owner < 0 ? memcgs.root : memcgs.chargedFor(owner)
      const { node, borrowed } =
        thread.kind === 'worker'
          ? yield* allocation.allocate(thread, charged)
          : allocation.takeReserve(thread, charged)
      if (this.#kernel.scheduler.stopped) return
      yield* this.write(thread, slot, this.#enterSwapCache(slot, node, borrowed))
    }
  }

  /**
   * The page is in memory again, on the inactive list, until it is written and reclaim meets it; one that is none of the tasks', is being
   * read or is part of a larger folio only borrows the frame. Returns what `completed` is told.
   */
  #enterSwapCache(slot: number, node: NodeState, borrowed: number): number {
    const { pages, pool, shrink, stores, workload } = this.#kernel
    const page = pool.pageOf(slot)
    const isOut = page >= 0 && pages.state[page] === P.SWAPPED && !pages.has(page, P.LOCKED)
    const isSmall = (workload.pages.order[page] ?? 0) === 0
    if (!isOut || !isSmall) return -1 - node.index
    pages.state[page] = P.STORED
    pages.node[page] = node.index
    shrink.addAllocated(page, borrowed)
    stores.startsWriting(page)
    return page
  }

  /** blk_mq_sched_bio_merge; the page has a row of its own. */
  #merges(thread: Thread, slot: number, value: number): boolean {
    const { backend, recorder, scheduler } = this.#kernel
    const done = backend.device?.merge(slot, scheduler.now) ?? -1
    if (done < 0) return false
    recorder.blockIo(scheduler.now, done, 'write', 1, thread)
    this.#finishAt(done, value)
    return true
  }

  /** Reads or writes neighbours and waits for them. */
  *wait(thread: Thread, op: 'read' | 'write', pages: number): Steps {
    if (!this.exists) return
    const done = yield* this.#submit(thread, op, pages)
    this.#kernel.scheduler.sleepUntil(thread, done, IO)
    yield
  }

  /** A write is done: of a page, or one that only needed a frame. */
  completed(value: number): void {
    if (value >= 0) {
      this.#kernel.stores.written(value)
      return
    }
    const { zones } = this.#kernel
    zones.give(zones.nodeOf(-1 - value), 1)
    zones.pendingFrames--
  }

  *#flush(thread: Thread, plug: Plug): Steps {
    const { requests, pages } = plug
    if (requests === 0) return
    // A copy: the thread may gather anew while it waits for a request.
    const starts = plug.starts.slice(0, requests)
    const slots = plug.slots.slice(0, requests)
    const waiting = plug.waiting.slice(0, pages)
    plug.requests = 0
    plug.pages = 0
    for (let request = 0; request < requests; request++) {
      const first = starts[request] as number
      const end = request + 1 < requests ? (starts[request + 1] as number) : pages
      const done = yield* this.#submit(thread, 'write', end - first, slots[request])
      for (let place = first; place < end; place++) this.#finishAt(done, waiting[place] as number)
    }
  }

  #finishAt(done: number, value: number): void {
    this.#kernel.scheduler.at(done, value)
  }

  *#submit(thread: Thread, op: 'read' | 'write', pages: number, slot = -1): StepsTo<number> {
    const { backend, scheduler, recorder } = this.#kernel
    const { device } = backend
    if (device === undefined) return scheduler.now
    if (!scheduler.spend(thread, device.requestNs)) yield
    if (device.isBusy(scheduler.now) || this.#queue.length > 0) yield* this.#waitForRequest(thread)
    const done = device.submit(op, scheduler.now, pages, slot)
    recorder.blockIo(scheduler.now, done, op, pages, thread)
    return done
  }

  /** blk_mq_get_tag: in the order of arrival. */
  *#waitForRequest(thread: Thread): Steps {
    const { backend, scheduler } = this.#kernel
    const { device } = backend
    if (device === undefined) return
    this.#queue.push(thread)
    while (this.#queue[0] !== thread) {
      scheduler.block(thread, IO)
      yield
    }
    while (device.isBusy(scheduler.now)) {
      scheduler.sleepUntil(thread, device.nextDoneNs(scheduler.now), IO)
      yield
    }
    this.#queue.shift()
    const next = this.#queue[0]
    if (next !== undefined) scheduler.wake(next)
  }
}

function newPlug(): Plug {
  return {
    depth: 0,
    requests: 0,
    pages: 0,
    lastSlot: 0,
    starts: new Int32Array(PLUG_REQUESTS),
    slots: new Int32Array(PLUG_REQUESTS),
    waiting: new Int32Array(PLUG_REQUESTS * PLUG_PAGES),
  }
}
