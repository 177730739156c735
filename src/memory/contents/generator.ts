import { PstraceError } from '../../model/error.ts'
import { bend, toRecipe } from './class-shape.ts'
import type { PageContents } from './contents.ts'
import { CLASS_SHAPES, SAME_SHARE, ZERO_SHARE } from './generator-classes.ts'
import { FILL_DATA, FILL_SAME, FILL_UNKNOWN, FILL_ZERO, hashOf, ZERO_KEY } from './known-fill.ts'
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

/** Pages made by integer arithmetic from (seed, page, version): the same on every machine, and no two data pages are equal. */
export function createGenerator(options: GeneratorOptions = {}): PageContents {
  return new GeneratedPages(options)
}

class GeneratedPages implements PageContents {
  readonly source = 'generator'
  readonly description: string
  readonly #seed: number
  readonly #tilt: number
  readonly #fills: Uint8Array | undefined
  readonly #draw: ClassDraw
  readonly #assembler: PageAssembler

  constructor(options: GeneratorOptions) {
    const { seed = 1, pageSize = 4096, tilt = 1, changedChunks = 8, fills } = options
    if (pageSize < 4096 || pageSize > 65_536 || (pageSize & (pageSize - 1)) !== 0) {
      throw new PstraceError(
        'contents-page-size',
        `generator: page size ${pageSize} is not a power of two from 4096 to 65536`,
        { exitStatus: 2 },
      )
    }
    const shares = classShares(options.shares ?? {})
    this.#seed = seed
    this.#tilt = tilt
    this.#fills = fills
    this.#draw = new ClassDraw(shares)
    const recipes = CLASS_SHAPES.flatMap((shape) => shape.recipes.map(toRecipe))
    this.#assembler = new PageAssembler(seed, pageSize, changedChunks, recipes)
    const known = fills === undefined ? '' : 'zero and same pages as recorded, else '
    const own = percent(this.#draw.dataShare)
    const calibrated = tilt === 1 ? '' : ', sizes calibrated'
    this.description = `generator seed ${seed} (${known}${percent(shares.zero)} zero, ${percent(shares.same)} same, ${own} own bytes${calibrated})`
  }

  fill(page: number, version: number, _slot: number, target: Uint8Array): number {
    const own = hashOf(this.#seed, page)
    const known = this.#fills?.[page] ?? FILL_UNKNOWN
    const drawn = mix32(own ^ CLASS_SALT)
    if (this.#isZero(known, drawn)) {
      target.fill(0)
      return ZERO_KEY
    }
    if (known === FILL_SAME || (known === FILL_UNKNOWN && this.#draw.isSame(drawn)))
      return fillSame(own, version, target)
    const quantile = bend(mix32(own ^ 0x27d4eb2f) / TWO_32, this.#tilt)
    const recipe =
      known === FILL_DATA
        ? this.#draw.recipe(drawn, quantile)
        : this.#draw.recipeAmongData(drawn, quantile)
    this.#assembler.assemble(recipe, own, version)
    target.set(this.#assembler.page)
    return version * TWO_32 + page
  }

  isZero(page: number): boolean {
    const drawn = mix32(hashOf(this.#seed, page) ^ CLASS_SALT)
    return this.#isZero(this.#fills?.[page] ?? FILL_UNKNOWN, drawn)
  }

  #isZero(known: number, drawn: number): boolean {
    return known === FILL_ZERO || (known === FILL_UNKNOWN && this.#draw.isZero(drawn))
  }
}

const TWO_32 = 4_294_967_296
const CLASS_SALT = 0x5bd1e995

/** What a 32-bit draw stands for, by thresholds: zero, same, then the data classes. */
class ClassDraw {
  readonly dataShare: number
  readonly #zeroBelow: number
  readonly #sameBelow: number
  readonly #upTo = new Float64Array(CLASS_SHAPES.length)
  /** The recipes of a class follow one another. */
  readonly #firstRecipe = new Int32Array(CLASS_SHAPES.length)
  readonly #recipeCount = Int32Array.from(CLASS_SHAPES, ({ recipes }) => recipes.length)

  constructor(shares: Shares) {
    this.#zeroBelow = Math.floor(shares.zero * TWO_32)
    this.#sameBelow = this.#zeroBelow + Math.floor(shares.same * TWO_32)
    this.dataShare = CLASS_SHAPES.reduce((sum, { name }) => sum + shares[name], 0)
    let sum = 0
    let recipes = 0
    CLASS_SHAPES.forEach(({ name }, index) => {
      sum += shares[name]
      this.#upTo[index] = this.dataShare === 0 ? TWO_32 : (sum / this.dataShare) * TWO_32
      this.#firstRecipe[index] = recipes
      recipes += this.#recipeCount[index] ?? 0
    })
  }

  isZero(drawn: number): boolean {
    return drawn < this.#zeroBelow
  }

  isSame(drawn: number): boolean {
    return drawn < this.#sameBelow
  }

  /** Zero and same shares are spoken for: what is left of the draw picks the class. */
  recipeAmongData(drawn: number, quantile: number): number {
    const left = TWO_32 - this.#sameBelow
    return this.recipe(left <= 0 ? drawn : ((drawn - this.#sameBelow) / left) * TWO_32, quantile)
  }

  /** The class's recipe at the quantile (0 .. 1) of its pages' sizes. */
  recipe(pick: number, quantile: number): number {
    let index = 0
    while (index < this.#upTo.length - 1 && pick >= (this.#upTo[index] ?? 0)) index += 1
    const place = Math.floor(quantile * (this.#recipeCount[index] ?? 0))
    return (this.#firstRecipe[index] ?? 0) + place
  }
}

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

function percent(share: number): string {
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
