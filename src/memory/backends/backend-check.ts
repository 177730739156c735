import { PstraceError } from '../../model/error.ts'
import type { Pool } from '../pools/pool.ts'

/** What a backend counts and what its slots hold must agree. */
export class BackendCheck {
  readonly #backend: string

  constructor(backend: string) {
    this.#backend = backend
  }

  equal(name: string, counted: number, found: number): void {
    if (counted !== found) this.fail(`${name} counts ${counted} but the slots hold ${found}`)
  }

  /** Objects lie in the pool's pages. */
  fits(bytes: number, pages: number, pageSize: number): void {
    if (pages * pageSize < bytes) this.fail(`${bytes} bytes cannot lie in ${pages} pages`)
  }

  /** A store may find the pool one page below its limit, and take a whole group of pages. */
  within(pool: Pool, maxPages: number): void {
    const group = pool.stats().reduce((most, row) => Math.max(most, row.pagesPerGroup), 1)
    if (pool.pages > maxPages + group)
      this.fail(`the pool has ${pool.pages} pages; its limit is ${maxPages}`)
  }

  fail(message: string): never {
    throw new PstraceError('backend-broken', `${this.#backend}: ${message}`)
  }
}
