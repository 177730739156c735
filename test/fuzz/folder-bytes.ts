import type { FolderSource } from '../../parsers/reader.ts'
import { type Files, memoryFolder } from '../parsers/memory-folder.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * A folder as one input that can be changed at random: of each file
 *
 *   u8 bytes of its path, path, u24 bytes of its contents (little endian), contents
 */
export function packFolder(files: Files): Uint8Array {
  return Buffer.concat(
    [...files].flatMap(([path, bytes]) => {
      const name = encoder.encode(path)
      const { length } = bytes
      return [
        Uint8Array.of(name.length),
        name,
        Uint8Array.of(length & 0xff, (length >> 8) & 0xff, length >> 16),
        bytes,
      ]
    }),
  )
}

/** The folder of any bytes: lengths beyond the end are cut. */
export function unpackFolder(bytes: Uint8Array): FolderSource {
  const files = new Map<string, Uint8Array>()
  for (let at = 0; at < bytes.length; ) {
    const contentsAt = at + 1 + (bytes[at] ?? 0) + 3
    const path = decoder.decode(bytes.subarray(at + 1, contentsAt - 3))
    const [low = 0, middle = 0, high = 0] = bytes.subarray(contentsAt - 3, contentsAt)
    at = contentsAt + low + (middle << 8) + (high << 16)
    files.set(path, bytes.subarray(contentsAt, at))
  }
  return memoryFolder('fuzz', files)
}
