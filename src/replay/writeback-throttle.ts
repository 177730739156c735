import { CLUSTER } from '../model/vmscan.ts'
import type { Kernel } from './kernel.ts'
import type { NodeState } from './node-state.ts'
import type { Scan } from './scan.ts'
import type { Steps } from './steps.ts'
import { THROTTLE, type Thread } from './thread.ts'

interface NodeThrottle {
  /** PGDAT_WRITEBACK: a whole pass met nothing but pages under writeback. */
  onlyWriteback: boolean
  kswapd: Thread | undefined
  written: number
}

/** Reclaim that outruns the swap device waits for it (reclaim_throttle in mm/vmscan.c of 5.16 and later); without a device it never does. */
export class WritebackThrottle {
  readonly #kernel: Kernel
  readonly #nodes: NodeThrottle[]

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.#nodes = kernel.zones.nodes.map(() => ({
      onlyWriteback: false,
      kswapd: undefined,
      written: 0,
    }))
  }

  #of(node: NodeState): NodeThrottle {
    return this.#nodes[node.index] as NodeThrottle
  }

  /** A reclaimer met a page under writeback that is marked for immediate reclaim. */
  met(thread: Thread, node: NodeState, scan: Scan): void {
    if (thread.kind === 'kswapd' && this.#of(node).onlyWriteback) scan.immediate++
    else scan.underWriteback++
  }

  /** After a pass of kswapd over the classic lists, which took `taken` pages. */
  *afterPass(thread: Thread, node: NodeState, scan: Scan, taken: number): Steps {
    if (thread.kind !== 'kswapd' || !this.#kernel.device.exists) return
    const state = this.#of(node)
    if (scan.underWriteback > 0 && scan.underWriteback === taken) state.onlyWriteback = true
    if (scan.immediate === 0) return
    const { timers } = this.#kernel
    state.kswapd = thread
    state.written = 0
    // VMSCAN_THROTTLE_WRITEBACK
    timers.sleep(thread, timers.tenthOfSecond, THROTTLE)
    yield
    state.kswapd = undefined
  }

  /** Direct reclaim that found nothing although it looked at half of all pages, while most of them are being written, lets a tick pass. */
  *withoutProgress(thread: Thread): Steps {
    const { device, pages, stores, timers } = this.#kernel
    if (!device.exists) return
    let reclaimable = 0
    for (const size of pages.sizes) reclaimable += size
    if (2 * stores.underWriteback <= reclaimable) return
    // VMSCAN_THROTTLE_NOPROGRESS
    timers.sleep(thread, 1, THROTTLE)
    yield
  }

  written(node: NodeState): void {
    const state = this.#of(node)
    if (state.kswapd !== undefined && ++state.written > CLUSTER)
      this.#kernel.scheduler.wake(state.kswapd)
  }

  balanced(node: NodeState): void {
    this.#of(node).onlyWriteback = false
  }
}
