import type { ByteSource, ByteStream } from './reader.ts'

const PIECE_BYTES = 1 << 20

/** Reads a source from its start to its end. */
export function toByteStream(source: ByteSource): ByteStream {
  const piece = new Uint8Array(PIECE_BYTES)
  let at = 0
  return {
    name: source.name,
    next() {
      const read = source.readInto(at, piece)
      at += read
      return read > 0 ? piece.subarray(0, read) : undefined
    },
  }
}
