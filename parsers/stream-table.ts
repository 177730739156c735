import type { RecordMemory } from './record-memory.ts'
import type { RecordBlock, RecordStream } from './window.ts'

/** Words of a stream's structure; see assembly/records.ts. */
const BYTES = 0
const TIMES = 1
const STARTS = 2
const SIZES = 3
const NEXT = 4
const COUNT = 5
const CPU = 6
const BUILDERS = 7
const STREAM_WORDS = 8

/** The streams that are merged, where WebAssembly finds them. */
export class StreamTable {
  readonly #memory: RecordMemory
  /** In order of (cpu, instance): of equal times the first counts. */
  #streams: readonly RecordStream[] = []
  #words: Uint32Array = new Uint32Array(0)
  #heads: Float64Array = new Float64Array(0)
  #heap: Uint32Array = new Uint32Array(0)
  /** By stream: copies of blocks that lie elsewhere. */
  readonly #copies: BlockCopy[] = []

  constructor(memory: RecordMemory) {
    this.#memory = memory
  }

  /** Loads the first block of each; `tableOf` tells the place of an instance's builders. */
  begin(streams: readonly RecordStream[], tableOf: (instance: number) => number): void {
    this.#streams = streams
      .toSorted((a, b) => a.cpu - b.cpu || a.instance - b.instance)
      .filter((stream) => stream.load())
    this.#reserve(this.#streams.length)
    for (const [index, stream] of this.#streams.entries()) {
      const at = index * STREAM_WORDS
      this.#words[at + CPU] = stream.cpu
      this.#words[at + BUILDERS] = tableOf(stream.instance)
      this.#show(index, stream)
    }
    this.#memory.kernel.begin(this.#streams.length)
  }

  /** Replaces the block of a stream, the first in the heap, by its next; without one the stream leaves. */
  load(index: number): void {
    const stream = this.settled(index)
    if (stream.load()) this.#show(index, stream)
    else this.#memory.kernel.drop()
  }

  /** A stream that knows how far it was taken. */
  settled(index: number): RecordStream {
    const stream = this.#streams[index] as RecordStream
    stream.next = this.#words[index * STREAM_WORDS + NEXT] as number
    return stream
  }

  settleAll(): void {
    for (let index = 0; index < this.#streams.length; index++) this.settled(index)
  }

  /** Passes over the stream's next record. */
  skip(index: number): void {
    const at = index * STREAM_WORDS + NEXT
    this.#words[at] = (this.#words[at] as number) + 1
  }

  #show(index: number, stream: RecordStream): void {
    const { bytes, ts, start, size } =
      stream.memory === this.#memory ? stream : this.#copyOf(index, stream)
    const words = this.#words
    const at = index * STREAM_WORDS
    words[at + BYTES] = bytes.byteOffset
    words[at + TIMES] = ts.byteOffset
    words[at + STARTS] = start.byteOffset
    words[at + SIZES] = size.byteOffset
    words[at + NEXT] = stream.next
    words[at + COUNT] = stream.count
  }

  #copyOf(index: number, stream: RecordStream): BlockCopy {
    const copy = this.#copies[index] ?? new BlockCopy(this.#memory)
    this.#copies[index] = copy
    copy.set(stream)
    return copy
  }

  #reserve(streams: number): void {
    if (streams * STREAM_WORDS <= this.#words.length) return
    const memory = this.#memory
    for (const array of [this.#words, this.#heads, this.#heap]) memory.free(array)
    this.#words = memory.words(streams * STREAM_WORDS)
    this.#heads = memory.floats(streams)
    this.#heap = memory.words(streams)
    const { kernel } = memory
    kernel.streams.value = this.#words.byteOffset
    kernel.heads.value = this.#heads.byteOffset
    kernel.heap.value = this.#heap.byteOffset
  }
}

/** A block in the memory of WebAssembly. */
class BlockCopy {
  readonly #memory: RecordMemory
  bytes: Uint8Array = new Uint8Array(0)
  ts: Float64Array = new Float64Array(0)
  start: Uint32Array = new Uint32Array(0)
  size: Uint32Array = new Uint32Array(0)

  constructor(memory: RecordMemory) {
    this.#memory = memory
  }

  set({ bytes, ts, start, size, count }: RecordBlock): void {
    let end = 0
    for (let i = 0; i < count; i++) end = Math.max(end, (start[i] as number) + (size[i] as number))
    const memory = this.#memory
    if (end > this.bytes.length) {
      memory.free(this.bytes)
      this.bytes = memory.bytes(end)
    }
    if (count > this.ts.length) {
      for (const array of [this.ts, this.start, this.size]) memory.free(array)
      this.ts = memory.floats(count)
      this.start = memory.words(count)
      this.size = memory.words(count)
    }
    this.bytes.set(bytes.subarray(0, end))
    this.ts.set(ts.subarray(0, count))
    this.start.set(start.subarray(0, count))
    this.size.set(size.subarray(0, count))
  }
}
