import type { Kernel } from './kernel.ts'
import * as P from './pages.ts'
import type { Steps } from './steps.ts'
import type { Thread } from './thread.ts'

/** Pages of a file that were read ahead of a reader. */
interface Window {
  readonly pages: number[]
  /** What reclaim has taken of them: each one's lruvec and the generation it was evicted in. */
  readonly lost: { readonly lruvec: number; readonly generation: number }[]
}

/**
 * Reads of files through the page cache, in sequence: when a reader comes to what was read ahead, the next window is read ahead
 * (page_cache_async_ra). What reclaim took before the reader came to it is read once more, and is a refault.
 */
export class FileReads {
  readonly #kernel: Kernel
  readonly #windows = new Map<Thread, Window>()

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  *read(thread: Thread, count: number): Steps {
    const { locks, pages, scheduler } = this.#kernel
    const ahead = this.#windows.get(thread)
    this.#windows.delete(thread)
    if (ahead !== undefined) {
      for (const page of ahead.pages) pages.clear(page, P.READ_AHEAD)
      for (const { lruvec, generation } of ahead.lost) {
        const page = yield* this.#readPage(thread)
        if (scheduler.stopped) return
        this.#kernel.generations?.fileRefaulted(page, lruvec, generation)
        this.#kernel.note('file-refault', page, generation)
        locks.unlock(page)
      }
    }
    const window: Window = { pages: [], lost: [] }
    for (let read = 0; read < count; read++) {
      const page = yield* this.#readPage(thread)
      if (scheduler.stopped) return
      window.pages.push(page)
    }
    for (const page of window.pages) {
      pages.set(page, P.READ_AHEAD)
      locks.unlock(page)
    }
    this.#windows.set(thread, window)
  }

  /** Reclaim takes a page of a file. */
  evicted(page: number, generation: number): void {
    const { pages } = this.#kernel
    if (!pages.has(page, P.READ_AHEAD)) return
    for (const window of this.#windows.values()) {
      const place = window.pages.indexOf(page)
      if (place < 0) continue
      window.pages.splice(place, 1)
      window.lost.push({ lruvec: pages.lruvecOf(page), generation })
    }
  }

  /** It stays locked until its window is read. */
  *#readPage(thread: Thread): Generator<undefined, number, undefined> {
    const { allocation, costs, pages, scheduler, shrink, tally } = this.#kernel
    const { node, borrowed } = yield* allocation.allocate(thread, thread.memcg)
    if (scheduler.stopped) return -1
    if (!scheduler.spend(thread, costs.fault.draw())) yield
    const page = pages.create(P.FILE_PAGE, node.index)
    pages.chargeTo(page, thread.memcg)
    pages.state[page] = P.RESIDENT
    pages.set(page, P.LOCKED)
    shrink.addAllocated(page, borrowed)
    tally.filePages++
    return page
  }
}
