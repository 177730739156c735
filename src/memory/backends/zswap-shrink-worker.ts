import type { ShrinkResult } from './backend.ts'
import type { ZswapForm } from './zswap-forms.ts'
import type { ZswapMemcgs } from './zswap-memcgs.ts'

/** Loop of shrink_worker: this many failures end it. */
const MAX_RECLAIM_RETRIES = 16
/** Patch 6: ZSWAP_GLOBAL_SHRINKER_DELAY_MS. */
const SHRINK_DELAY_NS = 500_000_000

/** What a visit to one memcg came to; the kernel's errno. */
export type Visit = 'wrote' | 'EAGAIN' | 'ENOENT' | 'EINVAL'

/** What the worker shrinks. */
export interface ShrinkTarget {
  readonly poolPages: number
  readonly acceptPages: number
  visit(group: number, batch: number, nowNs: number): Visit
  evictPoolPage(nowNs: number): boolean
}

/** zswap's global shrinker: queued by stores, it writes back until the pool is down to the accept threshold, or gives up. */
export class ShrinkWorker {
  /** Runs begun so far. */
  runs = 0
  readonly #target: ShrinkTarget
  readonly #memcgs: ZswapMemcgs
  readonly #form: ZswapForm
  readonly #has: (patch: number) => boolean
  #queued = false
  #running = false
  #threshold = 0
  #failures = 0
  #attempts = 0
  /** Position in the walk over memcgs: 0 = root, n + 1 = the end. */
  #cursor = -1
  #lastContentionNs = Number.NEGATIVE_INFINITY

  /** `has`: whether a patch of the global shrinker is in. */
  constructor(
    target: ShrinkTarget,
    memcgs: ZswapMemcgs,
    form: ZswapForm,
    has: (patch: number) => boolean,
  ) {
    this.#target = target
    this.#memcgs = memcgs
    this.#form = form
    this.#has = has
  }

  get isPending(): boolean {
    return this.#queued || this.#running
  }

  queue(): void {
    this.#queued = true
  }

  /** Somebody else needed the device: with patch 6 the worker stands back for a while. */
  contend(nowNs: number): void {
    this.#lastContentionNs = nowNs
  }

  /** One turn of the loop; says in `shrink` until when it sleeps, or that the run is done. */
  turn(nowNs: number, shrink: ShrinkResult): void {
    if (!this.#running) {
      if (!this.#queued) {
        shrink.done = true
        return
      }
      this.#begin()
    }
    const wakeNs = this.#lastContentionNs + SHRINK_DELAY_NS
    if (this.#has(6) && wakeNs > nowNs) {
      shrink.sleepUntilNs = wakeNs
      return
    }
    const goesOn = this.#form.evictsByPool
      ? this.#target.evictPoolPage(nowNs)
      : this.#visitNext(nowNs)
    if (goesOn && this.#target.poolPages > this.#threshold) return
    this.#running = false
    shrink.done = true
  }

  #begin(): void {
    this.#queued = false
    this.#running = true
    this.#threshold = this.#target.acceptPages
    this.#failures = 0
    this.#attempts = 0
    this.runs++
  }

  /** False = the worker gives up. */
  #visitNext(nowNs: number): boolean {
    const skipsOffline = this.#has(1)
    const end = this.#memcgs.groups
    do this.#cursor = this.#cursor >= end ? 0 : this.#cursor + 1
    while (skipsOffline && this.#cursor < end && !this.#memcgs.isOnline(this.#cursor))
    if (this.#cursor === end) {
      const idle = this.#has(2) ? this.#attempts === 0 : true
      this.#attempts = 0
      return !idle || ++this.#failures < MAX_RECLAIM_RETRIES
    }
    if (!this.#memcgs.isOnline(this.#cursor)) {
      // Before patch 1 an offline memcg sends the walk back to the root and counts as a failure.
      this.#cursor = -1
      return ++this.#failures < MAX_RECLAIM_RETRIES
    }
    const visit = this.#target.visit(this.#cursor, this.#form.batch, nowNs)
    if (visit === 'EINVAL') return false
    if (visit === 'ENOENT') return true
    this.#attempts++
    return visit === 'wrote' || ++this.#failures < MAX_RECLAIM_RETRIES
  }
}
