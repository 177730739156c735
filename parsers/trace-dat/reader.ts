import { inflateSync } from 'node:zlib'
import type { EventFormat } from '../batch.ts'
import { Cursor } from '../cursor.ts'
import { IssueLog } from '../issues.ts'
import { MergedReader } from '../merged-reader.ts'
import type { ByteSource, Loss, TraceInfo, TraceReader } from '../reader.ts'
import { RecordMemory } from '../record-memory.ts'
import { RingBufferScanner } from '../ring-buffer.ts'
import { WindowBuilder } from '../window.ts'
import {
  CpuStream,
  earliestStamp,
  settleLosses,
  UnpackBudget,
  type Unpacker,
} from './cpu-stream.ts'
import { parseHeader, parsePreamble, type TraceDatHeader } from './header.ts'
import { isNanosecondClock } from './options.ts'
import { TimeConversion } from './time.ts'

/** Bytes that all streams together read ahead. */
const READ_AHEAD_BYTES = 1 << 25
const MAX_BLOCK_BYTES = 1 << 18

/** Opens a trace.dat of version 6 or 7. Throws `TraceParseError`. */
export async function openTraceDat(source: ByteSource): Promise<TraceReader> {
  const preamble = parsePreamble(source)
  const issues = new IssueLog()
  const budget = new UnpackBudget()
  const unpack = await loadUnpacker(preamble.compression, preamble.cursor)
  const header = parseHeader(preamble, unpack, issues, budget)
  return new TraceDatReader(source, header, issues, budget)
}

async function loadUnpacker(compression: string, cursor: Cursor): Promise<Unpacker | undefined> {
  if (compression === 'none') return undefined
  if (compression === 'zlib')
    return (packed, size) => {
      const bytes = inflateSync(packed, { maxOutputLength: Math.max(1, size) })
      if (bytes.length !== size)
        throw new Error(`zlib data gave ${bytes.length} bytes, ${size} were expected`)
      return bytes
    }
  if (compression === 'zstd') {
    const { loadZstd } = await import('../zstd.ts')
    return await loadZstd()
  }
  throw cursor.error(
    'unsupported_compression',
    `compression "${compression.slice(0, 20)}"; none, zlib and zstd are known`,
  )
}

class TraceDatReader extends MergedReader<CpuStream> {
  readonly info: TraceInfo
  readonly formats: readonly EventFormat[]
  readonly #header: TraceDatHeader
  readonly #issues: IssueLog
  readonly #streams: CpuStream[]

  constructor(source: ByteSource, header: TraceDatHeader, issues: IssueLog, budget: UnpackBudget) {
    super(issues)
    this.#header = header
    this.#issues = issues
    this.formats = header.formats.records.map((record) => record.format)
    const memory = new RecordMemory()
    this.#streams = this.#makeStreams(source, budget, memory)
    const base = earliestStamp(this.#streams, header.layout)
    const { tsc, timeShift, offsetNs } = header.options
    const time = new TimeConversion({ base, tsc, shift: timeShift, offsetNs })
    for (const stream of this.#streams)
      stream.begin(new RingBufferScanner(header.layout, base, memory), time)
    this.info = this.#toInfo(time)
    const maxPageBytes = Math.max(0, ...header.buffers.map((buffer) => buffer.pageBytes))
    const window = new WindowBuilder({
      formats: header.formats,
      issues,
      memory,
      littleEndian: header.littleEndian,
      maxRecordBytes: maxPageBytes,
    })
    this.begin({ streams: this.#streams, window })
  }

  symbolOf(hi: number, lo: number): string | undefined {
    return this.#header.symbols?.nameOf(hi, lo)
  }

  #makeStreams(source: ByteSource, budget: UnpackBudget, memory: RecordMemory): CpuStream[] {
    const { buffers, littleEndian, instances } = this.#header
    const clock = instances[buffers[0]?.instance ?? 0]?.clock
    const read = buffers.filter((buffer) => instances[buffer.instance]?.clock === clock)
    for (const [index, instance] of instances.entries())
      if (instance.clock !== clock && buffers.some((buffer) => buffer.instance === index))
        this.#issues.add(
          'instance_clock',
          'data_loss',
          undefined,
          `Buffer instance "${instance.name}" was recorded with clock ${instance.clock}, not ${clock}; its events were not read.`,
          instance.name,
        )
    const cursor = new Cursor(source, { littleEndian })
    const blockBytes = Math.min(MAX_BLOCK_BYTES, READ_AHEAD_BYTES / Math.max(1, read.length))
    return read.map(
      (buffer) =>
        new CpuStream({ source, buffer, issues: this.#issues, cursor, blockBytes, budget, memory }),
    )
  }

  #toInfo(time: TimeConversion): TraceInfo {
    const { version, options, cpus, pageBytes, comms, instances } = this.#header
    // The option has `uname` output without its version part: system, node, release, machine.
    const uname = options.facts.get('uname')?.split(/\s+/) ?? []
    const clock = instances[0]?.clock ?? options.clock ?? 'local'
    return {
      format: `trace.dat v${version}`,
      kernelRelease: uname.length >= 4 ? uname[2] : undefined,
      arch: uname.length >= 4 ? uname.at(-1) : undefined,
      cpus,
      pageSize: pageBytes,
      clock,
      baseNs: time.baseNs,
      ticks: options.tsc === undefined && !isNanosecondClock(clock),
      instances,
      comms,
      tgids: new Map(),
      nodeRanges: [],
      facts: options.facts,
    }
  }

  protected settle(stream: CpuStream): Loss[] {
    const name = this.#header.instances[stream.instance]?.name ?? ''
    const counter = this.#header.options.counters.find(
      ({ cpu, instance }) => cpu === stream.cpu && instance === name,
    )
    return settleLosses(stream, counter?.lost ?? 0)
  }
}
