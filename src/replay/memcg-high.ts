import { CLUSTER } from '../model/vmscan.ts'
import type { Kernel } from './kernel.ts'
import { CHARGE_BATCH } from './memcg-stocks.ts'
import type { Memcg } from './memcgs.ts'
import { DIRECT_CONTEXT, MAX_FAILURES } from './scan.ts'
import type { Steps, StepsTo } from './steps.ts'
import { HIGH, type Thread } from './thread.ts'
import { throttleSpan } from './throttle-span.ts'

/** MEMCG_DELAY_PRECISION_SHIFT, MEMCG_DELAY_SCALING_SHIFT and MEMCG_MAX_HIGH_DELAY_JIFFIES of mm/memcontrol.c. */
const PRECISION_SHIFT = 20
const SCALING_SHIFT = 14
const LONGEST_S = 2
/** A delay of no more than this part of a second is not worth a sleep. */
const SHORTEST_PART = 100

/** memory.high and memory.swap.high: who charged pages above them reclaims before it goes on, and is slowed down where that does not help (mm/memcontrol.c, 6.1 to 6.12). */
export class MemcgHigh {
  readonly #kernel: Kernel

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  /** mem_cgroup_handle_over_high, on the return to the task's own work. */
  *handle(thread: Thread): Steps {
    const { scheduler, timers } = this.#kernel
    const charged = thread.chargedOverHigh
    thread.chargedOverHigh = 0
    let wanted = charged
    for (let retries = MAX_FAILURES; ; ) {
      const reclaimed = yield* this.#reclaim(thread, wanted)
      if (scheduler.stopped) return
      const jiffies = this.#delay(thread.memcg, charged)
      if (jiffies <= Math.floor(timers.hz / SHORTEST_PART)) return
      if (reclaimed > 0 || retries-- > 0) wanted = CLUSTER
      else {
        yield* throttleSpan(this.#kernel, thread, this.#sleep(thread, jiffies))
        return
      }
    }
  }

  *#sleep(thread: Thread, jiffies: number): Steps {
    this.#kernel.timers.sleep(thread, jiffies, HIGH)
    yield
  }

  /** reclaim_high: the cgroup and those above it, each below its own. */
  *#reclaim(thread: Thread, wanted: number): StepsTo<number> {
    const { direct, memcgs, scheduler, zones } = this.#kernel
    const node = zones.localNode(thread)
    let reclaimed = 0
    let memcg: Memcg | undefined = thread.memcg
    for (; memcg !== undefined; memcg = memcg.parent) {
      if (!memcgs.isAboveHigh(memcg)) continue
      memcg.tell('highEvents')
      const scan = direct.scanOf(thread, DIRECT_CONTEXT, true)
      reclaimed += yield* direct.directReclaim(thread, node, scan, memcg, wanted)
      if (scheduler.stopped) break
    }
    return reclaimed
  }

  /** Jiffies for both limits. */
  #delay(own: Memcg, charged: number): number {
    const { memcgs } = this.#kernel
    const { hz } = this.#kernel.timers
    let ofMemory = 0
    let ofSwap = 0
    let memcg: Memcg | undefined = own
    for (; memcg !== undefined; memcg = memcg.parent) {
      if (memcgs.isAboveHigh(memcg))
        ofMemory = Math.max(ofMemory, overage(memcgs.usage(memcg), memcg.high))
      ofSwap = Math.max(ofSwap, overage(memcg.swapped, memcg.swapHigh))
    }
    const delay = highDelay(ofMemory, charged, hz) + highDelay(ofSwap, charged, hz)
    return Math.min(delay, LONGEST_S * hz)
  }
}

/** calculate_overage: the share above the limit, in 2^-20 of it. */
export function overage(pages: number, limit: number): number {
  if (pages <= limit) return 0
  return Math.floor(((pages - limit) * (1 << PRECISION_SHIFT)) / Math.max(limit, 1))
}

/** calculate_high_delay: jiffies for so many pages charged at an overage. 64-bit numbers wrap as the kernel's do. */
export function highDelay(over: number, charged: number, hz: number): number {
  const squared = BigInt.asUintN(64, BigInt(over) * BigInt(over) * BigInt(hz))
  const whole = squared >> BigInt(PRECISION_SHIFT + SCALING_SHIFT)
  return Number((whole * BigInt(charged)) / BigInt(CHARGE_BATCH))
}
