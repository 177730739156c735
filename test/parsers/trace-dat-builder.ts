import { deflateSync } from 'node:zlib'

/** Writes numbers in either byte order; grows. */
export class ByteWriter {
  #bytes = new Uint8Array(1024)
  #view = new DataView(this.#bytes.buffer)
  length = 0
  readonly littleEndian: boolean

  constructor(littleEndian: boolean) {
    this.littleEndian = littleEndian
  }

  #room(bytes: number): number {
    const at = this.length
    this.length += bytes
    if (this.length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.length, this.#bytes.length * 2))
      grown.set(this.#bytes)
      this.#bytes = grown
      this.#view = new DataView(grown.buffer)
    }
    return at
  }

  u8(value: number): this {
    const at = this.#room(1)
    this.#view.setUint8(at, value)
    return this
  }

  u16(value: number): this {
    const at = this.#room(2)
    this.#view.setUint16(at, value, this.littleEndian)
    return this
  }

  u32(value: number): this {
    const at = this.#room(4)
    this.#view.setUint32(at, value, this.littleEndian)
    return this
  }

  u64(value: bigint | number): this {
    const at = this.#room(8)
    this.#view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), this.littleEndian)
    return this
  }

  bytes(bytes: Uint8Array): this {
    const at = this.#room(bytes.length)
    this.#bytes.set(bytes, at)
    return this
  }

  text(text: string): this {
    return this.bytes(new TextEncoder().encode(text))
  }

  cString(text: string): this {
    return this.text(text).u8(0)
  }

  /** NUL-padded to `size` bytes. */
  chars(text: string, size: number): this {
    const bytes = new Uint8Array(size)
    bytes.set(new TextEncoder().encode(text).subarray(0, size))
    return this.bytes(bytes)
  }

  padTo(multiple: number): this {
    while (this.length % multiple !== 0) this.u8(0)
    return this
  }

  setU64(at: number, value: bigint | number): void {
    this.#view.setBigUint64(at, BigInt(value), this.littleEndian)
  }

  toBytes(): Uint8Array {
    return this.#bytes.slice(0, this.length)
  }
}

export interface MachineOptions {
  readonly littleEndian: boolean
  /** Size of the kernel's long. */
  readonly longSize: 4 | 8
  readonly pageBytes: number
}

/** One sub-buffer, record by record, as kernel/trace/ring_buffer.c writes them. */
export class PageBuilder {
  readonly #data: ByteWriter
  readonly #machine: MachineOptions
  readonly #stamp: bigint
  #missed: number | 'unknown' = 0

  constructor(machine: MachineOptions, stamp: bigint) {
    this.#machine = machine
    this.#stamp = stamp
    this.#data = new ByteWriter(machine.littleEndian)
  }

  get bytesUsed(): number {
    return this.#data.length
  }

  #header(type: number, delta: number): void {
    const value = this.#machine.littleEndian
      ? ((delta << 5) | type) >>> 0
      : ((type << 27) | delta) >>> 0
    this.#data.u32(value)
  }

  /** A record with data; lengths above 112 bytes, or `long`, use the form with a length word. */
  record(delta: number, payload: Uint8Array, options: { long?: boolean } = {}): this {
    if (payload.length > 112 || options.long === true) {
      this.#header(0, delta)
      this.#data.u32(payload.length + 4)
    } else this.#header(Math.ceil(payload.length / 4), delta)
    this.#data.bytes(payload).padTo(4)
    return this
  }

  discarded(delta: number, payloadBytes: number): this {
    this.#header(29, delta)
    this.#data.u32(payloadBytes)
    this.#data.bytes(new Uint8Array(payloadBytes - 4))
    return this
  }

  timeExtend(delta: bigint): this {
    this.#header(30, Number(delta & 0x7ff_ffffn))
    this.#data.u32(Number(delta >> 27n))
    return this
  }

  absoluteTime(stamp: bigint): this {
    const lower = stamp & ((1n << 59n) - 1n)
    this.#header(31, Number(lower & 0x7ff_ffffn))
    this.#data.u32(Number(lower >> 27n))
    return this
  }

  endPadding(): this {
    this.#header(29, 0)
    return this
  }

  /** Any word, for damaged pages. */
  word(value: number): this {
    this.#data.u32(value)
    return this
  }

  missed(events: number | 'unknown'): this {
    this.#missed = events
    return this
  }

  toBytes(): Uint8Array {
    const { littleEndian, longSize, pageBytes } = this.#machine
    const page = new ByteWriter(littleEndian)
    page.u64(this.#stamp)
    let commit = this.#data.length
    if (this.#missed !== 0) commit += 2 ** 31
    if (typeof this.#missed === 'number' && this.#missed > 0) commit += 2 ** 30
    if (longSize === 8) page.u64(commit)
    else page.u32(commit)
    page.bytes(this.#data.toBytes())
    if (typeof this.#missed === 'number' && this.#missed > 0) {
      if (longSize === 8) page.u64(this.#missed)
      else page.u32(this.#missed)
    }
    if (page.length > pageBytes) throw new Error(`a page of ${page.length} bytes`)
    return page.padTo(pageBytes).toBytes()
  }
}

const TAB = '\t'

/** A format file with the usual common fields; fields as [declaration, offset, size, signed]. */
export function formatText(
  name: string,
  id: number,
  fields: readonly (readonly [string, number, number, 0 | 1])[],
  printFmt = '""',
): string {
  const line = ([declaration, offset, size, signed]: readonly [string, number, number, 0 | 1]) =>
    `${TAB}field:${declaration};${TAB}offset:${offset};${TAB}size:${size};${TAB}signed:${signed};\n`
  const common = [
    ['unsigned short common_type', 0, 2, 0],
    ['unsigned char common_flags', 2, 1, 0],
    ['unsigned char common_preempt_count', 3, 1, 0],
    ['int common_pid', 4, 4, 1],
  ] as const
  return `name: ${name}\nID: ${id}\nformat:\n${common.map(line).join('')}\n${fields.map(line).join('')}\nprint fmt: ${printFmt}\n`
}

export function headerPageText(longSize: 4 | 8, pageBytes: number): string {
  const data = 8 + longSize
  return (
    `${TAB}field: u64 timestamp;${TAB}offset:0;${TAB}size:8;${TAB}signed:0;\n` +
    `${TAB}field: local_t commit;${TAB}offset:8;${TAB}size:${longSize};${TAB}signed:1;\n` +
    `${TAB}field: int overwrite;${TAB}offset:8;${TAB}size:1;${TAB}signed:1;\n` +
    `${TAB}field: char data;${TAB}offset:${data};${TAB}size:${pageBytes - data};${TAB}signed:1;\n`
  )
}

const HEADER_EVENT =
  '# compressed entry header\n\ttype_len    :    5 bits\n\ttime_delta  :   27 bits\n\tarray       :   32 bits\n\n\tpadding     : type == 29\n\ttime_extend : type == 30\n\ttime_stamp : type == 31\n\tdata max type_len  == 28\n'

export interface TraceFileOptions extends MachineOptions {
  /** Of trace-cmd itself; the kernel's if absent. */
  readonly userLong?: 4 | 8
  /** Formats by system. */
  readonly systems: Readonly<Record<string, readonly string[]>>
  /** Pages by cpu. */
  readonly cpus: ReadonlyMap<number, readonly Uint8Array[]>
  /** More buffer instances. */
  readonly instances?: readonly {
    name: string
    clock?: string
    cpus: ReadonlyMap<number, readonly Uint8Array[]>
  }[]
  /** id, data; BUFFER and the section options excepted. */
  readonly options?: readonly (readonly [number, Uint8Array])[]
  readonly clock?: string
  readonly comms?: string
}

export function textOption(id: number, text: string): readonly [number, Uint8Array] {
  return [id, new ByteWriter(true).cString(text).toBytes()]
}

function writeStart(out: ByteWriter, version: 6 | 7, options: TraceFileOptions): void {
  out
    .bytes(Uint8Array.of(0x17, 0x08, 0x44))
    .text('tracing')
    .cString(String(version))
  out
    .u8(options.littleEndian ? 0 : 1)
    .u8(options.userLong ?? options.longSize)
    .u32(options.pageBytes)
}

function sized(out: ByteWriter, text: string): void {
  const bytes = new TextEncoder().encode(text)
  out.u64(bytes.length).bytes(bytes)
}

function writeHeaderInfo(out: ByteWriter, options: TraceFileOptions): void {
  out.cString('header_page')
  sized(out, headerPageText(options.longSize, options.pageBytes))
  out.cString('header_event')
  sized(out, HEADER_EVENT)
}

function writeSystems(out: ByteWriter, options: TraceFileOptions): void {
  const systems = Object.entries(options.systems).filter(([system]) => system !== 'ftrace')
  out.u32(systems.length)
  for (const [system, formats] of systems) {
    out.cString(system).u32(formats.length)
    for (const format of formats) sized(out, format)
  }
}

function writeFtrace(out: ByteWriter, options: TraceFileOptions): void {
  const formats = options.systems['ftrace'] ?? []
  out.u32(formats.length)
  for (const format of formats) sized(out, format)
}

function cpuIds(cpus: ReadonlyMap<number, readonly Uint8Array[]>): number[] {
  return [...cpus.keys()].sort((a, b) => a - b)
}

/** A trace.dat of version 6 (trace-cmd.dat.v6 manual page). */
export function buildVersion6(options: TraceFileOptions): Uint8Array {
  const out = new ByteWriter(options.littleEndian)
  writeStart(out, 6, options)
  writeHeaderInfo(out, options)
  writeFtrace(out, options)
  writeSystems(out, options)
  out.u32(0).u32(0)
  sized(out, options.comms ?? '')
  const ids = cpuIds(options.cpus)
  const count = Math.max(0, ...ids.map((id) => id + 1))
  out.u32(count)
  const instances = options.instances ?? []
  out.text('options  ').u8(0)
  for (const [id, data] of options.options ?? []) out.u16(id).u32(data.length).bytes(data)
  if (options.clock !== undefined) {
    // Old trace-cmd leaves the option empty: the clock stands behind each table of cpus.
    out.u16(4).u32(0)
  }
  const instanceAt = instances.map(({ name }) => {
    out.u16(3).u32(8 + name.length + 1)
    const at = out.length
    out.u64(0).cString(name)
    return at
  })
  out.u16(0)
  const writeTable = (
    cpus: ReadonlyMap<number, readonly Uint8Array[]>,
    clock: string | undefined,
  ) => {
    out.text('flyrecord').u8(0)
    const table = out.length
    for (let cpu = 0; cpu < count; cpu++) out.u64(0).u64(0)
    if (clock !== undefined) sized(out, `[${clock}]`)
    out.padTo(options.pageBytes)
    for (let cpu = 0; cpu < count; cpu++) {
      const pages = cpus.get(cpu) ?? []
      out.setU64(table + cpu * 16, pages.length === 0 ? 0 : out.length)
      out.setU64(table + cpu * 16 + 8, pages.length * options.pageBytes)
      for (const page of pages) out.bytes(page)
    }
  }
  writeTable(options.cpus, options.clock)
  for (const [index, instance] of instances.entries()) {
    out.setU64(instanceAt[index] ?? 0, out.length)
    writeTable(instance.cpus, instance.clock ?? options.clock)
  }
  return out.toBytes()
}

export interface Compression {
  readonly name: 'none' | 'zlib' | 'zstd'
  pack(bytes: Uint8Array): Uint8Array
}

export const ZLIB: Compression = { name: 'zlib', pack: (bytes) => deflateSync(bytes) }
export const NONE: Compression = { name: 'none', pack: (bytes) => bytes }

/** A trace.dat of version 7 (trace-cmd.dat.v7 manual page). */
export function buildVersion7(options: TraceFileOptions, compression: Compression): Uint8Array {
  const { littleEndian, pageBytes } = options
  const out = new ByteWriter(littleEndian)
  const packed = compression.name !== 'none'
  writeStart(out, 7, options)
  out.cString(compression.name).cString('1')
  const optionsAt = out.length
  out.u64(0)
  const section = (id: number, fill: (content: ByteWriter) => void): number => {
    const at = out.length
    const content = new ByteWriter(littleEndian)
    fill(content)
    const bytes = content.toBytes()
    out
      .u16(id)
      .u16(packed ? 1 : 0)
      .u32(0)
    if (!packed) out.u64(bytes.length).bytes(bytes)
    else {
      const small = compression.pack(bytes)
      out
        .u64(small.length + 8)
        .u32(small.length)
        .u32(bytes.length)
        .bytes(small)
    }
    return at
  }
  const sections: [number, number][] = [
    [16, section(16, (content) => writeHeaderInfo(content, options))],
    [17, section(17, (content) => writeFtrace(content, options))],
    [18, section(18, (content) => writeSystems(content, options))],
    [21, section(21, (content) => sized(content, options.comms ?? ''))],
  ]
  const clock = options.clock ?? 'local'
  const buffers = [{ name: '', clock, cpus: options.cpus }, ...(options.instances ?? [])].map(
    (instance) => {
      const at = out.length
      out
        .u16(3)
        .u16(packed ? 1 : 0)
        .u32(0)
        .u64(0)
      const option = new ByteWriter(littleEndian)
      const ids = cpuIds(instance.cpus)
      option
        .u64(at)
        .cString(instance.name)
        .cString(instance.clock ?? clock)
        .u32(pageBytes)
        .u32(ids.length)
      for (const cpu of ids) {
        const pages = instance.cpus.get(cpu) ?? []
        out.padTo(packed ? 8 : pageBytes)
        const start = out.length
        if (!packed) for (const page of pages) out.bytes(page)
        else writeChunks(out, pages, compression)
        option
          .u32(cpu)
          .u64(start)
          .u64(out.length - start - (packed ? 4 : 0))
      }
      return option.toBytes()
    },
  )
  out.setU64(optionsAt, out.length)
  out.u16(0).u16(0).u32(0).u64(0)
  for (const [id, data] of options.options ?? []) out.u16(id).u32(data.length).bytes(data)
  for (const [id, at] of sections) out.u16(id).u32(8).u64(at)
  for (const data of buffers) out.u16(3).u32(data.length).bytes(data)
  out.u16(0).u32(8).u64(0)
  return out.toBytes()
}

const PAGES_PER_CHUNK = 3

function writeChunks(
  out: ByteWriter,
  pages: readonly Uint8Array[],
  compression: Compression,
): void {
  out.u32(Math.ceil(pages.length / PAGES_PER_CHUNK))
  for (let at = 0; at < pages.length; at += PAGES_PER_CHUNK) {
    const bytes = Buffer.concat(pages.slice(at, at + PAGES_PER_CHUNK))
    const small = compression.pack(bytes)
    out.u32(small.length).u32(bytes.length).bytes(small)
  }
}
