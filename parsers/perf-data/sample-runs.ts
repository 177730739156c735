import { HOST_LITTLE_ENDIAN } from '../record-decoder.ts'
import { type PerfAttr, type SampleLayout, TYPE_TRACEPOINT } from './attr.ts'
import type { PendingSamples } from './pending.ts'
import type { RecordRun } from './record-file.ts'
import type { ThreadGroups } from './thread-groups.ts'

const SAMPLE_RECORD = 9
const MAX_IDS = 1 << 16
const TWO_32 = 2 ** 32

/**
 * Takes rows of samples at once that consist of parts of fixed length and the raw data, as nearly all do: one loop over words, with no
 * call per sample. What is otherwise, or damaged, is left to the reader.
 */
export class SampleRuns {
  readonly #pending: PendingSamples
  readonly #groups: ThreadGroups
  /** Index of the event's attributes by sample id, -1 = not known. */
  #attrOfId = new Int32Array(0)
  #idAt = -1
  /** By index of attributes: where the raw data's size is, -1 = not of this kind; then where the other parts are. */
  #rawAt = new Int32Array(0)
  #tidAt = new Int32Array(0)
  #timeAt = new Int32Array(0)
  #cpuAt = new Int32Array(0)
  /** Of the samples that the last call took. */
  lastNs = 0
  lastAt = 0

  constructor(pending: PendingSamples, groups: ThreadGroups) {
    this.#pending = pending
    this.#groups = groups
  }

  learn(attrs: readonly PerfAttr[], layouts: readonly SampleLayout[]): void {
    this.#idAt = layouts.length > 1 ? (layouts[0]?.id ?? -1) : -1
    const ids = attrs.flatMap((attr) => attr.ids).filter((id) => id < MAX_IDS)
    this.#attrOfId = new Int32Array(ids.reduce((most, id) => Math.max(most, id), -1) + 1).fill(-1)
    for (const [index, attr] of attrs.entries())
      for (const id of attr.ids) if (id < MAX_IDS) this.#attrOfId[id] = index
    this.#rawAt = Int32Array.from(layouts, (layout, index) =>
      isPlain(layout) && attrs[index]?.type === TYPE_TRACEPOINT ? layout.variable : -1,
    )
    this.#tidAt = Int32Array.from(layouts, ({ tid }) => tid)
    this.#timeAt = Int32Array.from(layouts, ({ time }) => time)
    this.#cpuAt = Int32Array.from(layouts, ({ cpu }) => cpu)
  }

  /**
   * Takes at most `most` samples of a run in the host's byte order, none of a cpu above `maxCpu`; returns where the first record
   * begins that it did not take.
   */
  take(run: RecordRun, baseHi: number, most: number, maxCpu: number): number {
    const { words, from, to, position, positionStep } = run
    const pending = this.#pending
    const groups = this.#groups
    const attrOfId = this.#attrOfId
    const rawAts = this.#rawAt
    const tidAts = this.#tidAt
    const timeAts = this.#timeAt
    const cpuAts = this.#cpuAt
    const idAt = this.#idAt
    let ownWords = pending.words
    let used = pending.bytesUsed
    let latest = pending.latestNs
    let queue = pending.cpu(0)
    let { ts, start, size, positions } = queue
    let length = queue.length
    let before = length > 0 ? (ts[length - 1] as number) : Number.NEGATIVE_INFINITY
    let left = most
    let at = from
    for (; left > 0 && at + 8 <= to; left--) {
      const record = at >>> 2
      const bytes = (words[record + 1] as number) >>> 16
      if (words[record] !== SAMPLE_RECORD || bytes < 8 || (bytes & 3) !== 0 || at + bytes > to)
        break
      let attr = 0
      if (idAt >= 0) {
        if (idAt + 8 > bytes) break
        const id = words[(at + idAt) >>> 2] as number
        if (id >= attrOfId.length || words[(at + idAt + 4) >>> 2] !== 0) break
        attr = attrOfId[id] as number
        if (attr < 0) break
      }
      const rawAt = rawAts[attr] as number
      if (rawAt < 0 || rawAt + 4 > bytes) break
      const raw = (at + rawAt) >>> 2
      const rawBytes = words[raw] as number
      const cpu = words[(at + (cpuAts[attr] as number)) >>> 2] as number
      if (rawAt + 4 + rawBytes > bytes || cpu > maxCpu) break
      const tidAt = tidAts[attr] as number
      if (tidAt >= 0) {
        const who = (at + tidAt) >>> 2
        groups.set(words[who + 1] as number, words[who] as number)
      }
      if (cpu !== queue.cpu) {
        queue.length = length
        queue = pending.cpu(cpu)
        ;({ ts, start, size, positions } = queue)
        length = queue.length
        before = length > 0 ? (ts[length - 1] as number) : Number.NEGATIVE_INFINITY
      }
      if (length === ts.length) {
        queue.length = length
        queue.grow()
        ;({ ts, start, size, positions } = queue)
      }
      const copyWords = (rawBytes + 3) >>> 2
      let own = used >>> 2
      if (own + copyWords > ownWords.length) {
        pending.bytesUsed = used
        pending.reserve(rawBytes)
        ownWords = pending.words
      }
      const time = (timeAts[attr] as number) + at
      const now =
        ((words[(time + 4) >>> 2] as number) - baseHi) * TWO_32 + (words[time >>> 2] as number)
      if (now < before) queue.isSorted = false
      before = now
      if (now > latest) latest = now
      ts[length] = now
      start[length] = used
      size[length] = rawBytes
      positions[length] = position + at * positionStep
      length++
      queue.lastNs = now
      const end = raw + 1 + copyWords
      for (let word = raw + 1; word < end; word++) ownWords[own++] = words[word] as number
      used = own << 2
      this.lastAt = at
      at += bytes
    }
    queue.length = length
    pending.bytesUsed = used
    pending.latestNs = latest
    pending.count += most - left
    this.lastNs = before
    return at
  }
}

/** Whether the raw data follows parts of fixed length, and the host can read them as words. */
function isPlain(layout: SampleLayout): boolean {
  const { hasRaw, hasRead, hasCallchain, time, cpu } = layout
  return HOST_LITTLE_ENDIAN && hasRaw && !hasRead && !hasCallchain && time >= 0 && cpu >= 0
}
