import type { SlowPolicy } from '../case.ts'
import type { Program, Thread } from '../clock.ts'
import type { Folio } from '../folio.ts'
import type { Machine } from '../machine.ts'
import { store } from '../store.ts'
import type { Policy } from './index.ts'
import { Queue } from './queue.ts'
import { storeWithoutReserve } from './store-without-reserve.ts'
import { Worker } from './worker.ts'

/** One worker; what does not fit into its queue, kswapd stores. */
export class Kcompressd implements Policy {
  readonly queuesUnderWriteback = false
  readonly #capacity: number
  readonly #queue: Queue
  readonly #worker: Worker

  constructor(machine: Machine, { fifo, memalloc }: SlowPolicy & { readonly name: 'kcompressd' }) {
    const queue = new Queue(machine)
    this.#capacity = fifo
    this.#queue = queue
    this.#worker = new Worker(machine, 'worker0', queue, (thread, folio) =>
      memalloc ? store(machine, thread, folio) : storeWithoutReserve(machine, thread, folio, 0),
    )
  }

  *submit(_thread: Thread, folio: Folio): Program<boolean> {
    if (this.#queue.length >= this.#capacity) return false
    yield* this.#queue.push(folio)
    yield* this.#worker.wake()
    return true
  }
}
