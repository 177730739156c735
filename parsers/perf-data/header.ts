import { Cursor, toByteSource } from '../cursor.ts'
import { EventMetadata } from '../event-metadata.ts'
import type { IssueLog } from '../issues.ts'
import { copySized, KernelSymbols } from '../kernel-symbols.ts'
import type { ByteSource } from '../reader.ts'
import { type PerfAttr, parseAttr } from './attr.ts'

/** Everything in a perf.data file but its records; in pipe mode it grows while records are read. */
export class PerfHeader {
  readonly source: ByteSource
  readonly issues: IssueLog
  readonly littleEndian: boolean
  readonly isPipe: boolean
  readonly attrs: PerfAttr[] = []
  readonly facts = new Map<string, string>()
  readonly nodeRanges: { node: number; startPfn: number; endPfn: number }[] = []
  metadata: EventMetadata | undefined
  symbols: KernelSymbols | undefined
  kernelRelease: string | undefined
  arch: string | undefined
  cpus: number | undefined
  pageSize: number | undefined
  compressed = false
  /** HEADER_DIR_FORMAT: above 0 when the samples are in files of their own beside this one. */
  folderVersion = 0
  /** The recording ended before perf wrote where its data ends. */
  isUnfinished = false
  /** Records are in byte dataStart .. dataEnd. */
  dataStart = 0
  dataEnd = 0

  constructor(source: ByteSource, issues: IssueLog) {
    this.source = source
    this.issues = issues
    const cursor = new Cursor(source, { littleEndian: true })
    const magic = cursor.copyBytes(8)
    const text = new TextDecoder('latin1').decode(magic)
    if (text !== MAGIC && text !== SWAPPED)
      throw cursor.error('bad_magic', `not a perf.data file; "${MAGIC}" was expected`)
    this.littleEndian = text === MAGIC
    cursor.littleEndian = this.littleEndian
    const size = cursor.u64()
    this.isPipe = size === 16
    if (this.isPipe) {
      this.dataStart = 16
      this.dataEnd = source.size
    } else if (size === 104) this.#parseFile(cursor)
    else
      throw cursor.error(
        'bad_header',
        `header of ${size} bytes; 104, or 16 for a pipe, was expected`,
      )
  }

  /** One feature section's data. Source: tools/perf/util/header.c (6.12). Errors in it are issues: records can be read without. */
  parseFeature(id: number, cursor: Cursor): void {
    const at = cursor.at
    try {
      this.#feature(id, cursor)
    } catch (error) {
      if (id === FEATURE.tracingData) throw error
      this.issues.add('bad_feature', 'error', at, `Header feature ${id} cannot be read.`, id)
    }
  }

  /** Tracing data: the head of a trace.dat, version 0.5 or 0.6. */
  parseTracingData(cursor: Cursor): void {
    const magic = cursor.text(10)
    if (magic !== '\x17\x08Dtracing')
      throw cursor.error('bad_tracing_data', 'the tracing data has no "tracing" mark')
    const version = cursor.cString()
    if (version !== '0.5' && version !== '0.6')
      throw cursor.error(
        'unsupported_version',
        `tracing data of version "${version.slice(0, 20)}"; 0.5 and 0.6 are known`,
      )
    cursor.littleEndian = cursor.u8() === 0
    const userLong = cursor.u8()
    if (userLong !== 4 && userLong !== 8)
      throw cursor.error('bad_header', `size of a long is ${userLong}; 4 or 8 was expected`)
    this.pageSize = cursor.u32()
    const metadata = new EventMetadata(this.issues, userLong)
    metadata.parseHeaderInfo(cursor)
    metadata.parseFtraceEvents(cursor)
    metadata.parseEventSystems(cursor)
    // record_proc_kallsyms, tools/perf/util/trace-event-info.c: old versions have a copy here, 6.12 no bytes.
    const symbols = copySized(cursor)
    if (symbols.length > 0) this.symbols = new KernelSymbols(() => symbols)
    cursor.skip(cursor.u32())
    if (version === '0.6') metadata.parseCmdLines(cursor)
    this.metadata = metadata
  }

  addAttr(attr: PerfAttr): void {
    this.attrs.push(attr)
  }

  #parseFile(cursor: Cursor): void {
    const attrSize = cursor.u64()
    const attrs = section(cursor)
    const data = section(cursor)
    section(cursor)
    const bitmap = [cursor.u64Bits(), cursor.u64Bits(), cursor.u64Bits(), cursor.u64Bits()]
    this.dataStart = data.offset
    // perf writes the size last: 0 means that recording was cut short.
    this.isUnfinished = data.size === 0
    this.dataEnd = this.isUnfinished ? this.source.size : data.offset + data.size
    if (this.isUnfinished)
      this.issues.add(
        'unfinished_file',
        'data_loss',
        48,
        'The recording was not ended properly: the header does not say where the data ends.',
      )
    if (this.dataEnd > this.source.size) {
      this.issues.add(
        'data_truncated',
        'data_loss',
        this.source.size,
        `The data should end at byte ${this.dataEnd}, but the file has ${this.source.size} bytes.`,
      )
      this.dataEnd = this.source.size
    }
    if (attrSize < 64 + 16 || attrSize > 4096)
      throw cursor.error('bad_header', `an attribute of ${attrSize} bytes; 80 to 4096 was expected`)
    const count = Math.floor(attrs.size / attrSize)
    if (count > MAX_ATTRS)
      throw cursor.error('bad_header', `${count} attributes; at most ${MAX_ATTRS} were expected`)
    for (let i = 0; i < count; i++) {
      cursor.seek(attrs.offset + i * attrSize)
      const attr = parseAttr(cursor, attrSize - 16)
      const ids = section(cursor)
      const idCursor = new Cursor(this.source, { littleEndian: this.littleEndian })
      idCursor.seek(ids.offset)
      if (ids.size > idCursor.remaining)
        throw idCursor.error('truncated', `${ids.size} bytes of sample ids were expected`)
      for (let id = 0; id < ids.size / 8; id++) attr.ids.push(idCursor.u64())
      this.attrs.push(attr)
    }
    if (!this.isUnfinished) this.#parseFeatures(cursor, data.offset + data.size, bitmap)
  }

  #parseFeatures(cursor: Cursor, tableAt: number, bitmap: readonly number[][]): void {
    if (tableAt > this.source.size) return
    cursor.seek(tableAt)
    for (let id = 0; id < 256; id++) {
      const word = bitmap[id >> 6] ?? []
      if ((((word[(id >> 5) & 1] ?? 0) >>> (id & 31)) & 1) === 0) continue
      const { offset, size } = section(cursor)
      if (offset + size > this.source.size) {
        this.issues.add(
          'bad_feature',
          'error',
          offset,
          `Header feature ${id} lies outside the file.`,
          id,
        )
        continue
      }
      this.parseFeature(
        id,
        new Cursor(this.source, {
          littleEndian: this.littleEndian,
          start: offset,
          end: offset + size,
        }),
      )
    }
  }

  #feature(id: number, cursor: Cursor): void {
    switch (id) {
      case FEATURE.tracingData:
        this.parseTracingData(cursor)
        break
      case FEATURE.hostname:
        this.facts.set('hostname', string(cursor))
        break
      case FEATURE.osRelease:
        this.kernelRelease = string(cursor)
        break
      case FEATURE.version:
        this.facts.set('version', string(cursor))
        break
      case FEATURE.arch:
        this.arch = string(cursor)
        break
      case FEATURE.cpus:
        this.cpus = cursor.u32()
        break
      case FEATURE.cmdline: {
        const count = cursor.u32()
        if (count > 65_536) throw cursor.error('bad_feature', `${count} words in a command line`)
        const words: string[] = []
        for (let i = 0; i < count; i++) words.push(string(cursor))
        this.facts.set('cmdline', words.join(' '))
        break
      }
      case FEATURE.eventDesc:
        this.#parseEventDesc(cursor)
        break
      case FEATURE.memTopology:
        this.#parseMemTopology(cursor)
        break
      case FEATURE.dirFormat:
        this.folderVersion = cursor.u64()
        break
      case FEATURE.compressed:
        this.compressed = true
        break
      case FEATURE.clockData: {
        cursor.u32()
        const clockid = cursor.u32()
        const wall = cursor.bigU64()
        const clock = cursor.bigU64()
        this.facts.set('clock_data', `clockid ${clockid}: wall clock ${wall} ns at ${clock} ns`)
        break
      }
      default:
        break
    }
  }

  #parseEventDesc(cursor: Cursor): void {
    const count = cursor.u32()
    const attrSize = cursor.u32()
    if (count > MAX_ATTRS || attrSize < 64 || attrSize > 4096) return
    for (let i = 0; i < count; i++) {
      const attr = parseAttr(cursor, attrSize)
      const ids = cursor.u32()
      const name = string(cursor)
      for (let id = 0; id < ids; id++) attr.ids.push(cursor.u64())
      const known = this.attrs.find(
        (each) => each.type === attr.type && each.config === attr.config,
      )
      if (known !== undefined) known.name = name
    }
  }

  /** Which memory blocks each node has (HEADER_MEM_TOPOLOGY). */
  #parseMemTopology(cursor: Cursor): void {
    cursor.u64()
    const blockBytes = cursor.u64()
    const nodes = cursor.u64()
    const pageSize = this.pageSize ?? 4096
    const blockPages = blockBytes / pageSize
    if (!(nodes <= 1024 && blockPages >= 1)) return
    for (let i = 0; i < nodes; i++) {
      const node = cursor.u64()
      cursor.u64()
      // The bitmap has its own size in front (do_write_bitmap), the same as the node's.
      const bits = cursor.u64()
      for (let at = 0; at < bits; at += 64) {
        const word = cursor.u64Bits()
        for (let bit = 0; bit < 64 && at + bit < bits; bit++)
          if ((((word[bit >> 5] ?? 0) >>> (bit & 31)) & 1) === 1)
            this.#addBlock(node, (at + bit) * blockPages, blockPages)
      }
    }
  }

  #addBlock(node: number, startPfn: number, pages: number): void {
    const last = this.nodeRanges.at(-1)
    if (last?.node === node && last.endPfn === startPfn) last.endPfn += pages
    else this.nodeRanges.push({ node, startPfn, endPfn: startPfn + pages })
  }
}

/** The data that a record carries, as a cursor. `at` is the byte of the file it came from. */
export function recordCursor(header: PerfHeader, bytes: Uint8Array, at: number): Cursor {
  return new Cursor(toByteSource(header.source.name, bytes), {
    littleEndian: header.littleEndian,
    position: at,
  })
}

/** True when `head` starts a perf.data file of either byte order. */
export function isPerfData(head: Uint8Array): boolean {
  if (head.length < 8) return false
  const text = new TextDecoder('latin1').decode(head.subarray(0, 8))
  return text === MAGIC || text === SWAPPED
}

const MAGIC = 'PERFILE2'
const SWAPPED = '2ELIFREP'
const MAX_ATTRS = 65_536

// enum in tools/perf/util/header.h (6.12)
const FEATURE = {
  tracingData: 1,
  hostname: 3,
  osRelease: 4,
  version: 5,
  arch: 6,
  cpus: 7,
  cmdline: 11,
  eventDesc: 12,
  memTopology: 22,
  dirFormat: 24,
  compressed: 27,
  clockData: 29,
} as const

function section(cursor: Cursor): { offset: number; size: number } {
  return { offset: cursor.u64(), size: cursor.u64() }
}

/** u32 length, then characters padded with NULs. */
function string(cursor: Cursor): string {
  return cursor.text(cursor.u32()).split('\0', 1)[0] ?? ''
}
