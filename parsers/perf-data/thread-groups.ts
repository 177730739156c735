const RECENT = 4096
const MAX_THREADS = 1 << 20

/** Thread groups by thread, as samples tell them again and again. */
export class ThreadGroups {
  readonly known = new Map<number, number>()
  /** Threads met lately, by their lowest bits: most samples are of these. ~slot is never a thread of that slot. */
  readonly #tids = Int32Array.from({ length: RECENT }, (_, slot) => ~slot)
  readonly #tgids = new Int32Array(RECENT)

  set(tid: number, tgid: number): void {
    const slot = tid & (RECENT - 1)
    if (this.#tids[slot] === (tid | 0) && this.#tgids[slot] === (tgid | 0)) return
    this.#tids[slot] = tid
    this.#tgids[slot] = tgid
    if (this.known.get(tid) === tgid || this.known.size >= MAX_THREADS) return
    this.known.set(tid, tgid)
  }
}
