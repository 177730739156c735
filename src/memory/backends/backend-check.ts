import { PstraceError } from '../../model/error.ts'

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

  fail(message: string): never {
    throw new PstraceError('backend-broken', `${this.#backend}: ${message}`)
  }
}
