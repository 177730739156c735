import type { Cursor } from '../cursor.ts'
import { readFully } from '../cursor.ts'
import type { IssueLog } from '../issues.ts'
import type { ByteSource, Loss } from '../reader.ts'
import type { RecordMemory } from '../record-memory.ts'
import {
  type RingBufferScanner,
  readStamp,
  type StampBase,
  type SubBufferLayout,
} from '../ring-buffer.ts'
import type { RecordStream } from '../window.ts'
import type { TimeConversion } from './time.ts'

/** Unpacks one compressed chunk or section into exactly `size` bytes, or throws. */
export type Unpacker = (packed: Uint8Array, size: number) => Uint8Array

export interface CpuBuffer {
  readonly cpu: number
  readonly instance: number
  /** Where its data begins, and its bytes in the file. */
  readonly offset: number
  readonly size: number
  readonly pageBytes: number
  readonly unpack: Unpacker | undefined
}

/** Hostile sizes end here; trace-cmd (3.4) packs ten pages at a time. */
export const MAX_CHUNK_BYTES = 1 << 26

/** Bytes unpacked so far, by all streams of a file. */
export class UnpackBudget {
  #packed = 0
  #unpacked = 0

  /** False when so little input would unpack to so much that the file must be hostile. */
  allows(packed: number, unpacked: number): boolean {
    this.#packed += packed
    this.#unpacked += unpacked
    return this.#unpacked <= FREE_BYTES + MAX_RATIO * this.#packed
  }
}

const FREE_BYTES = 1 << 28
/** Pages of equal records pack about 100 to 1. */
const MAX_RATIO = 1024

/** What one load put into the buffer. */
interface Loaded {
  readonly bytes: number
  /** In the file, of the buffer's first byte or of the chunk that held it. */
  readonly at: number
  readonly packed: boolean
}

/** One cpu's recorded pages, block by block. */
export class CpuStream implements RecordStream {
  readonly cpu: number
  readonly instance: number
  readonly memory: RecordMemory
  bytes: Uint8Array = new Uint8Array(0)
  words: Uint32Array = new Uint32Array(0)
  ts: Float64Array = new Float64Array(0)
  start: Uint32Array = new Uint32Array(0)
  size: Uint32Array = new Uint32Array(0)
  count = 0
  next = 0
  bytesRead = 0
  /** Events found so far. */
  eventsFound = 0
  /** Lost events that the pages counted, and gaps of unknown size. */
  countedLost = 0
  readonly losses: { cpu: number; startNs: number; endNs: number; events: number | undefined }[] =
    []
  firstTs: number | undefined
  /** Time of the last event or page seen. */
  lastTs: number | undefined
  readonly #source: ByteSource
  readonly #buffer: CpuBuffer
  readonly #issues: IssueLog
  readonly #cursor: Cursor | undefined
  readonly #blockBytes: number
  #scanner: RingBufferScanner | undefined
  #time: TimeConversion | undefined
  #at: number
  readonly #end: number
  #chunksLeft = 0
  #chunkNumber = 0
  #primed: Loaded | undefined
  #block: Loaded | undefined
  #gapOpen = false
  #cut = false
  readonly #budget: UnpackBudget
  readonly #scratch = new Float64Array(1)

  constructor(options: {
    source: ByteSource
    buffer: CpuBuffer
    issues: IssueLog
    /** For chunk headers; over the whole file. */
    cursor: Cursor
    blockBytes: number
    budget: UnpackBudget
    memory: RecordMemory
  }) {
    const { source, buffer, memory } = options
    this.memory = memory
    this.cpu = buffer.cpu
    this.instance = buffer.instance
    this.#source = source
    this.#buffer = buffer
    this.#issues = options.issues
    this.#cursor = buffer.unpack === undefined ? undefined : options.cursor
    this.#budget = options.budget
    this.#at = buffer.offset
    // trace-cmd (3.1 to 3.4) leaves the u32 count of chunks out of the size.
    const end = buffer.offset + buffer.size + (buffer.unpack === undefined ? 0 : 4)
    this.#end = Math.min(end, source.size)
    this.#blockBytes = Math.max(
      buffer.pageBytes,
      Math.floor(options.blockBytes / buffer.pageBytes) * buffer.pageBytes,
    )
    if (buffer.offset + buffer.size > source.size) this.#reportCut()
  }

  /** Stamp of the first page with data; reads the first block. */
  firstStamp(layout: SubBufferLayout): StampBase | undefined {
    if (this.#cursor !== undefined) this.#readChunkCount(this.#cursor)
    this.#primed = this.#next()
    const { pageBytes } = this.#buffer
    for (let page = 0; page + pageBytes <= (this.#primed?.bytes ?? 0); page += pageBytes) {
      const stamp = readStamp(layout, this.words, page)
      if (stamp !== undefined) return stamp
    }
    return undefined
  }

  begin(scanner: RingBufferScanner, time: TimeConversion): void {
    this.#scanner = scanner
    this.#time = time
  }

  position(record: number): number {
    if (this.#block === undefined) return this.#buffer.offset
    return this.#block.packed ? this.#block.at : this.#block.at + (this.start[record] as number)
  }

  load(): boolean {
    const scanner = this.#scanner
    const time = this.#time
    if (scanner === undefined || time === undefined) return false
    for (;;) {
      const block = this.#primed ?? this.#next()
      this.#primed = undefined
      this.#block = block
      this.count = 0
      this.next = 0
      if (block === undefined) {
        if (this.#gapOpen || this.#cut) this.#closeGap(this.lastTs ?? 0, undefined)
        this.#cut = false
        return false
      }
      scanner.clear()
      this.#scanBlock(block, scanner, time)
      this.ts = scanner.ts
      this.start = scanner.start
      this.size = scanner.size
      this.count = scanner.count
      this.eventsFound += this.count
      if (this.count > 0) {
        this.firstTs ??= this.ts[0] as number
        this.lastTs = this.ts[this.count - 1] as number
        return true
      }
    }
  }

  #scanBlock(block: Loaded, scanner: RingBufferScanner, time: TimeConversion): void {
    const { pageBytes } = this.#buffer
    let converted = 0
    for (let page = 0; page + pageBytes <= block.bytes; page += pageBytes) {
      scanner.scan(this.words, page, pageBytes)
      if (scanner.missed !== 0 || this.#gapOpen || scanner.fault !== undefined) {
        const events = scanner.missed > 0 && !this.#gapOpen ? scanner.missed : undefined
        const pageNs = this.#toNs(scanner.pageTs, time)
        if (scanner.missed !== 0 || this.#gapOpen) this.#closeGap(pageNs, events)
        if (scanner.fault !== undefined) {
          this.#gapOpen = true
          this.#issues.add(
            'corrupt_page',
            'data_loss',
            block.packed ? block.at : block.at + scanner.faultAt,
            `A page of cpu ${this.cpu} is damaged: ${scanner.fault}. The rest of the page was skipped.`,
            this.cpu,
          )
        }
      }
      if (scanner.count > converted) {
        if (!time.changesNothing)
          time.apply(
            scanner.ts.subarray(converted, scanner.count),
            scanner.count - converted,
            this.cpu,
          )
        converted = scanner.count
        this.lastTs = scanner.ts[converted - 1] as number
      }
    }
  }

  #toNs(ticks: number, time: TimeConversion): number {
    this.#scratch[0] = ticks
    time.apply(this.#scratch, 1, this.cpu)
    return this.#scratch[0]
  }

  #closeGap(endNs: number, events: number | undefined): void {
    this.#gapOpen = false
    // A damaged page may be stamped earlier than the one before it.
    const startNs = Math.min(this.lastTs ?? endNs, endNs)
    this.losses.push({ cpu: this.cpu, startNs, endNs, events })
    if (events !== undefined) this.countedLost += events
  }

  /** Reads the next block of pages; `undefined` at the end of this cpu's data. */
  #next(): Loaded | undefined {
    if (this.#cursor !== undefined) return this.#nextChunk(this.#cursor)
    const wanted = Math.min(this.#blockBytes, this.#end - this.#at)
    if (wanted <= 0) return undefined
    this.#reserve(this.#blockBytes, this.#at)
    const read = readFully(this.#source, this.#at, this.bytes.subarray(0, wanted))
    const at = this.#at
    this.#at += read
    this.bytesRead += read
    if (read < wanted) {
      this.#reportCut()
      this.#at = this.#end
    }
    const { pageBytes } = this.#buffer
    if (read % pageBytes !== 0) {
      this.#reportCut()
      this.#at = this.#end
    }
    return read < pageBytes ? undefined : { bytes: read - (read % pageBytes), at, packed: false }
  }

  #readChunkCount(cursor: Cursor): void {
    if (this.#end - this.#at < 4) {
      this.#at = this.#end
      return
    }
    cursor.seek(this.#at)
    this.#chunksLeft = cursor.u32()
    this.#at += 4
  }

  #nextChunk(cursor: Cursor): Loaded | undefined {
    while (this.#chunksLeft > 0) {
      const at = this.#at
      if (this.#end - at < 8) {
        this.#reportCut()
        this.#chunksLeft = 0
        return undefined
      }
      cursor.seek(at)
      const packedBytes = cursor.u32()
      const size = cursor.u32()
      if (packedBytes > this.#end - at - 8 || packedBytes > MAX_CHUNK_BYTES) {
        this.#reportCut()
        this.#chunksLeft = 0
        return undefined
      }
      this.#chunksLeft--
      this.#chunkNumber++
      this.#at = at + 8 + packedBytes
      this.bytesRead += 8 + packedBytes
      const bytes = this.#unpack(cursor, at, packedBytes, size)
      if (bytes !== undefined) return { bytes, at, packed: true }
    }
    return undefined
  }

  /** Bytes unpacked into the buffer; `undefined` if the chunk is damaged, which is reported. */
  #unpack(cursor: Cursor, at: number, packedBytes: number, size: number): number | undefined {
    const { pageBytes, unpack } = this.#buffer
    let why = `its unpacked size of ${size} bytes is not 1 to ${MAX_CHUNK_BYTES / pageBytes} pages of ${pageBytes} bytes`
    let cause: unknown
    if (size > 0 && size % pageBytes === 0 && size <= MAX_CHUNK_BYTES && unpack !== undefined) {
      if (!this.#budget.allows(packedBytes, size))
        throw cursor.error(
          'compression_bomb',
          `a chunk of ${packedBytes} bytes claims to hold ${size} bytes, as others before`,
        )
      const packed = cursor.copyBytes(packedBytes)
      this.#reserve(size, at)
      try {
        this.bytes.set(unpack(packed, size))
        return size
      } catch (error) {
        cause = error
        why = error instanceof Error ? error.message : String(cause)
      }
    }
    this.#gapOpen = true
    this.#issues.add(
      'corrupt_chunk',
      'data_loss',
      at,
      `Chunk ${this.#chunkNumber} of cpu ${this.cpu} cannot be unpacked: ${why}.`,
      this.cpu,
    )
    return undefined
  }

  /** Room for what begins at a byte of the file. */
  #reserve(bytes: number, at: number): void {
    this.memory.readingAt(this.#source.name, at)
    if (this.bytes.length >= bytes) return
    this.memory.free(this.words)
    this.words = this.memory.words(Math.ceil(bytes / 4))
    const { buffer, byteOffset, byteLength } = this.words
    this.bytes = new Uint8Array(buffer, byteOffset, byteLength)
  }

  #reportCut(): void {
    this.#cut = true
    this.#issues.add(
      'data_truncated',
      'data_loss',
      this.#source.size,
      `The data of cpu ${this.cpu} is cut off: the file has ${this.#source.size} bytes; ${this.#buffer.offset + this.#buffer.size} were expected.`,
      `${this.instance} ${this.cpu}`,
    )
  }
}

/** The earliest of the streams' first stamps: what all times are relative to. Reads the first block of each. */
export function earliestStamp(streams: readonly CpuStream[], layout: SubBufferLayout): StampBase {
  let least: StampBase | undefined
  for (const stream of streams) {
    const stamp = stream.firstStamp(layout)
    if (stamp === undefined) continue
    const isEarlier =
      least === undefined || stamp.hi < least.hi || (stamp.hi === least.hi && stamp.lo < least.lo)
    if (isEarlier) least = stamp
  }
  return least ?? { hi: 0, lo: 0 }
}

/** Losses of a cpu, with what the kernel's own counters add to the gaps that its pages show. */
export function settleLosses(
  stream: Pick<CpuStream, 'cpu' | 'losses' | 'countedLost' | 'firstTs' | 'lastTs'>,
  kernelLost: number,
): Loss[] {
  const losses = stream.losses
  const rest = kernelLost - stream.countedLost
  if (rest <= 0) return losses
  const open = losses.filter((loss) => loss.events === undefined)
  const [first] = open
  // One gap of unknown size: it has all the rest. Several: the rest lies somewhere between the first and the last.
  if (first !== undefined && open.length === 1) {
    first.events = rest
    return losses
  }
  let startNs = first?.startNs ?? stream.firstTs ?? 0
  let endNs = first?.endNs ?? stream.lastTs ?? 0
  for (const gap of open) {
    startNs = Math.min(startNs, gap.startNs)
    endNs = Math.max(endNs, gap.endNs)
  }
  const sum = { cpu: stream.cpu, startNs: Math.min(startNs, endNs), endNs, events: rest }
  return [...losses, { ...sum, isUnplaced: true }]
}
