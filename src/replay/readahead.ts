import { AddressSpace } from './address-space.ts'
import type { Kernel } from './kernel.ts'
import * as P from './pages.ts'
import type { StepsTo } from './steps.ts'
import { AddressNeighbours, type Neighbours, SlotNeighbours } from './swap-neighbours.ts'
import type { Thread } from './thread.ts'

/** Where the kernel looks for neighbours: beside the slot, or beside the address (vma_ra_enabled). */
export type ReadaheadBy = 'slot' | 'address'

/**
 * Swap-in reads neighbours of the fault's page too (mm/swap_state.c, 6.1 to 6.12). They lie unmapped in the swap cache until somebody touches
 * them. Swap on a synchronous device (zram) reads the one page only.
 */
export class Readahead {
  readonly isOn: boolean
  readonly #kernel: Kernel
  readonly #neighbours: Neighbours

  constructor(kernel: Kernel, mostPages: number, by: ReadaheadBy) {
    this.#kernel = kernel
    this.isOn = mostPages > 1 && kernel.backend.name !== 'zram'
    this.#neighbours =
      by === 'address'
        ? new AddressNeighbours(new AddressSpace(kernel.workload.pages), mostPages)
        : new SlotNeighbours(kernel, mostPages)
  }

  /** A page that was read ahead is touched. */
  hit(page: number): void {
    this.#neighbours.hit(page)
    this.#kernel.tally.readaheadHits++
  }

  /** A page of its own, though it went out with others in a folio. */
  #pageAt(place: number): number {
    const member = this.#neighbours.at(place)
    if (member < 0) return member
    this.#kernel.faults.leaveFolio(member)
    return this.#neighbours.at(place)
  }

  /** Brings the neighbours of a page that is being faulted in; returns those that the device is still to read, locked. */
  *around(thread: Thread, page: number): StepsTo<readonly number[]> {
    const { pages, scheduler } = this.#kernel
    const [start, end] = this.#neighbours.window(page)
    const reads: number[] = []
    for (let place = start; place < end; place++) {
      const other = this.#pageAt(place)
      // The page itself is locked.
      if (other < 0 || pages.state[other] !== P.SWAPPED || pages.has(other, P.LOCKED)) continue
      pages.set(other, P.LOCKED)
      if (yield* this.#kernel.faults.readAhead(thread, other)) reads.push(other)
      if (scheduler.stopped) break
    }
    return reads
  }
}
