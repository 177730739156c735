import type { EventFormat, EventWindow } from '../batch.ts'
import type { IssueLog } from '../issues.ts'
import type { ByteSource, ImportIssue, Loss, TraceInfo, TraceReader, Wants } from '../reader.ts'
import { RecordMemory } from '../record-memory.ts'
import { FormatTable, WindowBuilder } from '../window.ts'
import { parseAttr } from './attr.ts'
import type { FolderPart } from './folder.ts'
import { type PerfHeader, recordCursor } from './header.ts'
import { LossLog } from './loss-log.ts'
import type { PendingSamples } from './pending.ts'
import { RecordFile, type RecordRun, type ZstdStream } from './record-file.ts'
import { RecordView } from './record-view.ts'
import { Samples } from './samples.ts'

// include/uapi/linux/perf_event.h and tools/lib/perf/include/perf/event.h (6.12)
/** A record's length is a u16. */
const MAX_RECORD_BYTES = 1 << 16
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
/** Bytes that the files of a folder together read ahead. */
const READ_AHEAD_BYTES = 1 << 25
/** Read of one file of a folder before another is the one that lags. */
const RECORDS_A_TURN = 256
const SAMPLES_A_TURN = 4096
/** Samples of a folder's files that are sorted at once. */
const ENOUGH_PENDING = 1 << 16

/** Of a folder, the file with the header. */
export const HEADER_FILE = 'data'

/** One file of records. */
interface DataFile {
  /** Its name in issues; empty when it is the only one. */
  readonly label: string
  readonly records: RecordFile
  /** Time of its last sample; -Infinity before, +Infinity at its end. */
  newestNs: number
}

/** Reads perf.data whose header has been read: records are sorted round by round. */
export class PerfDataReader implements TraceReader {
  readonly #header: PerfHeader
  readonly #issues: IssueLog
  readonly #files: DataFile[]
  readonly #folder: { close(): void } | undefined
  readonly #view: RecordView
  readonly #losses: LossLog
  readonly #comms = new Map<number, string>()
  readonly #samples: Samples
  readonly #pending: PendingSamples
  #window: WindowBuilder | undefined
  #wants: Wants = () => undefined
  #wantsRecords: (format: EventFormat) => boolean = () => false
  /** The window takes from samples that were released. */
  #isMerging = false
  #formats = new FormatTable()
  #seenMetadata: unknown
  /** Samples that may come before some are let go. */
  #enough = Number.POSITIVE_INFINITY
  /** The writer marks where its rounds end, and samples came after the last mark. */
  #marksRounds = false
  #isRoundOpen = false
  #ended = false
  #exhausted = false

  /** What is being read, and where in it the record starts that is being handled. */
  #file: DataFile
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
    this.#view = new RecordView(littleEndian)
    const parts = folder?.files ?? []
    const memory = new RecordMemory()
    const mostPassed = parts.length > 0 ? -1 : WORTH_SORTING
    this.#samples = new Samples({ memory, view: this.#view, issues, littleEndian, mostPassed })
    const { slackBytes } = this.#samples
    this.#pending = this.#samples.pending
    this.#losses = new LossLog(this.#view, (cpu) => this.#pending.lastNs(cpu))
    const readBytes = Math.floor(READ_AHEAD_BYTES / (1 + parts.length))
    const toFile = (of: ByteSource, start: number, end: number, label: string): DataFile => ({
      label,
      newestNs: Number.NEGATIVE_INFINITY,
      records: new RecordFile(
        { source: of, memory, start, end, littleEndian, issues, zstd, readBytes, slackBytes },
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
      baseNs: BigInt(Math.max(0, this.#view.baseHi)) << 32n,
      ticks: false,
      instances: [{ name: '', clock }],
      comms: new Map([...(header.metadata?.comms ?? []), ...this.#comms]),
      tgids: this.#samples.groups.known,
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
    return this.#losses.list
  }

  get issues(): readonly ImportIssue[] {
    return this.#issues.list
  }

  get bytesRead(): number {
    return this.#files.reduce((sum, { records }) => sum + records.bytesRead, 0)
  }

  get memory(): RecordMemory {
    return this.#pending.memory
  }

  wantOnly(wants: Wants): void {
    this.#wants = wants
    this.#window?.wantOnly(wants)
  }

  wantRecords(wants: (format: EventFormat) => boolean): void {
    this.#wantsRecords = wants
    this.#window?.wantRecords(wants)
  }

  read(): EventWindow | undefined {
    this.#pending.tidy()
    while (!this.#ended) {
      if (this.#isMerging && this.#window !== undefined) {
        if (this.#window.fill()) return this.#window.finish()
        this.#isMerging = false
        this.#pending.settle()
      }
      if (this.#exhausted) {
        if (this.#pending.count === 0) break
        this.#release(Number.POSITIVE_INFINITY)
      } else this.#readRound()
    }
    if (this.#ended) return undefined
    this.#ended = true
    this.#losses.close()
    if (this.#header.isPipe && this.#marksRounds && this.#isRoundOpen)
      // __record__mmap_read_all, tools/perf/builtin-record.c (6.12): whatever was written is closed by FINISHED_ROUND.
      this.#issues.add(
        'unfinished_round',
        'data_loss',
        this.#position,
        'The pipe ends within a round of samples: it was cut, or perf was killed; what followed is missing.',
      )
    return this.#window?.finish()
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
    while (!this.#isMerging && !this.#exhausted) {
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
      memory: this.#pending.memory,
      littleEndian: this.#header.littleEndian,
      maxRecordBytes: MAX_RECORD_BYTES,
    })
    this.#window.wantOnly(this.#wants)
    this.#window.wantRecords(this.#wantsRecords)
    this.#window.begin(streams)
    this.#isMerging = true
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

  #takeRun(run: RecordRun): number {
    if (this.#seenMetadata !== this.#header.metadata) this.#learnFormats()
    const samples = this.#samples
    const to = samples.takeRun(run, this.#enough - this.#pending.count)
    if (to > run.from) {
      const { lastAt, metRounds, isRoundClosed } = samples.runs
      if (metRounds) this.#marksRounds = true
      this.#isRoundOpen = !isRoundClosed
      this.#position = run.position + lastAt * run.positionStep
      this.#file.records.position = this.#position
      this.#file.newestNs = this.#pending.newestNs
    }
    return to
  }

  #endRound(): void {
    this.#marksRounds = true
    this.#isRoundOpen = false
    if (this.#files.length > 1) return
    const { count, roundNs } = this.#pending
    // tools/perf/util/ordered-events.c: nothing after this is older than the round before it.
    if (count > WORTH_SORTING && roundNs > Number.NEGATIVE_INFINITY) this.#release(roundNs)
    this.#pending.roundNs = this.#pending.latestNs
  }

  #record(type: number, size: number): void {
    const { records } = this.#file
    const view = this.#view
    view.bytes = records.bytes
    view.at = records.at
    this.#position = records.position
    switch (type) {
      case RECORD.sample:
        this.#isRoundOpen = true
        if (this.#seenMetadata !== this.#header.metadata) this.#learnFormats()
        if (this.#samples.take(size, this.#position)) this.#file.newestNs = this.#pending.newestNs
        break
      case RECORD.finishedRound:
        this.#endRound()
        break
      case RECORD.finishedInit:
        this.#marksRounds = true
        break
      case RECORD.lost:
        if (size >= 24) this.#losses.lost(view.u64(16), size)
        break
      case RECORD.lostSamples:
        if (size >= 16) this.#losses.lost(view.u64(8), size)
        break
      case RECORD.throttle:
        this.#losses.throttle(size)
        break
      case RECORD.unthrottle:
        this.#losses.unthrottle(size)
        break
      case RECORD.comm:
        this.#comm(size)
        break
      case RECORD.fork:
        if (size >= 24) this.#samples.groups.set(this.#view.u32(16), this.#view.u32(8))
        break
      case RECORD.attr:
        this.#attr(size)
        break
      case RECORD.feature:
        if (size >= 16) this.#header.parseFeature(this.#view.u64(8), this.#cursor(16, size))
        break
      case RECORD.tracingData:
        this.#tracingData(size)
        break
      case RECORD.auxtrace:
        if (size >= 16) records.skip(this.#view.u64(8))
        break
      default:
        break
    }
  }

  #comm(size: number): void {
    const end = size - this.#losses.trailerBytes(size)
    if (end < 17) return
    const text = TEXT.decode(this.#view.borrow(16, end))
    const tid = this.#view.u32(12)
    this.#comms.set(tid, text.split('\0', 1)[0] ?? '')
    this.#samples.groups.set(tid, this.#view.u32(8))
  }

  #attr(size: number): void {
    const cursor = this.#cursor(8, size)
    const attrSize = this.#view.u32(12)
    const bytes = attrSize >= 64 && attrSize <= size - 8 ? attrSize : Math.min(size - 8, 64)
    const attr = parseAttr(cursor, bytes)
    while (cursor.remaining >= 8) attr.ids.push(cursor.u64())
    this.#header.addAttr(attr)
    this.#learnAttrs()
  }

  /** The data follows the record and is not counted in its size. */
  #tracingData(size: number): void {
    if (size < 12) return
    const length = this.#view.u32(8)
    const { records } = this.#file
    const bytes = records.copyAhead(length)
    this.#header.parseTracingData(recordCursor(this.#header, bytes, this.#position + size))
    this.#learnFormats()
    records.skip(length)
  }

  #cursor(from: number, size: number) {
    const bytes = this.#view.borrow(from, size).slice()
    return recordCursor(this.#header, bytes, this.#position + from)
  }

  #learnAttrs(): void {
    const { attrs } = this.#header
    this.#samples.learn(attrs)
    this.#losses.learn(attrs, this.#samples.attrOfId)
    this.#learnFormats()
  }

  #learnFormats(): void {
    const { metadata } = this.#header
    this.#seenMetadata = metadata
    if (metadata !== undefined) this.#formats = metadata.formats
  }
}

const TEXT = new TextDecoder('utf-8')

/** CLOCK_* of include/uapi/linux/time.h by the names that tracefs uses. */
const CLOCKS: Readonly<Record<number, string>> = {
  0: 'realtime',
  1: 'mono',
  4: 'mono_raw',
  7: 'boot',
  11: 'tai',
}
