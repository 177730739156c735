import { PstraceError } from '../../model/error.ts'
import type { PageContents } from './contents.ts'
import type { Corpus } from './corpus.ts'
import { PAGE_CLASSES } from './page-class.ts'
import { mix32 } from './pseudo-random.ts'

export interface CorpusContentsOptions {
  /** Default 1. */
  readonly seed?: number
  /** Chunks of the 64 that a rewritten page changes. Default 8. */
  readonly changedChunks?: number
  /** Index into PAGE_FILLS (workload) per page: zero, same and data pages stay what the recording showed. */
  readonly fills?: Uint8Array
}

const FILL_ZERO = 1
const FILL_SAME = 2
const FILL_DATA = 3

/**
 * Pages of a corpus, drawn with the frequencies of the capture. A rewritten page takes chunks from another page of its class. Two
 * pages of the workload may hold the same corpus page: compressors see one page at a time, so this changes no size.
 */
export function createCorpusContents(
  corpus: Corpus,
  options: CorpusContentsOptions = {},
): PageContents {
  const { seed = 1, changedChunks = 8, fills } = options
  const { pageSize, order, bytes, classes } = corpus
  if (order.length === 0) {
    throw new PstraceError('corpus-empty', 'the corpus holds no page', { exitStatus: 2 })
  }
  const zeroClass = PAGE_CLASSES.indexOf('zero')
  const sameClass = PAGE_CLASSES.indexOf('same')
  // Captured pages by what the recording may demand of a page: anything, zero, same, data.
  const any = order
  const same = order.filter((index) => classes[index] === sameClass)
  const data = order.filter((index) => classes[index] !== sameClass && classes[index] !== zeroClass)
  const byClass = PAGE_CLASSES.map((_, number) =>
    Uint32Array.from(
      Array.from({ length: classes.length }, (_unused, index) => index).filter(
        (index) => classes[index] === number,
      ),
    ),
  )
  const chunk = pageSize >>> 6
  const share = (number: number): string =>
    `${Math.round((order.filter((index) => classes[index] === number).length / order.length) * 1000) / 10} %`

  const ownOf = (page: number): number => mix32(mix32(seed) ^ Math.imul(page + 1, 0x9e3779b1))
  const indexOf = (known: number, own: number): number => {
    let pool = any
    if (known === FILL_SAME && same.length > 0) pool = same
    if (known === FILL_DATA && data.length > 0) pool = data
    return pool[scale(own, pool.length)] ?? 0
  }

  return {
    source: 'corpus',
    description: `corpus of ${order.length} captured pages (${bytes.length / pageSize} distinct; ${share(zeroClass)} zero, ${share(sameClass)} same)`,
    fill(page, version, _slot, target) {
      const known = fills === undefined ? 0 : (fills[page] ?? 0)
      if (known === FILL_ZERO) {
        target.fill(0)
        return ZERO_KEY
      }
      const own = ownOf(page)
      const index = indexOf(known, own)
      target.set(bytes.subarray(index * pageSize, (index + 1) * pageSize))
      const name = classes[index] ?? 0
      // Zero and same pages stay what they are: another chunk would put them into another class.
      if (version === 0 || name === zeroClass || name === sameClass) return -2 - index
      const peers = byClass[name] ?? any
      // The versions go round the chunks; each chunk shows its latest rewrite.
      const turns = changedChunks * version
      const offset = own & 63
      for (let rank = 0; rank < 64 && rank < turns; rank += 1) {
        const rewrite = Math.floor((turns - 1 - rank) / 64) + 1
        const at = ((rank + offset) & 63) * chunk
        const draw = mix32(own ^ Math.imul(rank + 1, 0x85ebca77) ^ Math.imul(rewrite, 0xc2b2ae3d))
        const from = (peers[scale(draw, peers.length)] ?? index) * pageSize + at
        target.set(bytes.subarray(from, from + chunk), at)
      }
      return version * 4_294_967_296 + page
    },
    isZero(page, version) {
      const known = fills === undefined ? 0 : (fills[page] ?? 0)
      if (known === FILL_ZERO) return true
      const name = classes[indexOf(known, ownOf(page))]
      if (name === zeroClass) return true
      // Chunks of other pages may make a page of other class zero, however rarely.
      return version === 0 || name === sameClass ? false : undefined
    },
  }
}

const ZERO_KEY = -1

/** A 32-bit hash as an index below `length`. */
function scale(hash: number, length: number): number {
  return Math.floor((hash / 4_294_967_296) * length)
}
