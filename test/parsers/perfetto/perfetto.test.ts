import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toByteSource } from '../../../parsers/cursor.ts'
import { openTrace, sniffFormat } from '../../../parsers/index.ts'
import { generated, scenarioNamed } from '../../generate/file.ts'
import { isInstalled } from '../../shared/installed.ts'
import { itReadsPieces, itSeesCuts, itSurvivesDamage, readHostileBytes, runs } from '../hostile.ts'
import { readBytes } from '../open-bytes.ts'
import { zstdCompressSync } from '../zstd-command.ts'
import { type Fields, kswapdWake, message, packed, trace, waking } from './packets.ts'

const PERFETTO = { format: 'perfetto' } as const
const hasZstd = isInstalled('zstd')

function bundle(cpu: number, events: readonly Fields[], more: Fields = {}): Fields {
  return { 1: { 1: cpu, 2: [...events], ...more } }
}

async function codes(bytes: Uint8Array): Promise<string[]> {
  return (await readBytes(bytes)).issues.map(({ code }) => code)
}

describe('ftrace bundles', () => {
  it('are merged by time over cpus, and never reordered inside one', async () => {
    const { events, info } = await readBytes(
      trace(
        bundle(1, [waking(500, 9, 1), waking(400, 9, 2), waking(900, 9, 3)]),
        bundle(0, [waking(450, 8, 4), waking(600, 8, 5)]),
      ),
    )
    expect(events.map(({ cpu, fields }) => [cpu, fields['pid']])).toEqual([
      [0, 4],
      [1, 1],
      [1, 2],
      [0, 5],
      [1, 3],
    ])
    expect(info.baseNs).toBe(400n)
    expect(info.clock).toBe('boot')
  })

  it('keep 64-bit values to the last bit', async () => {
    const { events } = await readBytes(
      trace(
        bundle(0, [
          { 1: 5, 2: 1, 47: { 1: 0xffff_ffff_ffff_fffen } },
          { 1: 6, 2: 1, 4: { 1: 'a', 2: 1, 3: 120, 4: -2n, 5: 'b', 6: 2, 7: 120 } },
        ]),
      ),
    )
    expect(events[0]?.fields['nr_reclaimed']).toBe(0xffff_ffff_ffff_fffen)
    expect(events[1]?.fields['prev_state']).toBe(-2n)
  })

  it('leave out fields that an event lacks, instead of reading them as 0', async () => {
    const { events } = await readBytes(
      trace(bundle(0, [kswapdWake(5, 60, { 1: 0, 2: 3, 3: 2 }), kswapdWake(6, 60, { 1: 1 })])),
    )
    expect(events.map(({ fields }) => fields)).toEqual([{ nid: 0, order: 3, zid: 2 }, { nid: 1 }])
  })

  it('tell events of no interest and of no description by their field', async () => {
    const { events, issues } = await readBytes(
      trace(
        bundle(0, [
          { 1: 5, 2: 1, 13: { 1: 100 } },
          { 1: 6, 2: 1, 70000: { 1: 1 } },
          waking(7, 1, 2),
        ]),
      ),
    )
    expect(events).toHaveLength(1)
    expect(issues.map(({ code, severity, count }) => [code, severity, count])).toEqual([
      ['event_not_read', 'info', 1],
      ['unknown_event', 'error', 1],
    ])
  })

  it('give generic events their fields by name, also when the fields change', async () => {
    const generic = (ts: number, fields: readonly Fields[]): Fields => ({
      1: ts,
      2: 60,
      327: { 1: 'mm_vmscan_write_folio', 2: [...fields] },
    })
    const { events } = await readBytes(
      trace(
        bundle(0, [
          generic(5, [
            { 1: 'pfn', 5: 2n ** 60n },
            { 1: 'reclaim_flags', 4: 9 },
          ]),
          generic(6, [{ 1: 'pfn', 5: 7 }]),
          generic(7, [
            { 1: 'pfn', 5: 8 },
            { 1: 'reclaim_flags', 4: 10 },
          ]),
        ]),
      ),
    )
    expect(events.map(({ system, fields }) => [system, fields])).toEqual([
      ['vmscan', { pfn: 2n ** 60n, reclaim_flags: 9n }],
      ['vmscan', { pfn: 7n }],
      ['vmscan', { pfn: 8n, reclaim_flags: 10n }],
    ])
  })

  it('give described events their fields, wherever the description stands', async () => {
    const described = {
      1: 65_540,
      3: 'pst',
      2: message({
        1: 'swout',
        2: [
          { 1: 'entry', 3: 1, 5: 4 },
          { 1: 'comm', 3: 2, 5: 9 },
        ],
      }),
    }
    const { events, issues } = await readBytes(
      trace(bundle(0, [{ 1: 5, 2: 60, 65540: { 1: 2n ** 63n, 2: 'x' } }], { 11: described })),
    )
    expect(issues).toEqual([])
    expect(events[0]).toMatchObject({
      system: 'pst',
      name: 'swout',
      fields: { entry: 2n ** 63n, comm: 'x' },
    })
  })

  it('name the group of a generic event when the configuration does', async () => {
    const config = { 33: { 2: { 1: { 100: { 1: ['sched/sched_switch', 'pst/swin'] } } } } }
    const event = { 1: 5, 2: 60, 327: { 1: 'swin', 2: { 1: 'entry', 5: 1 } } }
    const { events } = await readBytes(trace(config, bundle(0, [event])))
    expect(events[0]?.system).toBe('pst')
  })
})

describe('compact scheduling events', () => {
  const compact = {
    5: ['kswapd0', 'app'],
    1: packed(1000, 500, 500),
    2: packed(1, 2, 0),
    3: packed(60, 1000, 60),
    4: packed(120, 130, 120),
    6: packed(0, 1, 0),
    7: packed(1200, 500),
    8: packed(1000, 60),
    9: packed(0, 1),
    10: packed(130, 120),
    11: packed(1, 0),
    12: packed(1, 0),
  }

  it('take the thread before from the switch before', async () => {
    const { events } = await readBytes(trace(bundle(0, [], { 4: compact })))
    const rows = events.map(({ ts, tid, name, fields }) => [ts, tid, name, fields['prev_comm']])
    expect(rows).toEqual([
      [0, -1, 'sched_switch', undefined],
      [200, 60, 'sched_waking', undefined],
      [500, 60, 'sched_switch', 'kswapd0'],
      [700, 1000, 'sched_waking', undefined],
      [1000, 1000, 'sched_switch', 'app'],
    ])
    expect(events[2]?.fields).toEqual({
      prev_comm: 'kswapd0',
      prev_pid: 60,
      prev_prio: 120,
      prev_state: 2n,
      next_comm: 'app',
      next_pid: 1000,
      next_prio: 130,
    })
    expect(events[1]).toMatchObject({ flags: 1, fields: { comm: 'app', pid: 1000, target_cpu: 0 } })
  })

  it('do not claim to know the thread before a loss', async () => {
    const { events, losses } = await readBytes(
      trace(
        bundle(0, [], { 4: compact }),
        bundle(0, [], {
          3: 1,
          4: { 5: 'b', 1: packed(9000), 2: packed(0), 3: packed(7), 4: packed(1), 6: packed(0) },
        }),
      ),
    )
    expect(events.at(-1)?.fields).toEqual({
      prev_state: 0n,
      next_comm: 'b',
      next_pid: 7,
      next_prio: 1,
    })
    expect(losses).toEqual([{ cpu: 0, startNs: 1000, endNs: 8000, events: undefined }])
  })

  it('know the running thread from the first event before any switch', async () => {
    const { events } = await readBytes(trace(bundle(0, [kswapdWake(900, 60)], { 4: compact })))
    expect(events[1]?.fields['prev_pid']).toBe(60)
    expect(events[1]?.fields['prev_comm']).toBeUndefined()
  })

  it('that lack values are reported', async () => {
    expect(await codes(trace(bundle(0, [], { 4: { ...compact, 3: packed(60) } })))).toEqual([
      'corrupt_bundle',
    ])
  })
})

describe('losses', () => {
  const stats = (phase: number, overrun: number): Fields => ({
    34: { 1: phase, 2: { 1: 0, 3: overrun, 8: 1 } },
  })

  it('are counted by what the kernel counted between start and end', async () => {
    const { losses } = await readBytes(
      trace(
        stats(1, 100),
        bundle(0, [waking(5, 1, 2)]),
        bundle(0, [waking(50, 1, 2)], { 3: 1 }),
        stats(2, 142),
      ),
    )
    expect(losses).toEqual([{ cpu: 0, startNs: 0, endNs: 45, events: 42 }])
  })

  it('are seen where the last event before a bundle is not in the trace', async () => {
    const { losses } = await readBytes(
      trace(
        bundle(0, [waking(5, 1, 2)]),
        bundle(0, [waking(50, 1, 2)], { 10: 5 }),
        bundle(0, [waking(90, 1, 2)], { 10: 70 }),
      ),
    )
    expect(losses).toEqual([{ cpu: 0, startNs: 45, endNs: 85, events: undefined }])
  })

  it('are of the sequence that lost events, not of another that has the same cpu', async () => {
    const of = (sequence: number, packet: Fields): Fields => ({ ...packet, 10: sequence })
    const { events, losses } = await readBytes(
      trace(
        of(1, bundle(0, [waking(5, 1, 11)])),
        of(2, bundle(0, [waking(4, 1, 21)])),
        of(2, { 34: { 1: 1, 2: { 1: 0, 3: 0 } } }),
        of(1, bundle(0, [waking(50, 1, 12)])),
        of(2, { ...bundle(0, [waking(40, 1, 22)]), 42: 1 }),
        of(2, { 34: { 1: 2, 2: { 1: 0, 3: 6 } } }),
      ),
    )
    expect(events.map(({ fields }) => fields['pid'])).toEqual([21, 11, 22, 12])
    expect(losses).toEqual([{ cpu: 0, startNs: 0, endNs: 36, events: 6 }])
  })

  it('are seen where packets were dropped', async () => {
    const { losses, issues } = await readBytes(
      trace(
        { ...bundle(0, [waking(5, 1, 2)]), 10: 3 },
        { ...bundle(0, [waking(50, 1, 2)]), 10: 3, 42: 1 },
      ),
    )
    expect(losses).toEqual([{ cpu: 0, startNs: 0, endNs: 45, events: undefined }])
    expect(issues.map(({ code }) => code)).toEqual(['packets_dropped'])
  })
})

describe('clocks', () => {
  const REALTIME = 1
  const MONOTONIC = 3
  const BOOT = 6
  /** A snapshot of the boot clock and another. */
  const readTogether = (boot: number, clock: number, value: number): Fields => ({
    6: {
      1: [
        { 1: BOOT, 2: boot },
        { 1: clock, 2: value },
      ],
    },
  })
  /** A packet of vmstat's pswpout with the time of that clock. */
  const counter = (time: number, clock: number): Fields => ({
    8: time,
    58: clock,
    7: { 2: { 1: 42, 2: 9 } },
  })

  it('put ftrace events of another clock on the boot clock', async () => {
    const { events, info } = await readBytes(
      trace(bundle(0, [waking(1000, 1, 2)], { 5: 4, 6: 2000, 7: 7000 })),
    )
    expect(BigInt(events[0]?.ts ?? 0) + info.baseNs).toBe(6000n)
  })

  it('convert by the last snapshot before the packet', async () => {
    const { events, info } = await readBytes(
      trace(
        readTogether(1000, MONOTONIC, 100),
        counter(150, MONOTONIC),
        readTogether(5000, MONOTONIC, 200),
        counter(250, MONOTONIC),
      ),
    )
    expect(events.map(({ ts }) => BigInt(ts) + info.baseNs)).toEqual([1050n, 5050n])
    expect(events[0]?.fields).toEqual({ name: 'vmstat.pswpout', value: 9n })
  })

  it('convert what was written late by the snapshot of its own time', async () => {
    // The device slept between the snapshots; 90 lies before the first.
    const { events, info } = await readBytes(
      trace(
        readTogether(1000, MONOTONIC, 100),
        readTogether(5000, MONOTONIC, 200),
        counter(150, MONOTONIC),
        counter(250, MONOTONIC),
        counter(90, MONOTONIC),
      ),
    )
    expect(events.map(({ ts }) => BigInt(ts) + info.baseNs)).toEqual([990n, 1050n, 5050n])
  })

  it('that were set back convert by what they read since then', async () => {
    const { events, info } = await readBytes(
      trace(
        readTogether(1000, REALTIME, 500),
        readTogether(2000, REALTIME, 300),
        counter(310, REALTIME),
      ),
    )
    expect(events.map(({ ts }) => BigInt(ts) + info.baseNs)).toEqual([2010n])
  })

  it('of a trace without the boot clock are those of its primary clock', async () => {
    const { events, info } = await readBytes(
      trace(
        {
          6: {
            1: [
              { 1: 3, 2: 7000 },
              { 1: 1, 2: 90 },
            ],
            2: 3,
          },
        },
        { 8: 7100, 7: { 2: { 1: 42, 2: 9 } } },
        { 8: 95, 58: 1, 7: { 2: { 1: 42, 2: 9 } } },
      ),
    )
    expect(info.clock).toBe('mono')
    expect(events.map(({ ts }) => BigInt(ts) + info.baseNs)).toEqual([7005n, 7100n])
  })

  it("count up a sequence's own incremental clock", async () => {
    const { events, info } = await readBytes(
      trace(
        {
          10: 7,
          8: 10_000,
          6: {
            1: [
              { 1: 6, 2: 10_000 },
              { 1: 64, 2: 0, 3: 1, 4: 1000 },
            ],
          },
        },
        { 10: 7, 59: { 58: 64 }, 13: 1, 8: 0, 11: { 9: 3, 23: 'a' } },
        { 10: 7, 8: 2, 11: { 9: 3, 23: 'b' } },
        { 10: 7, 8: 3, 11: { 9: 3, 23: 'c' } },
      ),
    )
    expect(events.map(({ ts }) => BigInt(ts) + info.baseNs)).toEqual([10_000n, 12_000n, 15_000n])
  })

  it('that no snapshot has lose their data, which is reported', async () => {
    expect(
      await codes(trace(bundle(0, [waking(5, 1, 2)]), { 8: 5, 58: 9, 7: { 2: { 1: 42, 2: 9 } } })),
    ).toEqual(['clock_unknown'])
  })
})

describe('other data', () => {
  it('names threads, processes, and samples their counters', async () => {
    const { info, events } = await readBytes(
      trace(
        {
          2: {
            1: { 1: 500, 2: 1, 3: '/system/bin/lmkd' },
            2: { 1: 501, 3: 500, 2: 'lmkd-reaper' },
          },
        },
        { 8: 10, 9: { 1: { 1: 500, 4: 77, 10: -1000n } } },
        { 8: 11, 7: { 1: { 1: 2, 2: 4096 }, 14: { 1: 5, 2: 123 } } },
        { 45: { 1: { 3: '5.10.1', 4: 'aarch64' }, 8: 8 } },
      ),
    )
    expect([...info.comms]).toEqual([
      [500, 'lmkd'],
      [501, 'lmkd-reaper'],
    ])
    expect([...info.tgids]).toEqual([
      [500, 500],
      [501, 500],
    ])
    expect(info).toMatchObject({ kernelRelease: '5.10.1', arch: 'aarch64', cpus: 8 })
    expect(events.map(({ fields }) => [fields['name'], fields['value']])).toEqual([
      ['process.500.rss_anon_kb', 77n],
      ['process.500.oom_score_adj', -1000n],
      ['meminfo.mem_free', 4096n],
      ['psi.memory_some.total_ns', 123n],
    ])
  })

  it('names the kernel functions whose numbers stand in events', async () => {
    const symbols = (sequence: number, iid: number, name: string) => ({
      10: sequence,
      12: { 26: { 1: iid, 2: name } },
    })
    const bytes = trace(
      symbols(1, 1, 'super_cache_scan'),
      symbols(1, 2, 'zs_shrinker_scan'),
      symbols(2, 2, 'binder_shrink_scan'),
    )
    const reader = await openTrace(toByteSource('t', bytes))
    expect(reader.symbolOf?.(0, 1)).toBe('super_cache_scan')
    // The same number in two sequences with two names tells nothing.
    expect(reader.symbolOf?.(0, 2)).toBeUndefined()
    expect(reader.symbolOf?.(0, 3)).toBeUndefined()
    expect(reader.symbolOf?.(1, 1)).toBeUndefined()
  })

  it('gives slices the thread of their track and the name of their sequence', async () => {
    const { events } = await readBytes(
      trace(
        { 60: { 1: 77, 4: { 1: 500, 2: 501 } } },
        { 10: 1, 13: 1, 8: 5, 12: { 2: { 1: 4, 2: 'frame' } }, 11: { 9: 1, 10: 4, 11: 77 } },
        { 10: 2, 13: 1, 8: 6, 12: { 2: { 1: 4, 2: 'other' } }, 11: { 9: 3, 10: 4, 11: 78 } },
        { 10: 1, 8: 9, 11: { 9: 2, 11: 77 } },
      ),
    )
    expect(events.map(({ tid, fields }) => [tid, fields['phase'], fields['name']])).toEqual([
      [501, 66, 'frame'],
      [-1, 73, 'other'],
      [501, 69, ''],
    ])
  })
})

describe('packets that rest on others', () => {
  const names = { 2: { 1: 1, 2: 'frame' } }
  const instant = (ts: number, more: Fields): Fields => ({
    10: 1,
    8: ts,
    11: { 9: 3, 10: 1 },
    ...more,
  })

  it('are not read once some of these were dropped, until their sequence begins anew', async () => {
    const { events, issues } = await readBytes(
      trace(
        instant(1, { 13: 1, 12: names }),
        instant(2, { 13: 2 }),
        instant(3, { 13: 2, 42: 1 }),
        instant(4, { 13: 2 }),
        instant(5, { 13: 3, 12: { 2: { 1: 1, 2: 'other' } } }),
      ),
    )
    expect(events.map(({ ts, fields }) => [ts, fields['name']])).toEqual([
      [0, 'frame'],
      [1, 'frame'],
      [4, 'other'],
    ])
    expect(issues.map(({ code, count }) => [code, count])).toEqual([['sequence_incomplete', 2]])
  })

  it('are not read where the begin of their sequence is not in the trace', async () => {
    expect(await codes(trace(instant(1, { 13: 2 }), { 8: 2 }))).toEqual(['sequence_incomplete'])
  })
})

describe('compressed packets', () => {
  const plain = trace(bundle(0, [waking(5, 1, 2)]), bundle(1, [waking(4, 1, 2)]))

  it('give what plain packets give', async () => {
    const expected = (await readBytes(plain)).events
    expect((await readBytes(trace({ 50: deflateSync(plain) }))).events).toEqual(expected)
  })

  it.runIf(hasZstd)('of zstd give the same', async () => {
    const expected = (await readBytes(plain)).events
    expect((await readBytes(trace({ 133: zstdCompressSync(plain) }))).events).toEqual(expected)
  })

  it('that are damaged are an issue, and what follows is read', async () => {
    const { events, issues } = await readBytes(
      trace({ 50: Uint8Array.of(1, 2, 3) }, bundle(0, [waking(5, 1, 2)])),
    )
    expect(events).toHaveLength(1)
    expect(issues.map(({ code }) => code)).toEqual(['corrupt_chunk'])
  })

  it('that unpack to far more than they are, are an issue and take bounded memory', async () => {
    const bomb = deflateSync(new Uint8Array(1 << 27))
    expect(await codes(trace({ 50: bomb }, { 8: 1 }))).toEqual(['corrupt_chunk'])
  })

  it('do not nest', async () => {
    const nested = trace({ 50: deflateSync(trace({ 50: deflateSync(plain) })) })
    expect(await codes(nested)).toEqual(['nested_chunk'])
  })
})

const FILES = (['perfetto', 'perfetto-dense', 'perfetto-z'] as const).map(
  (format) =>
    [
      format,
      generated({ scenario: scenarioNamed('phone'), events: 300, format, clock: 'boot' }).bytes,
    ] as const,
)

describe.each(FILES)('a generated file, %s', (_, file) => {
  it('has the mark of this format', () => {
    expect(sniffFormat(file)?.name).toBe('perfetto')
    expect(sniffFormat(file.subarray(0, 65_536))?.name).toBe('perfetto')
  })

  const ends = packetEnds(file)
  itReadsPieces(file, { mostBytes: 5000, runs: 5 })
  itSeesCuts(file, { runs: 60, looksWhole: (length) => ends.has(length) })
  itSurvivesDamage(file, { from: 0, format: 'perfetto', runs: 100, mostRows: file.length })
})

function packetEnds(file: Uint8Array): Set<number> {
  const ends = new Set<number>()
  for (let at = 0; at < file.length; ) {
    let length = 0
    let shift = 1
    for (at++; ; at++) {
      const byte = file[at] ?? 0
      length += (byte & 127) * shift
      shift *= 128
      if (byte < 128) break
    }
    at += 1 + length
    ends.add(at)
  }
  return ends
}

describe('hostile input', () => {
  it('of random bytes ends in rows, issues or one positioned error', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 400 }), async (bytes) => {
        await readHostileBytes(bytes, PERFETTO)
        const packet = Buffer.concat([Uint8Array.of(10, bytes.length & 127), bytes])
        await readHostileBytes(packet, PERFETTO)
      }),
      runs(400),
    )
  })

  it('with lengths beyond the file is reported', async () => {
    const start = trace(...Array.from({ length: 10 }, () => bundle(0, [waking(5, 1, 2)])))
    const huge = Uint8Array.of(10, 0xff, 0xff, 0xff, 0xff, 0x0f)
    expect(await codes(Buffer.concat([start, huge]))).toEqual(['data_truncated'])
    const inner = message({ 1: Buffer.concat([Uint8Array.of(10, 0xff, 0xff, 0x7f), start]) })
    expect(await codes(Buffer.concat([start, inner]))).toEqual(['corrupt_packet'])
  })

  it('with times far apart is reported instead of rounded', async () => {
    const far = waking(5, 1, 2)
    expect(await codes(trace(bundle(0, [far, { ...far, 1: 2n ** 63n }, waking(6, 1, 2)])))).toEqual(
      ['bad_timestamp'],
    )
  })
})
