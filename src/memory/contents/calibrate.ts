import { PstraceError } from '../../model/error.ts'
import { bend, type FittedCodec } from './class-shape.ts'
import { corpusShares, type GeneratorOptions } from './generator.ts'
import { CLASS_SHAPES, SAME_SHARE, ZERO_SHARE } from './generator-classes.ts'
import { PAGE_CLASSES, type PageClass } from './page-class.ts'

/** Figures of a recording (its mm_stat, say) that the generator shall meet; what is absent stays as in the corpus. */
export interface CalibrationTarget {
  /** Codec of the sizes. */
  readonly codec: FittedCodec
  /** Shares of all pages, 0 to 1. */
  readonly zeroShare?: number
  readonly sameShare?: number
  /** Share of all pages that zram keeps raw. */
  readonly hugeShare?: number
  /** Mean bytes stored per page that is neither zero nor same; a huge page counts as `pageSize`. */
  readonly meanStoredBytes?: number
  /** Sizes from here on are huge: hugeClassSize. Default 3625. */
  readonly hugeAt?: number
}

export interface Calibration {
  readonly shares: Readonly<Record<PageClass, number>>
  readonly tilt: number
  /** What the generator is then expected to give; compare it with the target. */
  readonly expected: {
    readonly hugeShare: number
    readonly meanStoredBytes: number
  }
}

const PAGE_SIZE = 4096
const STEPS = 256

/** Settings for createGenerator. Throws PstraceError('contents-calibration') where a figure cannot be met. */
export function calibrate(target: CalibrationTarget): Calibration & GeneratorOptions {
  const { codec, hugeAt = 3625, zeroShare = ZERO_SHARE, sameShare = SAME_SHARE } = target
  for (const [name, share] of Object.entries({
    zeroShare,
    sameShare,
    hugeShare: target.hugeShare ?? 0,
  })) {
    if (!(share >= 0 && share <= 1)) fail(`${name} is ${share}; a share from 0 to 1 was expected`)
  }
  const dataShare = 1 - zeroShare - sameShare
  if (dataShare < 0) fail(`zero and same shares sum to ${zeroShare + sameShare}`)
  const corpus = corpusShares()
  // Tilt and the share of random pages act on both figures, so they are sought in turn.
  let tilt = 1
  let random = corpus.random / (1 - ZERO_SHARE - SAME_SHARE)
  for (let round = 0; round < 6; round += 1) {
    if (target.hugeShare !== undefined && dataShare > 0) {
      const wanted = target.hugeShare / dataShare
      random = bisect((share) => outcome(codec, hugeAt, share, tilt).huge, wanted, 0, 1)
    }
    if (target.meanStoredBytes !== undefined) {
      // Sizes fall as the tilt grows: sought as its logarithm, upside down.
      const wanted = target.meanStoredBytes
      tilt = bisect((value) => outcome(codec, hugeAt, random, 1 / value).stored, wanted, 0.01, 100)
      tilt = 1 / tilt
    }
  }
  const reached = outcome(codec, hugeAt, random, tilt)
  const shares = { ...corpus, zero: zeroShare, same: sameShare }
  const others = 1 - ZERO_SHARE - SAME_SHARE - corpus.random
  for (const name of PAGE_CLASSES) {
    if (name === 'zero' || name === 'same') continue
    shares[name] = dataShare * (name === 'random' ? random : ((1 - random) * corpus[name]) / others)
  }
  return {
    shares,
    tilt,
    expected: { hugeShare: reached.huge * dataShare, meanStoredBytes: reached.stored },
  }
}

function fail(what: string): never {
  throw new PstraceError('contents-calibration', `calibration: ${what}`, { exitStatus: 2 })
}

/** Huge share and mean stored bytes of data pages. */
function outcome(
  codec: FittedCodec,
  hugeAt: number,
  random: number,
  tilt: number,
): { readonly huge: number; readonly stored: number } {
  let others = 0
  for (const shape of CLASS_SHAPES) if (shape.name !== 'random') others += shape.share
  let huge = 0
  let stored = 0
  for (const shape of CLASS_SHAPES) {
    const sizes = shape.sizes[codec]
    const weight =
      (shape.name === 'random' ? random : ((1 - random) * shape.share) / others) / STEPS
    for (let step = 0; step < STEPS; step += 1) {
      const size = sizes[Math.floor(bend((step + 0.5) / STEPS, tilt) * sizes.length)] ?? 0
      if (size >= hugeAt) huge += weight
      stored += weight * (size >= hugeAt ? PAGE_SIZE : size)
    }
  }
  return { huge, stored }
}

/** Where a rising function reaches `wanted`; an end of the range where it does not. */
function bisect(value: (at: number) => number, wanted: number, from: number, to: number): number {
  let low = from
  let high = to
  for (let step = 0; step < 50; step += 1) {
    const middle = (low + high) / 2
    if (value(middle) < wanted) low = middle
    else high = middle
  }
  return (low + high) / 2
}
