import { describe, expect, it } from 'vitest'
import { SAMPLE } from '../../../parsers/perf-data/attr.ts'
import { generated, scenarioNamed } from '../../generate/file.ts'
import { isInstalled } from '../../shared/installed.ts'
import { readBytes } from '../open-bytes.ts'
import { ByteWriter } from '../trace-dat-builder.ts'
import { zstdCompressSync } from '../zstd-command.ts'
import { buildPerfData, joined, record, sample, trailer } from './perf-data-builder.ts'

const hasZstd = isInstalled('zstd')
const PLAIN = SAMPLE.tid | SAMPLE.time | SAMPLE.cpu | SAMPLE.raw
const IDENTIFIED = PLAIN | SAMPLE.identifier
const ATTR = { sampleType: PLAIN, ids: [1n] }
const RECORD = { sample: 9, tracingData: 66, finishedRound: 68 } as const
const FINISHED_ROUND = record(RECORD.finishedRound, new Uint8Array(0))

async function read(file: Parameters<typeof buildPerfData>[0]) {
  const { events, ...rest } = await readBytes(buildPerfData(file))
  return {
    ...rest,
    events,
    rows: events.map(({ ts, cpu, tid, fields }) => [ts, cpu, tid, fields['n']]),
  }
}

const u64s = (...values: readonly bigint[]) =>
  values.reduce((out, value) => out.u64(value), new ByteWriter(true)).toBytes()

describe('samples of perf.data', () => {
  const parts = [
    ['the default parts', PLAIN | SAMPLE.ip | SAMPLE.period | SAMPLE.identifier, {}],
    ['an id in its old place', PLAIN | SAMPLE.id | SAMPLE.streamId | SAMPLE.addr, {}],
    ['a call chain', PLAIN | SAMPLE.callchain, { chain: [1n, 2n, 3n] }],
    ['a counter read', PLAIN | SAMPLE.read, { read: [9n] }],
    ['every part', (0x1_07ff & ~0x400) | SAMPLE.raw, { chain: [4n], read: [9n] }],
  ] as const
  it.each(parts)('are decoded with %s', async (_, sampleType, more) => {
    for (const littleEndian of [true, false]) {
      const { rows, issues } = await read({
        littleEndian,
        attrs: [{ sampleType, ids: [1n] }],
        records: [
          sample(sampleType, { n: 5, ts: 1000n, cpu: 3, ...more }, littleEndian),
          sample(sampleType, { n: -6, ts: 2000n, cpu: 1, tid: 9, ...more }, littleEndian),
        ],
      })
      expect({ rows, issues }).toEqual({
        rows: [
          [1000, 3, 7, 5],
          [2000, 1, 9, -6],
        ],
        issues: [],
      })
    }
  })

  it('are decoded by their own event’s parts when events differ', async () => {
    const withChain = IDENTIFIED | SAMPLE.callchain | SAMPLE.ip
    const { rows, tgids } = await read({
      attrs: [
        { sampleType: IDENTIFIED, ids: [1n, 2n] },
        { sampleType: withChain, ids: [3n] },
      ],
      records: [
        sample(withChain, { n: 1, ts: 10n, id: 3n, chain: [8n, 8n] }),
        sample(IDENTIFIED, { n: 2, ts: 20n, id: 2n }),
      ],
    }).then(({ rows, info }) => ({ rows, tgids: info.tgids }))
    expect(rows).toEqual([
      [10, 0, 7, 1],
      [20, 0, 7, 2],
    ])
    expect(tgids.get(7)).toBe(1007)
  })

  it('of other kinds of events are counted and left out', async () => {
    const { rows, issues } = await read({
      attrs: [
        { sampleType: IDENTIFIED, ids: [1n] },
        { sampleType: IDENTIFIED, ids: [2n], type: 0 },
      ],
      records: [
        sample(IDENTIFIED, { n: 1, ts: 10n }),
        sample(IDENTIFIED, { n: 2, ts: 20n, id: 2n }),
      ],
    })
    expect(rows).toEqual([[10, 0, 7, 1]])
    expect(issues).toMatchObject([{ code: 'not_a_tracepoint', severity: 'info', count: 1 }])
  })

  it('keep exact times on a clock that counts from 1970', async () => {
    const start = 1_795_272_065_859_800_123n
    const { events, info } = await read({
      attrs: [{ ...ATTR, clockId: 0 }],
      records: [sample(PLAIN, { n: 1, ts: start }), sample(PLAIN, { n: 2, ts: start + 1n })],
    })
    expect(events.map(({ ts }) => info.baseNs + BigInt(ts))).toEqual([start, start + 1n])
    expect(info.clock).toBe('realtime')
  })

  it('are sorted within what a round’s end allows, also those of one cpu', async () => {
    const { rows } = await read({
      attrs: [ATTR],
      records: [
        sample(PLAIN, { n: 3, ts: 30n, cpu: 1 }),
        sample(PLAIN, { n: 1, ts: 10n, cpu: 1 }),
        sample(PLAIN, { n: 2, ts: 20n, cpu: 0 }),
        FINISHED_ROUND,
        sample(PLAIN, { n: 5, ts: 50n, cpu: 0 }),
        sample(PLAIN, { n: 4, ts: 40n, cpu: 1 }),
        FINISHED_ROUND,
        sample(PLAIN, { n: 6, ts: 60n, cpu: 1 }),
      ],
    })
    expect(rows.map((row) => row[3])).toEqual([1, 2, 3, 4, 5, 6])
  })
})

describe('losses of perf.data', () => {
  const body = (events: bigint) => joined(u64s(1n, events), trailer(PLAIN, { ts: 500n, cpu: 2 }))

  it('are known by cpu, time and number', async () => {
    const { losses } = await read({
      attrs: [ATTR],
      records: [
        sample(PLAIN, { n: 1, ts: 100n, cpu: 2 }),
        record(2, body(12n)),
        sample(PLAIN, { n: 2, ts: 900n, cpu: 2 }),
        record(13, joined(u64s(3n), trailer(PLAIN, { ts: 950n, cpu: 2 }))),
      ],
    })
    expect(losses).toEqual([
      { cpu: 2, startNs: 100, endNs: 500, events: 12 },
      { cpu: 2, startNs: 900, endNs: 950, events: 3 },
    ])
  })

  it('are read with the parts of the event that they name', async () => {
    const longer = IDENTIFIED | SAMPLE.streamId
    const { losses } = await read({
      attrs: [
        { sampleType: IDENTIFIED, ids: [1n] },
        { sampleType: longer, ids: [2n] },
      ],
      records: [
        sample(IDENTIFIED, { n: 1, ts: 100n, cpu: 1 }),
        record(2, joined(u64s(2n, 4n), trailer(longer, { ts: 300n, cpu: 1, id: 2n }))),
      ],
    })
    expect(losses).toEqual([{ cpu: 1, startNs: 100, endNs: 300, events: 4 }])
  })

  it('have no place of their own without sample_id_all', async () => {
    const { losses } = await read({
      attrs: [{ ...ATTR, sampleIdAll: false }],
      records: [sample(PLAIN, { n: 1, ts: 100n }), record(2, u64s(1n, 6n))],
    })
    expect(losses).toEqual([{ cpu: 0, startNs: 100, endNs: 100, events: 6 }])
  })

  it('of unknown number lie between throttling and its end', async () => {
    const throttle = (type: number, ts: bigint) =>
      record(type, joined(u64s(ts, 1n, 1n), trailer(PLAIN, { ts, cpu: 1 })))
    const { losses } = await read({
      attrs: [ATTR],
      records: [
        sample(PLAIN, { n: 1, ts: 100n, cpu: 1 }),
        throttle(5, 200n),
        throttle(6, 300n),
        throttle(5, 400n),
        sample(PLAIN, { n: 1, ts: 450n, cpu: 1 }),
      ],
    })
    expect(losses).toEqual([
      { cpu: 1, startNs: 200, endNs: 300, events: undefined },
      { cpu: 1, startNs: 400, endNs: 450, events: undefined },
    ])
  })
})

describe('a pipe of perf', () => {
  const pipe = generated({ scenario: scenarioNamed('phone'), events: 400, format: 'perf-pipe' })
  const cutBehind = (wanted: number, after: number) => {
    const view = new DataView(pipe.bytes.buffer, pipe.bytes.byteOffset, pipe.bytes.length)
    let at = 16
    for (let met = 0; met < after; ) {
      const type = view.getUint32(at, true)
      const data = type === RECORD.tracingData ? view.getUint32(at + 8, true) : 0
      at += view.getUint16(at + 6, true) + data
      if (type === wanted) met++
    }
    return pipe.bytes.subarray(0, at)
  }

  it('that ends within a round was cut, also between two records', async () => {
    const cut = await readBytes(cutBehind(RECORD.sample, 30))
    expect(cut.events).toHaveLength(30)
    expect(cut.issues).toMatchObject([
      { code: 'unfinished_round', severity: 'data_loss', count: 1 },
    ])
  })

  it('that ends with its round is whole', async () => {
    const { events, issues } = await readBytes(cutBehind(RECORD.finishedRound, 1))
    expect({ events: events.length, issues }).toEqual({ events: pipe.truth.total, issues: [] })
  })
})

describe('other parts of perf.data', () => {
  it('name tasks: COMM, FORK and the recorded command lines', async () => {
    const comm = new ByteWriter(true).u32(40).u32(41).chars('a task', 8).toBytes()
    const { info } = await read({
      attrs: [ATTR],
      records: [
        record(3, joined(comm, trailer(PLAIN, { ts: 1n, cpu: 0 }))),
        record(
          7,
          joined(
            new ByteWriter(true).u32(50).u32(1).u32(51).u32(1).u64(1n).toBytes(),
            trailer(PLAIN, { ts: 1n, cpu: 0 }),
          ),
        ),
        sample(PLAIN, { n: 1, ts: 100n }),
      ],
    })
    expect([...info.comms]).toEqual([
      [7, 'worker'],
      [41, 'a task'],
    ])
    expect([info.tgids.get(41), info.tgids.get(51)]).toEqual([40, 50])
  })

  it('tell which page frames each node has', async () => {
    const { info } = await read({
      attrs: [ATTR],
      records: [FINISHED_ROUND],
      memoryNodes: [
        { node: 0, blocks: [0, 1, 2, 70] },
        { node: 1, blocks: [3] },
      ],
    })
    const block = 0x8000000 / 4096
    expect(info.nodeRanges).toEqual([
      { node: 0, startPfn: 0, endPfn: 3 * block },
      { node: 0, startPfn: 70 * block, endPfn: 71 * block },
      { node: 1, startPfn: 3 * block, endPfn: 4 * block },
    ])
  })

  it('relate the clock to the time of day', async () => {
    const { info } = await read({
      attrs: [{ ...ATTR, clockId: 1 }],
      records: [FINISHED_ROUND],
      clockData: { clockId: 1, wallNs: 1_795_272_065_000_000_000n, clockNs: 8_285_319_766n },
    })
    expect(info.clock).toBe('mono')
    expect(info.facts.get('clock_data')).toBe(
      'clockid 1: wall clock 1795272065000000000 ns at 8285319766 ns',
    )
  })

  it('that are no events are stepped over, AUXTRACE with its payload', async () => {
    const payload = new Uint8Array(64).fill(0xff)
    const { rows, issues } = await read({
      attrs: [ATTR],
      records: [
        record(71, u64s(64n, 0n, 0n, 0n, 0n)),
        payload,
        record(10, new Uint8Array(72)),
        record(4242, new Uint8Array(8)),
        sample(PLAIN, { n: 1, ts: 100n }),
      ],
    })
    expect({ rows, issues }).toEqual({ rows: [[100, 0, 7, 1]], issues: [] })
  })

  it('are missing when the recording was killed: its events have no description, which is said', async () => {
    const { rows, issues } = await read({
      attrs: [ATTR],
      records: [sample(PLAIN, { n: 1, ts: 100n })],
      isUnfinished: true,
    })
    expect(rows).toEqual([])
    expect(issues.map(({ code }) => code)).toEqual(['unfinished_file', 'unknown_event'])
  })
})

describe.runIf(hasZstd)('compressed records', () => {
  const samples = Array.from({ length: 50 }, (_, n) =>
    sample(PLAIN, { n, ts: BigInt(100 + n), cpu: n % 3 }),
  )
  const packed = zstdCompressSync(joined(...samples))
  const half = packed.length >> 1

  it.each([
    [81, (bytes: Uint8Array) => bytes],
    // COMPRESSED2 says its payload's size and is padded.
    [
      83,
      (bytes: Uint8Array) =>
        joined(u64s(BigInt(bytes.length)), bytes, new Uint8Array((8 - (bytes.length % 8)) % 8)),
    ],
  ] as const)('of type %i are one stream, wherever it is divided', async (type, wrap) => {
    const { rows, issues } = await read({
      attrs: [ATTR],
      records: [record(type, wrap(packed.slice(0, half))), record(type, wrap(packed.slice(half)))],
    })
    expect(rows.map((row) => row[3])).toEqual(samples.map((_, n) => n))
    expect(issues).toEqual([])
  })

  it('that unpack to far more than any recording end the reading', async () => {
    const bomb = zstdCompressSync(new Uint8Array(1 << 28))
    const { issues } = await read({
      attrs: [ATTR],
      records: Array.from({ length: Math.ceil(bomb.length / 60_000) }, (_, i) =>
        record(81, bomb.slice(i * 60_000, (i + 1) * 60_000)),
      ),
    })
    expect(issues.some(({ severity }) => severity === 'data_loss')).toBe(true)
  })
})
