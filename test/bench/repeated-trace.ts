// Repeats a recorded trace until it is long: node --import ./scripts/ts.mjs test/bench/repeated-trace.ts OUT [EVENTS]
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const PAGE = 4096
const FIXTURE = fileURLToPath(new URL('../../fixtures/zram-lz4-6.1/trace.dat', import.meta.url))
const EVENTS_OF_FIXTURE = 278_661
const CPUS = 2

/**
 * Writes the pages of fixtures/zram-lz4-6.1 again and again as trace.dat v6, each round later than the one before. So the mix
 * is the recording's: 30 % each swap_writepage and mm_vmscan_write_folio, 12 % slab shrinkers, 12 % scheduler, 9 % swap-ins
 * and freed slots, 7 % LRU batches, 1 % direct reclaim. Returns the number of events.
 */
export function writeRepeatedTrace(path: string, events: number): number {
  const once = `${path}.once`
  const convert = ['convert', '-i', FIXTURE, '-o', once]
  const { status, stderr } = spawnSync(
    'trace-cmd',
    [...convert, '--file-version', '6', '--compression', 'none'],
    { encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(`trace-cmd convert failed: ${stderr}`)
  const file = readFileSync(once)
  rmSync(once)
  // trace.dat v6: "flyrecord", NUL, then offset and size of every cpu's pages.
  const table = file.lastIndexOf('flyrecord\0') + 10
  const pages = Array.from({ length: CPUS }, (_, cpu) => {
    const from = Number(file.readBigUInt64LE(table + 16 * cpu))
    return file.subarray(from, from + Number(file.readBigUInt64LE(table + 16 * cpu + 8)))
  })
  const stamps = pages.map((cpu) => [
    cpu.readBigUInt64LE(0),
    cpu.readBigUInt64LE(cpu.length - PAGE),
  ])
  const first = Math.min(...stamps.map(([stamp]) => Number(stamp)))
  const last = Math.max(...stamps.map(([, stamp]) => Number(stamp)))
  // A second more: the last pages' own events lie after their stamps.
  const period = BigInt(last - first + 1_000_000_000)
  const rounds = Math.ceil(events / EVENTS_OF_FIXTURE)
  let position = file.readBigUInt64LE(table)
  const head = Buffer.from(file.subarray(0, Number(position)))
  const fd = openSync(path, 'w')
  pages.forEach((cpu, index) => {
    head.writeBigUInt64LE(position, table + 16 * index)
    head.writeBigUInt64LE(BigInt(cpu.length * rounds), table + 16 * index + 8)
    const copy = Buffer.from(cpu)
    for (let round = 0; round < rounds; round++) {
      for (let at = 0; at < cpu.length; at += PAGE)
        copy.writeBigUInt64LE(cpu.readBigUInt64LE(at) + BigInt(round) * period, at)
      writeSync(fd, copy, 0, copy.length, Number(position))
      position += BigInt(copy.length)
    }
  })
  writeSync(fd, head, 0, head.length, 0)
  closeSync(fd)
  return rounds * EVENTS_OF_FIXTURE
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , path, events] = process.argv
  if (path === undefined) throw new Error('usage: repeated-trace.ts OUT [EVENTS]')
  console.log(writeRepeatedTrace(path, Number(events ?? 4_000_000)))
}
