import type { RecordMemory } from '../record-memory.ts'
import type { SampleKernel } from './sample-kernel.ts'

const RECENT = 4096
const MAX_THREADS = 1 << 20

/** Thread groups by thread, as samples tell them again and again. */
export class ThreadGroups {
  readonly known = new Map<number, number>()
  /** Threads met lately, by their lowest bits: most samples are of these. ~slot is never a thread of that slot. */
  readonly #tids: Int32Array
  readonly #tgids: Int32Array

  /** The kernel passes over samples of threads met lately. */
  constructor(memory: RecordMemory, kernel: SampleKernel) {
    this.#tids = memory.integers(RECENT)
    this.#tgids = memory.integers(RECENT)
    for (let slot = 0; slot < RECENT; slot++) this.#tids[slot] = ~slot
    kernel.threads.value = this.#tids.byteOffset
    kernel.groups.value = this.#tgids.byteOffset
    kernel.threadMask.value = RECENT - 1
  }

  set(tid: number, tgid: number): void {
    const slot = tid & (RECENT - 1)
    if (this.#tids[slot] === (tid | 0) && this.#tgids[slot] === (tgid | 0)) return
    this.#tids[slot] = tid
    this.#tgids[slot] = tgid
    if (this.known.get(tid) === tgid || this.known.size >= MAX_THREADS) return
    this.known.set(tid, tgid)
  }
}
