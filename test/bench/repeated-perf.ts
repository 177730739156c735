// Repeats a recorded perf.data until it is long: node --import ./scripts/ts.mjs test/bench/repeated-perf.ts OUT [EVENTS] [FILE]
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const FIXTURE = fileURLToPath(new URL('../../fixtures/perf/vmscan-6.12-cut.data', import.meta.url))
const SAMPLE = 9
const FINISHED_ROUND = 68
/** Of a sample with IDENTIFIER, IP, TID and TIME: where its time is. */
const TIME_AT = 32
const SAMPLE_TYPE = 0x10587

/**
 * Writes the samples of a recording again and again, each time later, between its other records and its features. So the mix is
 * the recording's: half mm_vmscan_write_folio, half sched_switch. Returns the number of samples.
 */
export function writeRepeatedPerf(path: string, events: number, recording = FIXTURE): number {
  const file = readFileSync(recording)
  const u64 = (at: number) => Number(file.readBigUInt64LE(at))
  const [attrsAt, dataAt, dataBytes] = [u64(24), u64(40), u64(48)]
  if (u64(attrsAt + 24) !== SAMPLE_TYPE) throw new Error('samples have other parts than expected')
  const others: Buffer[] = []
  const repeated: Buffer[] = []
  const times: bigint[] = []
  for (let at = dataAt; at < dataAt + dataBytes; ) {
    const type = file.readUInt32LE(at)
    const size = file.readUInt16LE(at + 6)
    const isRepeated = type === SAMPLE || (type === FINISHED_ROUND && times.length > 0)
    ;(isRepeated ? repeated : others).push(file.subarray(at, at + size))
    if (type === SAMPLE) times.push(file.readBigUInt64LE(at + TIME_AT))
    at += size
  }
  const sorted = BigUint64Array.from(times).sort()
  const period = (sorted.at(-1) ?? 0n) - (sorted[0] ?? 0n) + 1_000_000n
  const rounds = Math.ceil(events / times.length)
  // A cut recording ends without one; what follows it is later.
  repeated.push(Buffer.from([FINISHED_ROUND, 0, 0, 0, 0, 0, 8, 0]))
  const round = Buffer.concat(repeated)
  const starts: number[] = []
  for (let at = 0; at < round.length; at += round.readUInt16LE(at + 6))
    if (round.readUInt32LE(at) === SAMPLE) starts.push(at)
  const fd = openSync(path, 'w')
  const before = Buffer.concat([file.subarray(0, dataAt), ...others])
  const grownBy = before.length + rounds * round.length - (dataAt + dataBytes)
  before.writeBigUInt64LE(BigInt(dataBytes + grownBy), 48)
  writeSync(fd, before)
  for (let i = 0; i < rounds; i++) {
    writeSync(fd, round)
    for (const at of starts)
      round.writeBigUInt64LE(round.readBigUInt64LE(at + TIME_AT) + period, at + TIME_AT)
  }
  // The features' table and what it points to lie behind the data.
  const after = Buffer.from(file.subarray(dataAt + dataBytes))
  const tableEnd = after.length === 0 ? 0 : Number(after.readBigUInt64LE(0)) - (dataAt + dataBytes)
  for (let at = 0; at < tableEnd; at += 16)
    after.writeBigUInt64LE(after.readBigUInt64LE(at) + BigInt(grownBy), at)
  writeSync(fd, after)
  closeSync(fd)
  return rounds * times.length
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , path, events, recording] = process.argv
  if (path === undefined) throw new Error('usage: repeated-perf.ts OUT [EVENTS] [FILE]')
  console.log(writeRepeatedPerf(path, Number(events ?? 3_000_000), recording))
}
