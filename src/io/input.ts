import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createInflate } from 'node:zlib'
import { toByteStream } from '../../parsers/byte-stream.ts'
import { readFully, toByteSource } from '../../parsers/cursor.ts'
import type { ByteSource, FolderSource } from '../../parsers/reader.ts'
import { PstraceError } from '../model/error.ts'
import { type FileSource, openFileSource } from './file-source.ts'
import { openFolder } from './folder-source.ts'
import { type StoppableStream, toLiveStream } from './live-stream.ts'
import { TemporaryFile } from './temporary-file.ts'

/** An input ready to be parsed. */
export interface Input {
  /** Seekable and not compressed, whatever the user gave. */
  readonly source: ByteSource
  /** Set when the input is a folder; `source` is empty then. */
  readonly folder?: FolderSource
  /** How the given input was compressed. */
  readonly compression: 'none' | 'gzip' | 'zstd' | 'zlib'
  /** Set when standard input is a stream that can be read as it comes; `source` is empty then. */
  readonly live?: StoppableStream
  /** SHA-256 of the input as given (compressed, if it was), in hex; reads it all once. */
  sha256(): string
  /** Also removes temporary files. */
  close(): void
}

export interface InputOptions {
  /** What `-` reads; the process's standard input if absent. */
  readonly stdin?: AsyncIterable<Uint8Array>
  readonly temporaryFolder?: string
  /** Most bytes that compressed input may unpack to; by default what no trace reaches. */
  readonly maxUnpackedBytes?: number
  /** True when standard input that begins with `head` need not be complete to be read. */
  readonly isStream?: (head: Uint8Array) => boolean
}

/** More than any trace needs: text packs about 30 to 1. */
const MAX_RATIO = 256
const FREE_BYTES = 2 ** 30
const HEAD_BYTES = 512
/** Standard input that is not known as a stream after so many bytes is read to its end first. */
const SNIFF_BYTES = 65_536
const latin1 = new TextDecoder('latin1')

/** Opens a file, a folder, or `-` for standard input, which is copied to a temporary file; gzip and zstd are recognised by content. */
export async function openInput(path: string, options: InputOptions = {}): Promise<Input> {
  if (path !== '-' && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true)
    return toFolderInput(openFolder(path))
  const given = path === '-' ? await openStandardInput(options) : openFileSource(path)
  if ('live' in given) return given
  try {
    return await unpackIfPacked(given, options)
  } catch (error) {
    given.close()
    throw error
  }
}

function toFolderInput(folder: FolderSource): Input {
  return {
    source: toByteSource(folder.name, new Uint8Array(0)),
    folder,
    compression: 'none',
    sha256() {
      const sha256 = createHash('sha256')
      for (const path of folder.paths) {
        const file = folder.open(path)
        if (file === undefined) continue
        try {
          sha256.update(`${path}\0${file.size}\0`)
          for (const piece of pieces(file)) sha256.update(piece)
        } finally {
          file.close()
        }
      }
      return sha256.digest('hex')
    },
    close() {
      // Files of a folder are opened and closed by its reader.
    },
  }
}

async function unpackIfPacked(given: FileSource, options: InputOptions): Promise<Input> {
  const head = new Uint8Array(HEAD_BYTES)
  const { compression, start } = toCompression(head.subarray(0, readFully(given, 0, head)))
  const source = compression === 'none' ? given : await unpack(given, compression, start, options)
  return {
    source,
    compression,
    sha256: () => hash(given),
    close() {
      source.close()
      given.close()
    },
  }
}

/** How the input is packed, and from which byte on. */
function toCompression(head: Uint8Array): { compression: Input['compression']; start: number } {
  // RFC 1952 section 2.3.1 with method deflate; RFC 8878 section 3.1.1.
  if (head[0] === 0x1f && head[1] === 0x8b && head[2] === 8)
    return { compression: 'gzip', start: 0 }
  if (head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd)
    return { compression: 'zstd', start: 0 }
  // atrace -z: a line TRACE:, then a zlib stream (RFC 1950: the first two bytes are a multiple of 31).
  const [before, mark] = /^(?:[^\n]{0,100}\n){0,3}?(TRACE:\r?\n)/.exec(latin1.decode(head)) ?? []
  const start = before?.length ?? 0
  const isZlib =
    mark !== undefined &&
    ((head[start] ?? 0) & 0x0f) === 8 &&
    (((head[start] ?? 0) << 8) | (head[start + 1] ?? 0)) % 31 === 0
  return { compression: isZlib ? 'zlib' : 'none', start: isZlib ? start : 0 }
}

async function openStandardInput(
  options: InputOptions,
): Promise<FileSource | (Input & { live: StoppableStream })> {
  const pieces = (options.stdin ?? process.stdin)[Symbol.asyncIterator]()
  const first: Uint8Array[] = []
  let length = 0
  while (options.isStream !== undefined && length < SNIFF_BYTES) {
    const piece = await pieces.next()
    if (piece.done === true) break
    first.push(piece.value)
    length += piece.value.length
    const head = Buffer.concat(first)
    if (toCompression(head).compression !== 'none' || !options.isStream(head)) continue
    const live = toLiveStream('-', first, pieces)
    return {
      source: toByteSource('-', new Uint8Array(0)),
      live,
      compression: 'none',
      sha256: () => '',
      close: () => live.stop(),
    }
  }
  return await spool(first, pieces, options)
}

async function spool(
  first: readonly Uint8Array[],
  rest: AsyncIterator<Uint8Array>,
  options: InputOptions,
): Promise<FileSource> {
  const file = new TemporaryFile(options.temporaryFolder)
  try {
    for (const piece of first) file.write(piece)
    for (let piece = await rest.next(); piece.done !== true; piece = await rest.next())
      file.write(piece.value)
    return file.toSource('-')
  } catch (error) {
    file.discard()
    throw error
  }
}

async function unpack(
  given: ByteSource,
  compression: 'gzip' | 'zstd' | 'zlib',
  start: number,
  options: InputOptions,
): Promise<FileSource> {
  const file = new TemporaryFile(options.temporaryFolder)
  try {
    const limit = options.maxUnpackedBytes ?? FREE_BYTES + MAX_RATIO * given.size
    const write = (bytes: Uint8Array) => {
      if (file.size + bytes.length > limit)
        throw new PstraceError(
          'compression_bomb',
          `${given.name}: ${given.size} compressed bytes hold more than ${limit}; no trace does.`,
        )
      file.write(bytes)
    }
    if (compression === 'zstd') await unzstd(given, write)
    else await inflate(given, start, compression, write)
    return file.toSource(given.name)
  } catch (error) {
    file.discard()
    if (error instanceof PstraceError) throw error
    const why = error instanceof Error ? error.message : String(error)
    throw new PstraceError(
      'corrupt_compressed_input',
      `${given.name}: the ${compression} data is damaged or cut off after ${file.size} unpacked bytes (${why}).`,
      { cause: error },
    )
  }
}

async function inflate(
  given: ByteSource,
  start: number,
  compression: 'gzip' | 'zlib',
  write: (bytes: Uint8Array) => void,
): Promise<void> {
  await pipeline(
    // The pieces are queued inside the stream, so each needs its own memory.
    function* () {
      let skip = start
      for (const piece of pieces(given)) {
        yield piece.slice(skip)
        skip = 0
      }
    },
    compression === 'gzip' ? createGunzip() : createInflate(),
    async (unpacked: AsyncIterable<Uint8Array>) => {
      for await (const bytes of unpacked) write(bytes)
    },
  )
}

async function unzstd(given: ByteSource, write: (bytes: Uint8Array) => void): Promise<void> {
  const { loadZstdStream } = await import('../../parsers/zstd.ts')
  const decode = await loadZstdStream()
  for (const bytes of decode(pieces(given))) write(bytes)
}

function* pieces(source: ByteSource): Generator<Uint8Array, void> {
  const stream = toByteStream(source)
  for (let piece = stream.next(); piece !== undefined; piece = stream.next()) yield piece
}

function hash(source: ByteSource): string {
  const sha256 = createHash('sha256')
  for (const piece of pieces(source)) sha256.update(piece)
  return sha256.digest('hex')
}
