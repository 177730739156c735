import type { SlowPolicy } from '../case.ts'
import type { Program, Thread } from '../clock.ts'
import type { Folio } from '../folio.ts'
import type { Machine } from '../machine.ts'
import type { Policy } from './index.ts'
import { Lock } from './lock.ts'
import { complete, Queue, storeDisplaced } from './queue.ts'
import { storeWithoutReserve } from './store-without-reserve.ts'

const LARGEST_QUEUE = 256
/** A kworker sleeps between two reclaims that gave it too little. */
const REST_TICKS = 1

/** One queue under a mutex that kworkers empty, as many as are needed. */
export class Parallel implements Policy {
  readonly queuesUnderWriteback = false
  readonly #machine: Machine
  readonly #workers: number
  readonly #capacity: number
  readonly #queue: Queue
  readonly #lock: Lock
  readonly #idle: Thread[] = []
  /** Kernel threads, work items that one of them took up or will, and those that wait for one. */
  #threads = 0
  #running = 0
  #pending = 0
  #isWriterWaiting = false

  constructor(machine: Machine, policy: SlowPolicy & { readonly name: 'parallel' }) {
    this.#machine = machine
    this.#workers = policy.workers
    this.#capacity = Math.min(LARGEST_QUEUE, policy.workers * policy.factor)
    this.#queue = new Queue(machine)
    this.#lock = new Lock(machine.clock, { whileOwnerSleeps: 'sleep' })
  }

  *submit(thread: Thread, folio: Folio): Program<boolean> {
    this.#isWriterWaiting = true
    yield* this.#lock.take(thread)
    this.#isWriterWaiting = false
    const isWorkerNeeded = this.#running < this.#workers
    if (this.#queue.length >= this.#capacity) {
      const oldest = this.#queue.pop()
      if (oldest !== undefined) yield* storeDisplaced(this.#machine, thread, oldest)
    }
    yield* this.#queue.push(folio)
    if (isWorkerNeeded) {
      this.#queueWork()
      yield { spend: this.#machine.costs.wake.draw() }
      this.#running++
    }
    this.#lock.release()
    return true
  }

  /** queue_work: an idle kworker, or a new one while the workqueue may have more. */
  #queueWork(): void {
    const { clock, cpus } = this.#machine
    this.#pending++
    const idle = this.#idle.pop()
    if (idle !== undefined) clock.wake(idle)
    else if (this.#threads < Math.max(1, cpus.length - 1)) {
      const name = `kworker${this.#threads++}`
      clock.wake(this.#machine.addKernelThread(name, (self) => this.#kworker(self)))
    }
  }

  *#kworker(thread: Thread): Program {
    for (;;) {
      if (this.#pending === 0) {
        this.#idle.push(thread)
        yield { block: true }
        continue
      }
      this.#pending--
      yield* this.#empty(thread)
      this.#running--
      this.#lock.release()
    }
  }

  /** Until the queue is empty; the lock is still held then. */
  *#empty(thread: Thread): Program {
    for (;;) {
      yield* this.#lock.take(thread)
      if (this.#isWriterWaiting) {
        this.#lock.release()
        continue
      }
      const folio = this.#queue.pop()
      if (folio === undefined) return
      this.#lock.release()
      yield* storeWithoutReserve(this.#machine, thread, folio, REST_TICKS)
      complete(this.#machine, thread, folio)
    }
  }
}
