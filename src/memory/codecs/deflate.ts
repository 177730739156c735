import { PstraceError } from '../../model/error.ts'
import type { Codec, CodecOptions, CodecProvider } from './codec.ts'
import { deflateWasm } from './wasm/deflate.wasm.ts'
import { type ModuleFunctions, WasmRegion } from './wasm-region.ts'

interface DeflateExports {
  init(scratch: number): void
  compress(
    from: number,
    length: number,
    to: number,
    windowBits: number,
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

/** Of zram (deflate.winbits of algorithm_params, from 6.16 on) and of the crypto API: negative = without zlib's frame. */
const DEFAULT_WINDOW = -11
/** zlib's frame: two bytes of header, and the checksum behind. */
const FRAME = { header: 2, checksum: 4 }
/** The largest prime below 2^16, and as many bytes as may be summed before the remainder is taken (RFC 1950). */
const ADLER = { prime: 65_521, run: 5552 }

/** No stored block where the window has moved on, so a page may grow by 1.1 %: deflateBound for small windows, and more than it needs. */
function deflateBound(length: number): number {
  return length + (length >>> 3) + (length >>> 6) + 64
}

function deflateRoom(length: number): number {
  return 2 * length + 1024
}

function parseWindow(variant: string | undefined): number {
  const bits = variant === undefined ? DEFAULT_WINDOW : Number(variant)
  if (Number.isInteger(bits) && Math.abs(bits) >= 9 && Math.abs(bits) <= 15) return bits
  throw new PstraceError(
    'codec-variant',
    `deflate: variant ${variant} is unknown; window bits from -9 to -15, or 9 to 15 with zlib's frame, are known`,
    { exitStatus: 2 },
  )
}

function rowOf(level: number): Row {
  const row = LEVELS[level]
  if (row !== undefined) return row
  throw new PstraceError(
    'codec-level',
    `deflate: level ${level}; the kernel takes 0 to 9, or -1 for ${DEFAULT_LEVEL}`,
    { exitStatus: 2 },
  )
}

/** RFC 1950, 8.2. */
function adler32(bytes: Uint8Array, from: number, length: number): number {
  let low = 1
  let high = 0
  for (let at = from; at < from + length; ) {
    const stop = Math.min(at + ADLER.run, from + length)
    for (; at < stop; at += 1) {
      low += bytes[at] ?? 0
      high += low
    }
    low %= ADLER.prime
    high %= ADLER.prime
  }
  return high * 65_536 + low
}

/** As the kernel's zlib writes it, whose hint at the level is another than later libraries'. */
function zlibHeader(bits: number, level: number): number {
  const hint = level === 0 ? 3 : Math.min((level - 1) >> 1, 3)
  const header = ((8 + ((bits - 8) << 4)) << 8) | (hint << 6)
  return header + 31 - (header % 31)
}

type Functions = Pick<ModuleFunctions, 'compress' | 'decompress'>

/** The same functions with zlib's frame around what they write and read. */
function framed({ compress, decompress }: Functions, bytes: Uint8Array, header: number): Functions {
  const view = new DataView(bytes.buffer)
  return {
    compress(from, length, to) {
      const body = compress(from, length, to + FRAME.header)
      view.setUint16(to, header)
      view.setUint32(to + FRAME.header + body, adler32(bytes, from, length))
      return FRAME.header + body + FRAME.checksum
    },
    decompress(from, length, to, room) {
      const body = length - FRAME.header - FRAME.checksum
      if (body < 0 || view.getUint16(from) !== header) return -1
      const written = decompress(from + FRAME.header, body, to, room)
      const isSound =
        written >= 0 && view.getUint32(from + FRAME.header + body) === adler32(bytes, to, written)
      return isSound ? written : -1
    },
  }
}

function openDeflate(options: CodecOptions = {}): Codec {
  const given = options.level ?? DEFAULT_LEVEL
  const level = given === -1 ? DEFAULT_LEVEL : given
  const [good, lazy, nice, chain] = rowOf(level)
  const window = parseWindow(options.variant)
  const bits = Math.abs(window)
  const region = new WasmRegion<DeflateExports>('deflate', deflateWasm, deflateRoom, options)
  const { exports, bytes } = region
  exports.init(region.scratch)
  const raw: Functions = {
    compress: (from, length, to) =>
      exports.compress(from, length, to, bits, level, good, lazy, nice, chain),
    decompress: exports.decompress,
  }
  return region.toCodec({
    version: `1 linux 6.12 level ${level} window ${window < 0 ? bits : `${bits} zlib`}`,
    bound: deflateBound,
    ...(window < 0 ? raw : framed(raw, bytes, zlibHeader(bits, level))),
  })
}

/** The kernel's zlib with the window and memory of zram and crypto. */
export const deflateProvider: CodecProvider = {
  name: 'deflate',
  implementation: 'portable',
  summary:
    "raw deflate with the kernel's bytes (WebAssembly); level 0 to 9, default 6; variant: deflate.winbits as of zram, default -11",
  open: async (options) => openDeflate(options),
}
