import type { Place, PoolMove, Upkeep } from '../memory/backends/backend.ts'
import { PstraceError } from '../model/error.ts'
import type { Kernel } from './kernel.ts'
import type { NodeState } from './node-state.ts'
import * as P from './pages.ts'
import type { Steps } from './steps.ts'
import { SLEEPING, type Thread } from './thread.ts'

const HOLDS_NOTHING = 0
export const HOLDS_COPY = 1
export const HOLDS_ZERO = 2

/** What the swap slots hold: contents given to the backend, taken from it and dropped, and the backend's own shrinker. */
export class SwapPool {
  readonly #kernel: Kernel
  readonly bytes: Uint8Array
  readonly #words: Float64Array
  #filled = -1
  #filledVersion = -1
  filledKey = 0
  shrinker: Thread | undefined
  #shrinkerAsleep = true
  /** What each slot holds and whose node paid for it; grows with the device's used part. */
  #slotHolds = new Uint8Array(1024)
  #slotNodes = new Uint8Array(1024)
  #slotPages = new Int32Array(1024)
  /** The node, from 1, whose swap cache has an entry for it; 0 = none has. */
  #slotCaches = new Uint8Array(1024)

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.bytes = kernel.backend.pageBuffer ?? new Uint8Array(kernel.workload.machine.pageSize)
    // What an earlier run left there is none of this run's business.
    this.bytes.fill(0)
    this.#words = new Float64Array(
      this.bytes.buffer,
      this.bytes.byteOffset,
      this.bytes.length / Float64Array.BYTES_PER_ELEMENT,
    )
  }

  recordMove(move: PoolMove): void {
    this.#kernel.tally.moves++
    const { recorder } = this.#kernel
    if (!recorder.recordsRows) return
    const rows = recorder.moves
    const row = rows.add()
    rows.number(row, 'ts_ns', this.#kernel.scheduler.now)
    rows.number(row, 'page_id', move.page + 1)
    rows.text(row, 'from_place', move.from)
    rows.text(row, 'to_place', move.reason === 'invalidate' ? undefined : move.to)
    rows.text(row, 'reason', move.reason)
    rows.number(row, 'age_ns', move.ageNs)
    recorder.added(rows)
  }

  /** How the pool's pages are filled, class by class. */
  sampleClasses(): void {
    const { backend, recorder, scheduler } = this.#kernel
    if (backend.pool === undefined || !recorder.recordsRows) return
    for (const { size, objects, pages, wastedBytes } of backend.pool.stats()) {
      const stored = pages * backend.pool.pageSize - wastedBytes
      recorder.sample(scheduler.now, 0, `class_objects.${size}`, objects)
      recorder.sample(scheduler.now, 0, `class_pages.${size}`, pages)
      recorder.sample(scheduler.now, 0, `class_stored.${size}`, stored)
    }
  }

  /** The backend's own shrinker (zswap's shrink_worker): one iteration after the other while it has work. */
  *shrinkerMain(thread: Thread, node: NodeState): Steps {
    const { backend, scheduler, costs } = this.#kernel
    // Parked until its first wake-up: the program begins there.
    for (;;) {
      this.#shrinkerAsleep = false
      while (backend.pendingShrink === true && backend.shrinkStep !== undefined) {
        const before = backend.poolPages
        const { deviceWrites, scanned, sleepUntilNs, done } = backend.shrinkStep(scheduler.now)
        this.#kernel.zones.poolChanged(node, backend.poolPages - before)
        // Writing back decompresses the page first; looking at an entry costs what looking at a page does.
        let ns = 0
        for (let write = 0; write < deviceWrites; write++) ns += costs.swapIn.draw()
        for (let entry = deviceWrites; entry < scanned; entry++) ns += costs.scanKept.draw()
        if (!scheduler.spend(thread, Math.max(1, ns))) yield
        yield* this.#kernel.device.writeBack(thread, deviceWrites)
        if (sleepUntilNs > scheduler.now) {
          scheduler.sleepUntil(thread, sleepUntilNs, SLEEPING)
          yield
        }
        if (done) break
      }
      this.#shrinkerAsleep = true
      scheduler.block(thread, SLEEPING)
      yield
    }
  }

  /** What user space has the backend do from time to time; each page written is waited for. */
  *upkeepMain(thread: Thread, node: NodeState, upkeep: Upkeep): Steps {
    const { backend, scheduler, costs } = this.#kernel
    for (;;) {
      scheduler.sleepUntil(thread, scheduler.now + upkeep.everyNs, SLEEPING)
      yield
      upkeep.begin(scheduler.now)
      for (;;) {
        const before = backend.poolPages
        const { deviceWrites, decompressions, stores, done } = upkeep.step(scheduler.now)
        this.#kernel.zones.poolChanged(node, backend.poolPages - before)
        let ns = stores > 0 ? Math.round(stores * costs.store.draw()) : 0
        for (let page = 0; page < decompressions; page++) ns += costs.swapIn.draw()
        if (!scheduler.spend(thread, Math.max(1, ns))) yield
        for (let write = 0; write < deviceWrites; write++)
          yield* this.#kernel.device.wait(thread, 'write', 1)
        if (done) break
      }
    }
  }

  kickShrinker(): void {
    if (
      this.shrinker !== undefined &&
      this.#shrinkerAsleep &&
      this.#kernel.backend.pendingShrink === true
    )
      this.#kernel.scheduler.wake(this.shrinker)
  }

  /** What the zero map asks, where possible without making the page, which a worker may store much later. */
  isZero(page: number): boolean {
    const { pages, contents } = this.#kernel
    const version = pages.version[page] as number
    for (let part = 0; part < pages.pagesOf(page); part++)
      if (!(contents.isZero?.(pages.contentOf(page, part), version) ?? this.fill(page, part)))
        return false
    return true
  }

  /** Makes one of the folio's base pages; true = it is zero. */
  fill(page: number, part = 0): boolean {
    this.make(page, part)
    return isZero(this.#words)
  }

  /** Its bytes, and `filledKey`. */
  make(page: number, part: number): void {
    const { pages } = this.#kernel
    const content = pages.contentOf(page, part)
    const version = pages.version[page] as number
    if (this.#filled !== content || this.#filledVersion !== version) {
      this.filledKey = this.#kernel.contents.fill(
        content,
        version,
        (pages.slot[page] as number) + part,
        this.bytes,
      )
      this.#filled = content
      this.#filledVersion = version
    }
  }

  load(node: NodeState, slot: number): Place {
    if (this.#slotHolds[slot] === HOLDS_ZERO) return 'zero'
    const before = this.#kernel.backend.poolPages
    const place = this.#kernel.backend.load(slot, undefined, this.#kernel.scheduler.now)
    // A load may take the content out of the pool (zswap since 6.12).
    this.#kernel.zones.poolChanged(node, this.#kernel.backend.poolPages - before)
    return place
  }

  /** `isMapped`: a fault that takes the page past the swap cache gives its slots back one by one (swap_free_nr, swapcache_clear). */
  dropSlot(page: number, isMapped = false): void {
    const slot = this.#kernel.pages.slot[page] as number
    if (slot < 0) return
    const { memcgs, pages, scheduler, slots } = this.#kernel
    pages.slot[page] = -1
    memcgs.countSwap(page, -pages.pagesOf(page))
    const cpu = scheduler.active?.cpu ?? 0
    const order = pages.order[page] as number
    if (order > 0 && !isMapped) slots.freeFolio(slot, order, cpu)
    else for (let each = slot; each < slot + (1 << order); each++) slots.free(each, cpu)
  }

  /** The slot is really free, which slot caches put off: its content goes. */
  released(slot: number): void {
    this.#uncache(slot)
    const holds = this.#slotHolds[slot]
    this.#slotHolds[slot] = HOLDS_NOTHING
    if (holds !== undefined && holds !== HOLDS_NOTHING)
      this.#kernel.zones.slotGiven(this.#kernel.zones.nodeOf(this.#slotNodes[slot] as number))
    if (holds !== HOLDS_COPY) return
    const given = this.#kernel.backend.free(slot, this.#kernel.scheduler.now)
    if (given > 0)
      this.#kernel.zones.poolChanged(
        this.#kernel.zones.nodeOf(this.#slotNodes[slot] as number),
        -given,
      )
  }

  holdsContent(slot: number): boolean {
    return (this.#slotHolds[slot] ?? HOLDS_NOTHING) !== HOLDS_NOTHING
  }

  /** The page whose slot it is, -1 = nobody's. */
  pageOf(slot: number): number {
    return this.holdsContent(slot) ? (this.#slotPages[slot] as number) : -1
  }

  /** Its page still is, or is again, in the swap cache. */
  isInMemory(slot: number): boolean {
    const page = this.pageOf(slot)
    return page >= 0 && this.#kernel.pages.state[page] !== P.SWAPPED
  }

  /** What the slot holds is this page's, and no longer its folio's. */
  belongsTo(slot: number, page: number): void {
    this.#slotPages[slot] = page
  }

  /** So many slots in a row get entries in the swap cache of a node; false = there is no memory for them (Zones.slotCached). */
  cache(first: number, count: number, node: NodeState): boolean {
    if (first + count > this.#slotHolds.length) this.#growTo(first + count - 1)
    for (let slot = first; slot < first + count; slot++) {
      if (!this.#kernel.zones.slotCached(node, slot)) {
        while (--slot >= first) this.#uncache(slot)
        return false
      }
      this.#slotCaches[slot] = node.index + 1
    }
    return true
  }

  #uncache(slot: number): void {
    const cache = this.#slotCaches[slot] ?? 0
    if (cache === 0) return
    this.#slotCaches[slot] = 0
    this.#kernel.zones.slotUncached(this.#kernel.zones.nodeOf(cache - 1), slot)
  }

  #growTo(slot: number): void {
    const size = Math.max(slot + 1, this.#slotHolds.length * 2)
    this.#slotHolds = grown(this.#slotHolds, new Uint8Array(size))
    this.#slotNodes = grown(this.#slotNodes, new Uint8Array(size))
    this.#slotPages = grown(this.#slotPages, new Int32Array(size))
    this.#slotCaches = grown(this.#slotCaches, new Uint8Array(size))
  }

  /** The slot must hold nothing: each swap-out writes its slots once. */
  hold(slot: number, holds: number, node: NodeState, page: number): void {
    if (this.#slotHolds[slot] !== HOLDS_NOTHING) this.#isHeld(slot, page)
    this.#kernel.zones.slotTaken(node)
    this.#slotHolds[slot] = holds
    this.#slotNodes[slot] = node.index
    this.#slotPages[slot] = page
  }

  #isHeld(slot: number, page: number): never {
    throw new PstraceError(
      'replay-invariant',
      `slot ${slot} is written for page ${page} while it holds page ${this.#slotPages[slot]}`,
    )
  }
}

function grown<T extends Uint8Array | Int32Array>(from: T, to: T): T {
  to.set(from)
  return to
}

function isZero(words: Float64Array): boolean {
  // The last word first, as the kernel does: it differs most often. -0 has a bit set, so both are compared.
  const last = words.length - 1
  if (!Object.is(words[last], 0)) return false
  for (let word = 0; word < last; word++) if (!Object.is(words[word], 0)) return false
  return true
}
