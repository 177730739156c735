import { copied } from '../record-decoder.ts'
import type { RecordMemory } from '../record-memory.ts'
import type { RecordStream } from '../window.ts'

const FIRST_RECORDS = 1024
/** The buffer is tidied when it holds so much, and twice what was still needed the last time. */
const TIDY_BYTES = 1 << 21

/**
 * Samples that are read but not yet known to be complete up to some time: their raw data in one buffer, at multiples of 4.
 * `release` makes the oldest of them streams for the merge, `settle` takes them off, and `tidy` forgets their bytes.
 */
export class PendingSamples {
  readonly memory: RecordMemory
  words: Uint32Array
  /** The same memory. */
  bytes: Uint8Array
  bytesUsed = 0
  /** Samples in all. */
  count = 0
  /** The latest time ever added. */
  latestNs = Number.NEGATIVE_INFINITY
  readonly #cpus: (PendingCpu | undefined)[] = []
  #tidyAt = TIDY_BYTES

  constructor(memory: RecordMemory) {
    this.memory = memory
    this.words = memory.words(TIDY_BYTES / 4)
    this.bytes = bytesOf(this.words)
  }

  cpu(cpu: number): PendingCpu {
    let found = this.#cpus[cpu]
    if (found === undefined) {
      found = new PendingCpu(cpu, this)
      this.#cpus[cpu] = found
    }
    return found
  }

  /** Time of the sample of `cpu` that was added last. */
  lastNs(cpu: number): number | undefined {
    const lastNs = this.#cpus[cpu]?.lastNs
    return lastNs === Number.NEGATIVE_INFINITY ? undefined : lastNs
  }

  /** Takes a copy of bytes from .. to. */
  add(cpu: number, source: Uint8Array, from: number, to: number, ts: number, at: number): void {
    const size = to - from
    const start = this.cpu(cpu).append(ts, size, at)
    for (let i = 0; i < size; i++) this.bytes[start + i] = source[from + i] as number
  }

  /** Makes room for `size` bytes; where it is. */
  reserve(size: number): number {
    const start = this.bytesUsed
    const end = (start + size + 3) & ~3
    if (end > this.bytes.length) {
      const { memory } = this
      this.words = memory.grown(
        this.words,
        memory.words(Math.max(2 * this.words.length, end >>> 2)),
      )
      this.bytes = bytesOf(this.words)
    }
    this.bytesUsed = end
    return start
  }

  /** A time that about half of the samples of the fullest cpu, and some of every cpu's, do not pass. */
  middleNs(): number {
    let least = Number.POSITIVE_INFINITY
    let fullest: PendingCpu | undefined
    for (const cpu of this.#cpus) {
      if (cpu === undefined || cpu.length === 0) continue
      least = Math.min(least, cpu.lastNs)
      if (cpu.length > (fullest?.length ?? 0)) fullest = cpu
    }
    const middle = fullest?.ts[fullest.length >> 1] ?? least
    return Math.max(least, middle)
  }

  /** The samples up to `untilNs`, by cpu. */
  release(untilNs: number): RecordStream[] {
    const released: RecordStream[] = []
    for (const cpu of this.#cpus)
      if (cpu !== undefined && cpu.release(untilNs) > 0) released.push(cpu)
    return released
  }

  /** Takes the released samples off; their bytes stay for the window that has them. */
  settle(): void {
    this.count = 0
    for (const cpu of this.#cpus)
      if (cpu !== undefined) {
        cpu.settle()
        this.count += cpu.length
      }
  }

  /** Forgets the bytes of samples that were taken. Only while no window has rows. */
  tidy(): void {
    if (this.bytesUsed < this.#tidyAt) return
    let from = this.bytesUsed
    let bytesKept = 0
    for (const cpu of this.#cpus)
      if (cpu !== undefined)
        for (let i = cpu.next; i < cpu.length; i++) {
          from = Math.min(from, cpu.start[i] as number)
          bytesKept += ((cpu.size[i] as number) + 3) & ~3
        }
    // One sample that waits for long must not keep all that came after it.
    if (bytesKept * 2 <= this.bytesUsed - from) this.#pack(bytesKept)
    else this.#shift(from)
    this.#tidyAt = Math.max(TIDY_BYTES, 2 * bytesKept)
  }

  #shift(from: number): void {
    this.bytes.copyWithin(0, from, this.bytesUsed)
    this.bytesUsed -= from
    for (const cpu of this.#cpus)
      if (cpu !== undefined)
        for (let i = cpu.next; i < cpu.length; i++) cpu.start[i] = (cpu.start[i] as number) - from
  }

  #pack(bytesKept: number): void {
    const { bytes, words } = this
    this.words = this.memory.words(Math.max(TIDY_BYTES, bytesKept) / 4)
    this.bytes = bytesOf(this.words)
    this.bytesUsed = 0
    for (const cpu of this.#cpus)
      if (cpu !== undefined)
        for (let i = cpu.next; i < cpu.length; i++) {
          const from = cpu.start[i] as number
          const size = cpu.size[i] as number
          const start = this.reserve(size)
          this.bytes.set(bytes.subarray(from, from + size), start)
          cpu.start[i] = start
        }
    this.memory.free(words)
  }
}

/** One cpu's part of the pending samples. */
class PendingCpu implements RecordStream {
  readonly cpu: number
  readonly instance = 0
  ts: Float64Array
  start: Uint32Array
  size: Uint32Array
  count = 0
  next = 0
  /** Samples in all; those from `count` on wait for a later round. */
  length = 0
  /** Time of the sample that was added last, also when it is gone. */
  lastNs = Number.NEGATIVE_INFINITY
  readonly #samples: PendingSamples
  positions = new Float64Array(FIRST_RECORDS)
  #loaded = false
  isSorted = true

  constructor(cpu: number, samples: PendingSamples) {
    this.cpu = cpu
    this.#samples = samples
    const { memory } = samples
    this.ts = memory.floats(FIRST_RECORDS)
    this.start = memory.words(FIRST_RECORDS)
    this.size = memory.words(FIRST_RECORDS)
  }

  get memory(): RecordMemory {
    return this.#samples.memory
  }

  get bytes(): Uint8Array {
    return this.#samples.bytes
  }

  position(record: number): number {
    return this.positions[record] ?? 0
  }

  /** The released samples are one block. */
  load(): boolean {
    if (this.#loaded || this.count === 0) return false
    this.#loaded = true
    return true
  }

  /** Adds a sample whose `size` bytes are to be copied to the place that is returned. */
  append(ts: number, size: number, position: number): number {
    const samples = this.#samples
    const i = this.length
    if (i === this.ts.length) this.grow()
    const start = samples.reserve(size)
    if (i > 0 && ts < (this.ts[i - 1] as number)) this.isSorted = false
    this.lastNs = ts
    this.ts[i] = ts
    this.start[i] = start
    this.size[i] = size
    this.positions[i] = position
    this.length = i + 1
    samples.count++
    if (ts > samples.latestNs) samples.latestNs = ts
    return start
  }

  /** Offers the samples up to `untilNs`; returns their number. */
  release(untilNs: number): number {
    if (!this.isSorted) this.#sort()
    let count = 0
    for (let above = this.length; count < above; ) {
      const middle = (count + above) >> 1
      if ((this.ts[middle] as number) <= untilNs) count = middle + 1
      else above = middle
    }
    this.count = count
    this.next = 0
    this.#loaded = false
    return count
  }

  /** Forgets the released samples. */
  settle(): void {
    const { count, length } = this
    if (count === 0) return
    this.ts.copyWithin(0, count, length)
    this.start.copyWithin(0, count, length)
    this.size.copyWithin(0, count, length)
    this.positions.copyWithin(0, count, length)
    this.length = length - count
    this.count = 0
    this.next = 0
  }

  /** One cpu's samples come from several buffers when perf recorded by task (--per-thread). */
  #sort(): void {
    const { length, ts, start, size } = this
    const positions = this.positions
    const order = new Uint32Array(length)
    for (let i = 0; i < length; i++) order[i] = i
    order.sort((a, b) => (ts[a] as number) - (ts[b] as number) || a - b)
    const sorted = Array.from(order, (from) => ({
      ts: ts[from] as number,
      start: start[from] as number,
      size: size[from] as number,
      position: positions[from] as number,
    }))
    for (const [i, sample] of sorted.entries()) {
      ts[i] = sample.ts
      start[i] = sample.start
      size[i] = sample.size
      positions[i] = sample.position
    }
    this.isSorted = true
  }

  /** Makes room for more samples; replaces the arrays. */
  grow(): void {
    const capacity = this.ts.length * 2
    const { memory } = this
    this.ts = memory.grown(this.ts, memory.floats(capacity))
    this.start = memory.grown(this.start, memory.words(capacity))
    this.size = memory.grown(this.size, memory.words(capacity))
    this.positions = copied(this.positions, new Float64Array(capacity))
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}
