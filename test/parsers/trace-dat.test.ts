import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { TraceParseError } from '../../parsers/index.ts'
import { isInstalled } from '../shared/installed.ts'
import { readBytes } from './open-bytes.ts'
import {
  EVERY_VALUE,
  MACHINES,
  SAMPLE_ORDER,
  SYSTEMS,
  sampleTrace,
  smallPage,
} from './sample-traces.ts'
import { hasTraceCmd, parseReportLine } from './trace-cmd.ts'
import {
  ByteWriter,
  buildVersion6,
  buildVersion7,
  type Compression,
  formatText,
  type MachineOptions,
  NONE,
  PageBuilder,
  type TraceFileOptions,
  textOption,
  ZLIB,
} from './trace-dat-builder.ts'
import { zstdCompressSync } from './zstd-command.ts'

const hasZstd = isInstalled('zstd')
const ZSTD: Compression = { name: 'zstd', pack: zstdCompressSync }
const PC: MachineOptions = { littleEndian: true, longSize: 8, pageBytes: 4096 }

const WRITERS: Readonly<Record<string, (options: TraceFileOptions) => Uint8Array>> = {
  'version 6': buildVersion6,
  'version 7, not compressed': (options) => buildVersion7(options, NONE),
  'version 7, zlib': (options) => buildVersion7(options, ZLIB),
  ...(hasZstd ? { 'version 7, zstd': (options) => buildVersion7(options, ZSTD) } : {}),
}

function options(
  cpus: ReadonlyMap<number, readonly PageBuilder[]>,
  more: Partial<TraceFileOptions> = {},
): TraceFileOptions {
  const bytes = new Map([...cpus].map(([cpu, pages]) => [cpu, pages.map((page) => page.toBytes())]))
  return { ...PC, systems: SYSTEMS, cpus: bytes, clock: 'mono', ...more }
}

async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    return (error as TraceParseError).code
  }
  return 'no error'
}

it('reads records of two names each, whichever names were met before', async () => {
  const RECORDS = 10_000
  const RECORDS_OF_PAGE = 80
  const format = formatText('two_names', 300, [
    ['char first[16]', 8, 16, 0],
    ['char second[16]', 24, 16, 0],
    ['int n', 40, 4, 1],
  ])
  const nameOf = (which: string, i: number): string => `${which} ${(i * 7919) % RECORDS}`
  const pages: PageBuilder[] = []
  for (let i = 0; i < RECORDS; i++) {
    if (i % RECORDS_OF_PAGE === 0) pages.push(new PageBuilder(PC, BigInt(1000 + i)))
    const record = new ByteWriter(true).u16(300).u16(0).u32(1)
    record.chars(nameOf('first', i), 16).chars(nameOf('second', i), 16).u32(i)
    pages.at(-1)?.record(i % RECORDS_OF_PAGE === 0 ? 0 : 1, record.toBytes())
  }
  const file = buildVersion6(options(new Map([[0, pages]]), { systems: { test: [format] } }))
  const { events } = await readBytes(file)
  expect(events.map(({ fields }) => fields)).toEqual(
    Array.from({ length: RECORDS }, (_, n) => ({
      first: nameOf('first', n),
      second: nameOf('second', n),
      n,
    })),
  )
})

describe.each(Object.entries(WRITERS))('trace.dat %s', (_, build) => {
  describe.each(Object.entries(MACHINES))('of a machine with %s', (__, machine) => {
    it('gives every record in order, with its fields', async () => {
      const { events, losses, issues, info } = await readBytes(build(sampleTrace(machine)))
      expect(issues).toEqual([])
      expect(events.map(({ ts, cpu, name, fields }) => [ts, cpu, fields['n'] ?? name])).toEqual(
        SAMPLE_ORDER,
      )
      const [every] = events
      expect(every?.fields).toMatchObject(EVERY_VALUE)
      expect(every?.fields['tail']).toEqual(expect.arrayContaining([10, -11, 12, 13]))
      expect([every?.tid, every?.flags]).toEqual([4711, 0x0201])
      expect(losses).toEqual([
        { cpu: 0, startNs: 15, endNs: 1000, events: 12 },
        { cpu: 0, startNs: 1000 + 2 ** 30 + 1, endNs: 2 ** 31 + 5 - 1000, events: undefined },
      ])
      expect(info).toMatchObject({ baseNs: 1000n, clock: 'mono', ticks: false })
      expect(info.comms.get(1)).toBe('app with space')
    })
  })

  it('gives the same rows for random short reads', async () => {
    const bytes = build(sampleTrace(PC))
    const whole = await readBytes(bytes)
    const { readTrace } = await import('./open-bytes.ts')
    let state = 12345
    const short = await readTrace({
      name: 'short',
      size: bytes.length,
      readInto(offset, target) {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0
        const part = bytes.subarray(offset, offset + Math.min(target.length, 1 + (state % 97)))
        target.set(part)
        return part.length
      },
    })
    expect(short.events).toEqual(whole.events)
    expect(short.losses).toEqual(whole.losses)
  })

  it('merges instances by time, and tells them apart', async () => {
    const cpus = new Map([[0, [smallPage(PC, 100n, [0, 10, 10]).toBytes()]]])
    const other = new Map([[0, [smallPage(PC, 105n, [0, 10], 50).toBytes()]]])
    const { events, info } = await readBytes(
      build({
        ...PC,
        systems: SYSTEMS,
        clock: 'mono',
        cpus,
        instances: [{ name: 'side', cpus: other }],
      }),
    )
    expect(events.map(({ ts, instance, fields }) => [ts, instance, fields['n']])).toEqual([
      [0, 0, 0],
      [5, 1, 50],
      [10, 0, 1],
      [15, 1, 51],
      [20, 0, 2],
    ])
    expect(info.instances).toEqual([
      { name: '', clock: 'mono' },
      { name: 'side', clock: 'mono' },
    ])
  })

  it('leaves out an instance with another clock, and says so', async () => {
    const cpus = new Map([[0, [smallPage(PC, 100n, [0, 10]).toBytes()]]])
    const other = new Map([[0, [smallPage(PC, 7n, [0], 50).toBytes()]]])
    const { events, issues, info } = await readBytes(
      build({
        ...PC,
        systems: SYSTEMS,
        clock: 'mono',
        cpus,
        instances: [{ name: 'side', clock: 'boot', cpus: other }],
      }),
    )
    expect(events.map(({ ts }) => ts)).toEqual([0, 10])
    expect(info.instances[1]).toEqual({ name: 'side', clock: 'boot' })
    expect(issues.map(({ code, severity }) => [code, severity])).toEqual([
      ['instance_clock', 'data_loss'],
    ])
  })

  it('orders equal times by cpu and keeps each cpu in its order', async () => {
    const cpus = new Map(
      [3, 0, 7].map((cpu) => [cpu, [smallPage(PC, 500n, [0, 0, 4], cpu * 10)]] as const),
    )
    const { events } = await readBytes(build(options(cpus)))
    expect(events.map(({ cpu, fields }) => [cpu, fields['n']])).toEqual([
      [0, 0],
      [0, 1],
      [3, 30],
      [3, 31],
      [7, 70],
      [7, 71],
      [0, 2],
      [3, 32],
      [7, 72],
    ])
  })

  it('adds what the kernel counted to a gap of unknown size', async () => {
    const cpus = new Map([
      [
        0,
        [
          smallPage(PC, 100n, [0]),
          smallPage(PC, 200n, [0]).missed('unknown'),
          smallPage(PC, 300n, [0]).missed(3),
        ],
      ],
    ])
    const stat = textOption(
      2,
      'CPU: 0\nentries: 1\noverrun: 10\ncommit overrun: 1\nbytes: 4\ndropped events: 2\nread events: 9\n',
    )
    const { losses } = await readBytes(build(options(cpus, { options: [stat] })))
    expect(losses).toEqual([
      { cpu: 0, startNs: 0, endNs: 100, events: 10 },
      { cpu: 0, startNs: 100, endNs: 200, events: 3 },
    ])
  })

  it('reports losses that only the kernel counted over the whole time of the cpu', async () => {
    const cpus = new Map([[0, [smallPage(PC, 100n, [0, 50])]]])
    const stat = textOption(
      2,
      'CPU: 0\nentries: 1\noverrun: 0\ncommit overrun: 0\nbytes: 4\ndropped events: 8\n',
    )
    const { losses } = await readBytes(build(options(cpus, { options: [stat] })))
    expect(losses).toEqual([{ cpu: 0, startNs: 0, endNs: 50, events: 8, isUnplaced: true }])
  })

  it('shifts all times by OFFSET and DATE', async () => {
    const cpus = new Map([[0, [smallPage(PC, 100n, [0, 50])]]])
    const more = { options: [textOption(7, '-40'), textOption(1, '0x10')] }
    const { info, events } = await readBytes(build(options(cpus, more)))
    expect(info.baseNs).toBe(100n - 40n + 16_000n)
    expect(events.map(({ ts }) => ts)).toEqual([0, 50])
  })

  it('scales TSC stamps as mul_u64_u32_shr does, bit for bit', async () => {
    const mult = 0x9a3d_71c3
    const shift = 32
    const stamps = [
      0x12_ffff_ff00n,
      0x12_ffff_ff00n + 255n,
      0x13_0000_0003n,
      0x13_8000_0001n,
      0x15_1234_5678n,
    ]
    const page = new PageBuilder(PC, stamps[0] ?? 0n)
    for (const [index, stamp] of stamps.entries()) {
      if (index > 0) page.absoluteTime(stamp)
      page.record(0, smallPageRecord(index))
    }
    const tsc = new ByteWriter(true).u32(mult).u32(shift).u64(0).toBytes()
    const { info, events } = await readBytes(
      build(options(new Map([[0, [page]]]), { options: [[14, tsc]], clock: 'x86-tsc' })),
    )
    expect(info.ticks).toBe(false)
    expect(events.map(({ ts }) => info.baseNs + BigInt(ts))).toEqual(
      stamps.map((stamp) => (stamp * BigInt(mult)) >> BigInt(shift)),
    )
  })

  it('applies a guest time shift per cpu', async () => {
    const cpus = new Map([
      [0, [smallPage(PC, 1000n, [0, 10])]],
      [1, [smallPage(PC, 1000n, [0, 10], 5)]],
    ])
    const shift = new ByteWriter(true).u64(1).u32(0).u32(2)
    shift.u32(1).u64(0).u64(-7n).u64(1)
    shift.u32(2).u64(0).u64(1005).u64(100).u64(200).u64(1).u64(1)
    const { events, info } = await readBytes(
      build(options(cpus, { options: [[12, shift.toBytes()]] })),
    )
    expect(events.map(({ cpu, ts }) => [cpu, info.baseNs + BigInt(ts)])).toEqual([
      [0, 993n],
      [0, 1003n],
      [1, 1100n],
      [1, 1110n],
    ])
  })

  it('counts events without a description and records shorter than theirs', async () => {
    const page = new PageBuilder(PC, 1n)
    page.record(0, new ByteWriter(true).u16(999).u16(0).u32(1).toBytes())
    page.record(0, new ByteWriter(true).u16(999).u16(0).u32(1).toBytes())
    page.record(0, new ByteWriter(true).u16(301).u16(0).u32(1).toBytes())
    page.record(0, smallPageRecord(1))
    const { events, issues } = await readBytes(build(options(new Map([[0, [page]]]))))
    expect(events).toHaveLength(1)
    expect(issues.map(({ code, count, severity }) => [code, count, severity])).toEqual([
      ['unknown_event', 2, 'error'],
      ['short_record', 1, 'error'],
    ])
  })

  it('keeps records as bytes when their description cannot be understood', async () => {
    const odd =
      'name: odd\nID: 77\nformat:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n\tfield:;\toffset:8;\tsize:4;\tsigned:0;\n\nprint fmt: ""\n'
    const page = new PageBuilder(PC, 1n).record(
      0,
      new ByteWriter(true).u16(77).u16(0).u32(42).u32(0x04030201).toBytes(),
    )
    const { events, issues } = await readBytes(
      build(options(new Map([[0, [page]]]), { systems: { odd: [odd] } })),
    )
    expect(events.map(({ name, tid, fields }) => [name, tid, fields])).toEqual([
      ['odd', 42, { record: [1, 2, 3, 4] }],
    ])
    expect(issues.map(({ code }) => code)).toEqual(['undecodable_format'])
  })

  it('goes on behind a damaged page and reports a gap', async () => {
    const bad = smallPage(PC, 200n, [0, 1]).word(28)
    const cpus = new Map([[0, [smallPage(PC, 100n, [0]), bad, smallPage(PC, 300n, [0])]]])
    const { events, issues, losses } = await readBytes(build(options(cpus)))
    expect(events.map(({ ts }) => ts)).toEqual([0, 100, 101, 200])
    expect(issues.map(({ code, severity }) => [code, severity])).toEqual([
      ['corrupt_page', 'data_loss'],
    ])
    expect(losses).toEqual([{ cpu: 0, startNs: 101, endNs: 200, events: undefined }])
  })
})

function smallPageRecord(n: number): Uint8Array {
  return new ByteWriter(true).u16(301).u16(0).u32(1).u32(n).toBytes()
}

describe('absolute time stamps', () => {
  it('get their upper five bits from the time before, with a carry when they wrap', async () => {
    const high = 0x5n << 59n
    const page = new PageBuilder(PC, high + (1n << 59n) - 10n)
    page
      .record(0, smallPageRecord(0))
      .absoluteTime((1n << 59n) - 4n)
      .record(0, smallPageRecord(1))
    page.absoluteTime(6n).record(0, smallPageRecord(2))
    const { events } = await readBytes(buildVersion6(options(new Map([[0, [page]]]))))
    expect(events.map(({ ts }) => ts)).toEqual([0, 6, 16])
  })
})

describe('trace.dat that cannot be read', () => {
  const cpus = new Map([[0, [smallPage(PC, 100n, [0])]]])

  it('is refused with the name of the problem', async () => {
    const good = buildVersion6(options(cpus))
    const changed = (at: number, value: number) =>
      good.map((byte, index) => (index === at ? value : byte))
    expect(await failure(readBytes(new Uint8Array(0)))).toBe('unknown_format')
    expect(await failure(readBytes(changed(10, 0x35)))).toBe('unsupported_version')
    expect(await failure(readBytes(changed(12, 9)))).toBe('bad_header')
    expect(await failure(readBytes(changed(13, 5)))).toBe('bad_header')
    expect(await failure(readBytes(changed(17, 0xff)))).toBe('bad_page_size')
    expect(await failure(readBytes(good.subarray(0, 200)))).toBe('truncated')
    const latency = Buffer.from(good)
    latency.write('latency  \0', latency.indexOf('flyrecord'), 'latin1')
    expect(await failure(readBytes(latency))).toBe('latency_data')
  })

  it('is refused when cpus share their data or are too many', async () => {
    const good = Buffer.from(
      buildVersion6(
        options(
          new Map([
            [0, cpus.get(0) ?? []],
            [1, cpus.get(0) ?? []],
          ]),
        ),
      ),
    )
    const table = good.indexOf('flyrecord') + 10
    const shared = Buffer.from(good)
    good.copy(shared, table + 16, table, table + 16)
    expect(await failure(readBytes(shared))).toBe('overlapping_buffers')
    const many = Buffer.from(good)
    many.writeUInt32LE(3_000_000, many.indexOf('options  ') - 4)
    expect(await failure(readBytes(many))).toBe('too_many_cpus')
    const far = Buffer.from(good)
    far.writeBigUInt64LE(2n ** 63n, table)
    expect(await failure(readBytes(far))).toBe('bad_offset')
  })

  it('is refused when its options lead in a circle', async () => {
    const bytes = Buffer.from(buildVersion7(options(cpus), NONE))
    const optionsAt = bytes.readBigUInt64LE(bytes.indexOf('none') + 7)
    bytes.writeBigUInt64LE(optionsAt, bytes.length - 8)
    expect(await failure(readBytes(bytes))).toBe('options_loop')
  })

  it('is refused when little data claims to unpack to very much', async () => {
    const bytes = Buffer.from(buildVersion7(options(cpus), ZLIB))
    const section = bytes.indexOf(Uint8Array.of(16, 0, 1, 0))
    bytes.writeUInt32LE(0xffff_ffff, section + 20)
    expect(await failure(readBytes(bytes))).toBe('compression_bomb')
  })

  it('says where and what', async () => {
    await expect(readBytes(buildVersion6(options(cpus)).subarray(0, 100))).rejects.toThrow(
      /^test, byte \d+: the input ends after \d+ more bytes?; \d+ were expected$/,
    )
  })
})

describe('cut data', () => {
  it('keeps the whole pages and reports the loss', async () => {
    const cpus = new Map([[0, [smallPage(PC, 100n, [0, 5]), smallPage(PC, 300n, [0])]]])
    const bytes = buildVersion6(options(cpus))
    const { events, issues, losses } = await readBytes(bytes.subarray(0, bytes.length - 100))
    expect(events.map(({ ts }) => ts)).toEqual([0, 5])
    expect(issues.map(({ code, severity }) => [code, severity])).toEqual([
      ['data_truncated', 'data_loss'],
    ])
    expect(losses).toEqual([{ cpu: 0, startNs: 5, endNs: 5, events: undefined }])
  })

  it('skips a chunk that cannot be unpacked', async () => {
    const cpus = new Map([
      [
        0,
        Array.from({ length: 7 }, (_, index) =>
          smallPage(PC, BigInt(100 + index * 100), [0], index),
        ),
      ],
    ])
    const bytes = Buffer.from(buildVersion7(options(cpus), ZLIB))
    // The second chunk of three pages begins behind the first.
    const first =
      bytes.lastIndexOf(Uint8Array.of(3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)) + 16
    const start = Math.ceil(first / 8) * 8 + 4
    const second = start + 8 + bytes.readUInt32LE(start)
    bytes.fill(0xee, second + 8, second + 20)
    const { events, issues, losses } = await readBytes(bytes)
    expect(events.map(({ fields }) => fields['n'])).toEqual([0, 1, 2, 6])
    expect(issues.map(({ code }) => code)).toEqual(['corrupt_chunk'])
    expect(losses).toEqual([{ cpu: 0, startNs: 200, endNs: 600, events: undefined }])
  })
})

describe('a line of trace-cmd report', () => {
  it.each([
    ['in seconds', 1_000_005n, ' <...>-1     [000]     0.001000005: small:       n=1'],
    ['bare', 1_000_005n, ' <...>-1     [000]     1000005: small:       n=1'],
    ['bare and long', 7_615_709_442_088n, ' <...>-1     [000]7615709442088: small:       n=1'],
  ])('may have its time %s', (_, ns, line) => {
    expect(parseReportLine(line)).toEqual({ cpu: 0, tid: 1, ns, name: 'small', payload: 'n=1' })
  })
})

describe.runIf(hasTraceCmd)('files from the builder', () => {
  it('are read alike by trace-cmd', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pstrace-test-'))
    try {
      for (const [name, build] of Object.entries(WRITERS)) {
        // Distributions build trace-cmd without zlib.
        if (name.endsWith('zlib')) continue
        const path = join(folder, 'trace.dat')
        const cpus = new Map([
          [0, [smallPage(PC, 1_000_000n, [0, 5, 8])]],
          [1, [smallPage(PC, 1_000_002n, [0, 9], 10)]],
        ])
        const bytes = build(options(cpus))
        writeFileSync(path, bytes)
        const { stdout, stderr, status, signal } = spawnSync(
          'trace-cmd',
          ['report', '-R', '-t', path],
          { encoding: 'utf8' },
        )
        const said = `${name}: status ${status ?? signal}\n${stderr}${stdout}`
        const printed = stdout
          .split('\n')
          .flatMap((line) => parseReportLine(line) ?? [])
          .map(({ cpu, ns, payload }) => [cpu, Number(ns), payload])
        const { events, info } = await readBytes(bytes)
        expect(printed, said).toEqual(
          events.map(({ cpu, ts, fields }) => [cpu, Number(info.baseNs) + ts, `n=${fields['n']}`]),
        )
        expect(printed).toHaveLength(5)
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
