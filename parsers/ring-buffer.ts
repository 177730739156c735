import { HOST_LITTLE_ENDIAN } from './record-decoder.ts'
import type { Global, RecordMemory } from './record-memory.ts'
import { ringBufferWasm } from './wasm/ring-buffer.wasm.ts'

/** Layout of a sub-buffer ("page") as events/header_page gives it. */
export interface SubBufferLayout {
  readonly littleEndian: boolean
  readonly commitOffset: number
  /** Size of the kernel's long. */
  readonly commitSize: 4 | 8
  readonly dataOffset: number
}

/** A page stamp as two halves, so that differences are exact. */
export interface StampBase {
  readonly hi: number
  readonly lo: number
}

// kernel/trace/ring_buffer.c (6.12): RB_MISSED_EVENTS and RB_MISSED_STORED in the commit word.
const MISSED_EVENTS = 31
const MISSED_STORED = 30
const COMMIT_MASK = 0x3fff_ffff
const TWO_32 = 4_294_967_296
const FIRST_RECORDS = 1024

/** What assembly/ring-buffer.ts exports. */
interface ScanKernel {
  readonly isBigEndian: Global
  readonly baseHi: Global
  readonly baseLo: Global
  readonly times: Global
  readonly starts: Global
  readonly sizes: Global
  readonly fault: Global
  readonly faultAt: Global
  readonly faultBytes: Global
  scan(bytes: number, data: number, end: number, pageTime: number, first: number): number
}

/** Values of `fault`; see assembly/ring-buffer.ts. */
const CROSSING_RECORD = 1

/** Parses events/header_page; `undefined` when it lacks a field or has an unknown layout. */
export function parseHeaderPage(text: string, littleEndian: boolean): SubBufferLayout | undefined {
  const fields = new Map<string, { offset: number; size: number }>()
  for (const [, name, offset, size] of text.matchAll(
    /field:[^;\n]*?(\w+);\s*offset:(\d{1,6});\s*size:(\d{1,9});/g,
  ))
    if (name !== undefined) fields.set(name, { offset: Number(offset), size: Number(size) })
  const timestamp = fields.get('timestamp')
  const commit = fields.get('commit')
  const data = fields.get('data')
  if (timestamp?.offset !== 0 || timestamp.size !== 8 || commit === undefined || data === undefined)
    return undefined
  if ((commit.size !== 4 && commit.size !== 8) || commit.offset !== 8) return undefined
  if (data.offset % 4 !== 0 || data.offset < commit.offset + commit.size || data.offset > 4096)
    return undefined
  return {
    littleEndian,
    commitOffset: commit.offset,
    commitSize: commit.size,
    dataOffset: data.offset,
  }
}

/** The stamp of the sub-buffer at `page`; `undefined` when it holds no data. */
export function readStamp(
  layout: SubBufferLayout,
  words: Uint32Array,
  page: number,
): StampBase | undefined {
  const swap = layout.littleEndian !== HOST_LITTLE_ENDIAN
  if ((wordAt(words, commitIndex(layout, page), swap) & COMMIT_MASK) === 0) return undefined
  const first = page >>> 2
  return {
    hi: wordAt(words, layout.littleEndian ? first + 1 : first, swap),
    lo: wordAt(words, layout.littleEndian ? first : first + 1, swap),
  }
}

function commitIndex(
  { commitOffset, commitSize, littleEndian }: SubBufferLayout,
  page: number,
): number {
  return (page + commitOffset + (commitSize === 8 && !littleEndian ? 4 : 0)) >>> 2
}

/**
 * Finds the records in a cpu's sub-buffers, one after another. Facts: kernel/trace/ring_buffer.c and
 * include/linux/ring_buffer.h (6.12).
 *
 *     sub-buffer: u64 stamp | long commit, flags in its low word | records ... | count of missed events, if stored
 *     record:     u32 type_len:5, time_delta:27 (little endian: low bits first; big endian: type in the high bits)
 *       1..28     data of type_len * 4 bytes
 *       0         u32 length (counts itself), data
 *       29        padding: delta 0 ends the sub-buffer, else a discarded record of u32 length
 *       30        time extend: u32 << 27 is added to the delta
 *       31        absolute time: u32 << 27 | delta are the stamp's lower 59 bits
 */
export class RingBufferScanner {
  /** Records found since `clear`: time in ticks since the base, byte of the data, bytes of the data. */
  ts: Float64Array
  start: Uint32Array
  size: Uint32Array
  count = 0
  /** Of the sub-buffer scanned last. */
  pageTs = 0
  /** Events lost before it: 0 none, -1 unknown number. */
  missed = 0
  /** What is wrong with it, `undefined` = nothing; records before the fault are kept. */
  fault: string | undefined
  /** Byte in the buffer of the fault. */
  faultAt = 0
  readonly #memory: RecordMemory
  readonly #kernel: ScanKernel
  readonly #layout: SubBufferLayout
  readonly #base: StampBase
  readonly #swap: boolean

  constructor(layout: SubBufferLayout, base: StampBase, memory: RecordMemory) {
    this.#memory = memory
    this.ts = memory.floats(FIRST_RECORDS)
    this.start = memory.words(FIRST_RECORDS)
    this.size = memory.words(FIRST_RECORDS)
    this.#layout = layout
    this.#base = base
    this.#swap = layout.littleEndian !== HOST_LITTLE_ENDIAN
    this.#kernel = memory.instantiate(ringBufferWasm) as ScanKernel
    this.#kernel.isBigEndian.value = layout.littleEndian ? 0 : 1
    this.#kernel.baseHi.value = base.hi
    this.#kernel.baseLo.value = base.lo
    this.#show()
  }

  clear(): void {
    this.count = 0
  }

  /** Scans the sub-buffer at `page` (a multiple of 4) of an array in the scanner's memory; it is `pageBytes` long. */
  scan(words: Uint32Array, page: number, pageBytes: number): void {
    const { littleEndian, dataOffset } = this.#layout
    const swap = this.#swap
    this.fault = undefined
    this.missed = 0
    const first = page >>> 2
    this.pageTs = this.#toTicks(
      wordAt(words, littleEndian ? first + 1 : first, swap),
      wordAt(words, littleEndian ? first : first + 1, swap),
    )
    const commit = wordAt(words, commitIndex(this.#layout, page), swap)
    const data = page + dataOffset
    const committed = commit & COMMIT_MASK
    const end = data + committed
    if (end > page + pageBytes) {
      this.#fail(page, `its commit is ${committed} bytes, but only ${pageBytes - dataOffset} fit`)
      if (commit >>> MISSED_EVENTS === 1) this.missed = -1
      return
    }
    if (commit >>> MISSED_EVENTS === 1)
      this.missed = this.#missedCount(words, commit, end, page + pageBytes)
    if (this.start.length - this.count < committed / 4) this.#grow(this.count + committed / 4)
    this.#scanRecords(words, data, end)
  }

  #scanRecords(words: Uint32Array, data: number, end: number): void {
    const kernel = this.#kernel
    this.count = kernel.scan(words.byteOffset, data, end, this.pageTs, this.count)
    const fault = kernel.fault.value
    if (fault === CROSSING_RECORD)
      this.#fail(
        kernel.faultAt.value >>> 0,
        `a record of ${kernel.faultBytes.value >>> 0} bytes crosses its end`,
      )
    else if (fault !== 0) this.#fail(kernel.faultAt.value >>> 0, 'a record header crosses its end')
  }

  #missedCount(words: Uint32Array, commit: number, end: number, pageEnd: number): number {
    const { commitSize, littleEndian } = this.#layout
    if (((commit >>> MISSED_STORED) & 1) === 0 || end % 4 !== 0 || end + commitSize > pageEnd)
      return -1
    const word = end >>> 2
    const low = wordAt(words, commitSize === 8 && !littleEndian ? word + 1 : word, this.#swap)
    const high = commitSize === 4 ? 0 : wordAt(words, littleEndian ? word + 1 : word, this.#swap)
    const missed = high * TWO_32 + low
    return missed > 0 && missed <= Number.MAX_SAFE_INTEGER ? missed : -1
  }

  #toTicks(hi: number, lo: number): number {
    return (hi - this.#base.hi) * TWO_32 + (lo - this.#base.lo)
  }

  #fail(at: number, what: string): void {
    this.fault = what
    this.faultAt = at
  }

  #grow(records: number): void {
    const capacity = 2 ** Math.ceil(Math.log2(records + 1))
    const memory = this.#memory
    this.ts = memory.grown(this.ts, memory.floats(capacity))
    this.start = memory.grown(this.start, memory.words(capacity))
    this.size = memory.grown(this.size, memory.words(capacity))
    this.#show()
  }

  /** Tells WebAssembly where the arrays are. */
  #show(): void {
    const kernel = this.#kernel
    kernel.times.value = this.ts.byteOffset
    kernel.starts.value = this.start.byteOffset
    kernel.sizes.value = this.size.byteOffset
  }
}

function wordAt(words: Uint32Array, index: number, swap: boolean): number {
  const word = words[index] as number
  if (!swap) return word
  return ((word >>> 24) | ((word >>> 8) & 0xff00) | ((word << 8) & 0xff_0000) | (word << 24)) >>> 0
}
