import type { Program, Thread } from '../clock.ts'
import type { Folio } from '../folio.ts'
import type { Machine } from '../machine.ts'
import { complete, type Queue } from './queue.ts'

/** A kernel thread that empties a queue and sleeps. */
export class Worker {
  readonly #machine: Machine
  readonly #queue: Queue
  readonly #store: (thread: Thread, folio: Folio) => Program
  readonly #thread: Thread
  #isWaiting = true

  constructor(
    machine: Machine,
    name: string,
    queue: Queue,
    store: (thread: Thread, folio: Folio) => Program,
  ) {
    this.#machine = machine
    this.#queue = queue
    this.#store = store
    this.#thread = machine.addKernelThread(name, (self) => this.#main(self))
  }

  /** Costs the caller something only if it slept. */
  *wake(): Program {
    const { clock, costs } = this.#machine
    if (this.#isWaiting && clock.wake(this.#thread)) yield { spend: costs.wake.draw() }
  }

  *#main(thread: Thread): Program {
    for (;;) {
      while (this.#queue.length === 0) {
        this.#isWaiting = true
        yield { block: true }
      }
      this.#isWaiting = false
      for (;;) {
        const folio = yield* this.#queue.take(thread)
        if (folio === undefined) break
        yield* this.#store(thread, folio)
        complete(this.#machine, thread, folio)
      }
    }
  }
}
