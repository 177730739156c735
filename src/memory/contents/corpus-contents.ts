import { PstraceError } from '../../model/error.ts'
import type { PageContents } from './contents.ts'
import type { Corpus } from './corpus.ts'
import { FILL_DATA, FILL_SAME, FILL_UNKNOWN, FILL_ZERO, hashOf, ZERO_KEY } from './known-fill.ts'
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

/**
 * Pages of a corpus, drawn with the frequencies of the capture. A rewritten page takes chunks from another page of its class. Two
 * pages of the workload may hold the same corpus page: compressors see one page at a time, so this changes no size.
 */
export function createCorpusContents(
  corpus: Corpus,
  options: CorpusContentsOptions = {},
): PageContents {
  if (corpus.order.length === 0) {
    throw new PstraceError('corpus-empty', 'the corpus holds no page', { exitStatus: 2 })
  }
  return new CorpusPages(corpus, options)
}

const ZERO_CLASS = PAGE_CLASSES.indexOf('zero')
const SAME_CLASS = PAGE_CLASSES.indexOf('same')

class CorpusPages implements PageContents {
  readonly source = 'corpus'
  readonly description: string
  readonly #corpus: Corpus
  readonly #seed: number
  readonly #changedChunks: number
  readonly #fills: Uint8Array | undefined
  /** Captured pages, as often as they were seen, that are same pages or hold data. */
  readonly #same: Uint32Array
  readonly #data: Uint32Array
  /** Distinct pages of each class. */
  readonly #byClass: readonly Uint32Array[]

  constructor(corpus: Corpus, { seed = 1, changedChunks = 8, fills }: CorpusContentsOptions) {
    const { order, classes } = corpus
    this.#corpus = corpus
    this.#seed = seed
    this.#changedChunks = changedChunks
    this.#fills = fills
    this.#same = order.filter((index) => classes[index] === SAME_CLASS)
    this.#data = order.filter(
      (index) => classes[index] !== SAME_CLASS && classes[index] !== ZERO_CLASS,
    )
    const all = Uint32Array.from(classes.keys())
    this.#byClass = PAGE_CLASSES.map((_, number) =>
      all.filter((index) => classes[index] === number),
    )
    this.description = describe(corpus)
  }

  fill(page: number, version: number, _slot: number, target: Uint8Array): number {
    const known = this.#fillOf(page)
    if (known === FILL_ZERO) {
      target.fill(0)
      return ZERO_KEY
    }
    const { bytes, classes, pageSize } = this.#corpus
    const own = hashOf(this.#seed, page)
    const index = this.#indexOf(known, own)
    target.set(bytes.subarray(index * pageSize, (index + 1) * pageSize))
    const number = classes[index] ?? 0
    // Zero and same pages stay what they are: another chunk would put them into another class.
    if (version === 0 || number === ZERO_CLASS || number === SAME_CLASS) return -2 - index
    this.#rewrite(index, version, own, target)
    return version * 4_294_967_296 + page
  }

  isZero(page: number, version: number): boolean | undefined {
    const known = this.#fillOf(page)
    if (known === FILL_ZERO) return true
    const number = this.#corpus.classes[this.#indexOf(known, hashOf(this.#seed, page))]
    if (number === ZERO_CLASS) return true
    // Chunks of other pages may make a page of other class zero, however rarely.
    return version === 0 || number === SAME_CLASS ? false : undefined
  }

  /** Puts chunks of pages of the same class into the page, as `version` rewrites would. */
  #rewrite(index: number, version: number, own: number, target: Uint8Array): void {
    const { bytes, classes, order, pageSize } = this.#corpus
    const peers = this.#byClass[classes[index] ?? 0] ?? order
    const chunk = pageSize >>> 6
    // The versions go round the chunks; each chunk shows its latest rewrite.
    const turns = this.#changedChunks * version
    const offset = own & 63
    for (let rank = 0; rank < 64 && rank < turns; rank += 1) {
      const rewrite = Math.floor((turns - 1 - rank) / 64) + 1
      const at = ((rank + offset) & 63) * chunk
      const draw = mix32(own ^ Math.imul(rank + 1, 0x85ebca77) ^ Math.imul(rewrite, 0xc2b2ae3d))
      const from = (peers[scale(draw, peers.length)] ?? index) * pageSize + at
      target.set(bytes.subarray(from, from + chunk), at)
    }
  }

  #fillOf(page: number): number {
    return this.#fills?.[page] ?? FILL_UNKNOWN
  }

  /** The captured page that stands for a page, among those that the recording allows. */
  #indexOf(known: number, own: number): number {
    let pool = this.#corpus.order
    if (known === FILL_SAME && this.#same.length > 0) pool = this.#same
    if (known === FILL_DATA && this.#data.length > 0) pool = this.#data
    return pool[scale(own, pool.length)] ?? 0
  }
}

function describe({ order, bytes, classes, pageSize }: Corpus): string {
  const share = (wanted: number): string => {
    const seen = order.filter((index) => classes[index] === wanted).length
    return `${Math.round((seen / order.length) * 1000) / 10} %`
  }
  return `corpus of ${order.length} captured pages (${bytes.length / pageSize} distinct; ${share(ZERO_CLASS)} zero, ${share(SAME_CLASS)} same)`
}

/** A 32-bit hash as an index below `length`. */
function scale(hash: number, length: number): number {
  return Math.floor((hash / 4_294_967_296) * length)
}
