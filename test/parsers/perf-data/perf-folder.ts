import type { Files } from '../memory-folder.ts'
import { zstdCompressSync } from '../zstd-command.ts'

export const DIR_FORMAT = 24
const COMPRESSED = { record: 81, feature: 27 } as const
const RECORD = { lost: 2, sample: 9, finishedRound: 68 } as const

/** Each cpu's samples and losses in a file of their own, everything else in `data`, as perf record --threads does. */
export function split(file: Uint8Array, options: { version?: number; zstd?: boolean } = {}): Files {
  const view = new DataView(file.buffer, file.byteOffset, file.length)
  const u64 = (at: number) => Number(view.getBigUint64(at, true))
  const [dataAt, dataBytes] = [u64(40), u64(48)]
  const own: Uint8Array[] = []
  const ofCpu = new Map<number, Uint8Array[]>()
  for (let at = dataAt; at < dataAt + dataBytes; at += view.getUint16(at + 6, true)) {
    const record = file.subarray(at, at + view.getUint16(at + 6, true))
    const type = view.getUint32(at, true)
    if (type === RECORD.finishedRound) continue
    if (type === RECORD.sample || type === RECORD.lost) {
      // The cpu stands behind the time of a sample, and behind the time at the end of a loss.
      const cpu = view.getUint32(at + (type === RECORD.sample ? 40 : record.length - 16), true)
      const records = ofCpu.get(cpu) ?? []
      ofCpu.set(cpu, records)
      records.push(record)
    } else own.push(record)
  }
  const features = readFeatures(file, dataAt + dataBytes)
  features.set(DIR_FORMAT, Uint8Array.of(options.version ?? 1, 0, 0, 0, 0, 0, 0, 0))
  if (options.zstd === true)
    features.set(COMPRESSED.feature, new Uint8Array(Uint32Array.of(1, 1, 1, 3, 2 ** 26).buffer))
  const files = new Map([['data', joinHeader(file.subarray(0, dataAt), own, features)]])
  const cpus = [...ofCpu.keys()].sort((a, b) => a - b)
  for (const [index, cpu] of cpus.entries()) {
    const records = Buffer.concat(ofCpu.get(cpu) ?? [])
    files.set(`data.${index}`, options.zstd === true ? packed(records) : records)
  }
  return files
}

export function readFeatures(file: Uint8Array, tableAt: number): Map<number, Uint8Array> {
  const view = new DataView(file.buffer, file.byteOffset, file.length)
  const features = new Map<number, Uint8Array>()
  for (let id = 0; id < 256; id++) {
    if ((((file[72 + (id >> 3)] ?? 0) >> (id & 7)) & 1) === 0) continue
    const at = tableAt + 16 * features.size
    const offset = Number(view.getBigUint64(at, true))
    features.set(id, file.subarray(offset, offset + Number(view.getBigUint64(at + 8, true))))
  }
  return features
}

export function joinHeader(
  head: Uint8Array,
  records: readonly Uint8Array[],
  features: ReadonlyMap<number, Uint8Array>,
): Uint8Array {
  const data = Buffer.concat(records)
  const begin = head.slice()
  const view = new DataView(begin.buffer)
  view.setBigUint64(48, BigInt(data.length), true)
  const ids = [...features.keys()].sort((a, b) => a - b)
  for (const id of ids) begin[72 + (id >> 3)] = (begin[72 + (id >> 3)] ?? 0) | (1 << (id & 7))
  const table = new BigUint64Array(2 * ids.length)
  let at = begin.length + data.length + 16 * ids.length
  for (const [i, id] of ids.entries()) {
    const size = features.get(id)?.length ?? 0
    table.set([BigInt(at), BigInt(size)], 2 * i)
    at += size
  }
  return Buffer.concat([
    begin,
    data,
    new Uint8Array(table.buffer),
    ...ids.map((id) => features.get(id) ?? new Uint8Array(0)),
  ])
}

/** One frame in COMPRESSED records; as perf leaves it, its last block is not marked as the last. */
function packed(records: Uint8Array): Uint8Array {
  const frame = zstdCompressSync(records).slice()
  // RFC 8878 section 3.1.1: the descriptor tells how long the header is.
  const descriptor = frame[4] ?? 0
  const single = (descriptor >> 5) & 1
  const contentSize = [single, 2, 4, 8][descriptor >> 6] ?? 0
  let at = 5 + (1 - single) + contentSize
  for (;;) {
    const block = (frame[at] ?? 0) | ((frame[at + 1] ?? 0) << 8) | ((frame[at + 2] ?? 0) << 16)
    const end = at + 3 + (((block >> 1) & 3) === 1 ? 1 : block >> 3)
    if ((block & 1) === 1) {
      frame[at] = (frame[at] ?? 0) & 0xfe
      return asRecords(frame.subarray(0, end))
    }
    at = end
  }
}

function asRecords(frame: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = []
  for (let at = 0; at < frame.length; at += 40_000) {
    const piece = frame.subarray(at, at + 40_000)
    const head = new DataView(new ArrayBuffer(8))
    head.setUint32(0, COMPRESSED.record, true)
    head.setUint16(6, 8 + piece.length, true)
    parts.push(new Uint8Array(head.buffer), piece)
  }
  return Buffer.concat(parts)
}
