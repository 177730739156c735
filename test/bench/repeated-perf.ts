// Repeats a recorded perf.data until it is long: node --import ./scripts/ts.mjs test/bench/repeated-perf.ts OUT [EVENTS] [FILE]
import { closeSync, openSync, writeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { readFully } from '../../parsers/cursor.ts'
import { openInput } from '../../src/io/input.ts'

/** Half mm_vmscan_write_folio, half sched_switch, the rest slab shrinkers, LRU batches and direct reclaim. */
export const RECORDED_PERF = fileURLToPath(
  new URL('../../fixtures/perf/vmscan-6.12.data.zst', import.meta.url),
)
const SAMPLE = 9
const FINISHED_ROUND = 68
/** Of a sample with IDENTIFIER, IP, TID and TIME: where its time is. */
const TIME_AT = 32
const SAMPLE_TYPE = 0x10587
/** Between the last sample and the first of the next round. */
const PAUSE_NS = 1_000_000n

export interface RepeatedPerf {
  readonly events: number
  /** What each round is later than the one before. */
  readonly periodNs: bigint
}

/** Writes the samples of a recording again and again, each time later, between its other records and its features. */
export async function writeRepeatedPerf(
  path: string,
  events: number,
  recording = RECORDED_PERF,
): Promise<RepeatedPerf> {
  const { file, data, others, round, starts } = await readRecording(recording)
  const times = BigUint64Array.from(starts, (at) => round.readBigUInt64LE(at + TIME_AT)).sort()
  const periodNs = (times.at(-1) ?? 0n) - (times[0] ?? 0n) + PAUSE_NS
  const rounds = Math.ceil(events / times.length)
  const fd = openSync(path, 'w')
  const before = Buffer.concat([file.subarray(0, data.start), ...others])
  const grownBy = before.length + rounds * round.length - data.end
  before.writeBigUInt64LE(BigInt(data.end - data.start + grownBy), 48)
  writeSync(fd, before)
  for (let i = 0; i < rounds; i++) {
    writeSync(fd, round)
    for (const at of starts)
      round.writeBigUInt64LE(round.readBigUInt64LE(at + TIME_AT) + periodNs, at + TIME_AT)
  }
  writeSync(fd, movedFeatures(file, data.end, grownBy))
  closeSync(fd)
  return { events: rounds * times.length, periodNs }
}

async function readRecording(recording: string): Promise<{
  file: Buffer
  data: { start: number; end: number }
  /** What is not repeated: tasks, mappings, and the rounds before the first sample. */
  others: Buffer[]
  round: Buffer
  /** Of the samples in `round`. */
  starts: number[]
}> {
  const file = await readUnpacked(recording)
  const u64 = (at: number) => Number(file.readBigUInt64LE(at))
  if (u64(u64(24) + 24) !== SAMPLE_TYPE) throw new Error('samples have other parts than expected')
  const data = { start: u64(40), end: u64(40) + u64(48) }
  const others: Buffer[] = []
  const repeated: Buffer[] = []
  const starts: number[] = []
  let length = 0
  for (let at = data.start; at < data.end; ) {
    const type = file.readUInt32LE(at)
    const size = file.readUInt16LE(at + 6)
    const record = file.subarray(at, at + size)
    at += size
    if (type === SAMPLE) starts.push(length)
    else if (type !== FINISHED_ROUND || starts.length === 0) {
      others.push(record)
      continue
    }
    repeated.push(record)
    length += size
  }
  // A cut recording ends without one; what follows it is later.
  repeated.push(Buffer.from([FINISHED_ROUND, 0, 0, 0, 0, 0, 8, 0]))
  return { file, data, others, round: Buffer.concat(repeated), starts }
}

async function readUnpacked(path: string): Promise<Buffer> {
  const input = await openInput(path)
  try {
    const file = Buffer.alloc(input.source.size)
    readFully(input.source, 0, file)
    return file
  } finally {
    input.close()
  }
}

/** The features' table and what it points to, which lie behind the data. */
function movedFeatures(file: Buffer, dataEnd: number, by: number): Buffer {
  const after = Buffer.from(file.subarray(dataEnd))
  const tableEnd = after.length === 0 ? 0 : Number(after.readBigUInt64LE(0)) - dataEnd
  for (let at = 0; at < tableEnd; at += 16)
    after.writeBigUInt64LE(after.readBigUInt64LE(at) + BigInt(by), at)
  return after
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , path, events, recording] = process.argv
  if (path === undefined) throw new Error('usage: repeated-perf.ts OUT [EVENTS] [FILE]')
  console.log(await writeRepeatedPerf(path, Number(events ?? 3_000_000), recording))
}
