import { CLUSTER_SLOTS, type SlotMetrics } from './slots.ts'

/** Counts what every allocator reports alike. */
export class SlotStatistics {
  steps = 0
  steals = 0
  orderAttempts = 0
  orderFallbacks = 0
  deviceLocks = 0
  clusterLocks = 0
  #allocations = 0
  #sequential = 0
  #last = -2

  /** `slot` was handed to a page. */
  handedOut(slot: number, pages: number): void {
    this.#allocations++
    if (slot === this.#last + 1) this.#sequential++
    this.#last = slot + pages - 1
  }

  report(taken: Uint8Array, counts: Uint16Array): SlotMetrics {
    let touched = 0
    let used = 0
    for (const count of counts) {
      if (count > 0) touched++
      used += count
    }
    let runs = 0
    let free = 0
    let inRun = false
    for (const each of taken) {
      if (each === 0) {
        free++
        if (!inRun) runs++
      }
      inRun = each === 0
    }
    return {
      allocations: this.#allocations,
      orderAttempts: this.orderAttempts,
      orderFallbacks: this.orderFallbacks,
      steps: this.steps,
      steals: this.steals,
      clustersTouched: touched,
      fragmentation: touched === 0 ? 0 : 1 - used / (CLUSTER_SLOTS * touched),
      sequentiality: this.#allocations === 0 ? 0 : this.#sequential / this.#allocations,
      meanFreeRun: runs === 0 ? 0 : free / runs,
      deviceLocks: this.deviceLocks,
      clusterLocks: this.clusterLocks,
    }
  }
}
