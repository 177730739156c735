import type { IssueLog } from '../issues.ts'
import { HOST_LITTLE_ENDIAN } from '../record-decoder.ts'
import type { RecordMemory } from '../record-memory.ts'
import {
  type PerfAttr,
  readBytes,
  type SampleLayout,
  sampleLayout,
  TYPE_TRACEPOINT,
} from './attr.ts'
import { PendingSamples } from './pending.ts'
import type { RecordRun } from './record-file.ts'
import type { RecordView } from './record-view.ts'
import { sampleKernelIn } from './sample-kernel.ts'
import { SampleRuns } from './sample-runs.ts'
import { ThreadGroups } from './thread-groups.ts'

/** Takes samples from their records: plain ones in rows, others one by one. */
export class Samples {
  readonly pending: PendingSamples
  readonly groups: ThreadGroups
  readonly attrOfId = new Map<number, number>()
  readonly #view: RecordView
  readonly #issues: IssueLog
  readonly runs: SampleRuns
  /** What is read behind a sample at most. */
  readonly slackBytes: number
  readonly #littleEndian: boolean
  #attrs: readonly PerfAttr[] = []
  #layouts: readonly SampleLayout[] = []

  constructor(options: {
    memory: RecordMemory
    /** The record that is being handled. */
    view: RecordView
    issues: IssueLog
    littleEndian: boolean
    /** Runs go on behind the end of a round while at most so many samples wait; -1 = never. */
    mostPassed: number
  }) {
    const { memory, view, issues, littleEndian } = options
    const kernel = sampleKernelIn(memory)
    kernel.mostPassed.value = options.mostPassed
    this.#view = view
    this.#issues = issues
    this.#littleEndian = littleEndian
    this.slackBytes = kernel.SLACK_BYTES.value
    this.pending = new PendingSamples(memory, kernel)
    this.groups = new ThreadGroups(memory, kernel)
    this.runs = new SampleRuns(memory, kernel, this.pending, this.groups)
  }

  /** Takes the descriptions of events. */
  learn(attrs: readonly PerfAttr[]): void {
    this.#attrs = attrs
    this.#layouts = attrs.map(sampleLayout)
    this.attrOfId.clear()
    for (const [index, attr] of attrs.entries())
      for (const id of attr.ids) this.attrOfId.set(id, index)
    this.runs.learn(attrs, this.#layouts)
  }

  /** Takes at most `most` samples of a run, once the first sample has said what time all are counted from; returns where it ended. */
  takeRun(run: RecordRun, most: number): number {
    const { baseHi } = this.#view
    if (baseHi < 0 || this.#littleEndian !== HOST_LITTLE_ENDIAN) return run.from
    return this.runs.take(run, baseHi, most)
  }

  /** Takes the sample that is being handled, at `position` in the file; false if it is left out. */
  take(size: number, position: number): boolean {
    const first = this.#layouts[0]
    if (first === undefined) {
      this.#issues.add(
        'no_attributes',
        'error',
        position,
        'A sample comes before any description of events.',
      )
      return false
    }
    const view = this.#view
    const attr = this.#attrOf(first, size)
    const layout = this.#layouts[attr] ?? first
    if (layout.variable > size) return this.#leaveShort(size, position)
    if (layout.tid >= 0) this.groups.set(view.u32(layout.tid + 4), view.u32(layout.tid))
    if (!layout.hasRaw || this.#attrs[attr]?.type !== TYPE_TRACEPOINT)
      return this.#leaveOther(attr, position)
    const raw = this.#rawOffset(layout, size)
    const length = raw < 0 ? 0 : view.u32(raw)
    if (raw < 0 || raw + 4 + length > size) return this.#leaveShort(size, position)
    const cpu = layout.cpu < 0 ? 0 : view.u32(layout.cpu)
    if (cpu > this.pending.maxCpu) {
      this.#issues.add('bad_cpu', 'error', position, `A sample is said to come from cpu ${cpu}.`)
      return false
    }
    const ts = this.#timeOf(layout, cpu, position)
    const from = view.at + raw + 4
    this.pending.add(cpu, view.bytes, from, from + length, ts, position)
    return true
  }

  /** Number of the event that a sample is of. */
  #attrOf(first: SampleLayout, size: number): number {
    if (this.#layouts.length < 2 || first.id < 0 || first.id + 8 > size) return 0
    return this.attrOfId.get(this.#view.u64(first.id)) ?? 0
  }

  #timeOf(layout: SampleLayout, cpu: number, position: number): number {
    if (layout.time >= 0) return this.#view.time(layout.time)
    this.#issues.add(
      'no_time',
      'error',
      position,
      'Samples have no time (recorded without -T): their order is that of the file.',
    )
    return this.pending.lastNs(cpu) ?? 0
  }

  /** Where the raw size stands behind the parts of variable length; -1 = outside the record. */
  #rawOffset(layout: SampleLayout, size: number): number {
    let at = layout.variable
    if (layout.hasRead) {
      if (at + 8 > size) return -1
      at += readBytes(layout.readFormat, this.#view.u64(at))
    }
    if (layout.hasCallchain) {
      if (at + 8 > size) return -1
      at += 8 + 8 * this.#view.u64(at)
    }
    return at + 4 <= size ? at : -1
  }

  #leaveOther(attr: number, position: number): false {
    const name = this.#attrs[attr]?.name || `event ${attr}`
    this.#issues.add(
      'not_a_tracepoint',
      'info',
      position,
      `Samples of ${name} are no tracepoint events and were left out.`,
      name,
    )
    return false
  }

  #leaveShort(size: number, position: number): false {
    this.#issues.add(
      'short_record',
      'error',
      position,
      `A sample of ${size} bytes is too short for its parts.`,
    )
    return false
  }
}
