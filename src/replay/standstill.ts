import { PstraceError } from '../model/error.ts'
import { RUNNABLE, RUNNING, type Thread } from './thread.ts'

/** More steps than any run takes without time passing. */
const STEPS_PER_INSTANT = 1_000_000

/** Notices a run that goes on without using any time. */
export class Standstill {
  readonly #threads: readonly Thread[]
  #instant = Number.NaN
  #steps = 0

  constructor(threads: readonly Thread[]) {
    this.#threads = threads
  }

  /** An event or a turn of a program at this moment. */
  step(now: number): void {
    if (now === this.#instant) this.#stepAgain()
    else {
      this.#instant = now
      this.#steps = 0
    }
  }

  #stepAgain(): void {
    if (++this.#steps > STEPS_PER_INSTANT) throw livelock(this.#threads, this.#instant)
  }
}

function livelock(threads: readonly Thread[], now: number): PstraceError {
  const awake = threads
    .filter(({ state }) => state === RUNNING || state === RUNNABLE)
    .map(({ name }) => name)
  return new PstraceError(
    'replay-livelock',
    `time stands still at ${now} ns: ${awake.join(', ')} go on without using any; expected a cost above 0 somewhere in the loop`,
  )
}
