import type { Clock, Program, Thread } from '../clock.ts'

/** A lock of the kernel's: a spinlock, or a mutex, whose waiters spin only while its owner runs. */
export class Lock {
  readonly #clock: Clock
  readonly #whileOwnerSleeps: 'spin' | 'sleep'
  #owner: Thread | undefined
  #spinners: Thread[] = []
  #sleepers: Thread[] = []
  /** The first sleeper gets it next, whoever else wants it. */
  #isPromised = false

  constructor(clock: Clock, { whileOwnerSleeps }: { readonly whileOwnerSleeps: 'spin' | 'sleep' }) {
    this.#clock = clock
    this.#whileOwnerSleeps = whileOwnerSleeps
  }

  *take(thread: Thread): Program {
    let slept = false
    while (this.#owner !== thread) {
      const owner: Thread | undefined = this.#owner
      if (owner === undefined) {
        this.#owner = thread
        continue
      }
      // Woken in vain: whoever has it hands it over.
      if (this.#sleepers[0] === thread) this.#isPromised = true
      if (this.#whileOwnerSleeps === 'spin' || owner.state === 'running') {
        if (!this.#spinners.includes(thread)) this.#spinners.push(thread)
        yield { spin: true }
      } else {
        if (!slept) this.#sleepers.push(thread)
        slept = true
        yield { block: true }
      }
    }
    this.#spinners = without(this.#spinners, thread)
    if (!slept) return
    this.#sleepers = without(this.#sleepers, thread)
    this.#isPromised = false
  }

  release(): void {
    const [sleeper] = this.#sleepers
    const next = this.#isPromised ? sleeper : this.#spinners[0]
    this.#owner = next
    this.#spinners = without(this.#spinners, next)
    if (next?.state === 'running') next.at = this.#clock.now
    else if (next !== undefined) this.#clock.wake(next)
    if (sleeper !== undefined && sleeper !== next) this.#clock.wake(sleeper)
  }
}

function without(threads: readonly Thread[], thread: Thread | undefined): Thread[] {
  return threads.filter((other) => other !== thread)
}
