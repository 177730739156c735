import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs'
import { PstraceError } from '../model/error.ts'
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

/** Decompresses a whole zstd frame, or throws. */
export type FrameDecoder = (frame: Uint8Array, name: string) => Uint8Array

const ZSTD_MAGIC = 0xfd2fb528

/**
 * Opens a raw image, or one compressed by `zstd --long=30` (recognised by its first bytes; it is decompressed to a temporary file that
 * goes away with the image, and needs memory for all of it meanwhile). Page i lies at swap offset i.
 */
export function openSwapImage(path: string, decode: FrameDecoder, pageSize = 4096): SwapImage {
  const { descriptor, magic } = openFile(path)
  if (magic !== ZSTD_MAGIC) {
    const { size } = fstatSync(descriptor)
    return toImage(path, size, pageSize, {
      readInto: (at, target) => readSync(descriptor, target, 0, target.length, at),
      close: () => closeSync(descriptor),
    })
  }
  closeSync(descriptor)
  const bytes = decode(readFileSync(path), path)
  const spool = new TemporaryFile()
  for (let at = 0; at < bytes.length; at += SPOOL_BYTES) {
    spool.write(bytes.subarray(at, at + SPOOL_BYTES))
  }
  const source = spool.toSource(path)
  return toImage(path, bytes.length, pageSize, {
    readInto: (at, target) => source.readInto(at, target),
    close: () => source.close(),
  })
}

/** Every page of an image, as `openSwapImage` takes it, from its first offset on; the page is borrowed. */
export function captureImage(
  path: string,
  decode: FrameDecoder,
  sink: PageSink,
  pageSize = 4096,
): CaptureResult {
  const image = openSwapImage(path, decode, pageSize)
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
function openFile(path: string): { descriptor: number; magic: number } {
  let descriptor: number | undefined
  try {
    descriptor = openSync(path, 'r')
    const head = Buffer.alloc(4)
    readSync(descriptor, head, 0, 4, 0)
    return { descriptor, magic: head.readUInt32LE(0) }
  } catch (cause) {
    if (descriptor !== undefined) closeSync(descriptor)
    throw new PstraceError(
      'swap-image',
      `${path}: the swap image cannot be read: ${readFailure(cause)}`,
      { cause },
    )
  }
}

const SPOOL_BYTES = 16_777_216

function toImage(
  name: string,
  size: number,
  pageSize: number,
  file: { readInto(at: number, target: Uint8Array): number; close(): void },
): SwapImage {
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
    close: file.close,
  }
}
