import { PstraceError } from '../../model/error.ts'
import type { Codec, CodecOptions, CodecProvider } from './codec.ts'
import { zstdWasm } from './wasm/zstd.wasm.ts'
import { WasmRegion } from './wasm-region.ts'

interface ZstdExports {
  init(scratch: number): void
  compress(
    from: number,
    length: number,
    to: number,
    longBits: number,
    shortBits: number,
    minMatch: number,
  ): number
  compressFast(
    from: number,
    length: number,
    to: number,
    bits: number,
    minMatch: number,
    targetLength: number,
  ): number
  decompress(from: number, length: number, to: number, room: number): number
}

/** One row of the library's level table: window, chain and hash logs, and the minimum match. */
interface Parameters {
  readonly window: number
  readonly chain: number
  readonly hash: number
  readonly minMatch: 4 | 5 | 6
  /** Of the fast strategy; absent = double-fast. */
  readonly targetLength?: number
}

const LONGEST = 131_072
const DEFAULT_LEVEL = 3
/** ZSTD_minCLevel. */
const LOWEST_LEVEL = -131_072

/**
 * Level 3 for each caller of the kernel, which differ in the size they say when they fetch the parameters: zram's own backend (6.12 and
 * later) the page size, the crypto API (zswap, zram up to 6.11) nothing, and the crypto API after its change to acomp (6.17) 256 KiB.
 */
const ROWS: Readonly<Record<string, (pageSize: number) => Parameters>> = {
  zram: (pageSize) =>
    pageSize <= 16_384
      ? { window: 14, chain: 14, hash: 15, minMatch: 4 }
      : { window: 17, chain: 15, hash: 16, minMatch: 5 },
  zswap: () => ({ window: 21, chain: 16, hash: 17, minMatch: 5 }),
  acomp: () => ({ window: 18, chain: 16, hash: 16, minMatch: 4 }),
}

/** Rows of the fast strategy, which levels below 3 have (zram's `algorithm_params`). */
function fastRow(level: number, pageSize: number): Parameters {
  const small = pageSize <= 16_384
  if (level === 1)
    return small
      ? { window: 14, chain: 14, hash: 15, minMatch: 5, targetLength: 0 }
      : { window: 17, chain: 12, hash: 13, minMatch: 6, targetLength: 0 }
  if (level === 2)
    return small
      ? { window: 14, chain: 14, hash: 15, minMatch: 4, targetLength: 0 }
      : { window: 17, chain: 13, hash: 15, minMatch: 5, targetLength: 0 }
  const targetLength = Math.min(-level, -LOWEST_LEVEL)
  return small
    ? { window: 14, chain: 12, hash: 13, minMatch: 5, targetLength }
    : { window: 17, chain: 12, hash: 12, minMatch: 5, targetLength }
}

/** ZSTD_compressBound. */
function zstdBound(length: number): number {
  return length + (length >>> 8) + (length < LONGEST ? (LONGEST - length) >>> 11 : 0)
}

/** What the encoder may write before it knows that the block does not compress. */
function zstdRoom(length: number): number {
  return length + (length >>> 1) + 1024
}

/** The smallest power of two that holds `length` bytes, as its log. */
function sizeLog(length: number): number {
  return length <= 64 ? 6 : 32 - Math.clz32(length - 1)
}

function openZstd(options: CodecOptions = {}): Codec {
  const { variant = 'zram', pageSize = 4096 } = options
  const level = options.level === undefined || options.level === 0 ? DEFAULT_LEVEL : options.level
  const row = ROWS[variant]
  if (row === undefined) {
    throw new PstraceError(
      'codec-variant',
      `zstd: variant ${variant} is unknown; known: ${Object.keys(ROWS).join(', ')}`,
      { exitStatus: 2 },
    )
  }
  if (level !== DEFAULT_LEVEL && (level > DEFAULT_LEVEL || variant !== 'zram')) {
    throw new PstraceError(
      'codec-level',
      `zstd: level ${level} of variant ${variant}; levels up to ${DEFAULT_LEVEL} are available for variant zram, the default ${DEFAULT_LEVEL} for all`,
      { exitStatus: 2 },
    )
  }
  if (pageSize > LONGEST) {
    throw new PstraceError(
      'codec-input-too-long',
      `zstd: page size ${pageSize} is above ${LONGEST}; kernels compress larger folios page by page`,
      { exitStatus: 2 },
    )
  }
  const { window, chain, hash, minMatch, targetLength } =
    level === DEFAULT_LEVEL ? row(pageSize) : fastRow(level, pageSize)
  const region = new WasmRegion<ZstdExports>('zstd', zstdWasm, zstdRoom, options)
  const { exports } = region
  exports.init(region.scratch)
  return region.toCodec({
    version: `1 libzstd 1.5.2 level ${level} ${variant}`,
    bound: zstdBound,
    compress(from, length, to) {
      const windowLog = Math.min(window, sizeLog(length))
      const hashLog = Math.min(hash, windowLog + 1)
      if (targetLength !== undefined)
        return exports.compressFast(from, length, to, hashLog, minMatch, targetLength)
      return exports.compress(from, length, to, hashLog, Math.min(chain, windowLog), minMatch)
    },
    decompress: exports.decompress,
  })
}

/** lib/zstd of the kernel at its default level, and at the faster ones. */
export const zstdProvider: CodecProvider = {
  name: 'zstd',
  implementation: 'portable',
  summary:
    "zstd level 3, or lower for variant zram, with the kernel's bytes (WebAssembly); variant zram (6.12 and later, the default), zswap (also zram up to 6.11) or acomp (6.17)",
  open: async (options) => openZstd(options),
}
