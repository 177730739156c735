import { PstraceError } from '../../model/error.ts'
import type { Parameters } from './parameters.ts'

/** How large zswap's pool may be. */
export class ZswapLimit {
  readonly maxPages: number
  readonly acceptPages: number
  /** The pool size at which patch 3 begins to shrink, before the maximum is met. */
  readonly startPages: number
  readonly #shrinksEarly: boolean
  #isReached = false

  /** `totalPages`: of the machine. `shrinksEarly`: patch 3 of the global shrinker. */
  constructor(totalPages: number, parameters: Parameters, shrinksEarly: boolean) {
    if (!(totalPages > 0))
      throw new PstraceError(
        'backend-parameter',
        'zswap: the machine has no known memory size, and the pool is limited to a share of it',
        { exitStatus: 2 },
      )
    this.#shrinksEarly = shrinksEarly
    this.maxPages = Math.floor((totalPages * parameters.number('max_pool_percent', 0, 100)) / 100)
    const accept = parameters.number('accept_threshold_percent', 0, 100)
    this.acceptPages = Math.floor((this.maxPages * accept) / 100)
    this.startPages = Math.floor((this.maxPages * Math.min(100, accept + 1)) / 100)
  }

  /** The maximum was met, and the pool is not yet down to the accept threshold. */
  get isReached(): boolean {
    return this.#isReached
  }

  /** zswap_check_limits: at the maximum the pool closes until it is down to the accept threshold. */
  admits(poolPages: number): boolean {
    if (poolPages >= this.maxPages) {
      this.#isReached = true
      return false
    }
    // Patch 3: no hysteresis, pages are taken while the shrinker runs.
    if (this.#shrinksEarly || poolPages <= this.acceptPages) this.#isReached = false
    return !this.#isReached
  }

  shrinksAt(poolPages: number): boolean {
    return this.#shrinksEarly && poolPages >= this.startPages && this.startPages < this.maxPages
  }
}
