import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type GeneratedTruth, type GenerateOptions, generate } from '../../src/generate/generate.ts'
import type { Scenario } from '../../src/generate/scenario.ts'
import { SCENARIOS } from '../../src/generate/scenarios.ts'
import type { Output, Spool } from '../../src/generate/writers/writer.ts'
import type { Codec } from '../../src/memory/codecs/codec.ts'
import { openCodec } from '../../src/memory/codecs/index.ts'

/** Collects what is written. */
export class MemoryFile implements Spool {
  readonly #parts: Uint8Array[] = []
  length = 0

  write(bytes: Uint8Array): void {
    this.#parts.push(bytes.slice())
    this.length += bytes.length
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#parts)
  }

  readInto(offset: number, target: Uint8Array): number {
    const piece = this.bytes().subarray(offset, offset + target.length)
    target.set(piece)
    return piece.length
  }

  remove(): void {
    this.#parts.length = 0
  }
}

export function scenarioNamed(name: string): Scenario {
  const scenario = SCENARIOS.find((candidate) => candidate.name === name)
  if (scenario === undefined) throw new Error(`no scenario ${name}`)
  return scenario
}

export type Choice = Partial<GenerateOptions> & { readonly scenario: Scenario }

let codec: Codec | undefined
/** A zstd frame of the bytes, by the portable codec. */
function zstdFrame(bytes: Uint8Array): Uint8Array {
  if (codec === undefined) throw new Error('loadZstdFrames() comes first')
  const frame = new Uint8Array(codec.bound(bytes.length))
  return frame.subarray(0, codec.compress(bytes, frame)).slice()
}

/** Compressed files are written once this has been awaited. */
export async function loadZstdFrames(): Promise<void> {
  codec ??= await openCodec('zstd', { pageSize: 1 << 16 })
}

/** A small, complete 6.12 recording unless the choice says otherwise. */
export const ORDINARY = {
  format: 'v6',
  seed: 1,
  events: 6_000,
  kernel: '6.12',
  probes: 'full',
  loss: 0,
  littleEndian: true,
  long: 8,
  pageSize: 4096,
  clock: 'mono',
  compression: 'none',
  wantRows: true,
} as const

/** Generates into memory. */
export function generated(choice: Choice): { bytes: Uint8Array; truth: GeneratedTruth } {
  const file = new MemoryFile()
  const truth = generate({
    ...ORDINARY,
    zstdCompress: zstdFrame,
    output: file,
    newSpool: () => new MemoryFile(),
    ...choice,
  })
  return { bytes: file.bytes(), truth }
}

/** The same in the folder format: contents by path. */
export function generatedFiles(choice: Choice): {
  files: ReadonlyMap<string, Uint8Array>
  truth: GeneratedTruth
} {
  const files = new Map<string, MemoryFile>()
  const newFile = (path: string): Output => {
    const file = new MemoryFile()
    files.set(path, file)
    return file
  }
  const { truth } = generated({ ...choice, format: 'folder', newFile })
  return { files: new Map([...files].map(([path, file]) => [path, file.bytes()])), truth }
}

/** The same, written below `root`. */
export function generatedFolder(choice: Choice, root: string): GeneratedTruth {
  const { files, truth } = generatedFiles(choice)
  for (const [path, bytes] of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), bytes)
  }
  return truth
}
