import { Account, type Activity } from './account.ts'
import type { Actor } from './scenario.ts'
import type { Truth } from './truth.ts'

/** Between two events of one code path. */
export const STEP_NS = 300

export type Steps = Generator<void, void, void>
type Request = 'cpu' | 'sleep' | 'io' | 'wait'

/** An actor while the scenario runs. The coroutine sets `request` and `amount` before each yield. */
export interface Running {
  readonly actor: Actor
  body: Steps
  request: Request
  amount: number
  /** CPU time left of a preempted chunk. */
  left: number
  waiting: boolean
  /** Pages it swapped out so far. */
  reclaimed: number
  readonly account: Account
  /** Truth rows of the spans it is in, innermost last; -1 = span without a row. */
  readonly spans: number[]
  readonly contexts: string[]
  /** What its code does between a shrink call and what follows: it scans, until it turns to slab caches. */
  between: Activity
}

/** A thread that has done nothing yet. What it does is told to `truth` from `recordFrom` (ns) on. */
export function newRunning(actor: Actor, truth: Truth | undefined, recordFrom: number): Running {
  return {
    actor,
    body: nothing(),
    request: 'cpu',
    amount: 0,
    left: 0,
    waiting: false,
    reclaimed: 0,
    account: new Account(truth, { tid: actor.tid, cpu: actor.cpu }, recordFrom),
    spans: [],
    contexts: [],
    between: 'other',
  }
}

/** Lets so much time pass, on the CPU or off it; a wait lasts until somebody ends it. */
export function* spend(running: Running, ns: number, request: Request = 'cpu'): Steps {
  running.request = request
  running.amount = ns
  yield
}

function* nothing(): Steps {}
