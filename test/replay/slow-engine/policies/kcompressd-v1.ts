import type { SlowPolicy } from '../case.ts'
import type { Program, Thread } from '../clock.ts'
import type { Folio } from '../folio.ts'
import type { Machine } from '../machine.ts'
import { store } from '../store.ts'
import type { Policy } from './index.ts'
import { Queue } from './queue.ts'
import { Worker } from './worker.ts'

/** Several workers, each with a queue: the first one with room gets it. */
export class KcompressdV1 implements Policy {
  readonly queuesUnderWriteback = true
  readonly #capacity: number
  readonly #lanes: { readonly queue: Queue; readonly worker: Worker }[]

  constructor(
    machine: Machine,
    { threads, capacity }: SlowPolicy & { readonly name: 'kcompressd-v1' },
  ) {
    this.#capacity = capacity
    this.#lanes = Array.from({ length: threads }, (_, index) => {
      const queue = new Queue(machine)
      const worker = new Worker(machine, `worker${index}`, queue, (thread, folio) =>
        store(machine, thread, folio),
      )
      return { queue, worker }
    })
  }

  *submit(_thread: Thread, folio: Folio): Program<boolean> {
    const lane = this.#lanes.find(({ queue }) => queue.length < this.#capacity)
    if (lane === undefined) return false
    yield* lane.queue.push(folio)
    yield* lane.worker.wake()
    return true
  }
}
