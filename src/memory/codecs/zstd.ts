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
  decompress(from: number, length: number, to: number, room: number): number
}

/** One row of the library's level table: window, chain and hash logs, and the minimum match. All rows here are double-fast. */
interface Parameters {
  readonly window: number
  readonly chain: number
  readonly hash: number
  readonly minMatch: 4 | 5
}

const LONGEST = 131_072

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
  const { variant = 'zram', level = 3, pageSize = 4096 } = options
  const row = ROWS[variant]
  if (row === undefined) {
    throw new PstraceError(
      'codec-variant',
      `zstd: variant ${variant} is unknown; known: ${Object.keys(ROWS).join(', ')}`,
      { exitStatus: 2 },
    )
  }
  if (level !== 3) {
    throw new PstraceError(
      'codec-level',
      `zstd: level ${level}; only the kernel's default, 3, is available`,
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
  const { window, chain, hash, minMatch } = row(pageSize)
  const region = new WasmRegion<ZstdExports>('zstd', zstdWasm, zstdRoom, options)
  const { exports } = region
  exports.init(region.scratch)
  return region.toCodec({
    version: `1 libzstd 1.5.2 level 3 ${variant}`,
    bound: zstdBound,
    compress(from, length, to) {
      const windowLog = Math.min(window, sizeLog(length))
      const hashLog = Math.min(hash, windowLog + 1)
      return exports.compress(from, length, to, hashLog, Math.min(chain, windowLog), minMatch)
    },
    decompress: exports.decompress,
  })
}

/** lib/zstd of the kernel at its default level. */
export const zstdProvider: CodecProvider = {
  name: 'zstd',
  implementation: 'portable',
  summary:
    "zstd level 3 with the kernel's bytes (WebAssembly); variant zram (6.12 and later, the default), zswap (also zram up to 6.11) or acomp (6.17)",
  open: async (options) => openZstd(options),
}
