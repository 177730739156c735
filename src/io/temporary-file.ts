import { closeSync, fstatSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PstraceError } from '../model/error.ts'
import { type FileSource, toFileSource } from './file-source.ts'

/** A file that exists only as long as it is open, even if the process is killed (where the system can unlink open files). */
export class TemporaryFile {
  readonly #folder: string
  readonly #descriptor: number
  #size = 0

  constructor(parent: string = tmpdir()) {
    this.#folder = mkdtempSync(join(parent, 'pstrace-'))
    try {
      this.#descriptor = openSync(join(this.#folder, 'spool'), 'wx+', 0o600)
    } catch (cause) {
      this.#remove()
      throw new PstraceError('no_temporary_file', `${parent}: no temporary file can be made.`, {
        cause,
      })
    }
    if (process.platform !== 'win32') this.#remove()
  }

  get size(): number {
    return this.#size
  }

  write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      try {
        done += writeSync(this.#descriptor, bytes, done, bytes.length - done)
      } catch (cause) {
        throw new PstraceError(
          'spool_failed',
          `The temporary copy of the input cannot be written after ${this.#size + done} bytes (is the disk full?).`,
          { cause },
        )
      }
    }
    this.#size += bytes.length
  }

  /** The written bytes under the name `name`; closing the source removes the file. */
  toSource(name: string): FileSource {
    const source = toFileSource(name, this.#descriptor, fstatSync(this.#descriptor).size)
    return {
      ...source,
      close: () => {
        source.close()
        this.#remove()
      },
    }
  }

  /** Removes the file without reading it. */
  discard(): void {
    closeSync(this.#descriptor)
    this.#remove()
  }

  #remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
