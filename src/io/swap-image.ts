import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import type { ByteSource } from '../../parsers/reader.ts'
import { PstraceError } from '../model/error.ts'
import { type FileSource, toFileSource } from './file-source.ts'
import type { CaptureResult, PageSink } from './page-capture.ts'
import { readFailure } from './read-failure.ts'
import { TemporaryFile } from './temporary-file.ts'

/** An open image of a swap device; `readPage` fits createSwapImageContents. */
export interface SwapImage {
  readonly name: string
  readonly pages: number
  /** Reads the page at a swap offset into `target`; false beyond the end. */
  readPage(offset: number, target: Uint8Array): boolean
  close(): void
}

/** How images that are compressed are read. */
export interface ImageDecoder {
  /** Whether a file is compressed that begins with this little-endian word. */
  recognises(word: number): boolean
  /** Hands the decompressed bytes piece by piece to `sink`, or throws. */
  decode(source: ByteSource, sink: (bytes: Uint8Array) => void): void
}

/**
 * Opens a raw image, or one that `decoder` recognises by its first bytes: it is decompressed to a temporary file that goes away with
 * the image. Page i lies at swap offset i.
 */
export function openSwapImage(path: string, decoder: ImageDecoder, pageSize = 4096): SwapImage {
  const { source, head } = openImage(path)
  return toImage(decoder.recognises(head) ? unpack(source, decoder) : source, pageSize)
}

function unpack(packed: FileSource, decoder: ImageDecoder): FileSource {
  const spool = new TemporaryFile()
  try {
    decoder.decode(packed, (bytes) => spool.write(bytes))
  } catch (error) {
    spool.discard()
    throw error
  } finally {
    packed.close()
  }
  return spool.toSource(packed.name)
}

/** Every page of an image, as `openSwapImage` takes it, from its first offset on; the page is borrowed. */
export function captureImage(
  path: string,
  decoder: ImageDecoder,
  sink: PageSink,
  pageSize = 4096,
): CaptureResult {
  const image = openSwapImage(path, decoder, pageSize)
  try {
    const page = new Uint8Array(pageSize)
    let pages = 0
    while (image.readPage(pages, page)) {
      pages++
      if (!sink(page)) break
    }
    return { pages, unreadable: 0 }
  } finally {
    image.close()
  }
}

/** The file and its first four bytes. */
function openImage(path: string): { source: FileSource; head: number } {
  let descriptor: number | undefined
  try {
    descriptor = openSync(path, 'r')
    const head = Buffer.alloc(4)
    readSync(descriptor, head, 0, 4, 0)
    const source = toFileSource(path, descriptor, fstatSync(descriptor).size)
    return { source, head: head.readUInt32LE(0) }
  } catch (cause) {
    if (descriptor !== undefined) closeSync(descriptor)
    throw new PstraceError(
      'swap-image',
      `${path}: the swap image cannot be read: ${readFailure(cause)}`,
      { cause },
    )
  }
}

function toImage(file: FileSource, pageSize: number): SwapImage {
  const { name, size } = file
  if (size % pageSize !== 0) {
    file.close()
    throw new PstraceError(
      'swap-image',
      `${name}: ${size} bytes are not a whole number of pages of ${pageSize}`,
      { exitStatus: 3 },
    )
  }
  return {
    name,
    pages: size / pageSize,
    readPage(offset, target) {
      if (offset < 0 || (offset + 1) * pageSize > size) return false
      return file.readInto(offset * pageSize, target) === pageSize
    },
    close: () => file.close(),
  }
}
