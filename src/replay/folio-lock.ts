import type { Kernel } from './kernel.ts'
import * as P from './pages.ts'
import type { Steps } from './steps.ts'
import { LOCK, type Thread } from './thread.ts'

/** Folio locks: a bit of the page, and who sleeps for it. */
export class FolioLocks {
  readonly #kernel: Kernel
  readonly #lockWaiters = new Map<number, Thread[]>()

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  unlock(page: number): void {
    this.#kernel.pages.clear(page, P.LOCKED)
    if (this.#lockWaiters.size > 0) this.#wakeWaiters(page)
  }

  #wakeWaiters(page: number): void {
    const waiters = this.#lockWaiters.get(page)
    if (waiters === undefined) return
    this.#lockWaiters.delete(page)
    for (const thread of waiters) this.#kernel.scheduler.wake(thread)
  }

  *waitForLock(thread: Thread, page: number): Steps {
    if (!this.#kernel.pages.has(page, P.LOCKED)) return
    const start = this.#kernel.scheduler.now
    this.#kernel.note('lock-wait', page, 0, 'folio')
    while (this.#kernel.pages.has(page, P.LOCKED)) {
      const waiters = this.#lockWaiters.get(page)
      if (waiters === undefined) this.#lockWaiters.set(page, [thread])
      else waiters.push(thread)
      this.#kernel.scheduler.block(thread, LOCK)
      yield
    }
    this.#kernel.note('lock-got', page, this.#kernel.scheduler.now - start, 'folio')
  }
}
