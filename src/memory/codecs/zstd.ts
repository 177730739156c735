import { PstraceError } from '../../model/error.ts'
import type { Codec, CodecOptions, CodecProvider } from './codec.ts'
import { zstdWasm } from './wasm/zstd.wasm.ts'
import { WasmRegion } from './wasm-region.ts'
import { STRATEGY, type ZstdParameters, zstdLevelOf, zstdParameters } from './zstd-levels.ts'

interface ZstdExports {
  init(scratch: number): void
  compressFast(
    from: number,
    length: number,
    to: number,
    bits: number,
    minMatch: number,
    targetLength: number,
  ): number
  compressDoubleFast(
    from: number,
    length: number,
    to: number,
    longBits: number,
    shortBits: number,
    minMatch: number,
  ): number
  compressLazy(
    from: number,
    length: number,
    to: number,
    windowLog: number,
    hashLog: number,
    searchLog: number,
    strategy: number,
  ): number
  compressOptimal(
    from: number,
    length: number,
    to: number,
    windowLog: number,
    hashLog: number,
    searchLog: number,
    minMatch: number,
    targetLength: number,
    strategy: number,
  ): number
  decompress(from: number, length: number, to: number, room: number): number
}

type Compress = (from: number, length: number, to: number) => number

/** The longest block of the format, and the longest page of a kernel: positions of the stronger searches have 16 bits. */
const LONGEST = 131_072
const LONGEST_PAGE = 65_536

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

/** The search of the strategy; window and tables are no larger than the input needs. */
function compressorOf(exports: ZstdExports, parameters: ZstdParameters): Compress {
  const { window, chain, hash, search, minMatch, targetLength, strategy } = parameters
  const windowLog = (length: number): number => Math.min(window, sizeLog(length))
  const hashLog = (length: number): number => Math.min(hash, windowLog(length) + 1)
  if (strategy === STRATEGY.fast)
    return (from, length, to) =>
      exports.compressFast(from, length, to, hashLog(length), minMatch, targetLength)
  if (strategy === STRATEGY.doubleFast) {
    return (from, length, to) => {
      const shortBits = Math.min(chain, windowLog(length))
      return exports.compressDoubleFast(from, length, to, hashLog(length), shortBits, minMatch)
    }
  }
  if (strategy < STRATEGY.optimal) {
    return (from, length, to) => {
      const log = windowLog(length)
      return exports.compressLazy(from, length, to, log, hashLog(length), search, strategy)
    }
  }
  return (from, length, to) =>
    exports.compressOptimal(
      from,
      length,
      to,
      windowLog(length),
      hashLog(length),
      search,
      minMatch,
      targetLength,
      strategy,
    )
}

function openZstd(options: CodecOptions = {}): Codec {
  const { variant = 'zram', pageSize = 4096 } = options
  const level = zstdLevelOf(options.level)
  const parameters = zstdParameters(variant, level, pageSize)
  const longest = parameters.strategy > STRATEGY.doubleFast ? LONGEST_PAGE : LONGEST
  if (pageSize > longest) {
    throw new PstraceError(
      'codec-input-too-long',
      `zstd: page size ${pageSize} is above ${longest}, the most for level ${level}; kernels compress larger folios page by page`,
      { exitStatus: 2 },
    )
  }
  const region = new WasmRegion<ZstdExports>('zstd', zstdWasm, zstdRoom, options)
  const { exports } = region
  exports.init(region.scratch)
  return region.toCodec({
    version: `1 libzstd 1.5.2 level ${level} ${variant}`,
    bound: zstdBound,
    compress: compressorOf(exports, parameters),
    decompress: exports.decompress,
  })
}

/**
 * lib/zstd of the kernel at all of its levels: every byte is that of libzstd 1.5.2 with the parameters of Linux 6.2 to 6.14. Libraries from
 * 1.5.4 on (1.5.7 in Linux 6.15) write other bytes: up to level 11 sums over real pages differ by 0.02 % at most, beyond by up to 1.1 %.
 */
export const zstdProvider: CodecProvider = {
  name: 'zstd',
  implementation: 'portable',
  summary:
    'zstd of Linux 6.2 to 6.14, WebAssembly; level up to 22, default 3; variant zram (default), zswap (zram too up to 6.11) or acomp (6.17)',
  open: async (options) => openZstd(options),
}
