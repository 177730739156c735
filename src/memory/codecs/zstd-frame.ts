import { PstraceError } from '../../model/error.ts'
import { createSharedMemory, instantiate, type WasmMemory } from '../wasm.ts'
import { zstdBlocksWasm } from './wasm/zstd-blocks.wasm.ts'

interface BlockExports {
  init(scratch: number): void
  begin(): void
  decode(from: number, end: number, start: number, to: number, limit: number): number
}

/** A file of zstd frames. */
interface PackedSource {
  readonly name: string
  readonly size: number
  /** Reads from `at` on; returns how many bytes, 0 only at the end. */
  readInto(at: number, target: Uint8Array): number
}

/** Gets the decompressed bytes piece by piece; each piece is borrowed. */
type ByteSink = (bytes: Uint8Array) => void

// RFC 8878, 3.1.1 and 3.1.2.
const MAGIC = 0xfd2fb528
const SKIPPABLE = 0x184d2a50
const LONGEST_HEADER = 18
const LONGEST_BLOCK = 131_072
const RAW = 0
const REPEATED = 1
const COMPRESSED = 2

/** Behind what is read in whole words. */
const SPARE = 64
/** Where a module's tables and one block's literals lie, the compressed block, and the decompressed bytes. */
const SCRATCH = 0
const BLOCK_AT = 262_144
const OUTPUT_AT = BLOCK_AT + LONGEST_BLOCK + SPARE
/** Bytes collected beyond the window before they go to the sink. */
const MOST_COLLECTED = 16_777_216
/** What WebAssembly's 32-bit addresses leave. */
const LONGEST_WINDOW = 2_000_000_000

function isSkippable(word: number): boolean {
  return (word & 0xfffffff0) >>> 0 === SKIPPABLE
}

/** Files of any number of zstd frames, whatever their windows. Takes memory for the largest window, not for the file. */
export const zstdFrames = {
  /** Whether a file begins so; the first frame may be one to skip, as pzstd writes it. */
  recognises: (word: number): boolean => word === MAGIC || isSkippable(word),
  /** Checksums are not verified. */
  decode(source: PackedSource, sink: ByteSink): void {
    new FrameDecoder(source, sink).decodeAll()
  },
}

interface FrameHeader {
  /** How far matches reach back. */
  readonly window: number
  /** Bytes that the frame says it holds, if it does. */
  readonly content: number | undefined
  readonly hasChecksum: boolean
}

class FrameDecoder {
  readonly #source: PackedSource
  readonly #sink: ByteSink
  /** Of the file. */
  #at = 0
  #exports: BlockExports | undefined
  #bytes: Uint8Array = new Uint8Array(0)
  /** Addresses: what is decompressed ends at the one, and the sink had it up to the other. */
  #end = OUTPUT_AT
  #delivered = OUTPUT_AT

  constructor(source: PackedSource, sink: ByteSink) {
    this.#source = source
    this.#sink = sink
  }

  decodeAll(): void {
    const head = new DataView(new ArrayBuffer(8))
    const { size } = this.#source
    while (this.#at < size) {
      const start = this.#at
      this.#read(new Uint8Array(head.buffer, 0, 4))
      const magic = head.getUint32(0, true)
      if (isSkippable(magic)) {
        this.#read(new Uint8Array(head.buffer, 4, 4))
        this.#skip(head.getUint32(4, true))
      } else if (magic === MAGIC) {
        this.#decodeFrame(start)
      } else {
        this.#reject(start, 'a zstd frame was expected')
      }
    }
  }

  #decodeFrame(start: number): void {
    const header = this.#readHeader(start)
    const { window, content } = header
    const codec = this.#open(start, header)
    const capacity = this.#bytes.length - SPARE
    codec.begin()
    this.#end = this.#delivered = OUTPUT_AT
    let decoded = 0
    let isLast = false
    while (!isLast) {
      if (this.#end + LONGEST_BLOCK > capacity) this.#slide(window)
      const before = this.#end
      isLast = this.#decodeBlock(codec)
      decoded += this.#end - before
    }
    this.#deliver()
    if (content !== undefined && content !== decoded)
      this.#reject(start, `a zstd frame is damaged: it gave ${decoded} bytes, not ${content}`)
    if (header.hasChecksum) this.#skip(4)
  }

  /** RFC 8878, 3.1.1.2; true for a frame's last block. */
  #decodeBlock(codec: BlockExports): boolean {
    const start = this.#at
    const bytes = this.#bytes
    const at = this.#end
    this.#read(bytes.subarray(BLOCK_AT, BLOCK_AT + 3))
    const word =
      (bytes[BLOCK_AT] ?? 0) |
      ((bytes[BLOCK_AT + 1] ?? 0) << 8) |
      ((bytes[BLOCK_AT + 2] ?? 0) << 16)
    const kind = (word >>> 1) & 3
    const size = word >>> 3
    if (size > LONGEST_BLOCK) this.#rejectBlock(start)
    if (kind === RAW) {
      this.#read(bytes.subarray(at, at + size))
      this.#end += size
    } else if (kind === REPEATED) {
      this.#read(bytes.subarray(at, at + 1))
      bytes.fill(bytes[at] ?? 0, at, at + size)
      this.#end += size
    } else if (kind === COMPRESSED) {
      this.#read(bytes.subarray(BLOCK_AT, BLOCK_AT + size))
      const end = codec.decode(BLOCK_AT, BLOCK_AT + size, OUTPUT_AT, at, at + LONGEST_BLOCK)
      if (end === 0) this.#rejectBlock(start)
      this.#end = end
    } else {
      this.#rejectBlock(start)
    }
    return (word & 1) === 1
  }

  /** Hands out what is decompressed and keeps as much of it as matches may reach. */
  #slide(window: number): void {
    this.#deliver()
    const kept = Math.min(window, this.#end - OUTPUT_AT)
    this.#bytes.copyWithin(OUTPUT_AT, this.#end - kept, this.#end)
    this.#end = this.#delivered = OUTPUT_AT + kept
  }

  #deliver(): void {
    if (this.#end > this.#delivered) this.#sink(this.#bytes.subarray(this.#delivered, this.#end))
    this.#delivered = this.#end
  }

  /** A decoder with room for a window, and for what is collected beyond it or all of the frame. */
  #open(start: number, { window, content }: FrameHeader): BlockExports {
    const collected = Math.min(Math.max(window, LONGEST_BLOCK), MOST_COLLECTED)
    const room = Math.min(window + collected, content ?? Number.POSITIVE_INFINITY)
    const needed = OUTPUT_AT + room + LONGEST_BLOCK + SPARE
    if (this.#exports === undefined || this.#bytes.length < needed) {
      const memory = this.#allocate(start, needed)
      this.#bytes = new Uint8Array(memory.buffer)
      this.#exports = instantiate<BlockExports>(zstdBlocksWasm, memory)
      this.#exports.init(SCRATCH)
    }
    return this.#exports
  }

  #allocate(start: number, bytes: number): WasmMemory {
    try {
      return createSharedMemory(bytes)
    } catch {
      return this.#reject(start, `a zstd frame needs ${bytes} bytes of memory, which are not there`)
    }
  }

  /** RFC 8878, 3.1.1.1, behind the magic number. */
  #readHeader(start: number): FrameHeader {
    const head = new DataView(new ArrayBuffer(LONGEST_HEADER))
    this.#read(new Uint8Array(head.buffer, 0, 1))
    const descriptor = head.getUint8(0)
    const isSingle = (descriptor & 32) !== 0
    const form = descriptor >>> 6
    const contentBytes = form === 0 ? (isSingle ? 1 : 0) : 1 << form
    if ((descriptor & 8) !== 0) this.#reject(start, 'a zstd frame has a header of a later format')
    if ((descriptor & 3) !== 0) this.#reject(start, 'a zstd frame needs a dictionary')
    this.#read(new Uint8Array(head.buffer, 0, (isSingle ? 0 : 1) + contentBytes))
    const content = readContentSize(head, isSingle ? 0 : 1, contentBytes)
    const exponent = head.getUint8(0) >>> 3
    const mantissa = head.getUint8(0) & 7
    const window = isSingle ? (content ?? 0) : 1024 * ((1 << exponent) >>> 0) * (1 + mantissa / 8)
    const kept = Math.min(window, content ?? window)
    if (kept > LONGEST_WINDOW)
      this.#reject(
        start,
        `a zstd frame needs its last ${kept} bytes in memory; ${LONGEST_WINDOW} are the most`,
      )
    return { window: kept, content, hasChecksum: (descriptor & 4) !== 0 }
  }

  #read(target: Uint8Array): void {
    for (let done = 0; done < target.length; ) {
      const read = this.#source.readInto(this.#at, target.subarray(done))
      if (read === 0) this.#reject(this.#at, 'the zstd file is cut')
      this.#at += read
      done += read
    }
  }

  #skip(bytes: number): void {
    if (this.#at + bytes > this.#source.size) this.#reject(this.#at, 'the zstd file is cut')
    this.#at += bytes
  }

  #rejectBlock(at: number): never {
    this.#reject(at, 'a block of a zstd frame is damaged')
  }

  #reject(at: number, what: string): never {
    throw new PstraceError('zstd-frame', `${this.#source.name}, byte ${at}: ${what}`, {
      exitStatus: 3,
    })
  }
}

function readContentSize(head: DataView, at: number, width: number): number | undefined {
  if (width === 0) return undefined
  if (width === 1) return head.getUint8(at)
  if (width === 2) return head.getUint16(at, true) + 256
  if (width === 4) return head.getUint32(at, true)
  return Number(head.getBigUint64(at, true))
}
