import fc from 'fast-check'
import { expect, it } from 'vitest'
import { SAMPLE } from '../../../parsers/perf-data/attr.ts'
import { Random } from '../../../src/generate/random.ts'
import { readBytes } from '../open-bytes.ts'
import { buildPerfData, record, sample } from './perf-data-builder.ts'

const TYPE = SAMPLE.tid | SAMPLE.time | SAMPLE.cpu | SAMPLE.raw | SAMPLE.identifier
const FINISHED_ROUND = 68
const COMM = 3
/** Of a sample of TYPE: where the cpu and the raw data's size are. */
const CPU_AT = 32
const RAW_AT = 40
const ROUNDS = 600

type Order = (bytes: Uint8Array, at: number, value: number) => void

/** A sample whose parts are wrong in one of the ways that are found. */
function damaged(bytes: Uint8Array, how: number, set: Order): Uint8Array {
  if (how === 0) set(bytes, CPU_AT, 9000)
  else if (how === 1) set(bytes, RAW_AT, 0xffff_fff8)
  else if (how === 2) set(bytes, RAW_AT, bytes.length - RAW_AT)
  else set(bytes, 8, 77)
  return bytes
}

/** Rounds of some samples each, now and then long; no sample is older than the round before the last. */
function recordsOf(seed: number, littleEndian: boolean): Uint8Array[] {
  const random = new Random(seed)
  const set: Order = (bytes, at, value) =>
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(at, value, littleEndian)
  const records: Uint8Array[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const length = random.below(20) === 0 ? 400 : random.below(12)
    for (let i = 0; i < length; i++) {
      const tid = 7 + 4096 * random.below(3) + random.below(2)
      const values = {
        n: records.length,
        ts: BigInt(1_000_000 * (round + 1) + random.below(1_000_000)),
        cpu: random.below(3),
        tid,
        tgid: random.below(50) === 0 ? tid + 1 : tid,
        id: 1n + BigInt(random.below(2)),
      }
      const bytes = sample(TYPE, values, littleEndian)
      records.push(random.below(300) === 0 ? damaged(bytes, random.below(4), set) : bytes)
    }
    if (random.below(9) === 0) records.push(record(COMM, new Uint8Array(24), littleEndian))
    records.push(record(FINISHED_ROUND, new Uint8Array(0), littleEndian))
  }
  return records
}

it('samples taken in runs are those that are taken one by one, as of the other byte order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 31 }), async (seed) => {
      const [runs, single] = await Promise.all(
        [true, false].map(async (littleEndian) => {
          const attrs = [
            { sampleType: TYPE, ids: [1n, 2n] },
            { sampleType: TYPE, ids: [3n] },
          ]
          const records = recordsOf(seed, littleEndian)
          const { events, issues, info } = await readBytes(
            buildPerfData({ littleEndian, attrs, records }),
          )
          return { events, issues, tgids: info.tgids }
        }),
      )
      expect(runs?.events.length).toBeGreaterThan(ROUNDS * 10)
      expect(runs).toEqual(single)
    }),
    { numRuns: 4 },
  )
})

it('samples of many cpus stay what they are while their buffer is packed amid a window', async () => {
  const cpus = 16
  const records: Uint8Array[] = []
  let count = 0
  // A short round lets nearly all of the long one before it go.
  for (let round = 0; round < 60; round++) {
    const eachCpu = round % 2 === 0 ? 600 : 1
    // As perf reads them: what one cpu recorded, then the next.
    for (let cpu = 0; cpu < cpus; cpu++)
      for (let i = 0; i < eachCpu; i++) {
        const n = count + i * cpus + cpu
        records.push(sample(TYPE, { n, ts: BigInt(n), cpu, tid: 7, tgid: 7, id: 1n }))
      }
    count += eachCpu * cpus
    records.push(record(FINISHED_ROUND, new Uint8Array(0)))
  }
  const { events } = await readBytes(
    buildPerfData({ attrs: [{ sampleType: TYPE, ids: [1n, 2n] }], records }),
  )
  const read = Int32Array.from(events, ({ fields }) => Number(fields['n']))
  expect(read).toEqual(Int32Array.from({ length: count }, (_, n) => n))
})
