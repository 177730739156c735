import type { EventKind } from '../event-kinds.ts'
import type { RecordEncoder } from '../record.ts'
import { Metadata } from './metadata.ts'
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

export type PerfMode = 'file' | 'pipe' | 'compressed'

const ATTR_BYTES = 112
const SAMPLE_ID = 0x10000
const SAMPLE_TYPE = 0x1 | 0x2 | 0x4 | 0x80 | 0x100 | 0x400 | SAMPLE_ID
const RECORD = { lost: 2, comm: 3, sample: 9 } as const
const USER_RECORD = {
  attr: 64,
  tracingData: 66,
  finishedRound: 68,
  feature: 80,
  compressed: 81,
  finishedInit: 82,
} as const
const FEATURE = {
  tracingData: 1,
  hostname: 3,
  osRelease: 4,
  arch: 6,
  cpus: 7,
  eventDesc: 12,
  sampleTime: 21,
  compressed: 27,
} as const
/** Sample before its raw bytes: header 8, identifier 8, ip 8, pid and tid 8, time 8, cpu 8, period 8, raw size 4. */
const SAMPLE_HEAD = 60
/** pid, tid, time, cpu, identifier after records that are no samples. */
const SAMPLE_ID_BYTES = 32
const ROUND_EVENTS = 10_000
/** Plain bytes in one COMPRESSED record; its size field has 16 bits. */
const CHUNK_BYTES = 32_768

/**
 * Writes perf.data: one attribute per tracepoint, PERF_SAMPLE_RAW records.
 * Source: tools/perf/Documentation/perf.data-file-format.txt and include/uapi/linux/perf_event.h of 6.12.
 */
export class PerfDataWriter implements TraceWriter {
  readonly #context: WriterContext
  readonly #mode: PerfMode
  readonly #encoders: readonly RecordEncoder[]
  readonly #index: ReadonlyMap<string, number>
  readonly #tgids: ReadonlyMap<number, number>
  readonly #metadata: Metadata
  /** Records wait here until the header before them is known; in pipe mode they go straight out. */
  readonly #spool: Spool | undefined
  readonly #data: Output
  readonly #buffer = new Uint8Array(4096)
  readonly #view = new DataView(this.#buffer.buffer)
  #inRound = 0
  #firstNs = 0
  #lastNs = 0

  constructor(context: WriterContext, mode: PerfMode) {
    this.#context = context
    this.#mode = mode
    this.#metadata = new Metadata(context)
    this.#encoders = [...context.encoders.values()]
    this.#index = new Map(this.#encoders.map(({ layout }, i) => [layout.kind, i]))
    this.#tgids = new Map(context.scenario.actors.map(({ tid, tgid }) => [tid, tgid]))
    this.#spool = mode === 'pipe' ? undefined : context.newSpool()
    const target = this.#spool ?? context.output
    this.#data = mode === 'compressed' ? new CompressedRecords(target, context) : target
    if (mode === 'pipe') this.#writePipeHead()
    for (const { tid, tgid, comm } of context.scenario.actors) this.#comm(tid, tgid, comm)
  }

  event(kind: EventKind, tsNs: number, cpu: number, tid: number, args: Float64Array): void {
    const index = this.#index.get(kind)
    const encoder = this.#encoders[index ?? -1]
    if (index === undefined || encoder === undefined) return
    if (this.#firstNs === 0) this.#firstNs = tsNs
    this.#lastNs = tsNs
    const length = encoder.byteLength(args)
    // perf_raw_record: size and data together fill whole 8-byte words.
    const raw = Math.ceil((length + 4) / 8) * 8 - 4
    const size = SAMPLE_HEAD + raw
    this.#buffer.fill(0, 0, size)
    this.#header(RECORD.sample, 1, size)
    this.#u64(8, this.#id(index, cpu))
    this.#u64(16, 0x8123_4567)
    this.#u32(24, this.#tgids.get(tid) ?? tid)
    this.#u32(28, tid)
    this.#u64(32, tsNs)
    this.#u32(40, cpu)
    this.#u64(48, 1)
    this.#u32(56, raw)
    encoder.encode(this.#buffer, this.#view, SAMPLE_HEAD, tid, args)
    this.#data.write(this.#buffer.subarray(0, size))
    if (++this.#inRound === ROUND_EVENTS) this.#finishRound()
  }

  lost(cpu: number, count: number, _fromNs: number, toNs: number): void {
    const size = 24 + SAMPLE_ID_BYTES
    this.#buffer.fill(0, 0, size)
    this.#header(RECORD.lost, 0, size)
    this.#u64(8, this.#id(0, cpu))
    this.#u64(16, count)
    this.#sampleId(24, 0, 0, toNs, cpu)
    this.#data.write(this.#buffer.subarray(0, size))
  }

  finish(): void {
    this.#finishRound()
    if (this.#data instanceof CompressedRecords) this.#data.flush()
    if (this.#spool !== undefined) this.#writeFile(this.#spool)
  }

  #finishRound(): void {
    this.#inRound = 0
    this.#header(USER_RECORD.finishedRound, 0, 8)
    // Round barriers are never inside the compressed stream.
    if (this.#data instanceof CompressedRecords) this.#data.flush()
    const target = this.#spool ?? this.#context.output
    target.write(this.#buffer.subarray(0, 8))
  }

  #id(attr: number, cpu: number): number {
    return 1 + attr * this.#context.scenario.cpuNodes.length + cpu
  }

  #comm(tid: number, tgid: number, comm: string): void {
    const text = utf8(comm).subarray(0, 15)
    const padded = Math.ceil((text.length + 1) / 8) * 8
    const size = 16 + padded + SAMPLE_ID_BYTES
    this.#buffer.fill(0, 0, size)
    this.#header(RECORD.comm, 0, size)
    this.#u32(8, tgid)
    this.#u32(12, tid)
    this.#buffer.set(text, 16)
    this.#sampleId(16 + padded, tgid, tid, 0, 0)
    this.#data.write(this.#buffer.subarray(0, size))
  }

  #sampleId(at: number, tgid: number, tid: number, ns: number, cpu: number): void {
    this.#u32(at, tgid)
    this.#u32(at + 4, tid)
    this.#u64(at + 8, ns)
    this.#u32(at + 16, cpu)
    this.#u64(at + 24, this.#id(0, cpu))
  }

  #header(type: number, misc: number, size: number): void {
    const { littleEndian } = this.#context
    this.#view.setUint32(0, type, littleEndian)
    this.#view.setUint16(4, misc, littleEndian)
    this.#view.setUint16(6, size, littleEndian)
  }

  #u32(at: number, value: number): void {
    this.#view.setUint32(at, value, this.#context.littleEndian)
  }

  #u64(at: number, value: number): void {
    const { littleEndian } = this.#context
    this.#view.setUint32(at + (littleEndian ? 0 : 4), value, littleEndian)
    this.#view.setUint32(at + (littleEndian ? 4 : 0), Math.floor(value / 2 ** 32), littleEndian)
  }

  #int(value: number, size: 4 | 8): Uint8Array {
    return integer(value, size, this.#context.littleEndian)
  }

  #attr(encoder: RecordEncoder): Uint8Array {
    const attr = new Uint8Array(ATTR_BYTES)
    const view = new DataView(attr.buffer)
    const { littleEndian } = this.#context
    const set = (at: number, value: number) => attr.set(integer(value, 8, littleEndian), at)
    view.setUint32(0, 2, littleEndian)
    view.setUint32(4, ATTR_BYTES, littleEndian)
    set(8, encoder.id)
    set(16, 1)
    set(24, SAMPLE_TYPE)
    set(32, 4)
    // Bit-fields fill a word from its lowest bit on little-endian machines and from its highest on big-endian ones.
    for (const bit of [0, 1, 18, 25]) {
      const byte = bit >> 3
      const mask = littleEndian ? 1 << (bit & 7) : 0x80 >> (bit & 7)
      attr[40 + byte] = (attr[40 + byte] ?? 0) | mask
    }
    view.setInt32(92, this.#context.clock === 'boot' ? 7 : 1, littleEndian)
    return attr
  }

  #ids(index: number): Uint8Array {
    return concat(
      this.#context.scenario.cpuNodes.map((_, cpu) => this.#int(this.#id(index, cpu), 8)),
    )
  }

  #string(text: string): Uint8Array {
    const bytes = utf8(`${text}\0`)
    const padded = new Uint8Array(Math.ceil(bytes.length / 64) * 64)
    padded.set(bytes)
    return concat([this.#int(padded.length, 4), padded])
  }

  #tracingData(): Uint8Array {
    const metadata = this.#metadata
    return concat([
      metadata.magic('0.6'),
      metadata.headerInfo(),
      metadata.ftraceFormats(),
      metadata.eventFormats(),
      metadata.kallsyms(),
      metadata.printk(),
      metadata.cmdlines(),
    ])
  }

  #features(): (readonly [id: number, data: Uint8Array])[] {
    const { scenario, kernelRelease, long } = this.#context
    const cpus = scenario.cpuNodes.length
    const features: (readonly [id: number, data: Uint8Array])[] = [
      [FEATURE.tracingData, this.#tracingData()],
      [FEATURE.hostname, this.#string('generated')],
      [FEATURE.osRelease, this.#string(kernelRelease)],
      [FEATURE.arch, this.#string(long === 8 ? 'x86_64' : 'i686')],
      [FEATURE.cpus, concat([this.#int(cpus, 4), this.#int(cpus, 4)])],
      [
        FEATURE.eventDesc,
        concat([
          this.#int(this.#encoders.length, 4),
          this.#int(ATTR_BYTES, 4),
          ...this.#encoders.map((encoder, i) =>
            concat([
              this.#attr(encoder),
              this.#int(cpus, 4),
              this.#string(`${encoder.layout.system}:${encoder.layout.name}`),
              this.#ids(i),
            ]),
          ),
        ]),
      ],
      [FEATURE.sampleTime, concat([this.#int(this.#firstNs, 8), this.#int(this.#lastNs, 8)])],
    ]
    if (this.#mode === 'compressed')
      features.push([
        FEATURE.compressed,
        concat([1, 1, 1, 3, 528_384].map((value) => this.#int(value, 4))),
      ])
    return features
  }

  #writeFile(spool: Spool): void {
    const { output } = this.#context
    const features = this.#features()
    const idBytes = 8 * this.#context.scenario.cpuNodes.length
    const idsAt = 104
    const attrsAt = idsAt + idBytes * this.#encoders.length
    const attrSize = ATTR_BYTES + 16
    const dataAt = attrsAt + attrSize * this.#encoders.length
    const bitmap = new Uint8Array(32)
    for (const [id] of features) {
      // An array of unsigned longs in the file's byte order.
      const byte = this.#context.littleEndian ? id >> 3 : (id >> 6) * 8 + 7 - ((id & 63) >> 3)
      bitmap[byte] = (bitmap[byte] ?? 0) | (1 << (id & 7))
    }
    const magic = utf8('PERFILE2')
    output.write(
      concat([
        this.#context.littleEndian ? magic : magic.slice().reverse(),
        ...[
          104,
          attrSize,
          attrsAt,
          attrSize * this.#encoders.length,
          dataAt,
          spool.length,
          0,
          0,
        ].map((value) => this.#int(value, 8)),
        bitmap,
        ...this.#encoders.map((_, i) => this.#ids(i)),
        ...this.#encoders.map((encoder, i) =>
          concat([this.#attr(encoder), this.#int(idsAt + i * idBytes, 8), this.#int(idBytes, 8)]),
        ),
      ]),
    )
    let at = dataAt + spool.length + 16 * features.length
    drain(spool, output)
    for (const [, data] of features) {
      output.write(concat([this.#int(at, 8), this.#int(data.length, 8)]))
      at += data.length
    }
    for (const [, data] of features) output.write(data)
  }

  #writePipeHead(): void {
    const { output, littleEndian } = this.#context
    const magic = utf8('PERFILE2')
    const record = (type: number, body: Uint8Array): Uint8Array => {
      const bytes = concat([new Uint8Array(8), body])
      const view = new DataView(bytes.buffer)
      view.setUint32(0, type, littleEndian)
      view.setUint16(6, bytes.length, littleEndian)
      return bytes
    }
    const tracing = this.#tracingData()
    const padded = new Uint8Array(Math.ceil(tracing.length / 8) * 8)
    padded.set(tracing)
    output.write(
      concat([
        littleEndian ? magic : magic.slice().reverse(),
        this.#int(16, 8),
        ...this.#features()
          .filter(
            ([id]) =>
              id !== FEATURE.tracingData && id !== FEATURE.sampleTime && id !== FEATURE.eventDesc,
          )
          .map(([id, data]) => record(USER_RECORD.feature, concat([this.#int(id, 8), data]))),
        ...this.#encoders.map((encoder, i) =>
          record(USER_RECORD.attr, concat([this.#attr(encoder), this.#ids(i)])),
        ),
        record(USER_RECORD.tracingData, this.#int(padded.length, 4)),
        padded,
        record(USER_RECORD.finishedInit, new Uint8Array(0)),
      ]),
    )
  }
}

/** Wraps plain records into COMPRESSED records of one zstd frame each. */
class CompressedRecords implements Output {
  readonly #target: Output
  readonly #context: WriterContext
  readonly #plain = new Uint8Array(CHUNK_BYTES + 8192)
  #used = 0

  constructor(target: Output, context: WriterContext) {
    this.#target = target
    this.#context = context
  }

  write(bytes: Uint8Array): void {
    this.#plain.set(bytes, this.#used)
    this.#used += bytes.length
    if (this.#used >= CHUNK_BYTES) this.flush()
  }

  flush(): void {
    const { zstdCompress, littleEndian } = this.#context
    if (this.#used === 0 || zstdCompress === undefined) return
    const body = zstdCompress(this.#plain.subarray(0, this.#used))
    const record = concat([new Uint8Array(8), body])
    const view = new DataView(record.buffer)
    view.setUint32(0, USER_RECORD.compressed, littleEndian)
    view.setUint16(6, record.length, littleEndian)
    this.#target.write(record)
    this.#used = 0
  }
}
