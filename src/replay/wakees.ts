import type { Thread } from './thread.ts'

const DECAY_NS = 1_000_000_000

/** Whom a task wakes (record_wakee(), kernel/sched/fair.c). */
export class Wakees {
  /** How often it woke another one than the last time: halved where that was not done for a second (wakee_flips). */
  flips = 0
  #halvedAt = Number.NEGATIVE_INFINITY
  #last: Thread | undefined = undefined

  record(wakee: Thread, now: number): void {
    if (now > this.#halvedAt + DECAY_NS) {
      this.flips >>= 1
      this.#halvedAt = now
    }
    if (this.#last === wakee) return
    this.#last = wakee
    this.flips++
  }
}

/** wake_wide(): one of the two wakes so many more than the other that they would not fit on the CPUs that share a cache. */
export function areWide(waker: Wakees, wakee: Wakees, cpusOfNode: number): boolean {
  const least = Math.min(waker.flips, wakee.flips)
  return least >= cpusOfNode && Math.max(waker.flips, wakee.flips) >= least * cpusOfNode
}
