import { closeSync, existsSync, linkSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { PstraceError } from '../model/error.ts'
import {
  cannotWrite,
  type Destination,
  existsError,
  reasonOf,
  toDestination,
} from './destination.ts'

export interface OutputOptions {
  /** Without it an existing file is refused. */
  readonly overwrite: boolean
}

/** A file that appears under its name only when it is complete; a pipe or device gets what is written at once. */
export class OutputFile {
  readonly path: string
  readonly #destination: Destination
  readonly #descriptor: number
  readonly #overwrite: boolean
  #open = true

  constructor(path: string, options: OutputOptions) {
    this.path = path
    this.#overwrite = options.overwrite
    this.#destination = toDestination(path, { force: this.#overwrite })
    try {
      this.#descriptor = openSync(this.#destination.temporary, 'w', 0o666)
    } catch (cause) {
      const reason = reasonOf(cause)
      throw new PstraceError('not_writable', `${path}: cannot be created: ${reason}`, { cause })
    }
  }

  write(data: string | Uint8Array): void {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data
    for (let done = 0; done < bytes.length; ) {
      try {
        done += writeSync(this.#descriptor, bytes, done, bytes.length - done)
      } catch (cause) {
        throw cannotWrite(this.path, cause)
      }
    }
  }

  /** Gives the complete file its name. */
  commit(): void {
    this.#close()
    const { path, temporary, isWrittenInto } = this.#destination
    if (isWrittenInto) return
    try {
      if (this.#overwrite) renameSync(temporary, path)
      else this.#claim()
    } catch (error) {
      rmSync(temporary, { force: true })
      throw error
    }
  }

  /** Leaves nothing behind; harmless after `commit`. */
  abandon(): void {
    if (!this.#open) return
    this.#close()
    const { temporary, isWrittenInto } = this.#destination
    if (!isWrittenInto) rmSync(temporary, { force: true })
  }

  /** A hard link fails when the name was taken meanwhile; a rename would replace it. */
  #claim(): void {
    const { path, temporary } = this.#destination
    try {
      linkSync(temporary, path)
    } catch {
      if (existsSync(path)) throw existsError(this.path)
      // File systems without hard links (FAT, some network shares).
      renameSync(temporary, path)
      return
    }
    rmSync(temporary, { force: true })
  }

  #close(): void {
    if (!this.#open) return
    this.#open = false
    closeSync(this.#descriptor)
  }
}

const STDOUT = 1
/** A reader that does not keep up is asked again so often, ms. */
const AGAIN_MS = 5

/** Standard output as bytes, written at once: nothing waits in memory. A reader that left ends the program quietly. */
export class StandardOutput {
  write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      try {
        done += writeSync(STDOUT, bytes, done, bytes.length - done)
      } catch (cause) {
        const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
        if (code === 'EAGAIN')
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, AGAIN_MS)
        else if (code === 'EPIPE') process.exit(0)
        else
          throw new PstraceError('write_failed', 'standard output: cannot be written.', { cause })
      }
    }
  }
}

/** Writes a whole file, or nothing. */
export function writeOutput(path: string, data: string | Uint8Array, options: OutputOptions): void {
  const file = new OutputFile(path, options)
  try {
    file.write(data)
    file.commit()
  } finally {
    file.abandon()
  }
}
