import type { EventFormat, EventWindow } from '../batch.ts'
import { TraceParseError } from '../error.ts'
import { IssueLog } from '../issues.ts'
import { readSymbols } from '../kernel-symbols.ts'
import type {
  ByteSource,
  FolderSource,
  ImportIssue,
  Loss,
  TraceInfo,
  TraceReader,
} from '../reader.ts'
import { HOST_LITTLE_ENDIAN } from '../record-decoder.ts'
import { FormatTable, StreamMerge, WindowBuilder } from '../window.ts'
import {
  type PerfAttr,
  parseAttr,
  readBytes,
  SAMPLE,
  type SampleLayout,
  sampleLayout,
  type TrailerLayout,
  TYPE_TRACEPOINT,
  trailerLayout,
} from './attr.ts'
import { type FolderPart, openFolderParts } from './folder.ts'
import { PerfHeader, recordCursor } from './header.ts'
import { PendingSamples } from './pending.ts'
import { RecordFile, type RecordRun, type ZstdStream } from './record-file.ts'
import { SampleRuns } from './sample-runs.ts'
import { ThreadGroups } from './thread-groups.ts'

// include/uapi/linux/perf_event.h and tools/lib/perf/include/perf/event.h (6.12)
const RECORD = {
  lost: 2,
  comm: 3,
  throttle: 5,
  unthrottle: 6,
  fork: 7,
  sample: 9,
  lostSamples: 13,
  attr: 64,
  tracingData: 66,
  finishedRound: 68,
  auxtrace: 71,
  feature: 80,
  finishedInit: 82,
} as const
/** Records that wait for their round; more mean that rounds are not marked. */
const MAX_PENDING = 1 << 19
const MAX_PENDING_BYTES = 1 << 27
/** Rounds may have a few samples only; so many are sorted at once. */
const WORTH_SORTING = 1 << 13
const MAX_CPU = 8192
const TWO_32 = 2 ** 32
/** Bytes that the files of a folder together read ahead. */
const READ_AHEAD_BYTES = 1 << 25
/** Read of one file of a folder before another is the one that lags. */
const RECORDS_A_TURN = 256
const SAMPLES_A_TURN = 4096
/** Samples of a folder's files that are sorted at once. */
const ENOUGH_PENDING = 1 << 16

/** Of a folder, the file with the header. */
const HEADER_FILE = 'data'

/** Opens perf.data in file or pipe mode. Throws `TraceParseError`. */
export async function openPerfData(source: ByteSource): Promise<TraceReader> {
  return await openWithZstd((zstd) => {
    const issues = new IssueLog()
    const header = new PerfHeader(source, issues)
    if (header.folderVersion > 0)
      issues.add(
        'folder_expected',
        'data_loss',
        undefined,
        'This file is the header of a folder (perf record --threads); the samples are in the files data.* beside it: give the folder.',
      )
    return new PerfDataReader(header, issues, zstd)
  })
}

/** Opens the folder that `perf record --threads` or `--kcore` writes. Throws `TraceParseError`. */
export async function openPerfFolder(folder: FolderSource): Promise<TraceReader> {
  const parts = openFolderParts(folder)
  try {
    return await openWithZstd((zstd) => {
      const issues = new IssueLog()
      issues.place = HEADER_FILE
      const header = new PerfHeader(parts.header, issues)
      issues.place = ''
      if (parts.copySymbols !== undefined) header.symbols = readSymbols(issues, parts.copySymbols)
      if (header.folderVersion > 1)
        throw new TraceParseError(
          'unsupported_version',
          parts.header.name,
          { unit: 'byte', at: 0 },
          `a folder of version ${header.folderVersion}; 1, or 0 for a single file, was expected`,
        )
      // Without --threads (version 0) all samples are in the header's file; a recording that was cut short does not say.
      const files = header.folderVersion === 1 || header.isUnfinished ? parts.files : []
      if (header.folderVersion === 1 && files.length === 0)
        issues.add(
          'no_data_files',
          'data_loss',
          undefined,
          'The folder has no file data.0, data.1, ...',
        )
      return new PerfDataReader(header, issues, zstd, { files, close: parts.close })
    })
  } catch (error) {
    parts.close()
    throw error
  }
}

/** Opens without a decoder for zstd, whose start takes longer than reading most files; and with one where that is needed. */
async function openWithZstd(
  open: (zstd: ZstdStream | undefined) => PerfDataReader,
): Promise<PerfDataReader> {
  const reader = open(undefined)
  if (!reader.needsZstd) return reader
  const { loadZstdStream } = await import('../zstd.ts')
  return open(await loadZstdStream())
}

/** One file of records. */
interface DataFile {
  /** Its name in issues; empty when it is the only one. */
  readonly label: string
  readonly records: RecordFile
  /** Time of its last sample; -Infinity before, +Infinity at its end. */
  newestNs: number
}

class PerfDataReader implements TraceReader {
  readonly #header: PerfHeader
  readonly #issues: IssueLog
  readonly #files: DataFile[]
  readonly #folder: { close(): void } | undefined
  readonly #losses: Loss[] = []
  readonly #comms = new Map<number, string>()
  readonly #groups = new ThreadGroups()
  readonly #attrOfId = new Map<number, number>()
  readonly #pending: PendingSamples
  readonly #runs: SampleRuns
  readonly #throttledAt = new Map<number, number>()
  #layouts: SampleLayout[] = []
  #trailers: TrailerLayout[] = []
  #isTracepoint: boolean[] = []
  #hasIdentifier = false
  #window: WindowBuilder | undefined
  #merge: StreamMerge | undefined
  #formats = new FormatTable()
  #seenMetadata: unknown
  #baseHi = -1
  /** Samples that may come before some are let go. */
  #enough = Number.POSITIVE_INFINITY
  #previousRoundMax = Number.NEGATIVE_INFINITY
  /** The writer marks where its rounds end, and samples came after the last mark. */
  #marksRounds = false
  #isRoundOpen = false
  #ended = false
  #exhausted = false

  /** What is being read, and of it the record that is being handled: its bytes, where it starts there and in the file. */
  #file: DataFile
  #bytes: Uint8Array = new Uint8Array(0)
  #at = 0
  #position = 0

  constructor(
    header: PerfHeader,
    issues: IssueLog,
    zstd: ZstdStream | undefined,
    folder?: { readonly files: readonly FolderPart[]; close(): void },
  ) {
    this.#header = header
    this.#issues = issues
    const { source, littleEndian, dataStart, dataEnd } = header
    this.#pending = new PendingSamples(littleEndian)
    this.#runs = new SampleRuns(this.#pending, this.#groups)
    const parts = folder?.files ?? []
    const readBytes = Math.floor(READ_AHEAD_BYTES / (1 + parts.length))
    const toFile = (of: ByteSource, start: number, end: number, label: string): DataFile => ({
      label,
      newestNs: Number.NEGATIVE_INFINITY,
      records: new RecordFile(
        { source: of, start, end, littleEndian, issues, zstd, readBytes },
        { one: (type, size) => this.#record(type, size), run: (run) => this.#takeRun(run) },
      ),
    })
    this.#folder = folder
    this.#file = toFile(source, dataStart, dataEnd, folder === undefined ? '' : HEADER_FILE)
    this.#files = [this.#file, ...parts.map(({ file, name }) => toFile(file, 0, file.size, name))]
    this.#learnAttrs()
    this.#readToFirstSample()
  }

  /** Records are compressed, as the header says or the first of them show. */
  get needsZstd(): boolean {
    return this.#header.compressed || this.#files.some(({ records }) => records.needsZstd)
  }

  get info(): TraceInfo {
    const header = this.#header
    const clockId = header.attrs.find((attr) => attr.clockId !== undefined)?.clockId
    const clock = clockId === undefined ? 'perf' : (CLOCKS[clockId] ?? `clock ${clockId}`)
    return {
      format: this.#toFormat(),
      kernelRelease: header.kernelRelease,
      arch: header.arch,
      cpus: header.cpus,
      pageSize: header.pageSize,
      clock,
      baseNs: BigInt(Math.max(0, this.#baseHi)) << 32n,
      ticks: false,
      instances: [{ name: '', clock }],
      comms: new Map([...(header.metadata?.comms ?? []), ...this.#comms]),
      tgids: this.#groups.known,
      nodeRanges: header.nodeRanges,
      facts: header.facts,
    }
  }

  #toFormat(): string {
    if (this.#folder !== undefined) return 'perf.data (folder)'
    return this.#header.isPipe ? 'perf.data (pipe)' : 'perf.data'
  }

  get formats(): readonly EventFormat[] {
    return this.#formats.records.map((record) => record.format)
  }

  get losses(): readonly Loss[] {
    return this.#losses
  }

  get issues(): readonly ImportIssue[] {
    return this.#issues.list
  }

  get bytesRead(): number {
    return this.#files.reduce((sum, { records }) => sum + records.bytesRead, 0)
  }

  read(): EventWindow | undefined {
    while (!this.#ended) {
      if (this.#merge !== undefined && this.#window !== undefined) {
        if (this.#merge.fill(this.#window)) return this.#finishWindow()
        this.#merge = undefined
        this.#pending.settle()
      }
      if (this.#exhausted) {
        if (this.#pending.count === 0) break
        this.#release(Number.POSITIVE_INFINITY)
      } else this.#readRound()
    }
    if (this.#ended) return undefined
    this.#ended = true
    this.#closeThrottles()
    if (this.#header.isPipe && this.#marksRounds && this.#isRoundOpen)
      // __record__mmap_read_all, tools/perf/builtin-record.c (6.12): whatever was written is closed by FINISHED_ROUND.
      this.#issues.add(
        'unfinished_round',
        'data_loss',
        this.#position,
        'The pipe ends within a round of samples: it was cut, or perf was killed; what followed is missing.',
      )
    return this.#finishWindow()
  }

  #finishWindow(): EventWindow | undefined {
    const window = this.#window?.finish()
    this.#pending.tidy()
    return window
  }

  symbolOf(hi: number, lo: number): string | undefined {
    return this.#header.symbols?.nameOf(hi, lo)
  }

  close(): void {
    this.#ended = true
    this.#folder?.close()
  }

  /** Reads records until a barrier lets some samples go. */
  #readRound(): void {
    while (this.#merge === undefined && !this.#exhausted) {
      if (!this.#advance()) this.#exhausted = true
      const { count, bytesUsed } = this.#pending
      if (count > MAX_PENDING || bytesUsed > MAX_PENDING_BYTES) {
        // Without barriers nothing says how far behind a buffer may be; half of what is here is the best guess.
        this.#issues.add(
          'no_rounds',
          'info',
          this.#position,
          `More than ${MAX_PENDING} samples came without a barrier between rounds; they were sorted as far as memory allows.`,
        )
        this.#release(this.#pending.middleNs())
      }
    }
  }

  #release(untilNs: number): void {
    const streams = this.#pending.release(untilNs)
    if (streams.length === 0) return
    this.#window ??= new WindowBuilder({
      formats: this.#formats,
      issues: this.#issues,
      littleEndian: this.#header.littleEndian,
      records: this.#pending,
    })
    this.#merge = new StreamMerge(streams)
  }

  /** What comes before it says what there is (in a pipe even the events), and its time is the base of all. */
  #readToFirstSample(): void {
    while (this.#pending.count === 0 && !this.#exhausted)
      if (!this.#advance()) this.#exhausted = true
  }

  /** Handles some records; false at the end of the data. */
  #advance(): boolean {
    const file = this.#laggard()
    if (file === undefined) return false
    this.#file = file
    const turn = this.#files.length > 1 ? RECORDS_A_TURN : 1
    const enough = this.#files.length > 1 ? this.#pending.count + SAMPLES_A_TURN : MAX_PENDING + 1
    this.#enough = enough
    this.#issues.place = file.label
    for (let i = 0; i < turn && (i === 0 || this.#pending.count < enough); i++)
      if (!file.records.advance()) {
        file.newestNs = Number.POSITIVE_INFINITY
        break
      }
    this.#issues.place = ''
    // The kernel sorted each file of a folder (perf writes no FINISHED_ROUND into them): nothing older can follow in any.
    if (this.#files.length > 1 && this.#pending.count > ENOUGH_PENDING)
      this.#release(this.#laggard()?.newestNs ?? Number.POSITIVE_INFINITY)
    return true
  }

  /** The file that was read least far; `undefined` when all are at their ends. */
  #laggard(): DataFile | undefined {
    let least: DataFile | undefined
    for (const file of this.#files)
      if (file.newestNs < (least?.newestNs ?? Number.POSITIVE_INFINITY)) least = file
    return least
  }

  /** Takes plain samples, once the first has said what time all are counted from. */
  #takeRun(run: RecordRun): number {
    const { littleEndian, metadata } = this.#header
    if (this.#baseHi < 0 || littleEndian !== HOST_LITTLE_ENDIAN) return run.from
    if (this.#seenMetadata !== metadata) this.#learnFormats()
    const runs = this.#runs
    const to = runs.take(run, this.#baseHi, this.#enough - this.#pending.count, MAX_CPU)
    if (to > run.from) {
      this.#isRoundOpen = true
      this.#position = run.position + runs.lastAt * run.positionStep
      this.#file.records.position = this.#position
      this.#file.newestNs = runs.lastNs
    }
    return to
  }

  #record(type: number, size: number): void {
    const { records } = this.#file
    this.#bytes = records.bytes
    this.#at = records.at
    this.#position = records.position
    switch (type) {
      case RECORD.sample:
        this.#sample(size)
        break
      case RECORD.finishedRound:
        this.#marksRounds = true
        this.#isRoundOpen = false
        // tools/perf/util/ordered-events.c: nothing after this is older than the round before it.
        if (this.#files.length > 1) break
        if (
          this.#pending.count > WORTH_SORTING &&
          this.#previousRoundMax > Number.NEGATIVE_INFINITY
        )
          this.#release(this.#previousRoundMax)
        this.#previousRoundMax = this.#pending.latestNs
        break
      case RECORD.finishedInit:
        this.#marksRounds = true
        break
      case RECORD.lost:
        if (size >= 24) this.#lost(this.#u64(this.#at + 16), size)
        break
      case RECORD.lostSamples:
        if (size >= 16) this.#lost(this.#u64(this.#at + 8), size)
        break
      case RECORD.throttle:
      case RECORD.unthrottle:
        this.#throttle(type, size)
        break
      case RECORD.comm:
        this.#comm(size)
        break
      case RECORD.fork:
        if (size >= 24) this.#groups.set(this.#u32(this.#at + 16), this.#u32(this.#at + 8))
        break
      case RECORD.attr:
        this.#attr(size)
        break
      case RECORD.feature:
        if (size >= 16) this.#header.parseFeature(this.#u64(this.#at + 8), this.#cursor(16, size))
        break
      case RECORD.tracingData:
        this.#tracingData(size)
        break
      case RECORD.auxtrace:
        if (size >= 16) records.skip(this.#u64(this.#at + 8))
        break
      default:
        break
    }
  }

  #sample(size: number): void {
    this.#isRoundOpen = true
    if (this.#seenMetadata !== this.#header.metadata) this.#learnFormats()
    let attr = 0
    const first = this.#layouts[0]
    if (first === undefined) {
      this.#issues.add(
        'no_attributes',
        'error',
        this.#position,
        'A sample comes before any description of events.',
      )
      return
    }
    if (this.#layouts.length > 1 && first.id >= 0 && first.id + 8 <= size) {
      const known = this.#attrOfId.get(this.#u64(this.#at + first.id))
      if (known !== undefined) attr = known
    }
    const layout = this.#layouts[attr] ?? first
    if (layout.variable > size) {
      this.#shortSample(size)
      return
    }
    if (layout.tid >= 0)
      this.#groups.set(this.#u32(this.#at + layout.tid + 4), this.#u32(this.#at + layout.tid))
    if (!layout.hasRaw || this.#isTracepoint[attr] === false) {
      const name = this.#header.attrs[attr]?.name || `event ${attr}`
      this.#issues.add(
        'not_a_tracepoint',
        'info',
        this.#position,
        `Samples of ${name} are no tracepoint events and were left out.`,
        name,
      )
      return
    }
    const raw = this.#rawOffset(layout, size)
    if (raw < 0) {
      this.#shortSample(size)
      return
    }
    const length = this.#u32(this.#at + raw)
    if (raw + 4 + length > size) {
      this.#shortSample(size)
      return
    }
    const cpu = layout.cpu < 0 ? 0 : this.#u32(this.#at + layout.cpu)
    if (cpu > MAX_CPU) {
      this.#issues.add(
        'bad_cpu',
        'error',
        this.#position,
        `A sample is said to come from cpu ${cpu}.`,
      )
      return
    }
    const ts =
      layout.time < 0 ? (this.#pending.lastNs(cpu) ?? 0) : this.#time(this.#at + layout.time)
    if (layout.time < 0)
      this.#issues.add(
        'no_time',
        'error',
        this.#position,
        'Samples have no time (recorded without -T): their order is that of the file.',
      )
    const from = this.#at + raw + 4
    this.#pending.add(cpu, this.#bytes, from, from + length, ts, this.#position)
    this.#file.newestNs = ts
  }

  /** Where the raw size stands behind the parts of variable length; -1 = outside the record. */
  #rawOffset(layout: SampleLayout, size: number): number {
    let at = layout.variable
    if (layout.hasRead) {
      if (at + 8 > size) return -1
      at += readBytes(layout.readFormat, this.#u64(this.#at + at))
    }
    if (layout.hasCallchain) {
      if (at + 8 > size) return -1
      at += 8 + 8 * this.#u64(this.#at + at)
    }
    return at + 4 <= size ? at : -1
  }

  #shortSample(size: number): void {
    this.#issues.add(
      'short_record',
      'error',
      this.#position,
      `A sample of ${size} bytes is too short for its parts.`,
    )
  }

  #lost(events: number, size: number): void {
    if (events === 0) return
    const { cpu, ts } = this.#whereAndWhen(size)
    const lastNs = this.#pending.lastNs(cpu)
    const endNs = ts ?? lastNs ?? 0
    this.#losses.push({ cpu, startNs: Math.min(lastNs ?? endNs, endNs), endNs, events })
  }

  /** The cpu and time that follow a record that is no sample. */
  #whereAndWhen(size: number): { cpu: number; ts: number | undefined } {
    const { bytes, cpu, time } = this.#trailerOf(size)
    if (bytes === 0 || bytes + 8 > size) return { cpu: 0, ts: undefined }
    const end = this.#at + size
    return {
      cpu: cpu < 0 ? 0 : Math.min(MAX_CPU, this.#u32(end - cpu)),
      ts: time < 0 ? undefined : this.#time(end - time),
    }
  }

  /** Events with different parts carry their id at the very end. */
  #trailerOf(size: number): TrailerLayout {
    const first = this.#trailers[0] ?? NO_TRAILER
    if (this.#trailers.length < 2 || !this.#hasIdentifier || first.bytes === 0 || size < 16)
      return first
    const attr = this.#attrOfId.get(this.#u64(this.#at + size - 8))
    return attr === undefined ? first : (this.#trailers[attr] ?? first)
  }

  #throttle(type: number, size: number): void {
    if (size < 32) return
    const { cpu } = this.#whereAndWhen(size)
    const ts = this.#time(this.#at + 8)
    const since = this.#throttledAt.get(cpu)
    if (type === RECORD.throttle) {
      if (since === undefined) this.#throttledAt.set(cpu, ts)
    } else if (since !== undefined) {
      this.#throttledAt.delete(cpu)
      this.#losses.push({ cpu, startNs: Math.min(since, ts), endNs: ts, events: undefined })
    }
  }

  #closeThrottles(): void {
    for (const [cpu, since] of this.#throttledAt)
      this.#losses.push({
        cpu,
        startNs: since,
        endNs: Math.max(since, this.#pending.lastNs(cpu) ?? since),
        events: undefined,
      })
    this.#throttledAt.clear()
  }

  #comm(size: number): void {
    const end = size - this.#trailerOf(size).bytes
    if (end < 17) return
    const text = TEXT.decode(this.#bytes.subarray(this.#at + 16, this.#at + end))
    const tid = this.#u32(this.#at + 12)
    this.#comms.set(tid, text.split('\0', 1)[0] ?? '')
    this.#groups.set(tid, this.#u32(this.#at + 8))
  }

  #attr(size: number): void {
    const cursor = this.#cursor(8, size)
    const attrSize = this.#u32(this.#at + 12)
    const bytes = attrSize >= 64 && attrSize <= size - 8 ? attrSize : Math.min(size - 8, 64)
    const attr = parseAttr(cursor, bytes)
    while (cursor.remaining >= 8) attr.ids.push(cursor.u64())
    this.#header.addAttr(attr)
    this.#learnAttrs()
  }

  /** The data follows the record and is not counted in its size. */
  #tracingData(size: number): void {
    if (size < 12) return
    const length = this.#u32(this.#at + 8)
    const { records } = this.#file
    const bytes = records.copyAhead(length)
    this.#header.parseTracingData(recordCursor(this.#header, bytes, this.#position + size))
    this.#learnFormats()
    records.skip(length)
  }

  #cursor(from: number, size: number) {
    const bytes = this.#bytes.slice(this.#at + from, this.#at + size)
    return recordCursor(this.#header, bytes, this.#position + from)
  }

  #learnAttrs(): void {
    const attrs: readonly PerfAttr[] = this.#header.attrs
    this.#layouts = attrs.map(sampleLayout)
    this.#isTracepoint = attrs.map(({ type }) => type === TYPE_TRACEPOINT)
    this.#trailers = attrs.map(trailerLayout)
    this.#hasIdentifier = attrs.every(({ sampleType }) => (sampleType & SAMPLE.identifier) !== 0)
    this.#attrOfId.clear()
    for (const [index, attr] of attrs.entries())
      for (const id of attr.ids) this.#attrOfId.set(id, index)
    this.#runs.learn(attrs, this.#layouts)
    this.#learnFormats()
  }

  #learnFormats(): void {
    const { metadata } = this.#header
    this.#seenMetadata = metadata
    if (metadata !== undefined) this.#formats = metadata.formats
  }

  /** Nanoseconds since a multiple of 2^32 ns that lies before the first time met, so that they stay exact. */
  #time(at: number): number {
    const { littleEndian } = this.#header
    const lo = this.#u32(littleEndian ? at : at + 4)
    const hi = this.#u32(littleEndian ? at + 4 : at)
    // 2^53 ns are 104 days: only clocks that count from 1970 (or a very long uptime) need a base.
    if (this.#baseHi < 0) this.#baseHi = hi < 2 ** 20 ? 0 : hi
    return (hi - this.#baseHi) * TWO_32 + lo
  }

  #u32(at: number): number {
    const bytes = this.#bytes
    const a = bytes[at] as number
    const b = bytes[at + 1] as number
    const c = bytes[at + 2] as number
    const d = bytes[at + 3] as number
    return this.#header.littleEndian
      ? (a | (b << 8) | (c << 16) | (d << 24)) >>> 0
      : (d | (c << 8) | (b << 16) | (a << 24)) >>> 0
  }

  #u64(at: number): number {
    const first = this.#u32(at)
    const second = this.#u32(at + 4)
    return this.#header.littleEndian ? second * TWO_32 + first : first * TWO_32 + second
  }
}

const NO_TRAILER: TrailerLayout = { bytes: 0, tid: -1, time: -1, cpu: -1 }
const TEXT = new TextDecoder('utf-8')

/** CLOCK_* of include/uapi/linux/time.h by the names that tracefs uses. */
const CLOCKS: Readonly<Record<number, string>> = {
  0: 'realtime',
  1: 'mono',
  4: 'mono_raw',
  7: 'boot',
  11: 'tai',
}
