import { PstraceError } from '../../model/error.ts'

/** ZSTD_strategy, by its numbers: each search is slower than the one before and finds more. */
export const STRATEGY = {
  fast: 1,
  doubleFast: 2,
  greedy: 3,
  lazy: 4,
  lazy2: 5,
  lazyTree: 6,
  optimal: 7,
  ultra: 8,
  ultraTwice: 9,
} as const

/** What a level means: logs of the window, of the tables and of the number of tries, the minimum match, a length that is enough. */
export interface ZstdParameters {
  readonly window: number
  readonly chain: number
  readonly hash: number
  readonly search: number
  readonly minMatch: number
  readonly targetLength: number
  readonly strategy: number
}

type Row = readonly [
  window: number,
  chain: number,
  hash: number,
  search: number,
  minMatch: number,
  targetLength: number,
  strategy: number,
]

/** The tables of libzstd 1.5.2 by the size said when the parameters are fetched; row 0 is the base of negative levels. */
const UP_TO_16_KIB: readonly Row[] = [
  [14, 12, 13, 1, 5, 1, 1],
  [14, 14, 15, 1, 5, 0, 1],
  [14, 14, 15, 1, 4, 0, 1],
  [14, 14, 15, 2, 4, 0, 2],
  [14, 14, 14, 4, 4, 2, 3],
  [14, 14, 14, 3, 4, 4, 4],
  [14, 14, 14, 4, 4, 8, 5],
  [14, 14, 14, 6, 4, 8, 5],
  [14, 14, 14, 8, 4, 8, 5],
  [14, 15, 14, 5, 4, 8, 6],
  [14, 15, 14, 9, 4, 8, 6],
  [14, 15, 14, 3, 4, 12, 7],
  [14, 15, 14, 4, 3, 24, 7],
  [14, 15, 14, 5, 3, 32, 8],
  [14, 15, 15, 6, 3, 64, 8],
  [14, 15, 15, 7, 3, 256, 8],
  [14, 15, 15, 5, 3, 48, 9],
  [14, 15, 15, 6, 3, 128, 9],
  [14, 15, 15, 7, 3, 256, 9],
  [14, 15, 15, 8, 3, 256, 9],
  [14, 15, 15, 8, 3, 512, 9],
  [14, 15, 15, 9, 3, 512, 9],
  [14, 15, 15, 10, 3, 999, 9],
]
const UP_TO_128_KIB: readonly Row[] = [
  [17, 12, 12, 1, 5, 1, 1],
  [17, 12, 13, 1, 6, 0, 1],
  [17, 13, 15, 1, 5, 0, 1],
  [17, 15, 16, 2, 5, 0, 2],
  [17, 17, 17, 2, 4, 0, 2],
  [17, 16, 17, 3, 4, 2, 3],
  [17, 16, 17, 3, 4, 4, 4],
  [17, 16, 17, 3, 4, 8, 5],
  [17, 16, 17, 4, 4, 8, 5],
  [17, 16, 17, 5, 4, 8, 5],
  [17, 16, 17, 6, 4, 8, 5],
  [17, 17, 17, 5, 4, 8, 6],
  [17, 18, 17, 7, 4, 12, 6],
  [17, 18, 17, 3, 4, 12, 7],
  [17, 18, 17, 4, 3, 32, 7],
  [17, 18, 17, 6, 3, 256, 7],
  [17, 18, 17, 6, 3, 128, 8],
  [17, 18, 17, 8, 3, 256, 8],
  [17, 18, 17, 10, 3, 512, 8],
  [17, 18, 17, 5, 3, 256, 9],
  [17, 18, 17, 7, 3, 512, 9],
  [17, 18, 17, 9, 3, 512, 9],
  [17, 18, 17, 11, 3, 999, 9],
]
/** Level 3 for a size up to 256 KiB, and for one that is not said. */
const UP_TO_256_KIB: Row = [18, 16, 16, 1, 4, 0, 2]
const OF_ANY_SIZE: Row = [21, 16, 17, 1, 5, 0, 2]

const DEFAULT_LEVEL = 3
const HIGHEST_LEVEL = 22
/** ZSTD_minCLevel. */
const LOWEST_LEVEL = -131_072

function toParameters(row: Row): ZstdParameters {
  const [window, chain, hash, search, minMatch, targetLength, strategy] = row
  return { window, chain, hash, search, minMatch, targetLength, strategy }
}

/** The level that the kernel makes of one given to it: 0 and none at all mean 3, and what is beyond either end that end. */
export function zstdLevelOf(level: number | undefined): number {
  if (level === undefined || level === 0) return DEFAULT_LEVEL
  return Math.max(LOWEST_LEVEL, Math.min(level, HIGHEST_LEVEL))
}

function zramRow(level: number, pageSize: number): Row {
  const rows = pageSize <= 16_384 ? UP_TO_16_KIB : UP_TO_128_KIB
  const row = rows[Math.max(level, 0)]
  if (row === undefined) throw new PstraceError('codec-level', `zstd: level ${level} is unknown`)
  return row
}

/**
 * Callers differ in the size they say when they fetch the parameters: zram's own backend (6.12 and later) the page size, the crypto API
 * (zswap, zram up to 6.11) nothing, and the crypto API after its change to acomp (6.17) 256 KiB. Only zram can be told a level.
 */
export function zstdParameters(variant: string, level: number, pageSize: number): ZstdParameters {
  if (variant === 'zram') {
    const parameters = toParameters(zramRow(level, pageSize))
    return level < 0 ? { ...parameters, targetLength: -level } : parameters
  }
  const row = variant === 'zswap' ? OF_ANY_SIZE : variant === 'acomp' ? UP_TO_256_KIB : undefined
  if (row === undefined) {
    throw new PstraceError(
      'codec-variant',
      `zstd: variant ${variant} is unknown; known: zram, zswap, acomp`,
      { exitStatus: 2 },
    )
  }
  if (level !== DEFAULT_LEVEL) {
    throw new PstraceError(
      'codec-level',
      `zstd: level ${level} of variant ${variant}; only variant zram can be told a level, the others have ${DEFAULT_LEVEL}`,
      { exitStatus: 2 },
    )
  }
  return toParameters(row)
}
