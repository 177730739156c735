import type { Kernel } from './kernel.ts'
import * as P from './pages.ts'
import type { Thread } from './scheduler.ts'
import type { StepsTo } from './steps.ts'

/**
 * Swap-in reads an aligned cluster of slots around the fault's (mm/swap_state.c swap_cluster_readahead, 6.1 to 6.12); how many follows from
 * the hits since the last fault. The pages lie unmapped in the swap cache until somebody touches them. Swap on a synchronous device (zram)
 * reads the one page only. Kernels that read ahead by address (swap_vma_readahead) find other neighbours; the window is the same.
 */
export class Readahead {
  readonly #kernel: Kernel
  readonly #mostPages: number
  #hits = 0
  #previousSlot = 0
  #previousWindow = 0

  constructor(kernel: Kernel, pages: number) {
    this.#kernel = kernel
    this.#mostPages = kernel.backend.name === 'zram' ? 1 : pages
  }

  get isOn(): boolean {
    return this.#mostPages > 1
  }

  /** A page that was read ahead is touched. */
  hit(): void {
    this.#hits++
    this.#kernel.tally.readaheadHits++
  }

  /** Slots to read with this one, its own included: first and one past the last. */
  window(slot: number): readonly [number, number] {
    const pages = this.#windowPages(slot)
    const start = slot - (slot % pages)
    return [start, start + pages]
  }

  /** swapin_nr_pages. */
  #windowPages(slot: number): number {
    const hits = this.#hits
    this.#hits = 0
    let pages = hits + 2
    if (pages === 2) {
      const isNeighbour = slot === this.#previousSlot + 1 || slot === this.#previousSlot - 1
      if (!isNeighbour) pages = 1
    } else {
      let roundup = 4
      while (roundup < pages) roundup *= 2
      pages = roundup
    }
    pages = Math.min(pages, this.#mostPages)
    // The window shrinks by half at most.
    pages = Math.max(pages, Math.floor(this.#previousWindow / 2))
    if (hits === 0) this.#previousSlot = slot
    this.#previousWindow = pages
    return pages
  }

  /** Brings the neighbours of a page that is being faulted in; returns those that the device is still to read, locked. */
  *around(thread: Thread, page: number): StepsTo<readonly number[]> {
    const { pages, pool, scheduler } = this.#kernel
    const own = pages.slot[page] as number
    const [start, end] = this.window(own)
    const reads: number[] = []
    for (let slot = start; slot < end; slot++) {
      const other = slot === own ? -1 : pool.pageOf(slot)
      if (other < 0 || pages.state[other] !== P.SWAPPED || pages.has(other, P.LOCKED)) continue
      pages.set(other, P.LOCKED)
      if (yield* this.#kernel.faults.readAhead(thread, other)) reads.push(other)
      if (scheduler.stopped) break
    }
    return reads
  }
}
