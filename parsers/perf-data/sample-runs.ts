import { HOST_LITTLE_ENDIAN } from '../record-decoder.ts'
import type { RecordMemory } from '../record-memory.ts'
import { type PerfAttr, type SampleLayout, TYPE_TRACEPOINT } from './attr.ts'
import type { PendingSamples } from './pending.ts'
import type { RecordRun } from './record-file.ts'
import type { SampleKernel } from './sample-kernel.ts'
import type { ThreadGroups } from './thread-groups.ts'

const MAX_IDS = 1 << 16

/** Why the kernel's `take` ended; see assembly/samples.ts. */
const NEW_CPU = 1
const FULL_CPU = 2
const FULL = 3
const NEW_THREAD = 4

/**
 * Takes rows of samples at once that consist of parts of fixed length and the raw data, as nearly all do: one loop of WebAssembly, with
 * no call per sample. What is otherwise, or damaged, is left to the reader.
 */
export class SampleRuns {
  readonly #memory: RecordMemory
  readonly #kernel: SampleKernel
  readonly #pending: PendingSamples
  readonly #groups: ThreadGroups
  /** Index of the event's attributes by sample id, -1 = not known. */
  #attrOfId: Int32Array = new Int32Array(0)
  /** Where the parts of each event's samples are. */
  #layouts: Int32Array = new Int32Array(0)
  /** Of the records that the last call took: the place of the last one, whether there were ends of rounds, and was one behind all samples. */
  lastAt = 0
  metRounds = false
  isRoundClosed = false

  constructor(
    memory: RecordMemory,
    kernel: SampleKernel,
    pending: PendingSamples,
    groups: ThreadGroups,
  ) {
    this.#memory = memory
    this.#kernel = kernel
    this.#pending = pending
    this.#groups = groups
  }

  learn(attrs: readonly PerfAttr[], layouts: readonly SampleLayout[]): void {
    const kernel = this.#kernel
    kernel.idAt.value = layouts.length > 1 ? (layouts[0]?.id ?? -1) : -1
    const ids = attrs.flatMap((attr) => attr.ids).filter((id) => id < MAX_IDS)
    const attrOfId = new Int32Array(ids.reduce((most, id) => Math.max(most, id), -1) + 1).fill(-1)
    for (const [index, attr] of attrs.entries())
      for (const id of attr.ids) if (id < MAX_IDS) attrOfId[id] = index
    const places = layouts.flatMap((layout, index) => {
      const isTaken = isPlain(layout) && attrs[index]?.type === TYPE_TRACEPOINT
      return [isTaken ? layout.variable : -1, layout.tid, layout.time, layout.cpu]
    })
    this.#attrOfId = this.#replaced(this.#attrOfId, attrOfId)
    this.#layouts = this.#replaced(this.#layouts, Int32Array.from(places))
    kernel.events.value = this.#attrOfId.byteOffset
    kernel.eventCount.value = attrOfId.length
    kernel.layouts.value = this.#layouts.byteOffset
  }

  /**
   * Takes at most `most` samples of a run in the host's byte order, and the ends of rounds between them while few samples wait;
   * returns where the first record begins that it did not take.
   */
  take(run: RecordRun, baseHi: number, most: number): number {
    const kernel = this.#kernel
    const { bytes, to, position, positionStep } = run
    kernel.base.value = baseHi
    let at = run.from
    this.metRounds = false
    for (let left = most; ; left -= kernel.taken.value) {
      this.#pending.lend()
      const reason = kernel.take(bytes.byteOffset, at, to, left, position, positionStep)
      this.#pending.takeBack()
      at = kernel.at.value
      if (kernel.rounds.value > 0) this.metRounds = true
      if (kernel.taken.value + kernel.rounds.value > 0)
        this.isRoundClosed = kernel.isRoundClosed.value !== 0
      if (reason === NEW_CPU) this.#pending.cpu(kernel.cpu.value)
      else if (reason === FULL_CPU) this.#pending.cpu(kernel.cpu.value).grow()
      else if (reason === FULL) this.#pending.grow()
      else if (reason === NEW_THREAD) this.#groups.set(kernel.tid.value, kernel.tgid.value)
      else break
    }
    this.lastAt = kernel.lastAt.value
    return at
  }

  #replaced(former: Int32Array, next: Int32Array): Int32Array {
    this.#memory.free(former)
    if (next.length === 0) return next
    const place = this.#memory.integers(next.length)
    place.set(next)
    return place
  }
}

/** Whether the raw data follows parts of fixed length, and the host can read them as words. */
function isPlain(layout: SampleLayout): boolean {
  const { hasRaw, hasRead, hasCallchain, time, cpu } = layout
  return HOST_LITTLE_ENDIAN && hasRaw && !hasRead && !hasCallchain && time >= 0 && cpu >= 0
}
