import { SAMPLE } from '../../../parsers/perf-data/attr.ts'
import { ByteWriter, formatText, headerPageText } from '../trace-dat-builder.ts'

export interface BuiltAttr {
  readonly sampleType: number
  readonly ids: readonly bigint[]
  readonly type?: number
  readonly readFormat?: number
  /** On unless said otherwise. */
  readonly sampleIdAll?: boolean
  readonly clockId?: number
}

export interface BuiltFile {
  readonly littleEndian?: boolean
  readonly attrs: readonly BuiltAttr[]
  /** The records, made with the functions below. */
  readonly records: readonly Uint8Array[]
  readonly memoryNodes?: readonly { node: number; blocks: readonly number[] }[]
  readonly clockData?: { clockId: number; wallNs: bigint; clockNs: bigint }
  /** Descriptions of events by system; only `small` if absent. */
  readonly systems?: Readonly<Record<string, readonly string[]>>
  /** As perf leaves it when it is killed: no size of the data, nothing behind it. */
  readonly isUnfinished?: boolean
}

const ATTR_BYTES = 128
const EVENT_ID = 301
/** Fields of the only event: its record is an int at 8. */
const SMALL = formatText('small', EVENT_ID, [['int n', 8, 4, 1]])

function tracingData(
  littleEndian: boolean,
  systems: Readonly<Record<string, readonly string[]>>,
): Uint8Array {
  const out = new ByteWriter(littleEndian)
  const sized = (text: string) => out.u64(BigInt(text.length)).text(text)
  out
    .bytes(Uint8Array.of(0x17, 0x08, 0x44))
    .text('tracing')
    .cString('0.6')
  out
    .u8(littleEndian ? 0 : 1)
    .u8(8)
    .u32(4096)
  out.cString('header_page')
  sized(headerPageText(8, 4096))
  out.cString('header_event')
  sized('')
  out.u32(0).u32(Object.keys(systems).length)
  for (const [system, formats] of Object.entries(systems)) {
    out.cString(system).u32(formats.length)
    for (const format of formats) sized(format)
  }
  out.u32(0).u32(0)
  sized('7 worker\n')
  return out.toBytes()
}

function writeAttr(out: ByteWriter, attr: BuiltAttr, littleEndian: boolean): void {
  const start = out.length
  const bits =
    (attr.sampleIdAll === false ? 0n : 1n << 18n) | (attr.clockId === undefined ? 0n : 1n << 25n)
  out
    .u32(attr.type ?? 2)
    .u32(ATTR_BYTES)
    .u64(BigInt(EVENT_ID))
    .u64(1n)
  out.u64(BigInt(attr.sampleType)).u64(BigInt(attr.readFormat ?? 0))
  // Bit-fields begin at the highest bit of each byte on big-endian machines.
  for (let byte = 0; byte < 8; byte++) {
    const value = Number((bits >> BigInt(8 * byte)) & 0xffn)
    out.u8(littleEndian ? value : reversed(value))
  }
  while (out.length < start + 92) out.u8(0)
  out.u32(attr.clockId ?? 0)
  while (out.length < start + ATTR_BYTES) out.u8(0)
}

function reversed(byte: number): number {
  let value = 0
  for (let bit = 0; bit < 8; bit++) if ((byte & (1 << bit)) !== 0) value |= 0x80 >> bit
  return value
}

/** A perf.data file (tools/perf/Documentation/perf.data-file-format.txt). */
export function buildPerfData(file: BuiltFile): Uint8Array {
  const littleEndian = file.littleEndian ?? true
  const features: [number, Uint8Array][] = [
    [1, tracingData(littleEndian, file.systems ?? { test: [SMALL] })],
  ]
  if (file.memoryNodes !== undefined)
    features.push([22, memTopology(file.memoryNodes, littleEndian)])
  if (file.clockData !== undefined) {
    const { clockId, wallNs, clockNs } = file.clockData
    features.push([
      29,
      new ByteWriter(littleEndian).u32(1).u32(clockId).u64(wallNs).u64(clockNs).toBytes(),
    ])
  }
  const attrEntry = ATTR_BYTES + 16
  const attrsAt = 104
  const idsAt = attrsAt + file.attrs.length * attrEntry
  const dataAt = idsAt + 8 * file.attrs.reduce((sum, { ids }) => sum + ids.length, 0)
  const dataBytes = file.records.reduce((sum, { length }) => sum + length, 0)
  const out = new ByteWriter(littleEndian)
  out
    .text(littleEndian ? 'PERFILE2' : '2ELIFREP')
    .u64(104n)
    .u64(BigInt(attrEntry))
  out.u64(BigInt(attrsAt)).u64(BigInt(file.attrs.length * attrEntry))
  out.u64(BigInt(dataAt)).u64(file.isUnfinished === true ? 0n : BigInt(dataBytes))
  out.u64(0n).u64(0n)
  out
    .u64(features.reduce((bits, [id]) => bits | (1n << BigInt(id)), 0n))
    .u64(0n)
    .u64(0n)
    .u64(0n)
  let ids = idsAt
  for (const attr of file.attrs) {
    writeAttr(out, attr, littleEndian)
    out.u64(BigInt(ids)).u64(BigInt(8 * attr.ids.length))
    ids += 8 * attr.ids.length
  }
  for (const attr of file.attrs) for (const id of attr.ids) out.u64(id)
  for (const record of file.records) out.bytes(record)
  if (file.isUnfinished === true) return out.toBytes()
  let at = out.length + 16 * features.length
  for (const [, bytes] of features) {
    out.u64(BigInt(at)).u64(BigInt(bytes.length))
    at += bytes.length
  }
  for (const [, bytes] of features) out.bytes(bytes)
  return out.toBytes()
}

const BLOCK_BYTES = 0x8000000n

function memTopology(
  nodes: readonly { node: number; blocks: readonly number[] }[],
  littleEndian: boolean,
): Uint8Array {
  const out = new ByteWriter(littleEndian).u64(1n).u64(BLOCK_BYTES).u64(BigInt(nodes.length))
  for (const { node, blocks } of nodes) {
    const bits = Math.max(...blocks) + 1
    out.u64(BigInt(node)).u64(BigInt(bits)).u64(BigInt(bits))
    for (let at = 0; at < bits; at += 64)
      out.u64(
        blocks.reduce(
          (word, block) =>
            block >= at && block < at + 64 ? word | (1n << BigInt(block - at)) : word,
          0n,
        ),
      )
  }
  return out.toBytes()
}

/** A record of any type around its body. */
export function record(type: number, body: Uint8Array, littleEndian = true): Uint8Array {
  return new ByteWriter(littleEndian)
    .u32(type)
    .u16(2)
    .u16(8 + body.length)
    .bytes(body)
    .toBytes()
}

export interface BuiltSample {
  /** The field of `small`. */
  readonly n?: number
  /** The record of another event. */
  readonly raw?: Uint8Array
  readonly ts: bigint
  readonly cpu?: number
  readonly tid?: number
  readonly tgid?: number
  readonly id?: bigint
  /** Addresses of a call chain. */
  readonly chain?: readonly bigint[]
  /** The u64s of PERF_SAMPLE_READ. */
  readonly read?: readonly bigint[]
}

/** A sample of `small` with the parts that `sampleType` asks for. */
export function sample(sampleType: number, values: BuiltSample, littleEndian = true): Uint8Array {
  const body = new ByteWriter(littleEndian)
  const has = (bit: number) => (sampleType & bit) !== 0
  const id = values.id ?? 1n
  const tid = values.tid ?? 7
  if (has(SAMPLE.identifier)) body.u64(id)
  if (has(SAMPLE.ip)) body.u64(0xffff_ffff_8100_0000n)
  if (has(SAMPLE.tid)) body.u32(values.tgid ?? tid + 1000).u32(tid)
  if (has(SAMPLE.time)) body.u64(values.ts)
  if (has(SAMPLE.addr)) body.u64(0n)
  if (has(SAMPLE.id)) body.u64(id)
  if (has(SAMPLE.streamId)) body.u64(5n)
  if (has(SAMPLE.cpu)) body.u32(values.cpu ?? 0).u32(0)
  if (has(SAMPLE.period)) body.u64(1n)
  if (has(SAMPLE.read)) for (const value of values.read ?? [0n]) body.u64(value)
  if (has(SAMPLE.callchain)) {
    body.u64(BigInt(values.chain?.length ?? 0))
    for (const address of values.chain ?? []) body.u64(address)
  }
  if (has(SAMPLE.raw)) {
    const raw =
      values.raw ??
      new ByteWriter(littleEndian)
        .u16(EVENT_ID)
        .u16(0)
        .u32(tid)
        .u32(values.n ?? 0)
        .toBytes()
    // The size and the record together are a multiple of 8.
    const padding = (8 - ((4 + raw.length) % 8)) % 8
    body
      .u32(raw.length + padding)
      .bytes(raw)
      .bytes(new Uint8Array(padding))
  }
  return record(9, body.toBytes(), littleEndian)
}

/** What follows the records that are no samples. */
export function trailer(
  sampleType: number,
  values: { ts: bigint; cpu: number; tid?: number; id?: bigint },
  littleEndian = true,
): Uint8Array {
  const out = new ByteWriter(littleEndian)
  const has = (bit: number) => (sampleType & bit) !== 0
  if (has(SAMPLE.tid)) out.u32(7).u32(values.tid ?? 7)
  if (has(SAMPLE.time)) out.u64(values.ts)
  if (has(SAMPLE.id)) out.u64(values.id ?? 1n)
  if (has(SAMPLE.streamId)) out.u64(5n)
  if (has(SAMPLE.cpu)) out.u32(values.cpu).u32(0)
  if (has(SAMPLE.identifier)) out.u64(values.id ?? 1n)
  return out.toBytes()
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}
