import { PstraceError } from '../model/error.ts'
import type { Kernel } from './kernel.ts'
import type { Domain } from './policy-domain.ts'
import type { PolicyQueue } from './policy-queue.ts'
import {
  ENDING,
  HELD,
  NOTHING,
  OTHERS,
  PREEMPTED,
  QUEUEING,
  STORING,
  type Turn,
  WAIT,
} from './policy-turn.ts'
import { SLEEPING } from './thread.ts'

/** A policy that lets no time pass for this many operations that may take some spins on something only others can change. */
const OPERATIONS_PER_INSTANT = 32
const SPIN_NS = 1000

/** The threads of a policy. */
export interface PolicyThreads {
  /** Was the worker asleep? */
  wake(domain: Domain, worker: number): boolean
  queueWork(domain: Domain, worker: number): void
}

/** Performs a policy's operations in virtual time. Those that can take some say what the turn needs to go on. */
export class PolicyOperations {
  readonly #policy: string
  readonly #kernel: Kernel
  readonly #threads: PolicyThreads
  /** Folios waiting, over all queues. */
  readonly #queued: () => number

  constructor(policy: string, kernel: Kernel, threads: PolicyThreads, queued: () => number) {
    this.#policy = policy
    this.#kernel = kernel
    this.#threads = threads
    this.#queued = queued
  }

  /** False: the turn has spun for long enough, and time must pass before it goes on. */
  mayGoOn(turn: Turn): boolean {
    const { scheduler } = this.#kernel
    const { now } = scheduler
    if (now === turn.instant) return this.#mayGoOnAtOnce(turn)
    turn.instant = now
    turn.operations = 0
    return true
  }

  #mayGoOnAtOnce(turn: Turn): boolean {
    if (++turn.operations <= OPERATIONS_PER_INSTANT) return true
    turn.operations = 0
    return this.#kernel.scheduler.spend(turn.thread, SPIN_NS)
  }

  store(turn: Turn, folio: number): number {
    const { pages, scheduler, stores, swapOuts, zones } = this.#kernel
    const { thread, worker } = turn
    turn.give()
    turn.folio = folio
    const layout = worker < 0 ? undefined : turn.domain.layout.workers[worker]
    if (layout === undefined) swapOuts.displaced(folio)
    turn.flight = pages.swapout[folio] as number
    const node = zones.nodeOf(pages.node[folio] as number)
    const memalloc = layout?.memalloc ?? true
    const wholeNs = stores.begin(thread, node, folio, memalloc, layout?.kworker ?? false)
    const ns = stores.beyondGate(wholeNs)
    stores.startWriteback(folio)
    return scheduler.spend(thread, ns) ? this.storeSpent(turn) : STORING
  }

  /** The store's time has passed. */
  storeSpent(turn: Turn): number {
    return this.#kernel.stores.isPreempted(turn.thread) ? PREEMPTED : this.endStore(turn)
  }

  endStore(turn: Turn): number {
    const ending = this.#kernel.stores.end(turn.thread)
    if (typeof ending === 'boolean') return this.stored(turn, ending)
    turn.ending = ending
    return ENDING
  }

  stored(turn: Turn, isStored: boolean): number {
    turn.ending = undefined
    if (isStored) this.#kernel.stores.completed(turn.folio, turn.thread.cpu, turn.flight)
    return NOTHING
  }

  push(turn: Turn, at: number, folio: number): number {
    const kernel = this.#kernel
    const { domain } = turn
    const queue = domain.queueAt(at)
    turn.result = queue.push(folio)
    if (!turn.result) return NOTHING
    const { name, length, limit } = queue
    const { tally } = kernel
    if (length > tally.queuePeak) tally.queuePeak = length
    if (length > limit) this.#isTooLong(queue)
    turn.give()
    kernel.note('push', folio, length, name)
    if (kernel.recorder.recordsRows) kernel.swapOuts.queueChanged(domain.node, this.#queued())
    return this.#paid(turn, kernel.costs.push.draw())
  }

  #isTooLong({ length, limit, name }: PolicyQueue): never {
    throw new PstraceError(
      'replay-invariant',
      `policy ${this.#policy} lets ${length} folios wait in ${name} at ${this.#kernel.scheduler.now} ns; its depth is ${limit}`,
    )
  }

  pop(turn: Turn, at: number): number {
    const kernel = this.#kernel
    const { domain } = turn
    const queue = domain.queueAt(at)
    if (queue.length === 0) return -1
    const folio = queue.pop()
    turn.take()
    kernel.note('pop', folio, queue.length, queue.name)
    kernel.swapOuts.popped(folio)
    if (kernel.recorder.recordsRows) kernel.swapOuts.queueChanged(domain.node, this.#queued())
    return folio
  }

  wait(turn: Turn, queue: number): number {
    this.mustHoldNothing(turn)
    const { domain, worker } = turn
    if (domain.length(queue) > 0) {
      domain.waitingFor[worker] = -1
      return NOTHING
    }
    domain.waitingFor[worker] = queue
    this.#kernel.scheduler.block(turn.thread, SLEEPING)
    turn.pending = WAIT
    turn.at = queue
    return OTHERS
  }

  wake(turn: Turn, worker: number): number {
    turn.result = this.#threads.wake(turn.domain, worker)
    return turn.result ? this.#paid(turn, this.#kernel.costs.wake.draw()) : NOTHING
  }

  queueWork(turn: Turn, worker: number): number {
    const { thread } = turn
    thread.preemptOff++
    this.#threads.queueWork(turn.domain, worker)
    return this.#kernel.scheduler.spend(thread, this.#kernel.costs.wake.draw())
      ? this.workQueued(turn)
      : QUEUEING
  }

  /**
   * __queue_work() wakes the worker with interrupts off and a spinlock held, and nothing from there to the release of a mutex looks whether a
   * switch is due: the worker does not run before who woke it spends time again.
   */
  workQueued({ thread }: Turn): number {
    thread.preemptOff--
    return NOTHING
  }

  pause(turn: Turn, ns: number): number {
    const { scheduler } = this.#kernel
    scheduler.sleepUntil(turn.thread, scheduler.now + ns, SLEEPING)
    return OTHERS
  }

  lock(turn: Turn, at: number): number {
    const lock = turn.domain.lockAt(at)
    if (lock.tryTake(turn.thread)) return NOTHING
    turn.wanted = lock
    return this.takeLock(turn)
  }

  /** Another has the lock, or had it when others ran. */
  takeLock(turn: Turn): number {
    const { wanted } = turn
    if (wanted === undefined) return NOTHING
    const { scheduler } = this.#kernel
    if (Number.isNaN(turn.waitsSince)) {
      turn.waitsSince = scheduler.now
      this.#kernel.note('lock-wait', -1, 0, wanted.name)
    }
    if (!wanted.takeOrWait(turn.thread)) return HELD
    this.#kernel.note('lock-got', -1, scheduler.now - turn.waitsSince, wanted.name)
    turn.waitsSince = Number.NaN
    return NOTHING
  }

  unlock(turn: Turn, at: number): void {
    if (!turn.domain.lockAt(at).release(turn.thread)) this.#holdsNot(turn)
  }

  #holdsNot({ thread }: Turn): never {
    throw new PstraceError(
      'policy-lock',
      `policy ${this.#policy}: ${thread.name} unlocks what it does not hold`,
    )
  }

  /** Where it ends or goes to sleep it must have nothing in its hands. */
  mustHoldNothing(turn: Turn): void {
    if (turn.holding !== 0) this.#holdsStill(turn)
  }

  #holdsStill({ holding, thread }: Turn): never {
    const { now } = this.#kernel.scheduler
    throw new PstraceError(
      'replay-invariant',
      holding > 0
        ? `policy ${this.#policy} drops ${holding} folio(s): ${thread.name} has neither queued nor stored what it held at ${now} ns`
        : `policy ${this.#policy} gives away ${-holding} folio(s) more than it had: ${thread.name} at ${now} ns`,
    )
  }

  failsToYield({ thread }: Turn): never {
    throw new PstraceError(
      'replay-invariant',
      `policy ${this.#policy}: ${thread.name} goes on at ${this.#kernel.scheduler.now} ns where it must yield`,
    )
  }

  yieldsInVain({ thread }: Turn): never {
    throw new PstraceError(
      'replay-invariant',
      `policy ${this.#policy}: ${thread.name} yields at ${this.#kernel.scheduler.now} ns where nothing asks it to`,
    )
  }

  #paid(turn: Turn, ns: number): number {
    return this.#kernel.scheduler.spend(turn.thread, ns) ? NOTHING : OTHERS
  }
}
