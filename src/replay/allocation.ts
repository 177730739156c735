import type { Kernel } from './kernel.ts'
import { DIRECT_CONTEXT, MAX_FAILURES, OOM_FRUITLESS, type Scan, TICK_NS } from './scan.ts'
import { IO, THROTTLE, type Thread } from './scheduler.ts'
import type { Steps, StepsTo } from './steps.ts'
import type { NodeState } from './zones.ts'

const MAX_FRUITLESS = 16

/** Page allocation by tasks: the fast path, throttling below half of min, and direct reclaim until there is a page. */
export class Allocation {
  readonly #kernel: Kernel
  readonly #memcgLimit: number
  readonly #pageSize: number

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.#memcgLimit = kernel.workload.machine.memcgLimitPages?.value ?? Number.POSITIVE_INFINITY
    this.#pageSize = kernel.workload.machine.pageSize
  }

  /** Takes the pages of a folio for a task; may wake kswapd, wait for it, and reclaim. Returns how many are borrowed (Zones.take). */
  *allocate(thread: Thread, node: NodeState, count = 1): StepsTo<number> {
    // __zone_watermark_unusable_free: the folio's other pages must be there beyond the mark.
    const more = count - 1
    // Kernel threads are in the root cgroup.
    if (this.#memcgLimit !== Number.POSITIVE_INFINITY && thread.kind === 'user') {
      yield* this.#charge(thread, node)
      if (this.#kernel.scheduler.stopped) return 0
    }
    if (this.#kernel.zones.isAbove(node, 'low', more)) return this.#take(node, count)
    let fruitless = 0
    let scan: Scan | undefined
    for (;;) {
      if (!this.#kernel.zones.isAbove(node, 'low', more)) {
        this.#kernel.note('low', -1, node.free)
        this.#kernel.zones.wakeKswapd(node)
      }
      if (this.#kernel.zones.isAbove(node, 'min', more)) break
      this.#kernel.note('min', -1, node.free)
      yield* this.#throttle(thread, node)
      if (scan === undefined) scan = this.#kernel.direct.scanOf(thread, DIRECT_CONTEXT, true)
      const reclaimed = yield* this.#kernel.direct.directReclaim(thread, node, scan)
      // No page yet: the per-CPU lists are emptied before the next try.
      if (!this.#kernel.zones.isAbove(node, 'min', more)) this.#kernel.zones.drain(node)
      if (reclaimed > 0) fruitless = 0
      else {
        fruitless++
        if (fruitless >= MAX_FRUITLESS && (!this.#canFree() || fruitless >= OOM_FRUITLESS)) {
          this.#kernel.exhausted = true
          this.#kernel.scheduler.stopped = true
          yield
          return 0
        }
        if (fruitless >= MAX_FRUITLESS) {
          // Where the kernel would kill: time for stores in flight to end.
          this.#kernel.scheduler.sleepUntil(thread, this.#kernel.scheduler.now + TICK_NS, IO)
          yield
        }
      }
    }
    return this.#take(node, count)
  }

  #take(node: NodeState, count: number): number {
    const { zones } = this.#kernel
    zones.pendingFrames += count
    let borrowed = 0
    for (let frame = 0; frame < count; frame++) if (zones.take(node)) borrowed++
    return borrowed
  }

  /** try_charge_memcg: the cgroup holds its pages in memory and what zswap has of it. */
  *#charge(thread: Thread, node: NodeState): Steps {
    const { direct, scheduler } = this.#kernel
    let fruitless = 0
    while (this.#charged() >= this.#memcgLimit) {
      const scan = direct.scanOf(thread, DIRECT_CONTEXT, true)
      const reclaimed = yield* direct.directReclaim(thread, node, scan, 'memcg')
      if (scheduler.stopped) return
      fruitless = reclaimed > 0 ? 0 : fruitless + 1
      if (fruitless < MAX_FRUITLESS) continue
      if (fruitless >= OOM_FRUITLESS) {
        this.#kernel.exhausted = true
        scheduler.stopped = true
        yield
        return
      }
      scheduler.sleepUntil(thread, scheduler.now + TICK_NS, IO)
      yield
    }
  }

  #charged(): number {
    const { pages, zones, backend } = this.#kernel
    let charged = zones.pendingFrames + Math.ceil((backend.chargedBytes ?? 0) / this.#pageSize)
    for (const size of pages.sizes) charged += size
    return charged
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
    const { scheduler, recorder } = this.#kernel
    scheduler.account(thread)
    const start = scheduler.now
    const before = thread.parts.slice()
    const parent = thread.span
    const span = recorder.openSpan()
    thread.span = span
    const entered = this.#kernel.pressure.enter(thread, start)
    this.#kernel.tally.throttled++
    this.#kernel.note('throttle-begin', -1, 0)
    while (!this.#allowsDirectReclaim(node)) {
      this.#kernel.zones.wakeKswapd(node)
      node.throttled.push(thread)
      scheduler.block(thread, THROTTLE)
      yield
    }
    this.#kernel.pressure.leave(thread, scheduler.now, entered)
    scheduler.account(thread)
    thread.span = parent
    recorder.closeSpan(span, 'throttle', thread, parent, start, scheduler.now, 0, before)
    this.#kernel.tally.stall(thread, start, scheduler.now, false)
  }

  wakeThrottled(node: NodeState): void {
    if (node.throttled.length === 0 || !this.#allowsDirectReclaim(node)) return
    for (const thread of node.throttled.splice(0)) this.#kernel.scheduler.wake(thread)
  }
}
