import { PstraceError } from '../model/error.ts'
import type { PolicyLayout, TunableValues } from '../policies/policy.ts'
import type { LiveTunables } from './live-tunables.ts'
import { PolicyLock } from './policy-lock.ts'
import { PolicyQueue } from './policy-queue.ts'
import type { Scheduler } from './scheduler.ts'
import type { Thread } from './thread.ts'

export interface Item {
  readonly worker: number
  readonly node: number
}

/** What the executor owns of one node, or of the machine for a global policy. */
export class Domain {
  readonly node: number
  readonly cpus: number
  readonly initial: TunableValues
  readonly layout: PolicyLayout
  readonly queues: readonly PolicyQueue[]
  readonly locks: readonly PolicyLock[]
  /** Integers: a value that is a double sooner or later gives some object another shape, and code that has met both stays slow. */
  readonly cells: Int32Array
  readonly #mostInCell: Float64Array
  /** Folios in the hands of programs under way: submitted, or popped, and neither stored nor queued. */
  inHands = 0
  items: number
  /** Kthreads by worker index; pool threads are in `pool`. */
  readonly workers: (Thread | undefined)[] = []
  /** By worker: the queue that it sleeps for, -1 = it does not. */
  readonly waitingFor: Int32Array
  readonly pool: Thread[] = []
  readonly idlePool: Thread[] = []
  readonly pending: Item[] = []
  readonly #tunables: LiveTunables
  /** Depths have changed: more may wait than they allow. Else limits are the depths. */
  #isResized = false
  readonly #policy: string

  constructor(
    policy: string,
    view: { readonly node: number; readonly cpus: number },
    layout: PolicyLayout,
    of: { readonly tunables: LiveTunables; readonly scheduler: Scheduler },
  ) {
    const { tunables, scheduler } = of
    this.#policy = policy
    this.#tunables = tunables
    this.node = view.node
    this.cpus = view.cpus
    this.initial = tunables.initial
    this.layout = layout
    this.queues = layout.queues.map(
      ({ name, capacity, depth }) => new PolicyQueue(name, capacity, depth ?? capacity),
    )
    this.locks = layout.locks.map(({ name, kind }) => new PolicyLock(name, kind, scheduler))
    this.cells = new Int32Array(layout.cells.length)
    this.#mostInCell = Float64Array.from(layout.cells, ({ most }) => most)
    this.items = layout.items
    this.waitingFor = new Int32Array(Math.max(1, layout.workers.length)).fill(-1)
  }

  get tunables(): TunableValues {
    return this.#tunables.values
  }

  length(queue: number): number {
    return this.queueAt(queue).length
  }

  read(cell: number): number {
    return this.cells[cell] as number
  }

  queueAt(queue: number): PolicyQueue {
    return this.queues[queue] ?? this.#unknown('queue', queue)
  }

  lockAt(lock: number): PolicyLock {
    return this.locks[lock] ?? this.#unknown('lock', lock)
  }

  /** Folios waiting, over all queues. */
  get queued(): number {
    let queued = 0
    for (const { length } of this.queues) queued += length
    return queued
  }

  /** A submit begins: it may leave as many as the policy lets wait, or as waited before. */
  beginSubmit(): void {
    if (this.#isResized) this.#setLimits()
  }

  #setLimits(): void {
    for (const queue of this.queues) queue.limit = Math.max(queue.length, queue.depth)
  }

  /** The depths that other values of the tunables give. */
  resize({ queues, cells }: PolicyLayout): void {
    this.#isResized = true
    this.queues.forEach((queue, index) => {
      const { depth, capacity } = queues[index] ?? { capacity: 0 }
      queue.depth = Math.min(depth ?? capacity, queue.capacity)
      queue.limit = Math.max(queue.limit, queue.depth)
    })
    cells.forEach(({ most }, cell) => {
      this.#mostInCell[cell] = Math.max(this.#mostInCell[cell] as number, most)
    })
  }

  setCell(cell: number, value: number): void {
    if (value > (this.#mostInCell[cell] as number)) this.#isTooMuch(cell, value)
    this.cells[cell] = value
  }

  #isTooMuch(cell: number, value: number): never {
    throw new PstraceError(
      'replay-invariant',
      `policy ${this.#policy} has ${value} in ${this.layout.cells[cell]?.name}; at most ${this.#mostInCell[cell]} are allowed`,
    )
  }

  /** False: none is left. */
  takeItem(): boolean {
    if (this.items === 0) return false
    this.items--
    return true
  }

  giveItem(worker: number): void {
    this.items++
    // mempool_free keeps what fits and gives the rest back to the slab, whoever allocated it.
    if (this.layout.workers[worker]?.serves === 'cpu')
      this.items = Math.min(this.items, this.layout.items)
    if (this.items > this.layout.items)
      throw new PstraceError(
        'replay-invariant',
        `policy ${this.#policy} frees more items than it took`,
      )
  }

  #unknown(kind: string, index: number): never {
    throw new PstraceError(
      'policy-layout',
      `policy ${this.#policy} uses ${kind} ${index}, which its layout does not declare`,
    )
  }
}
