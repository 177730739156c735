import { PstraceError } from '../model/error.ts'
import { RUNNABLE, RUNNING, type Thread } from './thread.ts'

/** More steps than any run takes without time passing. */
const STEPS_PER_INSTANT = 1_000_000
/** Steps between two looks at how far the demand is, and looks in a row that find it where it was: minutes of this host's time. */
const STEPS_PER_LOOK = 1_000_000
const LOOKS_IN_VAIN = 200

/** Notices a run that goes on without using any time, or without getting further. */
export class Standstill {
  readonly #threads: readonly Thread[]
  readonly #isFurther: () => boolean
  #instant = Number.NaN
  #steps = 0
  #stepsToLook = STEPS_PER_LOOK
  #looksInVain = 0

  /** `isFurther`: has the demand got any further since it was asked last? */
  constructor(threads: readonly Thread[], isFurther: () => boolean) {
    this.#threads = threads
    this.#isFurther = isFurther
  }

  /** An event or a turn of a program at this moment. */
  step(now: number): void {
    if (--this.#stepsToLook === 0) this.#look(now)
    if (now === this.#instant) this.#stepAgain()
    else {
      this.#instant = now
      this.#steps = 0
    }
  }

  #stepAgain(): void {
    if (++this.#steps > STEPS_PER_INSTANT) throw livelock(this.#threads, this.#instant)
  }

  #look(now: number): void {
    this.#stepsToLook = STEPS_PER_LOOK
    this.#looksInVain = this.#isFurther() ? 0 : this.#looksInVain + 1
    if (this.#looksInVain >= LOOKS_IN_VAIN) throw endless(this.#threads, now)
  }
}

function livelock(threads: readonly Thread[], now: number): PstraceError {
  // Beyond it a ns more is no other number.
  const reason =
    now > Number.MAX_SAFE_INTEGER
      ? 'expected the run to end within 2^53 ns of virtual time (104 days)'
      : 'expected a cost above 0 somewhere in the loop'
  return new PstraceError(
    'replay-livelock',
    `time stands still at ${now} ns: ${namesAwake(threads)} go on without using any; ${reason}`,
  )
}

function endless(threads: readonly Thread[], now: number): PstraceError {
  return new PstraceError(
    'replay-endless',
    `no task of the demand has got further in the ${LOOKS_IN_VAIN} million steps up to ${Math.round(now)} ns of virtual time: awake are ${namesAwake(threads)}; expected costs, limits and speeds with which each of them can go on`,
  )
}

function namesAwake(threads: readonly Thread[]): string {
  return threads
    .filter(({ state }) => state === RUNNING || state === RUNNABLE)
    .map(({ name }) => name)
    .join(', ')
}
