import { compressBlock, decompressBlock } from 'lz4js'
import { PstraceError } from '../../model/error.ts'
import type { Codec, CodecProvider } from './codec.ts'
import { lz4Bound } from './lz4.ts'

/** A block's last match, seen in its tokens. */
interface LastMatch {
  /** Offset in the block of the sequence that holds it. */
  token: number
  /** Position in the page of the first literal of that sequence, and of the match. */
  literals: number
  match: number
}

/** Follows a block's tokens; the length it decodes to, or -1 when it is malformed or decodes to more than `room`. */
function walkBlock(block: Uint8Array, length: number, room: number, last: LastMatch): number {
  let at = 0
  let position = 0
  last.token = -1
  while (at < length) {
    const start = at
    const token = block[at++] ?? 0
    let literals = token >>> 4
    if (literals === 15) {
      let more: number
      do {
        if (at >= length) return -1
        more = block[at++] ?? 0
        literals += more
      } while (more === 255)
    }
    if (literals > length - at || literals > room - position) return -1
    at += literals
    const match = position + literals
    if (at === length) return (token & 15) === 0 ? match : -1
    if (length - at < 2) return -1
    const distance = (block[at] ?? 0) | ((block[at + 1] ?? 0) << 8)
    at += 2
    if (distance === 0 || distance > match) return -1
    let extent = token & 15
    if (extent === 15) {
      let more: number
      do {
        if (at >= length) return -1
        more = block[at++] ?? 0
        extent += more
      } while (more === 255)
    }
    last.token = start
    last.literals = position
    last.match = match
    position = match + extent + 4
    if (position > room) return -1
  }
  return -1
}

function putLiterals(page: Uint8Array, from: number, target: Uint8Array, at: number): number {
  const count = page.length - from
  let out = at
  if (count < 15) {
    target[out++] = count << 4
  } else {
    target[out++] = 0xf0
    let rest = count - 15
    for (; rest >= 255; rest -= 255) target[out++] = 255
    target[out++] = rest
  }
  target.set(page.subarray(from), out)
  return out + count
}

/**
 * lz4js made safe. Its encoder leaves the hash table to the caller (a stale one yields wrong data), returns 0 for a page without
 * a match, and lets a match start inside the last 12 bytes, which LZ4_decompress_safe refuses (7 % of real pages): that last
 * match is written as literals here.
 */
function openLz4js(): Codec {
  const table = new Uint32Array(65_536)
  const last: LastMatch = { token: -1, literals: 0, match: 0 }
  let block = new Uint8Array(lz4Bound(4096))
  return {
    name: 'lz4js',
    version: '1 lz4js 0.2.0',
    implementation: 'portable',
    bound: lz4Bound,
    compress(source, target) {
      const bound = lz4Bound(source.length)
      if (block.length < bound) block = new Uint8Array(bound)
      table.fill(0)
      let length = compressBlock(source, block, 0, source.length, table)
      if (length === 0) {
        length = putLiterals(source, 0, block, 0)
      } else {
        if (walkBlock(block, length, source.length, last) !== source.length) {
          throw new PstraceError('codec-corrupt', 'lz4js: the library wrote a malformed block')
        }
        if (last.match + 12 > source.length) {
          length = putLiterals(source, last.literals, block, last.token)
        }
      }
      if (length > target.length) return 0
      target.set(block.subarray(0, length))
      return length
    },
    decompress(source, target) {
      const length = walkBlock(source, source.length, target.length, last)
      if (length !== target.length) {
        throw new PstraceError(
          'codec-corrupt',
          `lz4js: ${source.length} bytes are not a compressed page of ${target.length}`,
        )
      }
      decompressBlock(source, target, 0, source.length, 0)
      return length
    },
  }
}

/** The lz4js package: another encoder than the kernel's, so its sizes are not what zram would store. */
export const lz4jsProvider: CodecProvider = {
  name: 'lz4js',
  implementation: 'portable',
  summary: "LZ4 by the lz4js package, made safe for any decoder; its sizes are not the kernel's",
  open: async () => openLz4js(),
}
