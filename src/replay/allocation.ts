import type { Kernel } from './kernel.ts'
import { CHARGE_BATCH } from './memcg-stocks.ts'
import type { Memcg } from './memcgs.ts'
import type { NodeState } from './node-state.ts'
import { DIRECT_CONTEXT, MAX_FAILURES, OOM_FRUITLESS, type Scan } from './scan.ts'
import type { Steps, StepsTo } from './steps.ts'
import { IO, THROTTLE, type Thread } from './thread.ts'
import { throttleSpan } from './throttle-span.ts'

const MAX_FRUITLESS = 16

/** Pages taken for one folio; the next allocation overwrites it. */
export interface Frames {
  node: NodeState
  /** How many of them are of which told block (Zones.together). */
  borrowed: number
}

/** Page allocation by tasks: the fast path, throttling below half of min, and direct reclaim until there is a page. */
export class Allocation {
  readonly #kernel: Kernel
  readonly #frames: Frames

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.#frames = { node: kernel.zones.nodeOf(0), borrowed: 0 }
  }

  /** Takes the pages of a folio, charged to a cgroup, from the thread's CPU's node or the next one that has some; may wake kswapd, wait for it, and reclaim. */
  *allocate(thread: Thread, charged: Memcg, count = 1): StepsTo<Frames> {
    const { zones } = this.#kernel
    const preferred = zones.localNode(thread)
    // __zone_watermark_unusable_free: the folio's other pages must be there beyond the mark.
    const more = count - 1
    const { memcgHigh, memcgs, scheduler } = this.#kernel
    if (!memcgs.tryCharge(thread, charged, count, CHARGE_BATCH))
      yield* this.#reclaimUpToLimit(thread, preferred, charged, count)
    // Much above memory.high it reclaims at once, the rest of the time when the kernel has done what it was asked for.
    if (thread.chargedOverHigh > CHARGE_BATCH && thread.kind === 'user')
      yield* memcgHigh.handle(thread)
    if (scheduler.stopped) return this.#frames
    let fruitless = 0
    let scan: Scan | undefined
    let node = this.#findNow(preferred, more)
    while (node === undefined) {
      this.#kernel.note('min', -1, preferred.free)
      yield* this.#throttle(thread, preferred)
      if (scan === undefined) scan = this.#kernel.direct.scanOf(thread, DIRECT_CONTEXT, true)
      const reclaimed = yield* this.#kernel.direct.reclaimForPage(thread, preferred, scan, more)
      if (reclaimed > 0) fruitless = 0
      else {
        fruitless++
        if (fruitless >= MAX_FRUITLESS && (!this.#canFree() || fruitless >= OOM_FRUITLESS)) {
          this.#kernel.exhausted = true
          this.#kernel.scheduler.stopped = true
          yield
          return this.#frames
        }
        if (fruitless >= MAX_FRUITLESS) {
          // Where the kernel would kill: time for stores in flight to end.
          this.#kernel.timers.sleep(thread, 1, IO)
          yield
        }
      }
      node = this.#findAboveMin(preferred, more)
    }
    return this.#take(node, count)
  }

  /** get_page_from_freelist before and after kswapd is woken; undefined = only reclaim helps. */
  #findNow(preferred: NodeState, more: number): NodeState | undefined {
    return (
      this.#kernel.zones.firstAbove(preferred, 'low', more) ?? this.#findAboveMin(preferred, more)
    )
  }

  #findAboveMin(preferred: NodeState, more: number): NodeState | undefined {
    this.#kernel.zones.wakeKswapds(preferred, more)
    return this.#kernel.zones.firstAbove(preferred, 'min', more)
  }

  /** Where there is a page for the kernel's own use, for which nobody tries long (GFP_KERNEL | __GFP_NORETRY): one call of direct reclaim at most; undefined = nowhere. */
  *findOnce(thread: Thread): StepsTo<NodeState | undefined> {
    const { direct, scheduler, zones } = this.#kernel
    const preferred = zones.localNode(thread)
    const node = this.#findNow(preferred, 0)
    if (node !== undefined) return node
    yield* this.#throttle(thread, preferred)
    if (scheduler.stopped) return undefined
    yield* direct.reclaimForPage(thread, preferred, direct.scanOf(thread, DIRECT_CONTEXT, true), 0)
    return zones.firstAbove(preferred, 'min')
  }

  /** One page for who may use the reserves (PF_MEMALLOC), also beyond limits. */
  takeReserve(thread: Thread, charged: Memcg): Frames {
    const { memcgs } = this.#kernel
    if (!memcgs.tryCharge(thread, charged, 1, CHARGE_BATCH)) memcgs.charge(charged, 1)
    return this.#take(this.#kernel.zones.poolNode(thread), 1)
  }

  #take(node: NodeState, count: number): Frames {
    const { zones } = this.#kernel
    const frames = this.#frames
    zones.pendingFrames += count
    frames.node = node
    frames.borrowed = 0
    for (let frame = 0; frame < count; frame++)
      frames.borrowed = zones.together(node, frames.borrowed, zones.take(node))
    return frames
  }

  /** try_charge_memcg: at a limit the charger reclaims below the cgroup whose limit it is, until the pages are charged. */
  *#reclaimUpToLimit(thread: Thread, node: NodeState, charged: Memcg, count: number): Steps {
    const { direct, memcgs, scheduler, timers } = this.#kernel
    let fruitless = 0
    let isDrained = false
    for (;;) {
      const over = memcgs.overLimit(charged, count) ?? charged
      over.tell('maxEvents')
      const scan = direct.scanOf(thread, DIRECT_CONTEXT, true)
      const reclaimed = yield* direct.directReclaim(thread, node, scan, over, count)
      if (scheduler.stopped || memcgs.tryCharge(thread, charged, count)) return
      if (!isDrained) {
        isDrained = true
        memcgs.drainStocks(over)
        if (memcgs.tryCharge(thread, charged, count)) return
      }
      fruitless = reclaimed > 0 ? 0 : fruitless + 1
      if (fruitless < MAX_FRUITLESS) continue
      if (fruitless >= OOM_FRUITLESS) {
        this.#kernel.exhausted = true
        scheduler.stopped = true
        yield
        return
      }
      timers.sleep(thread, 1, IO)
      yield
      if (memcgs.tryCharge(thread, charged, count)) return
    }
  }

  /** Could any page of the machine still be freed, now or when its store is done? */
  #canFree(): boolean {
    for (const size of this.#kernel.pages.sizes) if (size > 0) return true
    return false
  }

  #allowsDirectReclaim(node: NodeState): boolean {
    return (
      node.failures >= MAX_FAILURES || node.free > Math.floor(this.#kernel.zones.minOf(node) / 2)
    )
  }

  /** throttle_direct_reclaim: below half of min a task waits until kswapd's call has returned. */
  *#throttle(thread: Thread, node: NodeState): Steps {
    // Kernel threads are never made to wait for kswapd.
    if (thread.kind === 'worker' || this.#allowsDirectReclaim(node) || node.kswapd === undefined)
      return
    this.#kernel.tally.throttled++
    yield* throttleSpan(this.#kernel, thread, this.#waitForKswapd(thread, node))
  }

  *#waitForKswapd(thread: Thread, node: NodeState): Steps {
    while (!this.#allowsDirectReclaim(node)) {
      this.#kernel.zones.wakeKswapd(node)
      node.throttled.push(thread)
      this.#kernel.scheduler.block(thread, THROTTLE)
      yield
    }
  }

  wakeThrottled(node: NodeState): void {
    if (node.throttled.length === 0 || !this.#allowsDirectReclaim(node)) return
    for (const thread of node.throttled.splice(0)) this.#kernel.scheduler.wake(thread)
  }
}
