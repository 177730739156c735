const RECENT = 4096
const MAX_THREADS = 1 << 20

/** Thread groups by thread, as samples tell them again and again. */
export class ThreadGroups {
  readonly known = new Map<number, number>()
  /** Threads met lately, by their lowest bits: most samples are of these. */
  readonly #tids = new Float64Array(RECENT).fill(-1)
  readonly #tgids = new Float64Array(RECENT)

  set(tid: number, tgid: number): void {
    const slot = tid & (RECENT - 1)
    if (this.#tids[slot] === tid && this.#tgids[slot] === tgid) return
    this.#tids[slot] = tid
    this.#tgids[slot] = tgid
    if (this.known.get(tid) === tgid || this.known.size >= MAX_THREADS) return
    this.known.set(tid, tgid)
  }
}
