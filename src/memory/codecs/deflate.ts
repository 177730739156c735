import { PstraceError } from '../../model/error.ts'
import type { Codec, CodecOptions, CodecProvider } from './codec.ts'
import { deflateWasm } from './wasm/deflate.wasm.ts'
import { WasmRegion } from './wasm-region.ts'

interface DeflateExports {
  init(scratch: number): void
  compress(from: number, length: number, to: number): number
  decompress(from: number, length: number, to: number, room: number): number
}

/** No stored block where the window has moved on, so a page may grow by 1.1 %: deflateBound for small windows, and more than it needs. */
function deflateBound(length: number): number {
  return length + (length >>> 3) + (length >>> 6) + 64
}

function deflateRoom(length: number): number {
  return 2 * length + 1024
}

function openDeflate(options: CodecOptions = {}): Codec {
  const { level = 6 } = options
  if (level !== 6 && level !== -1) {
    throw new PstraceError(
      'codec-level',
      `deflate: level ${level}; only the kernel's default, 6, is available`,
      { exitStatus: 2 },
    )
  }
  const region = new WasmRegion<DeflateExports>('deflate', deflateWasm, deflateRoom, options)
  const { exports } = region
  exports.init(region.scratch)
  return region.toCodec({
    version: '1 linux 6.12 level 6 window 11',
    bound: deflateBound,
    compress: exports.compress,
    decompress: exports.decompress,
  })
}

/** The kernel's zlib with the parameters of zram and crypto. */
export const deflateProvider: CodecProvider = {
  name: 'deflate',
  implementation: 'portable',
  summary: "raw deflate, level 6, 2 KiB window, with the kernel's bytes (WebAssembly)",
  open: async (options) => openDeflate(options),
}
