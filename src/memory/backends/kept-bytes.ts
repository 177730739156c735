import { PstraceError } from '../../model/error.ts'

/** What a backend that was opened with `keepBytes` holds of each slot, so that it can give pages back. */
export class KeptBytes {
  readonly #bytes: Map<number, Uint8Array> | undefined
  readonly #backend: string

  constructor(backend: string, isKept: boolean) {
    this.#backend = backend
    this.#bytes = isKept ? new Map() : undefined
  }

  get isKept(): boolean {
    return this.#bytes !== undefined
  }

  set(slot: number, bytes: Uint8Array): void {
    this.#bytes?.set(slot, bytes)
  }

  delete(slot: number): void {
    this.#bytes?.delete(slot)
  }

  borrow(slot: number): Uint8Array {
    const bytes = this.#bytes?.get(slot)
    if (bytes !== undefined) return bytes
    throw new PstraceError(
      'content-not-kept',
      `${this.#backend}: the backend was opened without keepBytes, so it cannot give back a page`,
    )
  }
}
