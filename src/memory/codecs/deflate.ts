import { PstraceError } from '../../model/error.ts'
import type { Codec, CodecOptions, CodecProvider } from './codec.ts'
import { deflateWasm } from './wasm/deflate.wasm.ts'
import { WasmRegion } from './wasm-region.ts'

interface DeflateExports {
  init(scratch: number): void
  compress(
    from: number,
    length: number,
    to: number,
    level: number,
    good: number,
    lazy: number,
    nice: number,
    chain: number,
  ): number
  decompress(from: number, length: number, to: number, room: number): number
}

type Row = readonly [good: number, lazy: number, nice: number, chain: number]

/** The table of lib/zlib_deflate by level: match lengths at which a search is shortened, not repeated, ended, and how many candidates it has. */
const LEVELS: readonly Row[] = [
  [0, 0, 0, 0],
  [4, 4, 8, 4],
  [4, 5, 16, 8],
  [4, 6, 32, 32],
  [4, 4, 16, 16],
  [8, 16, 32, 32],
  [8, 16, 128, 128],
  [8, 32, 128, 256],
  [32, 128, 258, 1024],
  [32, 258, 258, 4096],
]
/** What the kernel takes Z_DEFAULT_COMPRESSION, -1, for. */
const DEFAULT_LEVEL = 6

/** No stored block where the window has moved on, so a page may grow by 1.1 %: deflateBound for small windows, and more than it needs. */
function deflateBound(length: number): number {
  return length + (length >>> 3) + (length >>> 6) + 64
}

function deflateRoom(length: number): number {
  return 2 * length + 1024
}

function openDeflate(options: CodecOptions = {}): Codec {
  const given = options.level ?? DEFAULT_LEVEL
  const level = given === -1 ? DEFAULT_LEVEL : given
  const row = LEVELS[level]
  if (row === undefined) {
    throw new PstraceError(
      'codec-level',
      `deflate: level ${level}; the kernel takes 0 to 9, or -1 for ${DEFAULT_LEVEL}`,
      { exitStatus: 2 },
    )
  }
  const [good, lazy, nice, chain] = row
  const region = new WasmRegion<DeflateExports>('deflate', deflateWasm, deflateRoom, options)
  const { exports } = region
  exports.init(region.scratch)
  return region.toCodec({
    version: `1 linux 6.12 level ${level} window 11`,
    bound: deflateBound,
    compress: (from, length, to) =>
      exports.compress(from, length, to, level, good, lazy, nice, chain),
    decompress: exports.decompress,
  })
}

/** The kernel's zlib with the window and memory of zram and crypto. */
export const deflateProvider: CodecProvider = {
  name: 'deflate',
  implementation: 'portable',
  summary:
    "raw deflate, 2 KiB window, with the kernel's bytes (WebAssembly); level 0 to 9, default 6",
  open: async (options) => openDeflate(options),
}
