import type { RecordMemory } from '../record-memory.ts'
import type { RecordStream } from '../window.ts'
import type { SampleKernel } from './sample-kernel.ts'

const FIRST_RECORDS = 1024
/** The buffer is tidied when it holds so much, and twice what was still needed the last time. */
const TIDY_BYTES = 1 << 21
const MAX_CPU = 8192

/** Words of a cpu's structure; see assembly/samples.ts. */
const TIMES = 0
const STARTS = 1
const SIZES = 2
const POSITIONS = 3
const LENGTH = 4
const ROOM = 5
const IS_SORTED = 6
/** A Float64. */
const LAST = 4

/**
 * Samples that are read but not yet known to be complete up to some time: their raw data in one buffer, at multiples of 4.
 * `release` makes the oldest of them streams for the merge, `settle` takes them off, and `tidy` forgets their bytes.
 */
export class PendingSamples {
  readonly memory: RecordMemory
  /** The largest cpu that samples may be of. */
  readonly maxCpu = MAX_CPU
  bytes: Uint8Array
  bytesUsed = 0
  /** Samples in all. */
  count = 0
  /** The latest time ever added, and what it was when the last round ended. */
  latestNs = Number.NEGATIVE_INFINITY
  roundNs = Number.NEGATIVE_INFINITY
  /** Time of the sample that was added last. */
  newestNs = Number.NEGATIVE_INFINITY
  readonly #kernel: SampleKernel
  readonly #cpus: (PendingCpu | undefined)[] = []
  /** By cpu, the place of its structure, 0 = none. */
  readonly #places: Uint32Array
  /** Buffers that became too small: the window may have rows in them. */
  readonly #outgrown: Uint8Array[] = []
  #tidyAt = TIDY_BYTES

  /** The kernel's `take` adds samples between `lend` and `takeBack`. */
  constructor(memory: RecordMemory, kernel: SampleKernel) {
    this.memory = memory
    this.#kernel = kernel
    this.bytes = memory.bytes(TIDY_BYTES)
    this.#places = memory.words(MAX_CPU + 1)
    this.#places.fill(0)
    kernel.cpus.value = this.#places.byteOffset
    kernel.mostCpu.value = MAX_CPU
  }

  /** Shows the kernel where samples go. */
  lend(): void {
    const { data, room, used, waiting, latest, roundLatest, lastTime } = this.#kernel
    data.value = this.bytes.byteOffset
    room.value = this.bytes.length
    used.value = this.bytesUsed
    waiting.value = this.count
    latest.value = this.latestNs
    roundLatest.value = this.roundNs
    lastTime.value = this.newestNs
  }

  /** Learns what the kernel has added. */
  takeBack(): void {
    const { used, waiting, latest, roundLatest, lastTime } = this.#kernel
    this.bytesUsed = used.value
    this.count = waiting.value
    this.latestNs = latest.value
    this.roundNs = roundLatest.value
    this.newestNs = lastTime.value
  }

  cpu(cpu: number): PendingCpu {
    let found = this.#cpus[cpu]
    if (found === undefined) {
      found = new PendingCpu(cpu, this, this.memory.bytes(this.#kernel.CPU_BYTES.value))
      this.#cpus[cpu] = found
      this.#places[cpu] = found.place
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
    if (end > this.bytes.length) this.grow(end)
    this.bytesUsed = end
    return start
  }

  /** Makes room for at least so many bytes, and for as many again as there were. */
  grow(bytes = 0): void {
    const { bytes: former, memory } = this
    this.bytes = memory.bytes(Math.max(2 * former.length, bytes))
    this.bytes.set(former)
    this.#outgrown.push(former)
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
        cpu.settle(this.#kernel)
        this.count += cpu.length
      }
  }

  /** Forgets the bytes of samples that were taken. Only while no window has rows. */
  tidy(): void {
    for (const former of this.#outgrown.splice(0)) this.memory.free(former)
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
    if (bytesKept * 2 < this.bytesUsed - from) this.#pack(bytesKept)
    else this.#shift(from)
    this.#tidyAt = Math.max(TIDY_BYTES, 2 * bytesKept)
  }

  #shift(from: number): void {
    const place = this.bytes.byteOffset
    this.bytesUsed -= from
    this.#kernel.move(place, place + from, this.bytesUsed)
    for (const cpu of this.#cpus)
      if (cpu !== undefined)
        for (let i = cpu.next; i < cpu.length; i++) cpu.start[i] = (cpu.start[i] as number) - from
  }

  /** The buffer stays where it is: samples may be merged from it. */
  #pack(bytesKept: number): void {
    const { bytes, memory } = this
    const packed = memory.bytes(bytesKept)
    let used = 0
    for (const cpu of this.#cpus)
      if (cpu !== undefined)
        for (let i = cpu.next; i < cpu.length; i++) {
          const from = cpu.start[i] as number
          const size = cpu.size[i] as number
          packed.set(bytes.subarray(from, from + size), used)
          cpu.start[i] = used
          used += (size + 3) & ~3
        }
    bytes.set(packed)
    memory.free(packed)
    this.bytesUsed = used
  }
}

/** One cpu's part of the pending samples. */
class PendingCpu implements RecordStream {
  readonly cpu: number
  readonly instance = 0
  ts: Float64Array
  start: Uint32Array
  size: Uint32Array
  positions: Float64Array
  count = 0
  next = 0
  /** Where the kernel finds the arrays, and both keep what they know of them. */
  readonly #state: Uint32Array
  readonly #samples: PendingSamples
  readonly #times: Float64Array
  #loaded = false

  /** `state` is as long as the kernel's structure. */
  constructor(cpu: number, samples: PendingSamples, state: Uint8Array) {
    this.cpu = cpu
    this.#samples = samples
    this.#state = new Uint32Array(state.buffer, state.byteOffset, state.length / 4)
    this.#times = new Float64Array(state.buffer, state.byteOffset, state.length / 8)
    const { memory } = samples
    this.ts = memory.floats(FIRST_RECORDS)
    this.start = memory.words(FIRST_RECORDS)
    this.size = memory.words(FIRST_RECORDS)
    this.positions = memory.floats(FIRST_RECORDS)
    this.#state[LENGTH] = 0
    this.#state[IS_SORTED] = 1
    this.#times[LAST] = Number.NEGATIVE_INFINITY
    this.#show()
  }

  get place(): number {
    return this.#state.byteOffset
  }

  /** Samples in all; those from `count` on wait for a later round. */
  get length(): number {
    return this.#state[LENGTH] as number
  }

  /** Time of the sample that was added last, also when it is gone. */
  get lastNs(): number {
    return this.#times[LAST] as number
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
    if (i > 0 && ts < (this.ts[i - 1] as number)) this.#state[IS_SORTED] = 0
    this.#times[LAST] = ts
    this.ts[i] = ts
    this.start[i] = start
    this.size[i] = size
    this.positions[i] = position
    this.#state[LENGTH] = i + 1
    samples.count++
    samples.newestNs = ts
    if (ts > samples.latestNs) samples.latestNs = ts
    return start
  }

  /** Offers the samples up to `untilNs`; returns their number. */
  release(untilNs: number): number {
    if (this.#state[IS_SORTED] === 0) this.#sort()
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
  settle(kernel: SampleKernel): void {
    if (this.count === 0) return
    kernel.settle(this.place, this.count)
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
    this.#state[IS_SORTED] = 1
  }

  /** Makes room for more samples; replaces the arrays. */
  grow(): void {
    const capacity = this.ts.length * 2
    const { memory } = this
    this.ts = memory.grown(this.ts, memory.floats(capacity))
    this.start = memory.grown(this.start, memory.words(capacity))
    this.size = memory.grown(this.size, memory.words(capacity))
    this.positions = memory.grown(this.positions, memory.floats(capacity))
    this.#show()
  }

  #show(): void {
    const state = this.#state
    state[TIMES] = this.ts.byteOffset
    state[STARTS] = this.start.byteOffset
    state[SIZES] = this.size.byteOffset
    state[POSITIONS] = this.positions.byteOffset
    state[ROOM] = this.ts.length
  }
}
