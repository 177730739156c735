import { HOST_LITTLE_ENDIAN } from './record-decoder.ts'
import type { RecordMemory } from './record-memory.ts'

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

// include/linux/ring_buffer.h (6.12)
const TYPE_PADDING = 29
const TYPE_TIME_EXTEND = 30
const TYPE_TIME_STAMP = 31
// kernel/trace/ring_buffer.c (6.12): RB_MISSED_EVENTS and RB_MISSED_STORED in the commit word.
const MISSED_EVENTS = 31
const MISSED_STORED = 30
const COMMIT_MASK = 0x3fff_ffff
const TWO_27 = 134_217_728
const TWO_32 = 4_294_967_296
const FIRST_RECORDS = 1024

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
  }

  clear(): void {
    this.count = 0
  }

  /** Scans the sub-buffer at `page` (a multiple of 4), `pageBytes` long. */
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
    const swap = this.#swap
    const { littleEndian } = this.#layout
    const { ts, start, size } = this
    let count = this.count
    let time = this.pageTs
    let at = data
    while (at + 4 <= end) {
      const header = wordAt(words, at >>> 2, swap)
      const type = littleEndian ? header & 31 : header >>> 27
      const delta = littleEndian ? header >>> 5 : header & 0x07ff_ffff
      if (type > 0 && type < TYPE_PADDING) {
        const next = at + 4 + type * 4
        if (next > end) {
          this.#fail(at, `a record of ${type * 4} bytes crosses its end`)
          break
        }
        time += delta
        ts[count] = time
        start[count] = at + 4
        size[count] = type * 4
        count++
        at = next
        continue
      }
      if (type === TYPE_PADDING && delta === 0) break
      if (at + 8 > end) {
        this.#fail(at, 'a record header crosses its end')
        break
      }
      const word = wordAt(words, (at + 4) >>> 2, swap)
      if (type === TYPE_TIME_EXTEND) {
        time += word * TWO_27 + delta
        at += 8
      } else if (type === TYPE_TIME_STAMP) {
        // A call's result of unknown type would make V8 box every time.
        time = Number(this.#toAbsolute(word, delta, time))
        at += 8
      } else {
        const next = at + 4 + Math.ceil(word / 4) * 4
        if (word < 4 || next > end) {
          // A page's last filler may reach to the page's end, past the commit.
          if (type === TYPE_PADDING && delta === 1 && word >= 4) break
          this.#fail(at, `a record of ${word} bytes crosses its end`)
          break
        }
        if (type === 0) {
          time += delta
          ts[count] = time
          start[count] = at + 8
          size[count] = word - 4
          count++
        }
        // Delta 1 marks a discarded record that had none (rb_event_discard), so only others count.
        else if (delta !== 1) time += delta
        at = next
      }
    }
    this.count = count
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

  /** rb_fix_abs_ts(): the record has 59 bits, the upper five come from the time before it. */
  #toAbsolute(word: number, delta: number, before: number): number {
    const { hi: baseHi, lo: baseLo } = this.#base
    let hi = word >>> 5
    const lo = (((word & 31) << 27) | delta) >>> 0
    const carry = Math.floor((baseLo + before) / TWO_32)
    const upper = ((baseHi + carry) >>> 27) << 27
    if (upper !== 0) {
      hi = (hi | upper) >>> 0
      if (this.#toTicks(hi, lo) < before) hi += 0x0800_0000
    }
    return this.#toTicks(hi, lo)
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
  }
}

function wordAt(words: Uint32Array, index: number, swap: boolean): number {
  const word = words[index] as number
  if (!swap) return word
  return ((word >>> 24) | ((word >>> 8) & 0xff00) | ((word << 8) & 0xff_0000) | (word << 24)) >>> 0
}
