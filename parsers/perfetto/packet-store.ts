import { inflateSync } from 'node:zlib'
import { readFully } from '../cursor.ts'
import type { IssueLog } from '../issues.ts'
import type { ByteSource } from '../reader.ts'

export const DEFLATE = 1
export const ZSTD = 2

/** A compressed_packets or zstd_compressed_packets field. */
interface Chunk {
  readonly at: number
  readonly packedBytes: number
  readonly method: typeof DEFLATE | typeof ZSTD
}

/** Unpacks a whole zstd frame whose size is not known before. */
export type UnpackZstd = (packed: Iterable<Uint8Array>) => Iterable<Uint8Array>

/** Perfetto makes chunks of less than 512 KB (trace_packet.proto); hostile ones end here. */
const MAX_UNPACKED_BYTES = 1 << 24
/** Unpacked chunks kept: cpus read their bundles from the same ones. */
const CACHE_BYTES = 1 << 25

/** The bytes of packets: in the file, or in chunks that are unpacked again when they are needed. */
export class PacketStore {
  readonly source: ByteSource
  unpackZstd: UnpackZstd | undefined
  readonly #issues: IssueLog
  readonly #chunks: Chunk[] = []
  /** Most recently used last. */
  readonly #cache = new Map<number, Uint8Array>()
  #cachedBytes = 0
  #scratch = new Uint8Array(1 << 16)

  constructor(source: ByteSource, issues: IssueLog) {
    this.source = source
    this.#issues = issues
  }

  /** Registers a chunk; its index. */
  addChunk(at: number, packedBytes: number, method: typeof DEFLATE | typeof ZSTD): number {
    return this.#chunks.push({ at, packedBytes, method }) - 1
  }

  /** Where in the file: of a chunk its own place. */
  position(chunk: number, at: number): number {
    return chunk < 0 ? at : (this.#chunks[chunk]?.at ?? at)
  }

  /** Bytes of the file; borrowed until the next call. Fewer than asked for only at the file's end. */
  borrowRaw(at: number, length: number): Uint8Array {
    if (length > this.#scratch.length)
      this.#scratch = new Uint8Array(2 ** Math.ceil(Math.log2(length)))
    const target = this.#scratch.subarray(0, length)
    return target.subarray(0, readFully(this.source, at, target))
  }

  /** All bytes of a chunk, borrowed; empty when it cannot be unpacked, which is reported once. */
  borrowChunk(chunk: number): Uint8Array {
    const cached = this.#cache.get(chunk)
    if (cached !== undefined) {
      this.#cache.delete(chunk)
      this.#cache.set(chunk, cached)
      return cached
    }
    const found = this.#chunks[chunk]
    const bytes = found === undefined ? new Uint8Array(0) : this.#unpack(found)
    this.#cache.set(chunk, bytes)
    this.#cachedBytes += bytes.length
    for (const [oldest, kept] of this.#cache) {
      if (this.#cachedBytes <= CACHE_BYTES || oldest === chunk) break
      this.#cache.delete(oldest)
      this.#cachedBytes -= kept.length
    }
    return bytes
  }

  #unpack(chunk: Chunk): Uint8Array {
    const packed = this.borrowRaw(chunk.at, chunk.packedBytes)
    try {
      if (chunk.method === DEFLATE)
        return inflateSync(packed, { maxOutputLength: MAX_UNPACKED_BYTES })
      const { unpackZstd } = this
      if (unpackZstd === undefined) throw new Error('the zstd decoder is not loaded')
      const parts: Uint8Array[] = []
      let length = 0
      for (const part of unpackZstd([packed])) {
        length += part.length
        if (length > MAX_UNPACKED_BYTES)
          throw new Error(`it holds more than ${MAX_UNPACKED_BYTES} bytes`)
        parts.push(part)
      }
      return Buffer.concat(parts)
    } catch (error) {
      this.#issues.add(
        'corrupt_chunk',
        'data_loss',
        chunk.at,
        `Compressed packets cannot be unpacked: ${error instanceof Error ? error.message : String(error)}.`,
        chunk.at,
      )
      return new Uint8Array(0)
    }
  }
}
