import type { Codec, CodecOptions, CodecProvider } from './codec.ts'
import { lzoWasm } from './wasm/lzo.wasm.ts'
import { WasmRegion } from './wasm-region.ts'

interface LzoExports {
  compress(from: number, length: number, to: number, table: number, rle: number): number
  decompress(from: number, length: number, to: number, room: number): number
}

/** lzo1x_worst_compress, and two bytes for the version of LZO-RLE. */
function lzoBound(length: number): number {
  return length + Math.floor(length / 16) + 64 + 3 + 2
}

function openLzo(name: 'lzo' | 'lzo-rle', options: CodecOptions): Codec {
  const rle = name === 'lzo-rle' ? 1 : 0
  const region = new WasmRegion<LzoExports>(name, lzoWasm, lzoBound, options)
  const { exports, scratch } = region
  return region.toCodec({
    version: '1 linux 6.12',
    bound: lzoBound,
    compress: (from, length, to) => exports.compress(from, length, to, scratch, rle),
    decompress: exports.decompress,
  })
}

export const lzoProvider: CodecProvider = {
  name: 'lzo',
  implementation: 'portable',
  summary: "LZO1X-1 with the kernel's bytes (WebAssembly)",
  open: async (options = {}) => openLzo('lzo', options),
}

export const lzoRleProvider: CodecProvider = {
  name: 'lzo-rle',
  implementation: 'portable',
  summary:
    "LZO-RLE with the kernel's bytes (WebAssembly); zram's default where the kernel names none",
  open: async (options = {}) => openLzo('lzo-rle', options),
}
