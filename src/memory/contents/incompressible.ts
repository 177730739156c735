import type { PageContents } from './contents.ts'
import { mix32 } from './pseudo-random.ts'

/** Random bytes on this share of the other contents' own pages, always the same ones; shared contents stay as they are. */
export function createIncompressible(
  others: PageContents,
  options: { readonly seed: number; readonly share: number },
): PageContents {
  const below = Math.round(options.share * 0x100000000)
  let words = new Int32Array(0)
  let bytes = new Uint8Array(0)
  return {
    source: others.source,
    description: `${others.description}, ${(options.share * 100).toFixed(1)} % random bytes`,
    fill(page, version, slot, target) {
      const key = others.fill(page, version, slot, target)
      if (key < 0 || mix32(mix32(page) ^ options.seed) >= below) return key
      if (bytes.length !== target.length) {
        words = new Int32Array(Math.ceil(target.length / 4))
        bytes = new Uint8Array(words.buffer, 0, target.length)
      }
      // Xorshift32: no codec finds a repeat in it.
      let state = mix32(page + Math.imul(version, 0x9e3779b1)) | 1
      for (let word = 0; word < words.length; word++) {
        state ^= state << 13
        state ^= state >>> 17
        state ^= state << 5
        words[word] = state
      }
      target.set(bytes)
      return key
    },
    // Only pages that have bytes of their own are replaced.
    isZero: (page, version) => others.isZero?.(page, version),
  }
}
