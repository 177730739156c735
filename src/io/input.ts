import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { toByteStream } from '../../parsers/byte-stream.ts'
import { readFully, toByteSource } from '../../parsers/cursor.ts'
import type { ByteSource, FolderSource } from '../../parsers/reader.ts'
import { PstraceError } from '../model/error.ts'
import { type FileSource, openFileSource } from './file-source.ts'
import { openFolder } from './folder-source.ts'
import { TemporaryFile } from './temporary-file.ts'

/** An input ready to be parsed. */
export interface Input {
  /** Seekable and not compressed, whatever the user gave. */
  readonly source: ByteSource
  /** Set when the input is a folder; `source` is empty then. */
  readonly folder?: FolderSource
  /** How the given input was compressed. */
  readonly compression: 'none' | 'gzip' | 'zstd'
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
}

/** More than any trace needs: text packs about 30 to 1. */
const MAX_RATIO = 256
const FREE_BYTES = 2 ** 30

/** Opens a file, a folder, or `-` for standard input, which is copied to a temporary file; gzip and zstd are recognised by content. */
export async function openInput(path: string, options: InputOptions = {}): Promise<Input> {
  if (path !== '-' && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true)
    return toFolderInput(openFolder(path))
  const given = path === '-' ? await spool(options) : openFileSource(path)
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
  const head = new Uint8Array(4)
  readFully(given, 0, head)
  const compression = toCompression(head)
  const source = compression === 'none' ? given : await unpack(given, compression, options)
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

function toCompression(head: Uint8Array): Input['compression'] {
  // RFC 1952 section 2.3.1 with method deflate; RFC 8878 section 3.1.1.
  if (head[0] === 0x1f && head[1] === 0x8b && head[2] === 8) return 'gzip'
  const isZstd = head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd
  return isZstd ? 'zstd' : 'none'
}

async function spool(options: InputOptions): Promise<FileSource> {
  const file = new TemporaryFile(options.temporaryFolder)
  try {
    for await (const piece of options.stdin ?? process.stdin) file.write(piece)
    return file.toSource('-')
  } catch (error) {
    file.discard()
    throw error
  }
}

async function unpack(
  given: ByteSource,
  compression: 'gzip' | 'zstd',
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
    if (compression === 'gzip') await gunzip(given, write)
    else await unzstd(given, write)
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

async function gunzip(given: ByteSource, write: (bytes: Uint8Array) => void): Promise<void> {
  await pipeline(
    // The pieces are queued inside the stream, so each needs its own memory.
    function* () {
      for (const piece of pieces(given)) yield piece.slice()
    },
    createGunzip(),
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
