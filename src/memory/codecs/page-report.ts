import type { Codec } from './codec.ts'
import { fillKindOf, hugeClassSize } from './page-kind.ts'

export interface PageReportOptions {
  /** Default 4096. */
  readonly pageSize?: number
  /** CONFIG_ZSMALLOC_CHAIN_SIZE: 8 by default since 6.3, 4 before. */
  readonly chain?: number
}

/** Reused between calls. */
export interface PageReportRow {
  index: number
  /** What zram makes of the page: zero and same are not compressed, huge is kept raw. */
  kind: 'zero' | 'same' | 'huge' | 'compressed'
  /** What the codec gave; 0 where it did not run. */
  compressedBytes: number
  /** What zram counts in compr_data_size. */
  storedBytes: number
}

/** Compresses pages one after the other and sums them as zram's mm_stat does. */
export class PageReport {
  readonly codec: Codec
  readonly hugeAt: number
  readonly totals = {
    pages: 0,
    zero: 0,
    same: 0,
    huge: 0,
    /** compr_data_size of mm_stat. */
    storedBytes: 0,
    /** Pages that did not come back as they were; never above 0 for a sound codec. */
    damaged: 0,
  }
  readonly #pageSize: number
  readonly #target: Uint8Array
  readonly #back: Uint8Array
  readonly #row: PageReportRow = { index: 0, kind: 'zero', compressedBytes: 0, storedBytes: 0 }

  constructor(codec: Codec, options: PageReportOptions = {}) {
    const { pageSize = 4096, chain = 8 } = options
    this.codec = codec
    this.hugeAt = hugeClassSize(pageSize, chain)
    this.#pageSize = pageSize
    this.#target = new Uint8Array(codec.bound(pageSize))
    this.#back = new Uint8Array(pageSize)
  }

  /** The row is overwritten by the next call. */
  add(page: Uint8Array): PageReportRow {
    const row = this.#row
    const { totals } = this
    row.index = totals.pages
    row.compressedBytes = 0
    row.storedBytes = 0
    totals.pages += 1
    const fill = fillKindOf(page)
    if (fill !== 'data') {
      row.kind = fill
      totals[fill] += 1
      return row
    }
    const length = this.codec.compress(page, this.#target)
    row.compressedBytes = length
    row.kind = length >= this.hugeAt ? 'huge' : 'compressed'
    row.storedBytes = row.kind === 'huge' ? this.#pageSize : length
    totals.storedBytes += row.storedBytes
    if (row.kind === 'huge') totals.huge += 1
    this.codec.decompress(this.#target.subarray(0, length), this.#back)
    for (let i = 0; i < page.length; i += 1) {
      if (page[i] !== this.#back[i]) {
        totals.damaged += 1
        break
      }
    }
    return row
  }

  /** The bytes of the page added last, for `--dump`; they die at the next add. */
  borrowCompressed(): Uint8Array {
    return this.#target.subarray(0, this.#row.compressedBytes)
  }
}
