import { Cursor, toByteSource, toText } from '../cursor.ts'
import { TraceParseError } from '../error.ts'
import { EventMetadata } from '../event-metadata.ts'
import type { IssueLog } from '../issues.ts'
import { copySized, type KernelSymbols, readSymbols } from '../kernel-symbols.ts'
import type { ByteSource, TraceInstance } from '../reader.ts'
import type { SubBufferLayout } from '../ring-buffer.ts'
import type { FormatTable } from '../window.ts'
import { type CpuBuffer, MAX_CHUNK_BYTES, type UnpackBudget, type Unpacker } from './cpu-stream.ts'
import { TimeOptions, toClock } from './options.ts'

/** Everything in a trace.dat but the recorded pages. */
export interface TraceDatHeader {
  readonly version: 6 | 7
  readonly compression: string
  readonly littleEndian: boolean
  readonly pageBytes: number
  readonly layout: SubBufferLayout
  readonly formats: FormatTable
  readonly comms: ReadonlyMap<number, string>
  readonly instances: readonly TraceInstance[]
  readonly buffers: readonly CpuBuffer[]
  readonly cpus: number
  readonly options: TimeOptions
  readonly symbols: KernelSymbols | undefined
}

/** The fixed start of a file, up to what tells how to read the rest. */
export interface TraceDatPreamble {
  readonly version: 6 | 7
  readonly littleEndian: boolean
  readonly userLong: 4 | 8
  readonly pageBytes: number
  readonly compression: string
  readonly cursor: Cursor
}

const MAGIC = [0x17, 0x08, 0x44, 0x74, 0x72, 0x61, 0x63, 0x69, 0x6e, 0x67]
/** The largest NR_CPUS that a kernel can have is 8192. */
const MAX_CPUS = 8192
const MAX_INSTANCES = 256
const MAX_PAGE_BYTES = 1 << 26
const MAX_CLOCK_BYTES = 4096
const MAX_META_BYTES = 1 << 28
const MAX_META_RATIO = 4096

// include/private/trace-cmd-private.h of trace-cmd (3.4)
const OPTION = {
  done: 0,
  date: 1,
  cpuStat: 2,
  buffer: 3,
  traceClock: 4,
  uname: 5,
  hook: 6,
  offset: 7,
  cpuCount: 8,
  version: 9,
  traceId: 11,
  timeShift: 12,
  tsc2nsec: 14,
  headerInfo: 16,
  ftraceEvents: 17,
  eventFormats: 18,
  kallsyms: 19,
  cmdLines: 21,
  bufferText: 22,
} as const
const SECTION_COMPRESSED = 1

/** True when `head` starts with the magic of trace.dat. */
export function isTraceDat(head: Uint8Array): boolean {
  return head.length >= MAGIC.length && MAGIC.every((byte, index) => head[index] === byte)
}

/** Reads the start of the file. */
export function parsePreamble(source: ByteSource): TraceDatPreamble {
  const cursor = new Cursor(source, { littleEndian: true })
  const magic = cursor.copyBytes(MAGIC.length)
  if (!isTraceDat(magic))
    throw new TraceParseError(
      'bad_magic',
      source.name,
      { unit: 'byte', at: 0 },
      'not a trace.dat file',
    )
  const version = cursor.cString()
  if (version !== '6' && version !== '7')
    throw cursor.error(
      'unsupported_version',
      `trace.dat version "${version.slice(0, 20)}"; 6 and 7 are known`,
    )
  const endian = cursor.u8()
  if (endian > 1) throw cursor.error('bad_header', `byte order ${endian}; 0 or 1 was expected`)
  cursor.littleEndian = endian === 0
  const userLong = cursor.u8()
  if (userLong !== 4 && userLong !== 8)
    throw cursor.error('bad_header', `size of a long is ${userLong}; 4 or 8 was expected`)
  const pageBytes = cursor.u32()
  checkPageBytes(cursor, pageBytes)
  let compression = 'none'
  if (version === '7') {
    compression = cursor.cString()
    cursor.cString()
  }
  return {
    version: version === '6' ? 6 : 7,
    littleEndian: endian === 0,
    userLong,
    pageBytes,
    compression,
    cursor,
  }
}

function checkPageBytes(cursor: Cursor, pageBytes: number): void {
  if (pageBytes < 64 || pageBytes > MAX_PAGE_BYTES || pageBytes % 4 !== 0)
    throw cursor.error(
      'bad_page_size',
      `page size ${pageBytes}; 64 to ${MAX_PAGE_BYTES} was expected`,
    )
}

/** Reads all of the metadata. */
export function parseHeader(
  preamble: TraceDatPreamble,
  unpack: Unpacker | undefined,
  issues: IssueLog,
  budget: UnpackBudget,
): TraceDatHeader {
  const parser = new HeaderParser(preamble, unpack, issues, budget)
  if (preamble.version === 6) parser.parseVersion6()
  else parser.parseVersion7()
  return parser.finish()
}

class HeaderParser {
  readonly #preamble: TraceDatPreamble
  readonly #cursor: Cursor
  readonly #unpack: Unpacker | undefined
  readonly #issues: IssueLog
  readonly #budget: UnpackBudget
  readonly #options = new TimeOptions()
  readonly #metadata: EventMetadata
  readonly #instances: { name: string; clock: string }[] = []
  readonly #buffers: CpuBuffer[] = []
  #cpus = 0
  #textData = false
  #symbols: KernelSymbols | undefined

  constructor(
    preamble: TraceDatPreamble,
    unpack: Unpacker | undefined,
    issues: IssueLog,
    budget: UnpackBudget,
  ) {
    this.#preamble = preamble
    this.#cursor = preamble.cursor
    this.#unpack = unpack
    this.#issues = issues
    this.#budget = budget
    this.#metadata = new EventMetadata(issues, preamble.userLong)
  }

  finish(): TraceDatHeader {
    const { version, compression, littleEndian, pageBytes } = this.#preamble
    const { layout, formats, comms } = this.#metadata
    if (layout === undefined)
      throw this.#cursor.error(
        'no_header_page',
        'the description of the ring-buffer page is missing',
      )
    if (this.#textData && this.#buffers.length === 0) throw this.#latencyError()
    this.#checkOverlap()
    return {
      version,
      compression,
      littleEndian,
      pageBytes,
      layout,
      formats,
      comms,
      instances: this.#instances,
      buffers: this.#buffers,
      cpus: this.#cpus,
      options: this.#options,
      symbols: this.#symbols,
    }
  }

  // Documentation/trace-cmd/trace-cmd.dat.v6.5.txt: one part after another.
  parseVersion6(): void {
    const cursor = this.#cursor
    this.#metadata.parseHeaderInfo(cursor)
    this.#metadata.parseFtraceEvents(cursor)
    this.#metadata.parseEventSystems(cursor)
    const symbolsAt = cursor.at
    this.#setSymbols(() => {
      const symbols = new Cursor(cursor.source, { littleEndian: this.#preamble.littleEndian })
      symbols.seek(symbolsAt)
      return symbols
    })
    cursor.skip(cursor.u32())
    cursor.skip(cursor.u32())
    this.#metadata.parseCmdLines(cursor)
    this.#cpus = cursor.u32()
    const instances: { name: string; offset: number }[] = []
    let tag = cursor.text(10)
    if (tag.startsWith('options')) {
      this.#parseOptions(cursor, instances)
      tag = cursor.text(10)
    }
    if (tag.startsWith('latency')) throw this.#latencyError()
    if (!tag.startsWith('flyrecord'))
      throw cursor.error('bad_data_type', `data of type "${tag.trim()}"; "flyrecord" was expected`)
    const counted = this.#cpus
    this.#cpus = this.#options.cpuCount ?? counted
    this.#parseCpuTable(cursor, 0)
    const clock = this.#parseBufferClock(cursor) ?? this.#options.clock ?? 'local'
    this.#instances.push({ name: '', clock })
    for (const { name, offset } of instances) {
      cursor.seek(offset)
      const instanceTag = cursor.text(10)
      if (!instanceTag.startsWith('flyrecord')) {
        this.#reportInstance(name, `holds "${instanceTag.trim()}" data`)
        continue
      }
      this.#parseCpuTable(cursor, this.#instances.length)
      this.#instances.push({ name, clock: this.#parseBufferClock(cursor) ?? clock })
    }
  }

  #setSymbols(open: () => Cursor): void {
    this.#symbols = readSymbols(this.#issues, () => copySized(open()))
  }

  /** Files with the option TRACECLOCK, which may be empty, have each buffer's clock behind its table of cpus. */
  #parseBufferClock(cursor: Cursor): string | undefined {
    if (!this.#options.hasClock || cursor.remaining < 8) return undefined
    const size = cursor.u64()
    if (size > MAX_CLOCK_BYTES || size > cursor.remaining) return undefined
    return toClock(cursor.text(size))
  }

  #parseCpuTable(cursor: Cursor, instance: number): void {
    if (this.#cpus > MAX_CPUS)
      throw cursor.error('too_many_cpus', `${this.#cpus} cpus; at most ${MAX_CPUS} were expected`)
    for (let cpu = 0; cpu < this.#cpus; cpu++) {
      const offset = cursor.u64()
      const size = cursor.u64()
      this.#addBuffer(cursor, {
        cpu,
        instance,
        offset,
        size,
        pageBytes: this.#preamble.pageBytes,
        unpack: undefined,
      })
    }
  }

  #addBuffer(cursor: Cursor, buffer: CpuBuffer): void {
    if (buffer.size === 0) return
    if (!(buffer.offset + buffer.size <= Number.MAX_SAFE_INTEGER))
      throw cursor.error(
        'bad_offset',
        `the data of cpu ${buffer.cpu} is said to end at byte ${buffer.offset + buffer.size}`,
      )
    this.#buffers.push(buffer)
  }

  // Documentation/trace-cmd/trace-cmd.dat.v7.5.txt: sections, found through options.
  parseVersion7(): void {
    const cursor = this.#cursor
    const visited = new Set<number>()
    const sections = new Map<number, number>()
    const buffers: Cursor[] = []
    for (let next = cursor.u64(); next !== 0; ) {
      if (visited.has(next))
        throw cursor.error('options_loop', `the options at byte ${next} lead back to themselves`)
      visited.add(next)
      next = this.#parseOptionSection(next, sections, buffers)
    }
    const open = (id: number) => {
      const offset = sections.get(id)
      return offset === undefined ? undefined : this.#openSection(offset, id)
    }
    const headerInfo = open(OPTION.headerInfo)
    if (headerInfo !== undefined) this.#metadata.parseHeaderInfo(headerInfo)
    const ftraceEvents = open(OPTION.ftraceEvents)
    if (ftraceEvents !== undefined) this.#metadata.parseFtraceEvents(ftraceEvents)
    const eventFormats = open(OPTION.eventFormats)
    if (eventFormats !== undefined) this.#metadata.parseEventSystems(eventFormats)
    const cmdLines = open(OPTION.cmdLines)
    if (cmdLines !== undefined) this.#metadata.parseCmdLines(cmdLines)
    const symbolsAt = sections.get(OPTION.kallsyms)
    if (symbolsAt !== undefined)
      this.#setSymbols(() => this.#openSection(symbolsAt, OPTION.kallsyms))
    for (const buffer of buffers) this.#parseBufferOption(buffer)
    this.#cpus = this.#options.cpuCount ?? this.#cpus
  }

  /** Returns the offset of the next options section, 0 = none. */
  #parseOptionSection(offset: number, sections: Map<number, number>, buffers: Cursor[]): number {
    const cursor = this.#openSection(offset, OPTION.done)
    for (;;) {
      const id = cursor.u16()
      const size = cursor.u32()
      const position = cursor.at
      const data = new Cursor(toByteSource(cursor.source.name, cursor.copyBytes(size)), {
        littleEndian: this.#preamble.littleEndian,
        position,
      })
      if (id === OPTION.done) return data.u64()
      if (id === OPTION.buffer) {
        if (buffers.length >= MAX_INSTANCES)
          throw cursor.error('too_many_instances', `more than ${MAX_INSTANCES} buffers`)
        buffers.push(data)
      } else if (id === OPTION.bufferText) this.#textData = true
      else if (id >= OPTION.headerInfo && id <= OPTION.cmdLines) {
        if (size >= 8) sections.set(id, data.u64())
      } else this.#parseOption(id, data)
    }
  }

  #openSection(offset: number, id: number): Cursor {
    const { littleEndian } = this.#preamble
    const cursor = new Cursor(this.#cursor.source, { littleEndian })
    cursor.seek(offset)
    const found = cursor.u16()
    if (found !== id)
      throw cursor.error(
        'bad_section',
        `section ${found} at byte ${offset}; section ${id} was expected`,
      )
    const flags = cursor.u16()
    cursor.u32()
    cursor.u64()
    if ((flags & SECTION_COMPRESSED) === 0) return cursor
    const packedBytes = cursor.u32()
    const size = cursor.u32()
    return this.#unpackSection(cursor, packedBytes, size)
  }

  #unpackSection(cursor: Cursor, packedBytes: number, size: number): Cursor {
    const at = cursor.at
    if (this.#unpack === undefined)
      throw cursor.error('bad_section', 'a compressed section in a file without compression')
    if (
      size > MAX_META_BYTES ||
      size > MAX_CHUNK_BYTES + MAX_META_RATIO * packedBytes ||
      !this.#budget.allows(packedBytes, size)
    )
      throw cursor.error(
        'compression_bomb',
        `a section of ${packedBytes} bytes claims to hold ${size}`,
      )
    const packed = cursor.copyBytes(packedBytes)
    let bytes: Uint8Array
    try {
      bytes = this.#unpack(packed, size)
    } catch (cause) {
      throw cursor.error('corrupt_section', `the section at byte ${at} cannot be unpacked`, cause)
    }
    return new Cursor(toByteSource(cursor.source.name, bytes), {
      littleEndian: this.#preamble.littleEndian,
      position: at,
    })
  }

  #parseBufferOption(data: Cursor): void {
    const offset = data.u64()
    const name = data.cString()
    const clock = data.cString()
    const pageBytes = data.u32()
    checkPageBytes(data, pageBytes)
    const cpus = data.u32()
    if (cpus > MAX_CPUS)
      throw data.error('too_many_cpus', `${cpus} cpus; at most ${MAX_CPUS} were expected`)
    const section = new Cursor(this.#cursor.source, { littleEndian: this.#preamble.littleEndian })
    section.seek(offset)
    if (section.u16() !== OPTION.buffer)
      throw section.error('bad_section', `no buffer section at byte ${offset}`)
    const packed = (section.u16() & SECTION_COMPRESSED) !== 0
    if (packed && this.#unpack === undefined)
      throw section.error('bad_section', 'a compressed buffer in a file without compression')
    const instance = this.#instances.length
    this.#instances.push({ name, clock })
    for (let i = 0; i < cpus; i++) {
      const cpu = data.u32()
      const start = data.u64()
      const size = data.u64()
      this.#addBuffer(data, {
        cpu,
        instance,
        offset: start,
        size,
        pageBytes,
        unpack: packed ? this.#unpack : undefined,
      })
    }
    if (name === '' || this.#cpus === 0) this.#cpus = cpus
  }

  #parseOptions(cursor: Cursor, instances: { name: string; offset: number }[]): void {
    for (;;) {
      const id = cursor.u16()
      if (id === OPTION.done) return
      const size = cursor.u32()
      const position = cursor.at
      const data = new Cursor(toByteSource(cursor.source.name, cursor.copyBytes(size)), {
        littleEndian: this.#preamble.littleEndian,
        position,
      })
      if (id !== OPTION.buffer) this.#parseOption(id, data)
      else {
        if (instances.length >= MAX_INSTANCES)
          throw cursor.error('too_many_instances', `more than ${MAX_INSTANCES} buffers`)
        const offset = data.u64()
        instances.push({ offset, name: data.cString() })
      }
    }
  }

  #parseOption(id: number, data: Cursor): void {
    const options = this.#options
    const text = () => toText(data.copyBytes(data.remaining)).split('\0', 1)[0] ?? ''
    if (id === OPTION.date) options.addOffset(text(), 1000n)
    else if (id === OPTION.offset) options.addOffset(text(), 1n)
    else if (id === OPTION.cpuStat) options.addCpuStat(text())
    else if (id === OPTION.traceClock) options.setClock(text())
    else if (id === OPTION.uname) options.setFact('uname', text())
    else if (id === OPTION.version) options.setFact('version', text())
    else if (id === OPTION.hook) options.setFact('hooks', text())
    else if (id === OPTION.cpuCount && data.remaining >= 4) options.cpuCount = data.u32()
    else if (id === OPTION.traceId && data.remaining >= 8)
      options.setFact('trace_id', `0x${data.bigU64().toString(16)}`)
    else if (id === OPTION.timeShift && data.remaining >= 16) options.setTimeShift(data, MAX_CPUS)
    else if (id === OPTION.tsc2nsec && data.remaining >= 16) options.setTsc(data)
  }

  /** Two cpus that share bytes cannot have been recorded; a file of them would take unbounded time. */
  #checkOverlap(): void {
    const sorted = [...this.#buffers].sort((a, b) => a.offset - b.offset)
    for (const [index, buffer] of sorted.entries()) {
      const next = sorted[index + 1]
      if (next !== undefined && buffer.offset + buffer.size > next.offset)
        throw new TraceParseError(
          'overlapping_buffers',
          this.#cursor.source.name,
          { unit: 'byte', at: next.offset },
          `the data of cpu ${buffer.cpu} and cpu ${next.cpu} overlap`,
        )
    }
  }

  #reportInstance(name: string, what: string): void {
    this.#issues.add(
      'instance_skipped',
      'data_loss',
      undefined,
      `Buffer instance "${name}" ${what} and was not read.`,
      name,
    )
  }

  #latencyError(): TraceParseError {
    return this.#cursor.error(
      'latency_data',
      'the file holds the text of a latency tracer, not events; record with "trace-cmd record -e ..."',
    )
  }
}
