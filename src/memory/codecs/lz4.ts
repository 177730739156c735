import { PstraceError } from '../../model/error.ts'
import type { Codec, CodecOptions, CodecProvider } from './codec.ts'
import { lz4Wasm } from './wasm/lz4.wasm.ts'
import { WasmRegion } from './wasm-region.ts'

export interface Lz4Exports {
  compress(
    from: number,
    length: number,
    to: number,
    table: number,
    acceleration: number,
    searchPast: number,
  ): number
  decompress(from: number, length: number, to: number, room: number): number
}

/** LZ4_compressBound: an incompressible block is one literal run. */
export function lz4Bound(length: number): number {
  return length + Math.floor(length / 255) + 16
}

function openLz4(options: CodecOptions = {}): Codec {
  const { variant, level = 1 } = options
  if (variant !== undefined && variant !== 'liblz4') {
    throw new PstraceError('codec-variant', `lz4: variant ${variant} is unknown; liblz4 is known`, {
      exitStatus: 2,
    })
  }
  const searchPast = variant === 'liblz4' ? 1 : 0
  const acceleration = Math.max(1, Math.min(level, 65_537))
  const region = new WasmRegion<Lz4Exports>('lz4', lz4Wasm, lz4Bound, options)
  const { exports, scratch } = region
  return region.toCodec({
    version: `1 ${searchPast === 1 ? 'liblz4 1.9.4' : 'linux 6.12'} acceleration ${acceleration}`,
    bound: lz4Bound,
    compress: (from, length, to) =>
      exports.compress(from, length, to, scratch, acceleration, searchPast),
    decompress: exports.decompress,
  })
}

/** lib/lz4 of the kernel, as zram and zswap use it: `level` is the acceleration. */
export const lz4Provider: CodecProvider = {
  name: 'lz4',
  implementation: 'portable',
  summary:
    "LZ4 with the kernel's bytes (WebAssembly); level = acceleration; variant liblz4 searches one position further, as liblz4 does",
  open: async (options) => openLz4(options),
}
