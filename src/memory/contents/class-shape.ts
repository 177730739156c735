import type { Material } from './material.ts'
import type { Recipe } from './page-assembler.ts'
import type { PageClass } from './page-class.ts'

/** Codecs whose sizes generated pages were fitted to. */
export const FITTED_CODECS = ['lz4', 'lzo-rle', 'zstd', 'deflate', 'lz4hc'] as const
export type FittedCodec = (typeof FITTED_CODECS)[number]

/** A recipe as the list of classes has it. */
export type RecipeRow = readonly [
  first: Material,
  firstParts: number,
  second: Material,
  secondParts: number,
  randomParts: number,
  repeatParts: number,
]

/** What the shipped corpus says of one class of data pages. */
export interface ClassShape {
  readonly name: PageClass
  /** Share of all pages of the corpus. */
  readonly share: number
  /** Recipes of equally many pages each, from the most to the least compressible. */
  readonly recipes: readonly RecipeRow[]
  /** Mean compressed size of the pages of each recipe, by codec. */
  readonly sizes: Readonly<Record<FittedCodec, readonly number[]>>
}

export function toRecipe(row: RecipeRow): Recipe {
  const [first, firstParts, second, secondParts, randomParts, repeatParts] = row
  return { first, firstParts, second, secondParts, randomParts, repeatParts }
}

/** The quantile u, bent so that the mean moves while the ends stay: u * t / (1 + u * (t - 1)), t = 1 / tilt. */
export function bend(u: number, tilt: number): number {
  const t = 1 / tilt
  return (u * t) / (1 + u * (t - 1))
}
