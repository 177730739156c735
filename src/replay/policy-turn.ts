import type { Operations, Program, SubmitEnd, TunableValues } from '../policies/policy.ts'
import type { Domain } from './policy-domain.ts'
import type { PolicyLock } from './policy-lock.ts'
import type { PolicyOperations } from './policy-operations.ts'
import type { StepsTo } from './steps.ts'
import type { Thread } from './thread.ts'

/**
 * What a turn needs to go on: nothing, it has ended, that others run; the same before its store, the wait for a lock or the time in which it
 * queues work ends; that its store's program does.
 */
export const NOTHING = -1
export const ENDED = 0
export const OTHERS = 1
export const STORING = 2
export const PREEMPTED = 3
export const HELD = 4
export const ENDING = 5
export const QUEUEING = 6

/** Operations that can be put off until others have run. */
export const NONE = 0
export const LOCK = 1
export const PUSH = 2
export const STORE = 3
export const WAKE = 4
export const WAIT = 5
const PAUSE = 6
const QUEUE_WORK = 7

/** A policy's program under way, one submission (worker -1) or a worker's: what it sees and does, and how far it is. */
export class Turn implements Operations {
  domain!: Domain
  worker = -1
  thread!: Thread
  cpus = 0
  initial: TunableValues = {}
  readonly #operations: PolicyOperations
  program: Program<unknown> = EMPTY
  /** Once a submission is over. */
  end: SubmitEnd | undefined = undefined
  result = false
  /** Anything but NOTHING: its program has been told to yield. */
  need = NOTHING
  /** An operation that is to be performed (again) when the thread goes on; what it is called with. */
  pending = NONE
  at = -1
  folio = -1
  /** What is left to do of a store whose time has passed. */
  flight = 0
  ending: StepsTo<boolean> | undefined = undefined
  /** What it waits for, since when; NaN = it does not wait. */
  wanted: PolicyLock | undefined = undefined
  waitsSince = Number.NaN
  /** Operations since time last passed, and when that was. */
  instant = Number.NaN
  operations = 0
  /** Folios in the program's hands: the submitted one, what it popped and has neither stored nor queued. */
  holding = 0

  constructor(operations: PolicyOperations) {
    this.#operations = operations
  }

  begin(domain: Domain, worker: number, thread: Thread): void {
    this.domain = domain
    this.worker = worker
    this.thread = thread
    this.cpus = domain.cpus
    this.initial = domain.initial
    this.instant = Number.NaN
    if (worker < 0) this.take()
  }

  take(): void {
    this.holding++
    this.domain.inHands++
  }

  give(): void {
    this.holding--
    this.domain.inHands--
  }

  get tunables(): TunableValues {
    return this.domain.tunables
  }

  length(queue: number): number {
    return this.domain.length(queue)
  }

  read(cell: number): number {
    return this.domain.read(cell)
  }

  tryLock(lock: number): boolean {
    this.#mustGoOn()
    return this.domain.lockAt(lock).tryTake(this.thread)
  }

  unlock(lock: number): void {
    this.#mustGoOn()
    this.#operations.unlock(this, lock)
  }

  pop(queue: number): number {
    this.#mustGoOn()
    return this.#operations.pop(this, queue)
  }

  write(cell: number, value: number): void {
    this.#mustGoOn()
    this.domain.setCell(cell, value)
  }

  add(cell: number, value: number): void {
    this.#mustGoOn()
    this.domain.setCell(cell, this.domain.read(cell) + value)
  }

  allocItem(): boolean {
    this.#mustGoOn()
    return this.domain.takeItem()
  }

  freeItem(): void {
    this.#mustGoOn()
    this.domain.giveItem(this.worker)
  }

  lock(lock: number): boolean {
    if (!this.#mayBegin()) return this.#putOff(LOCK, lock, -1)
    return this.#needs(this.#operations.lock(this, lock))
  }

  push(queue: number, folio: number): boolean {
    if (!this.#mayBegin()) return this.#putOff(PUSH, queue, folio)
    return this.#needs(this.#operations.push(this, queue, folio))
  }

  store(folio: number): boolean {
    if (!this.#mayBegin()) return this.#putOff(STORE, -1, folio)
    return this.#needs(this.#operations.store(this, folio))
  }

  wake(worker: number): boolean {
    if (!this.#mayBegin()) return this.#putOff(WAKE, worker, -1)
    return this.#needs(this.#operations.wake(this, worker))
  }

  wait(queue: number): boolean {
    if (!this.#mayBegin()) return this.#putOff(WAIT, queue, -1)
    return this.#needs(this.#operations.wait(this, queue))
  }

  pause(ns: number): boolean {
    if (!this.#mayBegin()) return this.#putOff(PAUSE, ns, -1)
    return this.#needs(this.#operations.pause(this, ns))
  }

  queueWork(worker: number): boolean {
    if (!this.#mayBegin()) return this.#putOff(QUEUE_WORK, worker, -1)
    return this.#needs(this.#operations.queueWork(this, worker))
  }

  /** The operation that was put off; says what the turn needs. */
  performPending(): number {
    const { at, folio, pending } = this
    const operations = this.#operations
    this.pending = NONE
    switch (pending) {
      case LOCK:
        return operations.lock(this, at)
      case PUSH:
        return operations.push(this, at, folio)
      case STORE:
        return operations.store(this, folio)
      case WAKE:
        return operations.wake(this, at)
      case WAIT:
        return operations.wait(this, at)
      case PAUSE:
        return operations.pause(this, at)
      case QUEUE_WORK:
        return operations.queueWork(this, at)
      default:
        return NOTHING
    }
  }

  /** False: it has spun for long enough, and others must run before the operation. */
  #mayBegin(): boolean {
    if (this.need !== NOTHING) this.#operations.failsToYield(this)
    return this.#operations.mayGoOn(this)
  }

  #putOff(operation: number, at: number, folio: number): false {
    this.pending = operation
    this.at = at
    this.folio = folio
    this.need = OTHERS
    return false
  }

  #needs(need: number): boolean {
    this.need = need
    return need === NOTHING
  }

  #mustGoOn(): void {
    if (this.need !== NOTHING) this.#operations.failsToYield(this)
  }
}

function* nothing(): Program<undefined> {}
const EMPTY = nothing()
