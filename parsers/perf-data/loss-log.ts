import type { Loss } from '../reader.ts'
import { type PerfAttr, SAMPLE, type TrailerLayout, trailerLayout } from './attr.ts'
import type { RecordView } from './record-view.ts'

const MAX_CPU = 8192
const NO_TRAILER: TrailerLayout = { bytes: 0, tid: -1, time: -1, cpu: -1 }

/** Losses, from the records that tell of them: LOST, LOST_SAMPLES, THROTTLE and UNTHROTTLE. */
export class LossLog {
  readonly list: Loss[] = []
  readonly #record: RecordView
  readonly #lastNs: (cpu: number) => number | undefined
  readonly #throttledAt = new Map<number, number>()
  #trailers: TrailerLayout[] = []
  #attrOfId: ReadonlyMap<number, number> = new Map()
  #hasIdentifier = false

  /** `lastNs` is the time of a cpu's last sample. */
  constructor(record: RecordView, lastNs: (cpu: number) => number | undefined) {
    this.#record = record
    this.#lastNs = lastNs
  }

  /** Takes the descriptions of events, and which of them each id is of. */
  learn(attrs: readonly PerfAttr[], attrOfId: ReadonlyMap<number, number>): void {
    this.#trailers = attrs.map(trailerLayout)
    this.#attrOfId = attrOfId
    this.#hasIdentifier = attrs.every(({ sampleType }) => (sampleType & SAMPLE.identifier) !== 0)
  }

  /** The record, of `size` bytes, says that so many events were lost. */
  lost(events: number, size: number): void {
    if (events === 0) return
    const { cpu, ts } = this.#whereAndWhen(size)
    const lastNs = this.#lastNs(cpu)
    const endNs = ts ?? lastNs ?? 0
    this.list.push({ cpu, startNs: Math.min(lastNs ?? endNs, endNs), endNs, events })
  }

  throttle(size: number): void {
    if (size < 32) return
    const { cpu } = this.#whereAndWhen(size)
    const ts = this.#record.time(8)
    if (!this.#throttledAt.has(cpu)) this.#throttledAt.set(cpu, ts)
  }

  unthrottle(size: number): void {
    if (size < 32) return
    const { cpu } = this.#whereAndWhen(size)
    const ts = this.#record.time(8)
    const since = this.#throttledAt.get(cpu)
    if (since === undefined) return
    this.#throttledAt.delete(cpu)
    this.list.push({ cpu, startNs: Math.min(since, ts), endNs: ts, events: undefined })
  }

  /** No record follows: what is throttled stays so to the end. */
  close(): void {
    for (const [cpu, since] of this.#throttledAt)
      this.list.push({
        cpu,
        startNs: since,
        endNs: Math.max(since, this.#lastNs(cpu) ?? since),
        events: undefined,
      })
    this.#throttledAt.clear()
  }

  /** Bytes behind a record that is no sample: its time, cpu and so on (sample_id_all). */
  trailerBytes(size: number): number {
    return this.#trailerOf(size).bytes
  }

  #whereAndWhen(size: number): { cpu: number; ts: number | undefined } {
    const { bytes, cpu, time } = this.#trailerOf(size)
    if (bytes === 0 || bytes + 8 > size) return { cpu: 0, ts: undefined }
    return {
      cpu: cpu < 0 ? 0 : Math.min(MAX_CPU, this.#record.u32(size - cpu)),
      ts: time < 0 ? undefined : this.#record.time(size - time),
    }
  }

  /** Events with different parts carry their id at the very end. */
  #trailerOf(size: number): TrailerLayout {
    const first = this.#trailers[0] ?? NO_TRAILER
    if (this.#trailers.length < 2 || !this.#hasIdentifier || first.bytes === 0 || size < 16)
      return first
    const attr = this.#attrOfId.get(this.#record.u64(size - 8))
    return attr === undefined ? first : (this.#trailers[attr] ?? first)
  }
}
