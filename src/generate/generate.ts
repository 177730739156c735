import { PstraceError } from '../model/error.ts'
import { type EventKind, isRecorded, KINDS, type ProbeSet } from './event-kinds.ts'
import { stringsOf } from './event-strings.ts'
import type { EventLayout } from './layout-fields.ts'
import { KERNELS, layoutsOf, parseKernel } from './layouts.ts'
import { Random } from './random.ts'
import { RecordEncoder } from './record.ts'
import { hasFolios, hasRequests, type Scenario } from './scenario.ts'
import { simulate } from './simulate.ts'
import { Truth, type TruthRow, type TruthTable, toJson } from './truth.ts'
import { FolderWriter } from './writers/folder.ts'
import { PerfDataWriter } from './writers/perf-data.ts'
import { PerfettoWriter } from './writers/perfetto.ts'
import { TextWriter } from './writers/text.ts'
import { TraceDatWriter } from './writers/trace-dat.ts'
import {
  type Output,
  type Spool,
  type TraceWriter,
  utf8,
  type WriterContext,
} from './writers/writer.ts'

export const GENERATED_FORMATS = [
  'v6',
  'v7',
  'perf',
  'perf-pipe',
  'perf-z',
  'text',
  'text-tgid',
  'folder',
  'perfetto',
  'perfetto-dense',
  'perfetto-z',
] as const
export type GeneratedFormat = (typeof GENERATED_FORMATS)[number]

export interface GenerateOptions {
  readonly scenario: Scenario
  readonly format: GeneratedFormat
  readonly seed: number
  /** The scenario's endless repeats stop after this many events. */
  readonly events: number
  /** `major.minor`: whose layouts the events have. */
  readonly kernel: string
  readonly probes: ProbeSet
  /** Share of sub-buffers that are lost, 0 .. 1. */
  readonly loss: number
  /** Sub-buffers are lost where they fill fast, several on end, as when a reader does not keep up. */
  readonly lossWhenBusy?: boolean
  readonly littleEndian: boolean
  readonly long: 4 | 8
  readonly userLong?: 4 | 8
  readonly pageSize: number
  readonly clock: string
  /** Times in the file are whole numbers of so many ns, rounded as ftrace's text rounds to microseconds. */
  readonly tickNs?: number
  readonly compression: 'none' | 'zlib' | 'zstd'
  readonly zstdCompress?: (bytes: Uint8Array) => Uint8Array
  /** False for very long traces: the truth then holds counts only, and memory does not grow with the trace. */
  readonly wantRows: boolean
  /** Takes the truth as JSON, after the trace. */
  readonly truthOutput?: Output
  readonly output: Output
  readonly newSpool: () => Spool
  /** Opens a file of the folder by relative path; needed by the format `folder`. */
  readonly newFile?: (path: string) => Output
}

/** Events of one CPU, one after another, that the file lacks. */
export interface LostInterval {
  readonly cpu: number
  /** Times of the first and the last lost event. */
  readonly startNs: number
  readonly endNs: number
  readonly events: number
  /** Times of that CPU's events in the file before and after; undefined = there is none. */
  readonly afterNs: number | undefined
  readonly beforeNs: number | undefined
}

/** What a generated file holds and what it lacks. */
export interface GeneratedTruth {
  readonly scenario: string
  readonly seed: number
  readonly kernel: string
  readonly probes: ProbeSet
  readonly format: string
  /** Events in the file, by `system:name`. */
  readonly events: Readonly<Record<string, number>>
  readonly total: number
  /** Events that the losses took, by `system:name`. */
  readonly lost: Readonly<Record<string, number>>
  /** The first MAX_GAPS when rows are not wanted; `lost` counts all events. */
  readonly losses: readonly LostInterval[]
  readonly startNs: number
  readonly endNs: number
  /** Rows of what happened (lost events included), by table; absent when not wanted. */
  readonly tables?: Readonly<Record<string, readonly TruthRow[]>>
}

/** First event id: above the ids of the kernel's own ftrace events. */
const FIRST_ID = 300
const PRINT_ID = 5
/** No sub-buffer is lost in the last part of a trace, so that every loss is followed by an event that reports it. */
const KEEP_LAST = 0.05
const MAX_GAPS = 10_000

/** Generates one trace file and returns its truth. Same options, same bytes. */
export function generate(options: GenerateOptions): GeneratedTruth {
  const layouts = recordedLayouts(options)
  const context = openContext(options, layouts)
  const writer = newWriter(options, context)
  const recording = new Recording(writer, context.encoders, options)
  const truth = options.wantRows ? new Truth() : undefined
  simulate(options.scenario, recording, {
    seed: options.seed,
    maxEvents: options.events,
    ...(truth === undefined ? {} : { truth }),
  })
  recording.finish()
  writer.finish()
  const summary = summarize(options, recording, layouts)
  const { truthOutput } = options
  if (truth === undefined) {
    truthOutput?.write(utf8(`${JSON.stringify(summary)}\n`))
    return summary
  }
  const losses = toLossRows(recording.losses)
  if (truthOutput !== undefined)
    for (const piece of toJson(summary, truth, losses)) truthOutput.write(utf8(piece))
  return { ...summary, tables: tablesOf(truth, losses) }
}

/** Layouts of the events that the kernel has, the scenario can cause and the format can hold. */
function recordedLayouts({ kernel, scenario, probes, format }: GenerateOptions): EventLayout[] {
  const parsed = parseKernel(kernel)
  if (parsed === undefined)
    throw new PstraceError(
      'generate-kernel',
      `kernel ${kernel}: expected major.minor of a release from ${KERNELS[0]} to ${KERNELS.at(-1)}, e.g. 6.12`,
      { exitStatus: 2 },
    )
  return layoutsOf(parsed, { folioOrders: hasFolios(scenario) }).filter(
    ({ kind }) =>
      isRecorded(kind, probes) &&
      (scenario.storeQueue !== undefined || !kind.startsWith('store')) &&
      (hasRequests(scenario) || !kind.startsWith('block')) &&
      !(kind === 'print' && isPerf(format)),
  )
}

function openContext(options: GenerateOptions, layouts: readonly EventLayout[]): WriterContext {
  const { scenario, littleEndian, long } = options
  const strings = stringsOf(scenario)
  const encoded = strings.map(utf8)
  const idOf = (kind: string, index: number) => (kind === 'print' ? PRINT_ID : FIRST_ID + index)
  const encoders = new Map<string, RecordEncoder>(
    layouts.map((layout, i) => [
      layout.kind,
      new RecordEncoder(layout, idOf(layout.kind, i), { littleEndian, long }, strings, encoded),
    ]),
  )
  return {
    scenario,
    strings,
    littleEndian,
    long,
    userLong: options.userLong ?? long,
    pageSize: options.pageSize,
    clock: options.clock,
    kernelRelease: `${options.kernel}.0-generated`,
    compression: options.compression,
    ...(options.zstdCompress === undefined ? {} : { zstdCompress: options.zstdCompress }),
    encoders,
    output: options.output,
    newSpool: options.newSpool,
  }
}

function summarize(
  options: GenerateOptions,
  recording: Recording,
  layouts: readonly EventLayout[],
): GeneratedTruth {
  return {
    scenario: options.scenario.name,
    seed: options.seed,
    kernel: options.kernel,
    probes: options.probes,
    format: options.format,
    events: byName(recording.written, layouts),
    total: recording.written.reduce((sum, n) => sum + n, 0),
    lost: byName(recording.dropped, layouts),
    losses: recording.losses,
    startNs: recording.firstNs,
    endNs: recording.lastNs,
  }
}

function toLossRows(losses: readonly LostInterval[]): TruthRow[] {
  return losses.map(({ cpu, startNs, endNs, events }) => ({
    cpu,
    start_ns: startNs,
    end_ns: endNs,
    events,
  }))
}

/** Tables whose rows are made when they are first asked for. */
function tablesOf(truth: Truth, losses: readonly TruthRow[]): Record<string, readonly TruthRow[]> {
  const tables: Record<string, readonly TruthRow[]> = { losses }
  for (const name of Object.keys(truth.tables) as TruthTable[]) {
    let rows: readonly TruthRow[] | undefined
    Object.defineProperty(tables, name, {
      enumerable: true,
      get: () => {
        rows ??= truth.rows(name)
        return rows
      },
    })
  }
  return tables
}

function newWriter(options: GenerateOptions, context: WriterContext): TraceWriter {
  switch (options.format) {
    case 'v6':
      return new TraceDatWriter(context, 6)
    case 'v7':
      return new TraceDatWriter(context, 7)
    case 'perf':
      return new PerfDataWriter(context, 'file')
    case 'perf-pipe':
      return new PerfDataWriter(context, 'pipe')
    case 'perf-z':
      return new PerfDataWriter(context, 'compressed')
    case 'text':
      return new TextWriter(context, { withTgid: false })
    case 'text-tgid':
      return new TextWriter(context, { withTgid: true })
    case 'perfetto':
      return new PerfettoWriter(context, { dense: false, compactSched: false, compressed: false })
    case 'perfetto-dense':
      return new PerfettoWriter(context, { dense: true, compactSched: true, compressed: false })
    case 'perfetto-z':
      return new PerfettoWriter(context, { dense: true, compactSched: false, compressed: true })
    case 'folder':
      return new FolderWriter(context, options.newFile ?? (() => options.output))
  }
}

/** perf records no user marks: ftrace's print is no tracepoint. */
function isPerf(format: GeneratedFormat): boolean {
  return format === 'perf' || format === 'perf-pipe' || format === 'perf-z'
}

/** Perfetto records on the boot clock. */
export function isPerfetto(format: GeneratedFormat): boolean {
  return format === 'perfetto' || format === 'perfetto-dense' || format === 'perfetto-z'
}

function byName(counts: Float64Array, layouts: readonly EventLayout[]): Record<string, number> {
  const named: Record<string, number> = {}
  for (const { kind, system, name } of layouts) {
    const count = counts[KINDS.indexOf(kind)] ?? 0
    if (count > 0) named[`${system}:${name}`] = count
  }
  return named
}

/** Between the machine and the file: leaves out what is not recorded, and loses whole sub-buffers. */
class Recording {
  readonly written = new Float64Array(KINDS.length)
  readonly dropped = new Float64Array(KINDS.length)
  readonly losses: LostInterval[] = []
  readonly #maxLosses: number
  firstNs = Number.NaN
  lastNs = Number.NaN
  readonly #writer: TraceWriter
  readonly #encoders: ReadonlyMap<string, RecordEncoder>
  readonly #loss: number
  readonly #whenBusy: boolean
  /** When each CPU's current sub-buffer was begun, and how fast its sub-buffers filled so far. */
  readonly #begun: Float64Array
  readonly #meanNs: Float64Array
  readonly #lastDrop: number
  readonly #pageBytes: number
  readonly #tickNs: number
  readonly #random: Random
  readonly #numberOf = new Map<EventKind, number>(KINDS.map((kind, i) => [kind, i]))
  readonly #bytesLeft: Float64Array
  readonly #dropping: Uint8Array
  readonly #lostCount: Float64Array
  readonly #lostFrom: Float64Array
  readonly #lostTo: Float64Array
  /** Time of each CPU's last event in the file. */
  readonly #lastOf: (number | undefined)[] = []
  #seen = 0

  constructor(
    writer: TraceWriter,
    encoders: ReadonlyMap<string, RecordEncoder>,
    options: GenerateOptions,
  ) {
    const cpus = options.scenario.cpuNodes.length
    this.#writer = writer
    this.#encoders = encoders
    this.#loss = options.loss
    this.#maxLosses = options.wantRows ? Number.POSITIVE_INFINITY : MAX_GAPS
    this.#whenBusy = options.lossWhenBusy === true
    this.#begun = new Float64Array(cpus)
    this.#meanNs = new Float64Array(cpus)
    this.#lastDrop = options.events * (1 - KEEP_LAST)
    this.#pageBytes = options.pageSize - 16
    this.#tickNs = options.tickNs ?? 1
    this.#random = new Random(options.seed ^ 0x5bd1e995)
    this.#bytesLeft = new Float64Array(cpus)
    this.#dropping = new Uint8Array(cpus)
    this.#lostCount = new Float64Array(cpus)
    this.#lostFrom = new Float64Array(cpus)
    this.#lostTo = new Float64Array(cpus)
  }

  event(kind: EventKind, ns: number, cpu: number, tid: number, args: Float64Array): void {
    const encoder = this.#encoders.get(kind)
    if (encoder === undefined) return
    const tsNs = Math.floor(ns / this.#tickNs + 0.5) * this.#tickNs
    const number = this.#numberOf.get(kind) ?? 0
    this.#seen++
    if (this.#loss > 0 && this.#isLost(encoder.byteLength(args) + 4, tsNs, cpu)) {
      this.dropped[number] = (this.dropped[number] ?? 0) + 1
      return
    }
    if (Number.isNaN(this.firstNs)) this.firstNs = tsNs
    this.#closeGap(cpu, tsNs)
    this.lastNs = tsNs
    this.#lastOf[cpu] = tsNs
    this.written[number] = (this.written[number] ?? 0) + 1
    this.#writer.event(kind, tsNs, cpu, tid, args)
  }

  /** Gaps that no event ended are reported too: a kernel's own counters tell of them. */
  finish(): void {
    for (const cpu of this.#lostCount.keys()) this.#closeGap(cpu, undefined)
  }

  #closeGap(cpu: number, beforeNs: number | undefined): void {
    const events = this.#lostCount[cpu] ?? 0
    if (events === 0) return
    const startNs = this.#lostFrom[cpu] ?? 0
    const endNs = this.#lostTo[cpu] ?? 0
    this.#writer.lost(cpu, events, startNs, beforeNs ?? endNs)
    if (this.losses.length < this.#maxLosses)
      this.losses.push({ cpu, startNs, endNs, events, afterNs: this.#lastOf[cpu], beforeNs })
    this.#lostCount[cpu] = 0
  }

  #isLost(bytes: number, tsNs: number, cpu: number): boolean {
    const left = (this.#bytesLeft[cpu] ?? 0) - bytes
    if (left < 0) {
      this.#bytesLeft[cpu] = this.#pageBytes - bytes
      const share = this.#whenBusy ? this.#loss * this.#haste(tsNs, cpu) : this.#loss
      const lose = this.#seen < this.#lastDrop && this.#random.next() < share * 2 ** 32
      this.#dropping[cpu] = lose ? 1 : 0
    } else this.#bytesLeft[cpu] = left
    if (this.#dropping[cpu] !== 1) return false
    if (this.#lostCount[cpu] === 0) this.#lostFrom[cpu] = tsNs
    this.#lostTo[cpu] = tsNs
    this.#lostCount[cpu] = (this.#lostCount[cpu] ?? 0) + 1
    return true
  }
  /** How many times faster than others the sub-buffer that ends filled, at most 4: half as much, but after a loss, where it is that and more. */
  #haste(tsNs: number, cpu: number): number {
    const ns = tsNs - (this.#begun[cpu] ?? 0)
    this.#begun[cpu] = tsNs
    const mean = this.#meanNs[cpu] ?? 0
    this.#meanNs[cpu] = mean === 0 ? ns : mean * 0.9 + ns * 0.1
    const haste = mean === 0 ? 1 : Math.min(4, mean / Math.max(1, ns))
    return this.#dropping[cpu] === 1 ? 2 * haste : haste / 3
  }
}
