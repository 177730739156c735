import { PstraceError } from '../model/error.ts'
import type { Operation } from '../policies/policy.ts'
import type { Domain } from './policy-domain.ts'
import type { PolicyLock } from './policy-lock.ts'
import type { StepsTo } from './steps.ts'
import type { Thread } from './thread.ts'

/** A policy's program under way: one submission (worker -1), or a worker's. */
export class Turn<End> {
  readonly domain: Domain
  readonly worker: number
  readonly program: Generator<Operation, End, number>
  /** What the program's latest operation gave. */
  result = 0
  /** Once it has ended. */
  end: End | undefined = undefined
  /** An operation that is to be performed (again) when the thread goes on. */
  pending: Operation | undefined = undefined
  /** What it stores, and what is left to do of a store whose time has passed. */
  folio = -1
  flight = 0
  ending: StepsTo<boolean> | undefined = undefined
  /** What it waits for, since when; NaN = it does not wait. */
  lock: PolicyLock | undefined = undefined
  waitsSince = Number.NaN
  /** Operations since time last passed, and when that was. */
  instant: number
  operations = 0
  /** Folios in the program's hands: the submitted one, what it popped and has neither stored nor queued. */
  holding: number

  constructor(
    domain: Domain,
    worker: number,
    program: Generator<Operation, End, number>,
    now: number,
  ) {
    this.domain = domain
    this.worker = worker
    this.program = program
    this.instant = now
    this.holding = worker < 0 ? 1 : 0
    domain.inHands += this.holding
  }

  take(): void {
    this.holding++
    this.domain.inHands++
  }

  give(): void {
    this.holding--
    this.domain.inHands--
  }

  /** Where it ends or goes to sleep it must have nothing in its hands. */
  mustHoldNothing(policy: string, thread: Thread, now: number): void {
    const { holding } = this
    if (holding === 0) return
    throw new PstraceError(
      'replay-invariant',
      holding > 0
        ? `policy ${policy} drops ${holding} folio(s): ${thread.name} has neither queued nor stored what it held at ${now} ns`
        : `policy ${policy} gives away ${-holding} folio(s) more than it had: ${thread.name} at ${now} ns`,
    )
  }
}
