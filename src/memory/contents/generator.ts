import { PstraceError } from '../../model/error.ts'
import { bend, toRecipe } from './class-shape.ts'
import type { PageContents } from './contents.ts'
import { CLASS_SHAPES, SAME_SHARE, ZERO_SHARE } from './generator-classes.ts'
import { PageAssembler } from './page-assembler.ts'
import { PAGE_CLASSES, type PageClass } from './page-class.ts'
import { mix32 } from './pseudo-random.ts'

export interface GeneratorOptions {
  /** Default 1. */
  readonly seed?: number
  /** Default 4096. */
  readonly pageSize?: number
  /** Share of each class; the corpus's where absent. They are scaled to sum 1. */
  readonly shares?: Readonly<Partial<Record<PageClass, number>>>
  /** How compressible the pages of every class are: 1 as in the corpus, above 1 smaller, below 1 larger. */
  readonly tilt?: number
  /** Chunks of the 64 that a rewritten page changes. Default 8. */
  readonly changedChunks?: number
  /** Index into PAGE_FILLS (workload) per page: zero, same and data pages stay what the recording showed. */
  readonly fills?: Uint8Array
}

const FILL_ZERO = 1
const FILL_SAME = 2
const FILL_DATA = 3

/** Pages made by integer arithmetic from (seed, page, version): the same on every machine, and no two data pages are equal. */
export function createGenerator(options: GeneratorOptions = {}): PageContents {
  const { seed = 1, pageSize = 4096, tilt = 1, changedChunks = 8, fills } = options
  if (pageSize < 4096 || pageSize > 65_536 || (pageSize & (pageSize - 1)) !== 0) {
    throw new PstraceError(
      'contents-page-size',
      `generator: page size ${pageSize} is not a power of two from 4096 to 65536`,
      { exitStatus: 2 },
    )
  }
  const shares = classShares(options.shares ?? {})
  const shapes = CLASS_SHAPES
  const assembler = new PageAssembler(
    seed,
    pageSize,
    changedChunks,
    shapes.flatMap(({ recipes }) => recipes.map(toRecipe)),
  )
  const { page: assembled } = assembler

  // Thresholds on a 32-bit hash: zero, same, then the data classes.
  const zeroBelow = Math.floor(shares.zero * 4_294_967_296)
  const sameBelow = zeroBelow + Math.floor(shares.same * 4_294_967_296)
  const dataShare = shapes.reduce((sum, shape) => sum + shares[shape.name], 0)
  const upTo = new Float64Array(shapes.length)
  // The recipes of a class follow one another.
  const firstRecipe = new Int32Array(shapes.length)
  const recipeCount = Int32Array.from(shapes, ({ recipes }) => recipes.length)
  let sum = 0
  shapes.forEach((shape, index) => {
    sum += shares[shape.name]
    upTo[index] = dataShare === 0 ? 4_294_967_296 : (sum / dataShare) * 4_294_967_296
    firstRecipe[index] =
      index === 0 ? 0 : (firstRecipe[index - 1] ?? 0) + (recipeCount[index - 1] ?? 0)
  })

  const ownOf = (page: number): number => mix32(mix32(seed) ^ Math.imul(page + 1, 0x9e3779b1))
  const isZero = (page: number, own: number): boolean => {
    const known = fills === undefined ? 0 : (fills[page] ?? 0)
    return known === FILL_ZERO || (known === 0 && mix32(own ^ 0x5bd1e995) < zeroBelow)
  }
  return {
    source: 'generator',
    description: `generator seed ${seed} (${fills === undefined ? '' : 'zero and same pages as recorded, else '}${describe(shares.zero)} zero, ${describe(shares.same)} same, ${describe(dataShare)} own bytes${tilt === 1 ? '' : ', sizes calibrated'})`,
    fill(page, version, _slot, target) {
      const own = ownOf(page)
      if (isZero(page, own)) {
        target.fill(0)
        return ZERO_KEY
      }
      const drawn = mix32(own ^ 0x5bd1e995)
      const known = fills === undefined ? 0 : (fills[page] ?? 0)
      if (known === FILL_SAME || (known === 0 && drawn < sameBelow)) {
        return fillSame(own, version, target)
      }
      // Zero and same shares are spoken for: what is left of the draw picks the class.
      const pick =
        known === FILL_DATA || sameBelow >= 4_294_967_296
          ? drawn
          : ((drawn - sameBelow) / (4_294_967_296 - sameBelow)) * 4_294_967_296
      let index = 0
      while (index < upTo.length - 1 && pick >= (upTo[index] ?? 0)) index += 1
      const quantile = bend(mix32(own ^ 0x27d4eb2f) / 4_294_967_296, tilt)
      const recipe = Math.floor(quantile * (recipeCount[index] ?? 0))
      assembler.assemble((firstRecipe[index] ?? 0) + recipe, own, version)
      target.set(assembled)
      return version * 4_294_967_296 + page
    },
    isZero: (page) => isZero(page, ownOf(page)),
  }
}

const ZERO_KEY = -1

/** One 8-byte word all over the page; small values, as allocators and bitmaps leave them. */
function fillSame(own: number, version: number, target: Uint8Array): number {
  const value = 1 + ((own + version) % 65_535)
  const low = value & 255
  const high = value >>> 8
  for (let at = 0; at < target.length; at += 8) {
    target[at] = low
    target[at + 1] = high
    target[at + 2] = 0
    target[at + 3] = 0
    target[at + 4] = 0
    target[at + 5] = 0
    target[at + 6] = 0
    target[at + 7] = 0
  }
  return -1 - value
}

function describe(share: number): string {
  return `${Math.round(share * 1000) / 10} %`
}

type Shares = Readonly<Record<PageClass, number>>

/** The corpus's share of every class. */
export function corpusShares(): Record<PageClass, number> {
  const shares = {
    zero: ZERO_SHARE,
    same: SAME_SHARE,
    text: 0,
    heap: 0,
    sparse: 0,
    binary: 0,
    random: 0,
  }
  for (const shape of CLASS_SHAPES) shares[shape.name] = shape.share
  return shares
}

function classShares(given: Readonly<Partial<Record<PageClass, number>>>): Shares {
  const shares = { ...corpusShares(), ...given }
  let sum = 0
  for (const name of PAGE_CLASSES) {
    if (!(shares[name] >= 0)) {
      throw new PstraceError(
        'contents-share',
        `generator: the share of ${name} pages is negative`,
        {
          exitStatus: 2,
        },
      )
    }
    sum += shares[name]
  }
  if (sum === 0) {
    throw new PstraceError('contents-share', 'generator: all class shares are 0', { exitStatus: 2 })
  }
  for (const name of PAGE_CLASSES) shares[name] /= sum
  return shares
}
