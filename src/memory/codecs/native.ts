import { createRequire } from 'node:module'
import * as zlib from 'node:zlib'
import { PstraceError } from '../../model/error.ts'
import type { Codec, CodecOptions, CodecProvider } from './codec.ts'
import { lz4Bound } from './lz4.ts'

/** Optional packages run install scripts, so they are no dependencies: whoever wants one installs it beside pstrace. */
const load = createRequire(import.meta.url)

function loadPackage(codec: string, name: string): unknown {
  try {
    return load(name)
  } catch (cause) {
    throw new PstraceError(
      'codec-unavailable',
      `${codec} (native): the package ${name} is not installed or was not built; run npm install ${name}, or leave out the native implementation`,
      { cause, exitStatus: 2 },
    )
  }
}

function versionOf(name: string): string {
  const { version } = load(`${name}/package.json`) as { readonly version: string }
  return version
}

function corrupt(codec: string, source: Uint8Array, target: Uint8Array, cause?: unknown): never {
  throw new PstraceError(
    'codec-corrupt',
    `${codec} (native): ${source.length} bytes are not a compressed page of ${target.length}`,
    { cause },
  )
}

/** Copies a library's result into the caller's buffer; 0 when it does not fit. */
function deliver(result: Uint8Array, target: Uint8Array): number {
  if (result.length > target.length) return 0
  target.set(result)
  return result.length
}

function restore(
  codec: string,
  result: Uint8Array,
  source: Uint8Array,
  target: Uint8Array,
): number {
  if (result.length !== target.length) corrupt(codec, source, target)
  target.set(result)
  return result.length
}

interface Lz4Package {
  encodeBlock(source: Uint8Array, target: Uint8Array): number
  decodeBlock(source: Uint8Array, target: Uint8Array): number
}

/** liblz4 through the package lz4: the bytes of liblz4, which differ from the kernel's on 2 % of pages by a few bytes. */
export const nativeLz4Provider: CodecProvider = {
  name: 'lz4',
  implementation: 'native',
  summary: 'liblz4 by the package lz4 (install it yourself); sizes as the portable variant liblz4',
  open: async () => {
    const library = loadPackage('lz4', 'lz4') as Lz4Package
    let block = new Uint8Array(lz4Bound(4096))
    return {
      name: 'lz4',
      version: `1 lz4 ${versionOf('lz4')}`,
      implementation: 'native',
      bound: lz4Bound,
      compress(source, target) {
        const bound = lz4Bound(source.length)
        if (block.length < bound) block = new Uint8Array(bound)
        // The addon wants Buffers, and room for the bound to compress at all.
        const length = library.encodeBlock(toBuffer(source), toBuffer(block))
        return deliver(block.subarray(0, length), target)
      },
      decompress(source, target) {
        const length = library.decodeBlock(toBuffer(source), toBuffer(target))
        if (length !== target.length) corrupt('lz4', source, target)
        return length
      },
    }
  },
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

interface ZstdPackage {
  compress(source: Uint8Array, parameters: { readonly compressionLevel: number }): Uint8Array
  decompress(source: Uint8Array): Uint8Array
}

interface ZlibZstd {
  zstdCompressSync(source: Uint8Array, options: object): Uint8Array
  zstdDecompressSync(source: Uint8Array): Uint8Array
  constants: { readonly ZSTD_c_compressionLevel: number }
}

/** libzstd of Node itself (from 22.15), or of the package zstd-napi: a newer library than the kernel's, so other sizes (-0.01 %). */
export const nativeZstdProvider: CodecProvider = {
  name: 'zstd',
  implementation: 'native',
  summary:
    "libzstd of Node 22.15 and later, or of the package zstd-napi; sizes are not the kernel's",
  open: async ({ level = 3 }: CodecOptions = {}): Promise<Codec> => {
    const bound = (length: number): number => length + (length >>> 8) + 512
    const builtIn = zlib as unknown as Partial<ZlibZstd>
    if (builtIn.zstdCompressSync !== undefined && builtIn.zstdDecompressSync !== undefined) {
      const { zstdCompressSync, zstdDecompressSync, constants } = builtIn as ZlibZstd
      const params = { [constants.ZSTD_c_compressionLevel]: level }
      return {
        name: 'zstd',
        version: `1 node ${(zlib as { zstdVersion?: string }).zstdVersion ?? ''} level ${level}`,
        implementation: 'native',
        bound,
        compress: (source, target) =>
          deliver(zstdCompressSync(source, { params, pledgedSrcSize: source.length }), target),
        decompress: (source, target) =>
          restore('zstd', attempt('zstd', source, target, zstdDecompressSync), source, target),
      }
    }
    const library = loadPackage('zstd', 'zstd-napi') as ZstdPackage
    return {
      name: 'zstd',
      version: `1 zstd-napi ${versionOf('zstd-napi')} level ${level}`,
      implementation: 'native',
      bound,
      compress: (source, target) =>
        deliver(library.compress(source, { compressionLevel: level }), target),
      decompress: (source, target) =>
        restore('zstd', attempt('zstd', source, target, library.decompress), source, target),
    }
  },
}

function attempt(
  codec: string,
  source: Uint8Array,
  target: Uint8Array,
  decode: (source: Uint8Array) => Uint8Array,
): Uint8Array {
  try {
    return decode(source)
  } catch (cause) {
    return corrupt(codec, source, target, cause)
  }
}

/** zlib of Node: always there, with another hash than the classic library's, so other sizes (+0.4 % at 4 KiB). */
export const nativeDeflateProvider: CodecProvider = {
  name: 'deflate',
  implementation: 'native',
  summary:
    "zlib of Node itself, raw deflate with the kernel's parameters; sizes are not the kernel's",
  open: async ({ level = 6 }: CodecOptions = {}): Promise<Codec> => ({
    name: 'deflate',
    version: `1 node zlib level ${level} window 11`,
    implementation: 'native',
    bound: (length) => length + (length >>> 3) + (length >>> 6) + 64,
    compress: (source, target) =>
      deliver(zlib.deflateRawSync(source, { level, windowBits: 11, memLevel: 8 }), target),
    decompress: (source, target) =>
      restore(
        'deflate',
        attempt('deflate', source, target, (bytes) => zlib.inflateRawSync(bytes)),
        source,
        target,
      ),
  }),
}
