import type { PageContents } from './contents.ts'
import { mix32 } from './pseudo-random.ts'

/** Sizes of such pages differ by a few bytes only, so that few different ones stand for all. */
const DIFFERENT = 64

/** Pages that begin with this share of bytes without structure and are zero after it: they compress to about that share. */
export function createPartlyRandom(options: {
  readonly seed: number
  readonly share: number
  readonly pageSize: number
}): PageContents {
  const { seed, share, pageSize } = options
  const length = Math.round(pageSize * share)
  const pages = Array.from({ length: DIFFERENT }, (_, index) => {
    const bytes = new Uint8Array(pageSize)
    let state = mix32(index ^ mix32(seed)) | 1
    for (let at = 0; at < length; at++) {
      if ((at & 3) === 0) {
        // Xorshift32: no codec finds a repeat in it.
        state ^= state << 13
        state ^= state >>> 17
        state ^= state << 5
      }
      bytes[at] = state >>> ((at & 3) * 8)
    }
    return bytes
  })
  return {
    source: 'generator',
    description: `generator seed ${seed} (${DIFFERENT} different pages, ${(share * 100).toFixed(0)} % of each random, the rest zero)`,
    fill(page, version, _slot, target) {
      const key = mix32(page + Math.imul(version, 0x9e3779b1)) % DIFFERENT
      target.set(pages[key] as Uint8Array)
      return key
    },
  }
}
