import { PstraceError } from '../../model/error.ts'
import { createSharedMemory, instantiate } from '../wasm.ts'
import type { Codec, CodecOptions, CodecRegion, CodecWorkspace } from './codec.ts'

/** The largest scratch of any codec (zstd's tables) for pages up to 64 KiB. */
const SCRATCH = 1 << 20

/** Encoders may look so far beyond an input's end before they know it: deflate compares the longest match, 258 bytes. */
const LOOK_AHEAD = 512

/** Bytes of region that any codec of the list needs for inputs up to `pageSize`. */
export function codecRegionBytes(pageSize: number): number {
  return SCRATCH + 16 * ((pageSize + 7) & ~7)
}

/** A shared memory with room for `regions` codecs and `pageBytes` of pages behind them; post it to threads as it is. */
export function createCodecMemory(
  regions: number,
  pageSize: number,
  pageBytes: number,
): { readonly memory: CodecRegion['memory']; readonly pagesAt: number } {
  const pagesAt = regions * codecRegionBytes(pageSize)
  return { memory: createSharedMemory(pagesAt + pageBytes + LOOK_AHEAD), pagesAt }
}

/** What a codec's modules do; places are addresses in the memory. */
export interface ModuleFunctions {
  readonly version: string
  bound(length: number): number
  /** Returns the compressed length. */
  compress(from: number, length: number, to: number): number
  /** Returns the bytes written, at most `room`. */
  decompress(from: number, length: number, to: number, room: number): number
}

/** One instance of a codec's module with its input, output and scratch areas. All state lies in the region: nothing is static. */
export class WasmRegion<Exports> {
  readonly exports: Exports
  readonly bytes: Uint8Array
  readonly scratch: number
  readonly #longest: number
  readonly #output: number
  readonly #workspace: CodecWorkspace
  readonly #input: number
  readonly #codec: string
  readonly #memory: CodecRegion['memory']
  readonly #buffer: ArrayBufferLike
  readonly #room: (length: number) => number
  readonly #outputBytes: number

  /** `room`: bytes that the module may write while it compresses so many. */
  constructor(
    codec: string,
    base64: string,
    room: (length: number) => number,
    options: CodecOptions,
  ) {
    const pageSize = options.pageSize ?? 4096
    const needed = codecRegionBytes(pageSize)
    const region = options.region ?? { memory: createCodecMemory(1, pageSize, 0).memory, base: 0 }
    if (region.base % 8 !== 0 || region.base + needed > region.memory.buffer.byteLength) {
      throw new PstraceError(
        'codec-region',
        `${codec}: the region at ${region.base} needs ${needed} bytes on a multiple of 8; the memory has ${region.memory.buffer.byteLength}`,
      )
    }
    this.exports = instantiate<Exports>(base64, region.memory)
    this.bytes = new Uint8Array(region.memory.buffer)
    this.#longest = pageSize
    this.#room = room
    this.#codec = codec
    this.#memory = region.memory
    this.#buffer = region.memory.buffer
    this.#input = region.base
    // Encoders and decoders may write some bytes beyond the end before they know it: 64 spare ones behind each area.
    this.#output = region.base + ((room(pageSize) + 64 + 7) & ~7)
    this.#outputBytes = room(pageSize)
    this.scratch = this.#output + ((this.#outputBytes + 64 + 7) & ~7)
    // At the end of the region: the areas before leave more than the four pages and their gaps.
    const padded = ((pageSize + 7) & ~7) + 64
    const at = region.base + needed - 4 * padded
    const area = (from: number, length: number): Uint8Array =>
      this.bytes.subarray(from, from + length)
    this.#workspace = {
      page: area(at, pageSize),
      restored: area(at + padded, pageSize),
      compressed: area(at + 2 * padded, 2 * pageSize),
    }
  }

  /** A second module that works in the same region. */
  alsoInstantiate<Others>(base64: string): Others {
    return instantiate<Others>(base64, this.#memory)
  }

  /** The codec whose work these functions do in the region. */
  toCodec({ version, bound, compress, decompress }: ModuleFunctions): Codec {
    return {
      name: this.#codec,
      version,
      implementation: 'portable',
      bound,
      compress: (source, target) => {
        const { length } = source
        if (length > this.#longest) this.#rejectLength(length)
        const to = this.#outputFor(target, this.#room(length))
        return this.#deliver(to, compress(this.#place(source), length, to), target)
      },
      decompress: (source, target) => {
        const { length } = target
        if (length > this.#longest) this.#rejectLength(length)
        const to = this.#outputFor(target, length)
        const written = decompress(this.#place(source), source.length, to, length)
        if (written !== length) this.#corrupt(source, length)
        return this.#deliver(to, written, target)
      },
      workspace: this.#workspace,
    }
  }

  /** Address of `source` in the memory: its own when it lies there, else that of a copy in the input area. */
  #place(source: Uint8Array): number {
    if (this.#holds(source)) return source.byteOffset
    if (source.length > this.#outputBytes) this.#rejectLength(source.length)
    this.bytes.set(source, this.#input)
    return this.#input
  }

  /** Where to write up to `needed` bytes for `target`: itself when it lies in the memory with enough room, else the output area. */
  #outputFor(target: Uint8Array, needed: number): number {
    return target.length >= needed && this.#holds(target) ? target.byteOffset : this.#output
  }

  /** A view's `buffer` costs a call out of compiled code: the workspace is known without it. */
  #holds(view: Uint8Array): boolean {
    const { page, restored, compressed } = this.#workspace
    return view === page || view === compressed || view === restored || view.buffer === this.#buffer
  }

  /** Moves what was written at `at` to `target`; 0 when it does not fit. */
  #deliver(at: number, length: number, target: Uint8Array): number {
    if (length > target.length) return 0
    if (at === this.#output) target.set(this.bytes.subarray(at, at + length))
    return length
  }

  #rejectLength(length: number): never {
    throw new PstraceError(
      'codec-input-too-long',
      `${this.#codec}: ${length} bytes given, but the codec was opened for pages of ${this.#longest}; open it with pageSize ${length}`,
    )
  }

  #corrupt(source: Uint8Array, expected: number): never {
    throw new PstraceError(
      'codec-corrupt',
      `${this.#codec}: ${source.length} bytes are not a compressed page of ${expected}`,
    )
  }
}
