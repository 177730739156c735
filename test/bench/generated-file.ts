import { closeSync, openSync, writeSync } from 'node:fs'
import { generate } from '../../src/generate/generate.ts'
import { MemoryFile, ORDINARY, scenarioNamed } from '../generate/file.ts'

/** Writes a generated trace of about `events` events, mostly swap-outs; returns how many it has. */
export function writeGeneratedFile(path: string, format: 'perf' | 'text', events: number): number {
  const descriptor = openSync(path, 'w')
  const output = {
    length: 0,
    write(bytes: Uint8Array): void {
      for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at)
      output.length += bytes.length
    },
  }
  const { total } = generate({
    ...ORDINARY,
    scenario: scenarioNamed('stream'),
    format,
    events,
    wantRows: false,
    output,
    newSpool: () => new JoinedFile(),
  })
  closeSync(descriptor)
  return total
}

/** Joins its parts once: it is read in many pieces, and each would join hundreds of MB anew. */
class JoinedFile extends MemoryFile {
  #joined: Uint8Array | undefined

  override bytes(): Uint8Array {
    if (this.#joined?.length !== this.length) this.#joined = super.bytes()
    return this.#joined
  }

  override remove(): void {
    super.remove()
    this.#joined = undefined
  }
}
