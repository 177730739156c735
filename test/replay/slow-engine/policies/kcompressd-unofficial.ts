import type { SlowPolicy } from '../case.ts'
import type { Program, Thread } from '../clock.ts'
import type { Folio } from '../folio.ts'
import type { Machine } from '../machine.ts'
import { store } from '../store.ts'
import type { Policy } from './index.ts'
import { Lock } from './lock.ts'
import { Queue, storeDisplaced } from './queue.ts'
import { Worker } from './worker.ts'

/** One worker; when its queue is full, kswapd takes the oldest folio out and stores that. */
export class KcompressdUnofficial implements Policy {
  readonly queuesUnderWriteback = false
  readonly #machine: Machine
  readonly #depth: number
  readonly #queue: Queue
  readonly #worker: Worker

  constructor(
    machine: Machine,
    { depth }: SlowPolicy & { readonly name: 'kcompressd-unofficial' },
  ) {
    this.#machine = machine
    this.#depth = depth
    this.#queue = new Queue(machine, new Lock(machine.clock, { whileOwnerSleeps: 'spin' }))
    this.#worker = new Worker(machine, 'worker0', this.#queue, (thread, folio) =>
      store(machine, thread, folio),
    )
  }

  *submit(thread: Thread, folio: Folio): Program<boolean> {
    const oldest = this.#queue.length >= this.#depth ? yield* this.#queue.take(thread) : undefined
    yield* this.#queue.push(folio)
    yield* this.#worker.wake()
    if (oldest !== undefined) yield* storeDisplaced(this.#machine, thread, oldest)
    return true
  }
}
