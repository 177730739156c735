import { DEF_PRIORITY } from '../model/vmscan.ts'
import type { Kernel } from './kernel.ts'
import type { NodeState } from './node-state.ts'
import { KSWAPD_CONTEXT, MAX_FAILURES, type Scan } from './scan.ts'
import type { Steps, StepsTo } from './steps.ts'
import { NAP, NONE, SCAN, SLEEPING, type Thread } from './thread.ts'

/** The background reclaimer of each node (mm/vmscan.c, kswapd and balance_pgdat). */
export class Kswapd {
  readonly #kernel: Kernel

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  *main(thread: Thread, node: NodeState): Steps {
    const { scheduler } = this.#kernel
    const scan = this.#kernel.direct.scanOf(thread, KSWAPD_CONTEXT, true)
    // Parked until its first wake-up: the program begins where kswapd wakes.
    for (;;) {
      node.kswapdAsleep = false
      node.deltas.setPressure(true)
      const start = scheduler.now
      node.awakeSince = start
      this.#kernel.note('kswapd-begin', -1, 0)
      for (;;) {
        const entered = this.#kernel.pressure.enter(thread, scheduler.now)
        yield* this.#balanceNode(thread, node, scan)
        this.#kernel.pressure.leave(thread, scheduler.now, entered)
        if (yield* this.#naps(thread, node)) break
      }
      this.#kernel.recorder.closeKswapdSpan(thread, start, scheduler.now, false)
      this.#kernel.tally.kswapdAwakeNs += scheduler.now - start
      node.awakeSince = -1
      this.#kernel.note('kswapd-end', -1, scheduler.now - start)
      node.kswapdAsleep = true
      node.deltas.setPressure(false)
      scheduler.block(thread, SLEEPING)
      yield
    }
  }

  /** kswapd_try_to_sleep: a nap of HZ/10, then true if it may sleep on. A wake-up during the nap means work. */
  *#naps(thread: Thread, node: NodeState): StepsTo<boolean> {
    // Where it may not nap it looks once more, and then sleeps without one.
    if (!(yield* this.#maySleep(thread, node))) return yield* this.#maySleep(thread, node)
    const { scheduler, timers } = this.#kernel
    const wakesAt = timers.expiry(timers.tenthOfSecond)
    node.kswapdAsleep = true
    scheduler.sleepUntil(thread, wakesAt, NAP)
    yield
    node.kswapdAsleep = false
    if (scheduler.now < wakesAt) return false
    return yield* this.#maySleep(thread, node)
  }

  /** prepare_kswapd_sleep: throttled tasks are let go first. Those that preempt kswapd run while it balances nothing, so that their lists may be long. */
  *#maySleep(thread: Thread, node: NodeState): StepsTo<boolean> {
    const { scheduler } = this.#kernel
    thread.preemptOff++
    for (const waiting of node.throttled.splice(0)) scheduler.wake(waiting)
    if (!scheduler.allowPreemption(thread)) yield
    if (this.#kernel.zones.isAbove(node, 'high')) this.#kernel.throttle.balanced(node)
    else return node.failures >= MAX_FAILURES
    return true
  }

  /** balance_pgdat. */
  *#balanceNode(thread: Thread, node: NodeState, scan: Scan): Steps {
    const { scheduler } = this.#kernel
    const boosted = node.boost
    let boostLeft = boosted
    scan.priority = DEF_PRIORITY
    scan.reclaimed = 0
    let total = 0
    let isBalanced = false
    scan.forceDeactivate = false
    node.lists.isReclaimActive = true
    do {
      const balanced = this.#kernel.zones.isAbove(node, 'high')
      if (!balanced && boostLeft > 0) {
        boostLeft = 0
        scan.priority = DEF_PRIORITY
        continue
      }
      if (balanced && boostLeft === 0) {
        isBalanced = true
        break
      }
      let raise = !(boostLeft > 0 && scan.priority === DEF_PRIORITY - 2)
      scan.mayUnmapSwap = boostLeft === 0
      scheduler.setDoing(thread, SCAN)
      yield* this.#kernel.lru.ageActive(thread, node, scan)
      scan.reclaimed = 0
      scan.scanned = 0
      scan.target = this.#kernel.zones.targetOf(node)
      yield* this.#kernel.shrink.shrinkNode(thread, node, scan)
      if (scan.scanned >= scan.target) raise = false
      const reclaimed = scan.reclaimed
      total += reclaimed
      this.#kernel.allocation.wakeThrottled(node)
      boostLeft -= Math.min(boostLeft, reclaimed)
      if (boostLeft > 0 && reclaimed === 0) break
      if (raise || reclaimed === 0) scan.priority--
    } while (scan.priority >= 1)
    node.lists.isReclaimActive = false
    if (!isBalanced && total === 0) node.failures++
    scheduler.setDoing(thread, NONE)
    this.#kernel.zones.lowerBoost(node, boosted)
    const { lru, memcgs } = this.#kernel
    lru.snapshotRefaults(memcgs.lruvec(memcgs.root, node))
    scan.mayUnmapSwap = true
  }
}
