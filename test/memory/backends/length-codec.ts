import type { Codec } from '../../../src/memory/codecs/codec.ts'

/**
 * A codec whose compressed length a test chooses: a page of `pageOf(n)` becomes n bytes, or n / `divisor` of its payload. It keeps what
 * it needs to give the page back in its first four bytes.
 */
export function lengthCodec(divisor: number): Codec {
  return {
    name: `length-${divisor}`,
    version: '1',
    implementation: 'portable',
    bound: (length) => length * 2,
    compress(source, target) {
      const view = new DataView(source.buffer, source.byteOffset)
      const length = view.getUint32(0, true)
      const out = divisor === 1 ? length : Math.max(12, 12 + Math.floor(length / divisor))
      target.set(source.subarray(0, 12))
      target.fill(1, 12, out)
      return out
    },
    decompress(source, target) {
      const view = new DataView(source.buffer, source.byteOffset)
      const [low, high] = [view.getUint32(0, true), view.getUint32(4, true)]
      target.set(view.getUint32(8, true) === MARK ? pageOf(low, high) : samePage(low, high))
      return target.length
    },
  }
}

/** Third word of every page of `pageOf`; a same-filled page has its first word there. */
const MARK = 0xabcdef

/** A page, not same-filled, that `lengthCodec(1)` compresses to `length` bytes (12 or more); `number` tells pages apart. */
export function pageOf(length: number, number = 1): Uint8Array {
  const page = new Uint8Array(4096)
  const view = new DataView(page.buffer)
  view.setUint32(0, length, true)
  view.setUint32(4, number, true)
  view.setUint32(8, MARK, true)
  return page
}

export function samePage(low: number, high: number): Uint8Array {
  const page = new Uint8Array(4096)
  const view = new DataView(page.buffer)
  for (let i = 0; i < 4096; i += 8) {
    view.setUint32(i, low, true)
    view.setUint32(i + 4, high, true)
  }
  return page
}
