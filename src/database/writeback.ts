import { type FileHandle, open } from 'node:fs/promises'

/**
 * Has the system write what a file has to the disk while more is written to it, so that the wait for the disk at the end is short.
 * It may end only when nobody in this process holds a lock on the file: closing any handle of a file gives up all of them.
 */
export class Writeback {
  readonly #path: string
  #file: Promise<FileHandle> | undefined
  #written: Promise<void> = Promise.resolve()

  constructor(path: string) {
    this.#path = path
  }

  begin(): void {
    this.#file ??= open(this.#path, 'r')
    // Whoever wrote the file syncs it too, and hears of what fails.
    this.#written = this.#file.then((file) => file.datasync()).catch(() => undefined)
  }

  async end(): Promise<void> {
    await this.#written
    const file = await this.#file?.catch(() => undefined)
    await file?.close()
  }
}
