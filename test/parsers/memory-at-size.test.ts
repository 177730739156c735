import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { ByteSource } from '../../parsers/index.ts'
import { SAMPLE } from '../../parsers/perf-data/attr.ts'
import { mostHeld } from './most-held.ts'
import { buildPerfData, record, sample } from './perf-data/perf-data-builder.ts'
import { trace, waking } from './perfetto/packets.ts'

/** A file that has `block` so many times between its head and its tail, without holding it. */
function repeated(
  head: Uint8Array,
  block: Uint8Array,
  times: number,
  tail = new Uint8Array(0),
): ByteSource {
  const tailAt = head.length + block.length * times
  const copy = (from: Uint8Array, at: number, target: Uint8Array): number => {
    const part = from.subarray(at, at + target.length)
    target.set(part)
    return part.length
  }
  return {
    name: 'repeated',
    size: tailAt + tail.length,
    readInto(offset, target) {
      if (offset < head.length) return copy(head, offset, target)
      if (offset >= tailAt) return copy(tail, offset - tailAt, target)
      let read = 0
      let at = offset
      while (read < target.length && at < tailAt) {
        const within = (at - head.length) % block.length
        const count = copy(block, within, target.subarray(read))
        read += count
        at += count
      }
      return read
    },
  }
}

const PARTS = SAMPLE.tid | SAMPLE.time | SAMPLE.cpu | SAMPLE.raw

/** Records of two cpus, after others that come once. */
function perfData(times: number, once: readonly Uint8Array[], last: readonly Uint8Array[]) {
  const records: Uint8Array[] = []
  for (let n = 0; n < 1000; n++)
    records.push(sample(PARTS, { n, ts: 1000n, cpu: n >> 9, tid: n % 50 }))
  records.push(...last)
  const built = buildPerfData({
    attrs: [{ sampleType: PARTS, ids: [1n] }],
    records: [...once, ...records],
  })
  const file = Buffer.from(built)
  const blockBytes = records.reduce((sum, { length }) => sum + length, 0)
  const dataBytes = Number(file.readBigUInt64LE(48))
  const tailAt = Number(file.readBigUInt64LE(40)) + dataBytes
  const grownBy = blockBytes * (times - 1)
  file.writeBigUInt64LE(BigInt(dataBytes + grownBy), 48)
  const tail = file.subarray(tailAt)
  tail.writeBigUInt64LE(tail.readBigUInt64LE(0) + BigInt(grownBy), 0)
  const blockAt = tailAt - blockBytes
  return repeated(file.subarray(0, blockAt), file.subarray(blockAt, tailAt), times, tail)
}

const FINISHED_ROUND = record(68, new Uint8Array(0))
const withRounds = (times: number) => perfData(times, [], [FINISHED_ROUND])
/** What waits for the sample that is ahead of all others must not keep those that came after it. */
const withoutRounds = (times: number) =>
  perfData(times, [sample(PARTS, { n: 0, ts: 1n << 50n, cpu: 5 })], [])

function text(times: number): ByteSource {
  const fixture = fileURLToPath(new URL('../../fixtures/text/trace-6.12.txt', import.meta.url))
  const lines = readFileSync(fixture, 'utf8').replaceAll(/ \d+\.\d{6}: /g, '  1000.000000: ')
  const start = lines.indexOf('<idle>-')
  const from = lines.lastIndexOf('\n', start) + 1
  return repeated(Buffer.from(lines.slice(0, from)), Buffer.from(lines.slice(from)), times)
}

const bundle = trace({
  1: {
    1: 0,
    2: Array.from({ length: 100 }, (_, i) => waking(1_000_000 + i, 7 + (i % 5), 9)),
  },
})

describe('reading memory of a file ten times as long', () => {
  // A thousand blocks are more than a reader of perf.data reads ahead.
  it.each([
    ['perf.data', withRounds, 1000, 0],
    ['perf.data without rounds', withoutRounds, 1500, 1],
    ['text', text, 400, 0],
    ['Perfetto', (times: number) => repeated(new Uint8Array(0), bundle, times), 2000, 0],
  ] as const)('is that of the shorter one: %s', async (_, make, times, ahead) => {
    const short = await mostHeld(make(times))
    const long = await mostHeld(make(10 * times))
    expect(long.rows - ahead).toBe(10 * (short.rows - ahead))
    // Perfetto: 17 bytes for each bundle, of which at most 2^24 are remembered.
    expect(long.bytes - short.bytes).toBeLessThan(16_000_000)
    expect(long.bytes).toBeLessThan(96_000_000)
  })
})
