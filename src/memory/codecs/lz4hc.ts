import type { Codec, CodecOptions, CodecProvider } from './codec.ts'
import { type Lz4Exports, lz4Bound } from './lz4.ts'
import { lz4Wasm } from './wasm/lz4.wasm.ts'
import { lz4hcWasm } from './wasm/lz4hc.wasm.ts'
import { WasmRegion } from './wasm-region.ts'

interface Lz4hcExports {
  compress(from: number, length: number, to: number, tables: number, attempts: number): number
}

/** As the kernel takes a level: below 1 means 9, above 16 means 16. */
function levelOf(level: number): number {
  return level < 1 ? 9 : Math.min(level, 16)
}

function openLz4hc(options: CodecOptions = {}): Codec {
  const level = levelOf(options.level ?? 9)
  const region = new WasmRegion<Lz4hcExports>('lz4hc', lz4hcWasm, lz4Bound, options)
  const decoder = region.alsoInstantiate<Lz4Exports>(lz4Wasm)
  const { exports, scratch } = region
  return region.toCodec({
    version: `1 linux 6.12 level ${level}`,
    bound: lz4Bound,
    compress: (from, length, to) => exports.compress(from, length, to, scratch, 1 << (level - 1)),
    decompress: decoder.decompress,
  })
}

/** lib/lz4's high-compression encoder, as zram and zswap use it. */
export const lz4hcProvider: CodecProvider = {
  name: 'lz4hc',
  implementation: 'portable',
  summary: "LZ4HC with the kernel's bytes (WebAssembly); level 1 to 16, default 9",
  open: async (options) => openLz4hc(options),
}
