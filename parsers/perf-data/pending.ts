import { copied } from '../record-decoder.ts'
import type { RecordStream } from '../window.ts'

const FIRST_RECORDS = 1024
const FIRST_BYTES = 1 << 16

/**
 * One cpu's samples that are read but not yet known to be complete up to some time. `release` makes the oldest of them a stream for the
 * merge; `settle` forgets them afterwards.
 */
export class PendingCpu implements RecordStream {
  readonly cpu: number
  readonly instance = 0
  bytes = new Uint8Array(FIRST_BYTES)
  words = new Uint32Array(this.bytes.buffer)
  ts = new Float64Array(FIRST_RECORDS)
  start = new Uint32Array(FIRST_RECORDS)
  size = new Uint32Array(FIRST_RECORDS)
  count = 0
  next = 0
  /** Records in all; those from `count` on wait for a later round. */
  length = 0
  bytesUsed = 0
  #positions = new Float64Array(FIRST_RECORDS)
  #loaded = false
  #isSorted = true

  constructor(cpu: number) {
    this.cpu = cpu
  }

  position(record: number): number {
    return this.#positions[record] ?? 0
  }

  /** The released records are one block. */
  load(): boolean {
    if (this.#loaded || this.count === 0) return false
    this.#loaded = true
    return true
  }

  /** Takes a copy of bytes from .. to. */
  add(source: Uint8Array, from: number, to: number, ts: number, position: number): void {
    const size = to - from
    if (this.length === this.ts.length) this.#growRecords()
    if (this.bytesUsed + size + 3 > this.bytes.length) this.#growBytes(size)
    const at = this.bytesUsed
    const { bytes } = this
    for (let i = 0; i < size; i++) bytes[at + i] = source[from + i] as number
    if (this.length > 0 && ts < (this.ts[this.length - 1] as number)) this.#isSorted = false
    this.ts[this.length] = ts
    this.start[this.length] = at
    this.size[this.length] = size
    this.#positions[this.length] = position
    this.length++
    this.bytesUsed = (at + size + 3) & ~3
  }

  /** Offers the records up to `untilNs`, never past one that is later; returns their number. */
  release(untilNs: number): number {
    if (!this.#isSorted) this.#sort()
    let count = 0
    while (count < this.length && (this.ts[count] as number) <= untilNs) count++
    this.count = count
    this.next = 0
    this.#loaded = false
    return count
  }

  /** Forgets the released records. */
  settle(): void {
    const { count, length } = this
    if (count === 0) return
    const from = count < length ? (this.start[count] as number) : this.bytesUsed
    this.bytes.copyWithin(0, from, this.bytesUsed)
    this.bytesUsed -= from
    this.ts.copyWithin(0, count, length)
    this.size.copyWithin(0, count, length)
    this.#positions.copyWithin(0, count, length)
    for (let i = count; i < length; i++) this.start[i - count] = (this.start[i] as number) - from
    this.length = length - count
    this.count = 0
    this.next = 0
  }

  /** One cpu's samples come from several buffers when perf recorded by task (--per-thread). */
  #sort(): void {
    const { length, ts, start, size } = this
    const positions = this.#positions
    const order = new Uint32Array(length)
    for (let i = 0; i < length; i++) order[i] = i
    order.sort((a, b) => (ts[a] as number) - (ts[b] as number) || a - b)
    const bytes = new Uint8Array(this.bytes.length)
    let used = 0
    const moved = Array.from(order, (from) => {
      const at = used
      const begin = start[from] as number
      const recordBytes = size[from] as number
      bytes.set(this.bytes.subarray(begin, begin + recordBytes), at)
      used = (at + recordBytes + 3) & ~3
      return { ts: ts[from] as number, at, size: recordBytes, position: positions[from] as number }
    })
    for (const [i, record] of moved.entries()) {
      ts[i] = record.ts
      start[i] = record.at
      size[i] = record.size
      positions[i] = record.position
    }
    this.bytes = bytes
    this.words = new Uint32Array(bytes.buffer)
    this.bytesUsed = used
    this.#isSorted = true
  }

  #growRecords(): void {
    const capacity = this.ts.length * 2
    this.ts = copied(this.ts, new Float64Array(capacity))
    this.start = copied(this.start, new Uint32Array(capacity))
    this.size = copied(this.size, new Uint32Array(capacity))
    this.#positions = copied(this.#positions, new Float64Array(capacity))
  }

  #growBytes(size: number): void {
    let capacity = this.bytes.length * 2
    while (capacity < this.bytesUsed + size + 4) capacity *= 2
    this.bytes = copied(this.bytes, new Uint8Array(capacity))
    this.words = new Uint32Array(this.bytes.buffer)
  }
}
