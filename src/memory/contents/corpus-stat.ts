import type { Corpus } from './corpus.ts'
import { PAGE_CLASSES, type PageClass } from './page-class.ts'

export interface CorpusClassStat {
  readonly class: PageClass
  readonly pages: number
  readonly share: number
  /** Compressed bytes at p10, p50, p90 and the mean, by codec. */
  readonly sizes: Readonly<
    Record<string, readonly [p10: number, p50: number, p90: number, mean: number]>
  >
}

export interface CorpusStat {
  readonly pageSize: number
  readonly pages: number
  readonly distinct: number
  readonly duplicates: number
  readonly sources: Corpus['sources']
  readonly classes: readonly CorpusClassStat[]
}

/** Compresses one page for the statistics; the compressed length. */
export type PageSizer = (page: Uint8Array) => number

/** Shares of the classes, compressibility by codec, duplicates. `sizers`: one per codec name. */
export function corpusStat(
  corpus: Corpus,
  sizers: Readonly<Record<string, PageSizer>>,
): CorpusStat {
  const { pageSize, order, bytes, classes } = corpus
  const distinct = classes.length
  const names = Object.keys(sizers)
  const sizeOf = names.map((name) => {
    const sizer = sizers[name]
    return Uint32Array.from({ length: distinct }, (_, index) =>
      sizer === undefined ? 0 : sizer(bytes.subarray(index * pageSize, (index + 1) * pageSize)),
    )
  })
  const rows: CorpusClassStat[] = []
  PAGE_CLASSES.forEach((name, number) => {
    const members = order.filter((index) => classes[index] === number)
    if (members.length === 0) return
    const sizes: Record<string, readonly [number, number, number, number]> = {}
    names.forEach((codec, column) => {
      const sorted = Uint32Array.from(members, (index) => sizeOf[column]?.[index] ?? 0).sort()
      const mean = sorted.reduce((sum, size) => sum + size, 0) / sorted.length
      sizes[codec] = [at(sorted, 0.1), at(sorted, 0.5), at(sorted, 0.9), Math.round(mean)]
    })
    rows.push({
      class: name,
      pages: members.length,
      share: members.length / order.length,
      sizes,
    })
  })
  return {
    pageSize,
    pages: order.length,
    distinct,
    duplicates: order.length - distinct,
    sources: corpus.sources,
    classes: rows,
  }
}

function at(sorted: Uint32Array, quantile: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(quantile * sorted.length))] ?? 0
}
