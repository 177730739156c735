import { deflateSync } from 'node:zlib'
import type { EventKind } from '../event-kinds.ts'
import { clockText, Metadata } from './metadata.ts'
import { RingBufferPages } from './ring-buffer.ts'
import {
  concat,
  drain,
  integer,
  type Output,
  type Spool,
  type TraceWriter,
  utf8,
  type WriterContext,
} from './writer.ts'

/** Pages in one compressed chunk of a v7 file; trace-cmd uses the same. */
const CHUNK_PAGES = 100

interface CpuBuffer {
  readonly spool: Spool
  readonly chunks: ChunkedPages | undefined
  /** What stands in the file before the spool. */
  head: Uint8Array
  readonly pages: RingBufferPages
  lost: number
  events: number
}

/** Writes trace.dat, version 6 or 7. Source: Documentation/trace-cmd/trace-cmd.dat.v6.5.txt and .v7.5.txt of trace-cmd 3. */
export class TraceDatWriter implements TraceWriter {
  readonly #context: WriterContext
  readonly #version: 6 | 7
  readonly #metadata: Metadata
  readonly #cpus: CpuBuffer[]

  constructor(context: WriterContext, version: 6 | 7) {
    this.#context = context
    this.#version = version
    this.#metadata = new Metadata(context)
    this.#cpus = context.scenario.cpuNodes.map(() => {
      const spool = context.newSpool()
      const chunks = this.#compressed ? new ChunkedPages(spool, context) : undefined
      const pages = new RingBufferPages(context, chunks ?? spool)
      return { spool, chunks, head: new Uint8Array(0), pages, lost: 0, events: 0 }
    })
  }

  event(kind: EventKind, tsNs: number, cpu: number, tid: number, args: Float64Array): void {
    const encoder = this.#context.encoders.get(kind)
    const buffer = this.#cpus[cpu]
    if (encoder === undefined || buffer === undefined) return
    buffer.pages.record(encoder, tsNs, tid, args)
    buffer.events++
  }

  lost(cpu: number, count: number): void {
    const buffer = this.#cpus[cpu]
    if (buffer === undefined) return
    buffer.pages.lost(count)
    buffer.lost += count
  }

  finish(): void {
    for (const buffer of this.#cpus) {
      buffer.pages.flush()
      buffer.head = buffer.chunks?.finish() ?? buffer.head
    }
    if (this.#version === 6) this.#writeV6()
    else this.#writeV7()
  }

  get #compressed(): boolean {
    return this.#version === 7 && this.#context.compression !== 'none'
  }

  #int(value: number, size: 1 | 2 | 4 | 8): Uint8Array {
    return integer(value, size, this.#context.littleEndian)
  }

  #cpuStat(cpu: number): string {
    const buffer = this.#cpus[cpu]
    return `CPU: ${cpu}\nentries: ${buffer?.events ?? 0}\noverrun: ${buffer?.lost ?? 0}\ncommit overrun: 0\ndropped events: 0\nread events: ${buffer?.events ?? 0}\n`
  }

  /** Options both versions share: id, data. */
  #commonOptions(): (readonly [id: number, data: Uint8Array])[] {
    return [
      [4, utf8(`${clockText(this.#context)}\0`)],
      [
        5,
        utf8(
          `Linux (none) ${this.#context.kernelRelease} ${this.#context.long === 8 ? 'x86_64' : 'i686'}\0`,
        ),
      ],
      ...this.#cpus.map((_, cpu) => [2, utf8(`${this.#cpuStat(cpu)}\0`)] as const),
      [8, this.#int(this.#cpus.length, 4)],
    ]
  }

  #option(id: number, data: Uint8Array): Uint8Array {
    return concat([this.#int(id, 2), this.#int(data.length, 4), data])
  }

  #writeV6(): void {
    const { output, pageSize } = this.#context
    const head = concat([
      this.#metadata.magic('6'),
      this.#metadata.headerInfo(),
      this.#metadata.ftraceFormats(),
      this.#metadata.eventFormats(),
      this.#metadata.kallsyms(),
      this.#metadata.printk(),
      this.#metadata.cmdlines(),
      this.#int(this.#cpus.length, 4),
      utf8('options  \0'),
      ...this.#commonOptions().map(([id, data]) => this.#option(id, data)),
      this.#int(0, 2),
      utf8('flyrecord\0'),
    ])
    output.write(head)
    let offset = Math.ceil((head.length + 16 * this.#cpus.length) / pageSize) * pageSize
    const gap = offset - head.length - 16 * this.#cpus.length
    for (const { spool } of this.#cpus) {
      output.write(concat([this.#int(offset, 8), this.#int(spool.length, 8)]))
      offset += spool.length
    }
    output.write(new Uint8Array(gap))
    for (const { spool } of this.#cpus) drain(spool, output)
  }

  #writeV7(): void {
    const { output } = this.#context
    const head = this.#headV7()
    const names = new SectionNames()
    const metadata = this.#metadataSections(head.length + 8, names)
    const { starts, end } = this.#placeCpus(metadata.end + SECTION_HEAD_BYTES)
    const dataBytes = end - metadata.end - SECTION_HEAD_BYTES
    const data = this.#sectionHead(3, names.add('flyrecord'), dataBytes, this.#compressed)
    // The strings come before the options, whose name is among them.
    const optionsName = names.add('options')
    const strings = this.#section(15, names.add('strings'), names.bytes(), false)
    const options = concat([
      ...metadata.options,
      ...this.#commonOptions().map(([id, data]) => this.#option(id, data)),
      this.#option(3, this.#bufferOption(metadata.end, starts)),
      this.#option(15, this.#int(end, 8)),
      this.#option(0, this.#int(0, 8)),
    ])
    output.write(concat([head, this.#int(end + strings.length, 8)]))
    for (const section of metadata.sections) output.write(section)
    output.write(data)
    this.#writeCpus(starts, metadata.end + SECTION_HEAD_BYTES)
    output.write(strings)
    output.write(this.#section(0, optionsName, options, false))
  }

  #headV7(): Uint8Array {
    const { compression } = this.#context
    const version = compression === 'zlib' ? '1.2.13' : compression === 'zstd' ? '1.5.4' : ''
    return concat([this.#metadata.magic('7'), utf8(`${compression}\0${version}\0`)])
  }

  /** What describes the events, from a place of the file on, with the options that tell where each section is. */
  #metadataSections(
    from: number,
    names: SectionNames,
  ): { readonly sections: Uint8Array[]; readonly options: Uint8Array[]; readonly end: number } {
    const contents: readonly (readonly [id: number, name: string, data: Uint8Array])[] = [
      [16, 'headers', this.#metadata.headerInfo()],
      [17, 'ftrace events', this.#metadata.ftraceFormats()],
      [18, 'events format', this.#metadata.eventFormats()],
      [19, 'kallsyms', this.#metadata.kallsyms()],
      [20, 'printk', this.#metadata.printk()],
      [21, 'command lines', this.#metadata.cmdlines()],
    ]
    const sections: Uint8Array[] = []
    const options: Uint8Array[] = []
    let end = from
    for (const [id, name, data] of contents) {
      const section = this.#section(id, names.add(name), data, this.#compressed)
      options.push(this.#option(id, this.#int(end, 8)))
      sections.push(section)
      end += section.length
    }
    return { sections, options, end }
  }

  #section(id: number, name: number, data: Uint8Array, compressed: boolean): Uint8Array {
    const body = compressed ? this.#compressSection(data) : data
    return concat([this.#sectionHead(id, name, body.length, compressed), body])
  }

  #sectionHead(id: number, name: number, bytes: number, compressed: boolean): Uint8Array {
    return concat([
      this.#int(id, 2),
      this.#int(compressed ? 1 : 0, 2),
      this.#int(name, 4),
      this.#int(bytes, 8),
    ])
  }

  /** Each cpu's data begins on a page boundary of its own. */
  #placeCpus(from: number): { readonly starts: readonly number[]; readonly end: number } {
    const { pageSize } = this.#context
    const starts: number[] = []
    let end = from
    for (const { head, spool } of this.#cpus) {
      end = Math.ceil(end / pageSize) * pageSize
      starts.push(end)
      end += head.length + spool.length
    }
    return { starts, end }
  }

  #writeCpus(starts: readonly number[], from: number): void {
    const { output } = this.#context
    let at = from
    for (const [i, { head, spool }] of this.#cpus.entries()) {
      const start = starts[i] ?? at
      output.write(new Uint8Array(start - at))
      output.write(head)
      at = start + head.length + spool.length
      drain(spool, output)
    }
  }

  #bufferOption(section: number, starts: readonly number[]): Uint8Array {
    return concat([
      this.#int(section, 8),
      utf8('\0'),
      utf8(`${this.#context.clock}\0`),
      this.#int(this.#context.pageSize, 4),
      this.#int(this.#cpus.length, 4),
      ...this.#cpus.map(({ head, spool }, cpu) =>
        concat([
          this.#int(cpu, 4),
          this.#int(starts[cpu] ?? 0, 8),
          this.#int(head.length + spool.length, 8),
        ]),
      ),
    ])
  }

  #compressSection(data: Uint8Array): Uint8Array {
    const body = compress(data, this.#context)
    return concat([this.#int(body.length, 4), this.#int(data.length, 4), body])
  }
}

const SECTION_HEAD_BYTES = 16

/** Names of sections, by the byte at which each begins. */
class SectionNames {
  readonly #names: string[] = []
  #length = 0

  add(name: string): number {
    const at = this.#length
    this.#names.push(name)
    this.#length += utf8(name).length + 1
    return at
  }

  bytes(): Uint8Array {
    return utf8(`${this.#names.join('\0')}\0`)
  }
}

/** Groups pages into compressed chunks, one after another; their number stands before them in the file. */
class ChunkedPages implements Output {
  readonly #spool: Spool
  readonly #context: WriterContext
  readonly #chunk: Uint8Array
  #used = 0
  #chunks = 0

  constructor(spool: Spool, context: WriterContext) {
    this.#spool = spool
    this.#context = context
    this.#chunk = new Uint8Array(CHUNK_PAGES * context.pageSize)
  }

  write(page: Uint8Array): void {
    this.#chunk.set(page, this.#used)
    this.#used += page.length
    if (this.#used === this.#chunk.length) this.#close()
  }

  /** Ends the last chunk; returns what precedes them all. */
  finish(): Uint8Array {
    if (this.#used > 0) this.#close()
    return integer(this.#chunks, 4, this.#context.littleEndian)
  }

  #close(): void {
    const { littleEndian } = this.#context
    const data = this.#chunk.subarray(0, this.#used)
    const body = compress(data, this.#context)
    this.#spool.write(integer(body.length, 4, littleEndian))
    this.#spool.write(integer(data.length, 4, littleEndian))
    this.#spool.write(body)
    this.#chunks++
    this.#used = 0
  }
}

function compress(data: Uint8Array, { compression, zstdCompress }: WriterContext): Uint8Array {
  if (compression === 'zstd' && zstdCompress !== undefined) return zstdCompress(data)
  return deflateSync(data, { level: 6 })
}
