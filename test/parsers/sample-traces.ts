import {
  ByteWriter,
  formatText,
  type MachineOptions,
  PageBuilder,
  type TraceFileOptions,
} from './trace-dat-builder.ts'

export const MACHINES: Readonly<Record<string, MachineOptions>> = {
  'little endian, 64 bit': { littleEndian: true, longSize: 8, pageBytes: 4096 },
  'big endian, 64 bit': { littleEndian: false, longSize: 8, pageBytes: 4096 },
  'little endian, 32 bit': { littleEndian: true, longSize: 4, pageBytes: 4096 },
  'big endian, 32 bit': { littleEndian: false, longSize: 4, pageBytes: 4096 },
  'sub-buffers of 16 KiB': { littleEndian: true, longSize: 8, pageBytes: 16_384 },
}

const EVERY_FIELD = formatText('every_field', 300, [
  ['u8 tiny', 8, 1, 0],
  ['s8 tiny_signed', 9, 1, 1],
  ['short small', 10, 2, 1],
  ['unsigned short small_unsigned', 12, 2, 0],
  ['bool yes', 14, 1, 0],
  ['int number', 16, 4, 1],
  ['unsigned int flags', 20, 4, 0],
  ['u64 wide', 24, 8, 0],
  ['s64 wide_signed', 32, 8, 1],
  ['char comm[16]', 40, 16, 0],
  ['int three[3]', 56, 12, 1],
  ['u64 two[2]', 68, 16, 0],
  ['unsigned char mac[6]', 84, 6, 0],
  ['__data_loc char[] name', 92, 4, 0],
  ['__rel_loc char[] path', 96, 4, 0],
  ['__data_loc u32[] numbers', 100, 4, 0],
  ['short tail[]', 104, 0, 1],
])
const SMALL = formatText('small', 301, [['int n', 8, 4, 1]])

export const SYSTEMS = {
  ftrace: [formatText('print', 5, [['char buf[]', 8, 0, 1]])],
  test: [EVERY_FIELD, SMALL],
}

/** One record of `every_field`; the expected fields are `EVERY_VALUE`. */
function everyRecord(littleEndian: boolean): Uint8Array {
  const out = new ByteWriter(littleEndian)
  out.u16(300).u8(1).u8(2).u32(4711)
  out.u8(250).u8(0x80).u16(0xfffe).u16(0xfffd).u8(1).padTo(4)
  out.u32(0xffff_fffb).u32(0x8000_0001).u64(0xfedc_ba98_7654_3210n).u64(-5n)
  out.chars('kswapd0\0garbage!', 16).u32(1).u32(0xffff_fffe).u32(3)
  out
    .u64(0x0123_4567_89ab_cdefn)
    .u64(7)
    .bytes(Uint8Array.of(1, 2, 3, 4, 5, 6))
    .padTo(4)
  // The dynamic parts follow the tail's place: at 112, 120 and 128 from the record's start.
  out.u32((6 << 16) | 112)
  out.u32((5 << 16) | (120 - 100))
  out.u32((8 << 16) | 128)
  out.u16(10).u16(0xfff5).u16(12).u16(13)
  out.chars('hello', 8).chars('/tmp', 8).u32(9).u32(0xffff_ffff)
  return out.toBytes()
}

export const EVERY_VALUE = {
  tiny: 250,
  tiny_signed: -128,
  small: -2,
  small_unsigned: 0xfffd,
  yes: 1,
  number: -5,
  flags: 0x8000_0001,
  wide: 0xfedc_ba98_7654_3210n,
  wide_signed: -5n,
  comm: 'kswapd0',
  three: [1, -2, 3],
  two: [0x0123_4567_89ab_cdefn, 7n],
  mac: [1, 2, 3, 4, 5, 6],
  name: 'hello',
  path: '/tmp',
  numbers: [9, 0xffff_ffff],
}

export function smallRecord(littleEndian: boolean, n: number, tid = 1): Uint8Array {
  return new ByteWriter(littleEndian).u16(301).u16(0).u32(tid).u32(n).toBytes()
}

export function smallPage(
  machine: MachineOptions,
  stamp: bigint,
  deltas: readonly number[],
  first = 0,
): PageBuilder {
  const page = new PageBuilder(machine, stamp)
  for (const [index, delta] of deltas.entries())
    page.record(delta, smallRecord(machine.littleEndian, first + index))
  return page
}

/** Two cpus (ids 0 and 2) with every kind of record. */
export function sampleTrace(machine: MachineOptions): TraceFileOptions {
  const { littleEndian } = machine
  const every = everyRecord(littleEndian)
  const small = (n: number) => smallRecord(littleEndian, n)
  const pages0 = [
    new PageBuilder(machine, 1000n)
      .record(0, every)
      .record(5, small(1))
      .discarded(7, 20)
      .record(3, small(2))
      .discarded(1, 12)
      .record(0, small(3))
      .endPadding(),
    new PageBuilder(machine, 2000n)
      .missed(12)
      .record(0, small(4))
      .timeExtend(1n << 30n)
      .record(1, small(5), { long: true }),
    new PageBuilder(machine, (1n << 31n) + 5n).missed('unknown').record(0, small(6)),
  ]
  const pages2 = [
    new PageBuilder(machine, 1002n).record(0, small(7)).absoluteTime(1008n).record(0, small(8)),
    new PageBuilder(machine, 1500n),
    new PageBuilder(machine, 1600n).record(10, small(9)),
  ]
  return {
    ...machine,
    systems: SYSTEMS,
    cpus: new Map([
      [0, pages0.map((page) => page.toBytes())],
      [2, pages2.map((page) => page.toBytes())],
    ]),
    clock: 'mono',
    comms: '4711 kswapd0\n1 app with space\n',
  }
}

/** [ts, cpu, name or n] of sampleTrace in order. */
export const SAMPLE_ORDER = [
  [0, 0, 'every_field'],
  [2, 2, 7],
  [5, 0, 1],
  [8, 2, 8],
  [15, 0, 2],
  [15, 0, 3],
  [610, 2, 9],
  [1000, 0, 4],
  [1000 + 2 ** 30 + 1, 0, 5],
  [2 ** 31 + 5 - 1000, 0, 6],
] as const
