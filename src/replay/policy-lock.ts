import type { Scheduler } from './scheduler.ts'
import { LOCK, type Thread } from './thread.ts'

/**
 * A policy's lock in virtual time. A spinlock goes to those who spin for it in their order. A mutex (kernel/locking/mutex.c) is spun for
 * while its owner is on a CPU; who finds the owner off it sleeps, and so does who had to give up its own CPU while it spun. Its release wakes
 * the first sleeper, but whoever runs may take it first; only a sleeper that was once woken in vain gets it handed over.
 */
export class PolicyLock {
  readonly name: string
  readonly #isSpinlock: boolean
  readonly #scheduler: Scheduler
  #owner: Thread | undefined
  readonly #spinners: Thread[] = []
  readonly #sleepers: Thread[] = []
  /** Those of them that have not looked since they went to sleep. */
  readonly #asleep = new Set<Thread>()
  /** The first sleeper gets it at the next release (MUTEX_FLAG_HANDOFF). */
  #isPromised = false

  constructor(name: string, kind: 'mutex' | 'spinlock', scheduler: Scheduler) {
    this.name = name
    this.#isSpinlock = kind === 'spinlock'
    this.#scheduler = scheduler
  }

  tryTake(thread: Thread): boolean {
    if (this.#owner !== undefined) return false
    this.#owner = thread
    return true
  }

  /** Takes it, or waits for it: false = the caller must yield, and ask again then. */
  takeOrWait(thread: Thread): boolean {
    if (this.#asleep.size > 0 && this.#asleep.delete(thread))
      this.#isPromised ||= this.#owner !== undefined && this.#sleepers[0] === thread
    while (this.#owner !== thread) {
      const owner = this.#owner
      if (owner === undefined) this.#owner = thread
      else if (this.#isSpinlock || (!thread.lostSpin && this.#scheduler.isOnCpu(owner))) {
        if (!this.#spinners.includes(thread)) this.#spinners.push(thread)
        if (!this.#scheduler.spin(thread, this.#isSpinlock ? undefined : owner)) return false
      } else {
        remove(this.#spinners, thread)
        if (!this.#sleepers.includes(thread)) this.#sleepers.push(thread)
        this.#asleep.add(thread)
        thread.lostSpin = false
        this.#scheduler.block(thread, LOCK)
        return false
      }
    }
    thread.lostSpin = false
    remove(this.#spinners, thread)
    if (remove(this.#sleepers, thread)) this.#isPromised = false
    return true
  }

  /** False: the thread does not have it. */
  release(thread: Thread): boolean {
    if (this.#owner !== thread) return false
    if (this.#spinners.length === 0 && this.#sleepers.length === 0) {
      this.#owner = undefined
      return true
    }
    const sleeper = this.#sleepers[0]
    if (sleeper !== undefined && this.#isPromised) this.#handTo(sleeper)
    else {
      const spinner = this.#firstAbleSpinner()
      if (spinner !== undefined) this.#handTo(spinner)
      else this.#owner = undefined
      if (sleeper !== undefined) this.#scheduler.wake(sleeper)
    }
    return true
  }

  #firstAbleSpinner(): Thread | undefined {
    for (const thread of this.#spinners) if (this.#isSpinlock || thread.spinning) return thread
    return undefined
  }

  #handTo(thread: Thread): void {
    this.#owner = thread
    remove(this.#spinners, thread)
    if (thread.spinning) this.#scheduler.stopSpinning(thread)
    else this.#scheduler.wake(thread)
    // Those who spun for the last owner look whether this one runs.
    if (!this.#isSpinlock)
      for (const spinner of this.#spinners) this.#scheduler.stopSpinning(spinner)
  }
}

function remove(threads: Thread[], thread: Thread): boolean {
  const place = threads.indexOf(thread)
  // Mostly there is one, and splice makes an array of what it takes out.
  if (place >= 0 && place === threads.length - 1) threads.pop()
  else if (place >= 0) threads.splice(place, 1)
  return place >= 0
}
