import type { Material } from './material.ts'

export const PAGE_CLASSES = ['zero', 'same', 'text', 'heap', 'sparse', 'binary', 'random'] as const
export type PageClass = (typeof PAGE_CLASSES)[number]

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
}

export const ZERO_SHARE = 0.07
export const SAME_SHARE = 0.02

export const CLASS_SHAPES: readonly ClassShape[] = [
  {
    name: 'text',
    material: 'text',
    share: 0.17,
    knobs: [
      [600, 0, 2400],
      [1900, 0, 1500],
      [4000, 0, 96],
    ],
  },
  {
    name: 'heap',
    material: 'heap',
    share: 0.45,
    knobs: [
      [300, 0, 1500],
      [1800, 0, 2000],
      [4000, 48, 48],
    ],
  },
  {
    name: 'sparse',
    material: 'sparse',
    share: 0.15,
    knobs: [
      [48, 0, 0],
      [600, 0, 300],
      [2000, 0, 800],
    ],
  },
  {
    name: 'binary',
    material: 'binary',
    share: 0.09,
    knobs: [
      [400, 0, 1000],
      [2000, 200, 1000],
      [3500, 590, 6],
    ],
  },
  {
    name: 'random',
    material: 'random',
    share: 0.05,
    knobs: [
      [0, 3700, 396],
      [0, 3900, 196],
      [0, 4096, 0],
    ],
  },
]
