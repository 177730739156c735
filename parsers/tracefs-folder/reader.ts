import type { EventFormat } from '../batch.ts'
import { Cursor, readFully, toByteSource, toText } from '../cursor.ts'
import { TraceParseError } from '../error.ts'
import { EventMetadata } from '../event-metadata.ts'
import { IssueLog } from '../issues.ts'
import { MergedReader } from '../merged-reader.ts'
import type { FolderFile, FolderSource, Loss, TraceInfo, TraceReader } from '../reader.ts'
import { RecordMemory } from '../record-memory.ts'
import { RingBufferScanner, type StampBase } from '../ring-buffer.ts'
import { CpuStream, earliestStamp, settleLosses, UnpackBudget } from '../trace-dat/cpu-stream.ts'
import { isNanosecondClock, TimeOptions, toClock } from '../trace-dat/options.ts'
import { TimeConversion } from '../trace-dat/time.ts'
import { parseUname } from '../uname.ts'
import { WindowBuilder } from '../window.ts'

/** Bytes that all cpus together read ahead. */
const READ_AHEAD_BYTES = 1 << 25
const MAX_BLOCK_BYTES = 1 << 18
const MAX_TEXT_BYTES = 1 << 24
/** A format file is at most a page of text and its print format. */
const MAX_FORMAT_BYTES = 1 << 20
const MAX_SUB_BUFFER_BYTES = 1 << 22
const HEADER_PAGE = 'events/header_page'
const RAW_FILE = /^per_cpu\/cpu(\d{1,5})\/trace_pipe_raw$/

/** The folder that holds a copy of tracefs: the given one, or the only such one below it; `undefined` = none or several. */
function findRoot(folder: FolderSource): string | undefined {
  const roots = folder.paths
    .filter((path) => path === HEADER_PAGE || path.endsWith(`/${HEADER_PAGE}`))
    .map((path) => path.slice(0, -HEADER_PAGE.length))
    .filter((root) =>
      folder.paths.some((path) => path.startsWith(root) && RAW_FILE.test(path.slice(root.length))),
    )
  if (roots.includes('')) return ''
  return roots.length === 1 ? roots[0] : undefined
}

/** True where a copy of tracefs lies in the folder or below it. */
export function isTracefsFolder(folder: FolderSource): boolean {
  return findRoot(folder) !== undefined
}

/** Opens a copy of tracefs: events/, per_cpu/cpuN/trace_pipe_raw and stats, saved_cmdlines, trace_clock. */
export function openTracefsFolder(folder: FolderSource): TraceReader {
  const root = findRoot(folder)
  if (root === undefined)
    throw new TraceParseError(
      'unknown_format',
      folder.name,
      { unit: 'byte', at: 0 },
      `one folder with ${HEADER_PAGE} and per_cpu/cpu*/trace_pipe_raw was expected`,
    )
  return new TracefsFolderReader(folder, root)
}

interface RawFile {
  readonly cpu: number
  readonly file: FolderFile
}

class TracefsFolderReader extends MergedReader<CpuStream> {
  readonly info: TraceInfo
  readonly formats: readonly EventFormat[]
  readonly #folder: FolderSource
  readonly #root: string
  readonly #issues: IssueLog
  readonly #memory = new RecordMemory()
  readonly #options = new TimeOptions()
  readonly #metadata: EventMetadata
  readonly #files: RawFile[] = []
  readonly #streams: CpuStream[] = []

  constructor(folder: FolderSource, root: string) {
    const issues = new IssueLog()
    super(issues)
    this.#issues = issues
    this.#folder = folder
    this.#root = root
    this.#metadata = new EventMetadata(this.#issues, 8)
    try {
      this.#openRawFiles()
      const headerPage = this.#readText(HEADER_PAGE) ?? ''
      const littleEndian = this.#findByteOrder(headerPage)
      const pageBytes = this.#readHeaderPage(headerPage, littleEndian)
      this.#readFormats()
      this.#readTexts()
      const base = this.#makeStreams(pageBytes, littleEndian)
      const time = new TimeConversion({ base, tsc: undefined, shift: undefined, offsetNs: 0n })
      const { layout, formats } = this.#metadata
      if (layout === undefined) throw this.#error('bad_header_page', 'the layout is unknown')
      for (const stream of this.#streams)
        stream.begin(new RingBufferScanner(layout, base, this.#memory), time)
      this.formats = formats.records.map((record) => record.format)
      this.info = this.#toInfo(time, pageBytes)
      const window = new WindowBuilder({
        formats,
        issues: this.#issues,
        memory: this.#memory,
        littleEndian,
        maxRecordBytes: pageBytes,
      })
      this.begin({ streams: this.#streams, window })
    } catch (error) {
      this.close()
      throw error
    }
  }

  override close(): void {
    super.close()
    for (const { file } of this.#files.splice(0)) file.close()
  }

  /** The losses of a cpu; what was still in its buffer when it was copied is lost at the end. */
  protected settle(stream: CpuStream): Loss[] {
    const counter = this.#options.counters.find(({ cpu }) => cpu === stream.cpu)
    if (counter === undefined) return settleLosses(stream, 0)
    const losses = settleLosses(stream, counter.lost)
    // Where the counters were copied first, their unread events are in the file.
    const unread = Math.min(counter.unread, counter.read + counter.unread - stream.eventsFound)
    if (unread <= 0) return losses
    this.#issues.add(
      'unread_events',
      'data_loss',
      undefined,
      `The copy of cpu ${stream.cpu} ends before its buffer did: ${unread} events were not read.`,
      stream.cpu,
    )
    const startNs = stream.lastTs ?? 0
    const endNs = Math.max(...this.#streams.map(({ lastTs }) => lastTs ?? startNs))
    return [...losses, { cpu: stream.cpu, startNs, endNs, events: unread }]
  }

  #openRawFiles(): void {
    const { paths } = this.#folder
    for (const path of paths) {
      if (!path.startsWith(this.#root)) continue
      const cpu = RAW_FILE.exec(path.slice(this.#root.length))?.[1]
      const file = cpu === undefined ? undefined : this.#folder.open(path)
      if (file !== undefined) this.#files.push({ cpu: Number(cpu), file })
    }
  }

  /** The files do not say: in the right order the first page's commit fits into it. */
  #findByteOrder(headerPage: string): boolean {
    const commit = /\bcommit;\s*offset:8;\s*size:([48]);/.exec(headerPage)
    const big = commit?.[1] === '4' ? 8 : 12
    const head = new Uint8Array(16)
    for (const { file } of this.#files) {
      if (readFully(file, 0, head) < 16) continue
      const view = new DataView(head.buffer)
      const little = view.getUint32(8, true) & 0x3fff_ffff
      const asBig = view.getUint32(big, false) & 0x3fff_ffff
      if (little === 0 && asBig === 0) continue
      return little > 0 && little <= MAX_SUB_BUFFER_BYTES
    }
    return true
  }

  #readHeaderPage(text: string, littleEndian: boolean): number {
    const name = `${this.#folder.name}/${this.#root}${HEADER_PAGE}`
    const cursor = new Cursor(toByteSource(name, new Uint8Array(0)), { littleEndian })
    this.#metadata.setHeaderPage(text, cursor)
    const size = Number(/\bdata;\s*offset:\d+;\s*size:(\d{1,9});/.exec(text)?.[1])
    const pageBytes = size + (this.#metadata.layout?.dataOffset ?? 0)
    // Sub-buffers are pages or powers of two of them (ring_buffer_subbuf_order_set, 6.8).
    if (!(pageBytes >= 1024 && pageBytes <= MAX_SUB_BUFFER_BYTES) || pageBytes % 1024 !== 0)
      throw cursor.error(
        'bad_header_page',
        `the sub-buffer has ${pageBytes} bytes; a multiple of 1024 up to ${MAX_SUB_BUFFER_BYTES} was expected`,
      )
    return pageBytes
  }

  #readFormats(): void {
    const pattern = /^events\/([^/]+)\/[^/]+\/format$/
    for (const path of this.#folder.paths) {
      if (!path.startsWith(this.#root)) continue
      const below = path.slice(this.#root.length)
      const system = pattern.exec(below)?.[1]
      if (system === undefined) continue
      const text = this.#readText(below, MAX_FORMAT_BYTES)
      if (text !== undefined && text !== '') this.#metadata.addFormat(text, system, 0)
    }
    if (this.#metadata.formats.records.length === 0)
      throw this.#error('no_formats', 'no events/*/*/format file was found')
  }

  #readTexts(): void {
    this.#metadata.addCmdLines(this.#readText('saved_cmdlines') ?? '')
    const clock = this.#readText('trace_clock')
    if (clock !== undefined) this.#options.setClock(clock)
    for (const { cpu } of this.#files) {
      const stats = this.#readText(`per_cpu/cpu${cpu}/stats`)
      if (stats === undefined)
        this.#issues.add(
          'no_stats',
          'info',
          undefined,
          'per_cpu/cpu*/stats is missing: events that were overwritten before they were read are not counted.',
        )
      else this.#options.addCpuStat(`CPU: ${cpu}\n${stats}`)
    }
    const uname = this.#readText('uname') ?? this.#readBeside('uname')
    if (uname !== undefined) this.#options.setFact('uname', uname)
  }

  #makeStreams(pageBytes: number, littleEndian: boolean): StampBase {
    const { layout } = this.#metadata
    if (layout === undefined) throw this.#error('bad_header_page', 'the layout is unknown')
    const blockBytes = Math.min(MAX_BLOCK_BYTES, READ_AHEAD_BYTES / Math.max(1, this.#files.length))
    for (const { cpu, file } of this.#files) {
      const stream = new CpuStream({
        source: file,
        buffer: { cpu, instance: 0, offset: 0, size: file.size, pageBytes, unpack: undefined },
        issues: this.#issues,
        cursor: new Cursor(file, { littleEndian }),
        blockBytes,
        budget: new UnpackBudget(),
        memory: this.#memory,
      })
      this.#streams.push(stream)
    }
    return earliestStamp(this.#streams, layout)
  }

  #toInfo(time: TimeConversion, pageBytes: number): TraceInfo {
    const { facts } = this.#options
    const { kernelRelease, arch } = parseUname(facts.get('uname') ?? '')
    const clock = this.#options.clock ?? toClock(this.#readText('trace_clock') ?? '') ?? 'local'
    const tgids = new Map<number, number>()
    for (const [, tid, tgid] of (this.#readText('saved_tgids') ?? '').matchAll(
      /^\s*(\d{1,10})\s+(\d{1,10})\s*$/gm,
    ))
      tgids.set(Number(tid), Number(tgid))
    return {
      format: 'tracefs folder',
      kernelRelease,
      arch,
      cpus: this.#files.length,
      pageSize: pageBytes === 4096 ? pageBytes : undefined,
      clock,
      baseNs: time.baseNs,
      ticks: !isNanosecondClock(clock),
      instances: [{ name: '', clock }],
      comms: this.#metadata.comms,
      tgids,
      nodeRanges: [],
      facts,
    }
  }

  #readText(below: string, most = MAX_TEXT_BYTES): string | undefined {
    return this.#readPath(`${this.#root}${below}`, most)
  }

  /** A file of the given folder itself, beside the copy of tracefs. */
  #readBeside(name: string): string | undefined {
    return this.#root === '' ? undefined : this.#readPath(name, MAX_TEXT_BYTES)
  }

  #readPath(path: string, most: number): string | undefined {
    const file = this.#folder.open(path)
    if (file === undefined) return undefined
    try {
      const bytes = new Uint8Array(Math.min(file.size, most))
      return toText(bytes.subarray(0, readFully(file, 0, bytes)))
    } finally {
      file.close()
    }
  }

  #error(code: string, what: string): TraceParseError {
    return new TraceParseError(code, this.#folder.name, { unit: 'byte', at: 0 }, what)
  }
}
