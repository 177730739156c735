import type { Material } from './material.ts'
import type { PageClass } from './page-class.ts'

/** What the shipped corpus says of one class of data pages. */
export interface ClassShape {
  readonly name: PageClass
  readonly material: Material
  /** Share of all pages of the corpus. */
  readonly share: number
  /**
   * Amounts of class material, of random bytes and of repeats in a 4 KiB page, bytes, at evenly spaced quantiles of the class from
   * its most to its least compressible page.
   */
  readonly knobs: readonly (readonly [material: number, random: number, repeats: number])[]
  /** Mean compressed size of generated pages at the same quantiles, by codec. */
  readonly sizes: Readonly<Record<'lz4' | 'lzo-rle' | 'zstd', readonly number[]>>
}
