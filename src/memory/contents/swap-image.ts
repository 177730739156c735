import type { PageContents } from './contents.ts'
import { mix32 } from './pseudo-random.ts'

/** Reads the page at a swap offset into `target`; false where the image has no such page. */
export type ReadSwapPage = (offset: number, target: Uint8Array) => boolean

export interface SwapImageOptions {
  readonly readPage: ReadSwapPage
  /** Names the image in the run's first line. */
  readonly name: string
  /** For pages whose slot is not known or not in the image. */
  readonly otherwise: PageContents
  /** Recorded swap offset of each page of the workload (WorkloadPages.slot), -1 unknown: it goes before the slot of the run. */
  readonly slots?: Float64Array
  /** Chunks of the 64 that a rewritten page changes. Default 8. */
  readonly changedChunks?: number
}

/**
 * The bytes that a device really held, by swap offset. The image shows one moment: a page that is swapped out again gets the bytes of
 * its slot with small changes in some chunks.
 */
export function createSwapImageContents(options: SwapImageOptions): PageContents {
  const { readPage, name, otherwise, slots, changedChunks = 8 } = options
  return {
    source: 'swap-image',
    description: `swap image ${name}; pages without a slot in it: ${otherwise.description}`,
    fill(page, version, slot, target) {
      const recorded = slots === undefined ? -1 : (slots[page] ?? -1)
      const offset = recorded >= 0 ? recorded : slot
      if (offset < 0 || !readPage(offset, target)) {
        // Own pages of the other source keep keys below 2^52; the image's lie above.
        return otherwise.fill(page, version, slot, target)
      }
      if (version > 0) rewriteChunks(target, offset, version, changedChunks)
      return IMAGE_KEYS + (version % 1_048_576) * 4_294_967_296 + offset
    },
  }
}

/** 2^52: versions of other sources are far below. */
const IMAGE_KEYS = 4_503_599_627_370_496

/** Adds to the low halves of non-zero words, as counters, lengths and pointers change: zeros stay zeros, so the page keeps its class. */
function rewriteChunks(
  target: Uint8Array,
  offset: number,
  version: number,
  changedChunks: number,
): void {
  const chunk = target.length >>> 6
  const first = mix32(offset) & 63
  const turns = changedChunks * version
  for (let rank = 0; rank < 64 && rank < turns; rank += 1) {
    const rewrite = Math.floor((turns - 1 - rank) / 64) + 1
    const at = ((rank + first) & 63) * chunk
    let draw = mix32(offset ^ Math.imul(rank + 1, 0x9e3779b1) ^ Math.imul(rewrite, 0x85ebca77))
    for (let word = at; word + 8 <= at + chunk; word += 8) {
      if ((target[word] ?? 0) === 0) continue
      target[word] = (target[word] ?? 0) ^ (draw & 248)
      draw = mix32(draw + 1)
    }
  }
}
