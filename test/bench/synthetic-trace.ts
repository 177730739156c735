// Writes a trace.dat v6 of any length with the formats of a recorded one: node --import ./scripts/ts.mjs test/bench/synthetic-trace.ts OUT [EVENTS]
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { loadZstd } from '../../parsers/zstd.ts'

const PAGE = 4096
const FIXTURE = fileURLToPath(new URL('../../fixtures/zram-lz4-6.1/trace.dat', import.meta.url))
const SECTIONS = [16, 17, 18] as const

/** The header, ftrace and event sections of a v7 file with zstd: they are what v6 has in a row. */
async function readDescriptions(path: string): Promise<Buffer[]> {
  const unpack = await loadZstd()
  const file = readFileSync(path)
  const compressionEnd = file.indexOf(0, file.indexOf(0, 18) + 1)
  const found = new Map<number, Buffer>()
  for (let options = Number(file.readBigUInt64LE(compressionEnd + 1)); options !== 0; ) {
    let at = options + 16
    options = 0
    for (;;) {
      const id = file.readUInt16LE(at)
      const size = file.readUInt32LE(at + 2)
      at += 6
      if (id === 0) {
        options = Number(file.readBigUInt64LE(at))
        break
      }
      if (id === 16 || id === 17 || id === 18) {
        const section = Number(file.readBigUInt64LE(at)) + 16
        const packed = file.readUInt32LE(section)
        const bytes = unpack(
          file.subarray(section + 8, section + 8 + packed),
          file.readUInt32LE(section + 4),
        )
        found.set(id, Buffer.from(bytes))
      }
      at += size
    }
  }
  return SECTIONS.map((id) => found.get(id) ?? Buffer.alloc(0))
}

function idOf(events: string, name: string): number {
  const id = new RegExp(`name: ${name}\\nID: (\\d+)\\n`).exec(events)?.[1]
  if (id === undefined) throw new Error(`the fixture does not describe ${name}`)
  return Number(id)
}

/** xorshift32: the same trace for the same seed. */
function makeRandom(seed: number): () => number {
  let state = seed | 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

const COMMS = [
  'kswapd0',
  'app-0',
  'app-1',
  'swapper/0',
  'kworker/u4:2',
  'filer',
  'rcu_preempt',
  'app-2',
]

/** Writes `events` events of two cpus; the mix is that of reclaim: half swap-outs, a quarter scheduling. */
export async function writeSyntheticTrace(path: string, events: number, seed = 1): Promise<void> {
  const [header, ftrace, systems] = await readDescriptions(FIXTURE)
  const texts = (systems ?? Buffer.alloc(0)).toString('latin1')
  const ids = {
    writeFolio: idOf(texts, 'mm_vmscan_write_folio'),
    schedSwitch: idOf(texts, 'sched_switch'),
    schedWaking: idOf(texts, 'sched_waking'),
    shrinkInactive: idOf(texts, 'mm_vmscan_lru_shrink_inactive'),
    isolate: idOf(texts, 'mm_vmscan_lru_isolate'),
  }
  const start = Buffer.concat([
    Buffer.from('\x17\x08Dtracing6\0\0\x08\x00\x10\0\0', 'latin1'),
    header ?? Buffer.alloc(0),
    ftrace ?? Buffer.alloc(0),
    systems ?? Buffer.alloc(0),
    Buffer.alloc(8),
  ])
  const comms = COMMS.map((comm, index) => `${100 + index} ${comm}\n`).join('')
  const middle = Buffer.alloc(8 + comms.length + 4 + 10)
  middle.writeBigUInt64LE(BigInt(comms.length), 0)
  middle.write(comms, 8)
  middle.writeUInt32LE(2, 8 + comms.length)
  middle.write('flyrecord', 12 + comms.length)
  const table = Buffer.alloc(32)
  const dataAt = Math.ceil((start.length + middle.length + 32) / PAGE) * PAGE
  const fd = openSync(path, 'w')
  const block = Buffer.alloc(PAGE * 64)
  const sizes = [0, 0]
  let position = dataAt
  for (let cpu = 0; cpu < 2; cpu++) {
    table.writeBigUInt64LE(BigInt(position), cpu * 16)
    const random = makeRandom(seed + cpu * 7919)
    let left = cpu === 0 ? Math.ceil(events / 2) : Math.floor(events / 2)
    let stamp = 10_000_000_000 + cpu * 137
    let used = 0
    while (left > 0) {
      const page = block.subarray(used, used + PAGE)
      const result = fillPage(page, { stamp, left, random, ids })
      stamp = result.stamp
      left -= result.written
      used += PAGE
      if (used === block.length || left === 0) {
        writeSync(fd, block, 0, used, position)
        position += used
        sizes[cpu] = (sizes[cpu] ?? 0) + used
        used = 0
      }
    }
    table.writeBigUInt64LE(BigInt(sizes[cpu] ?? 0), cpu * 16 + 8)
  }
  writeSync(fd, Buffer.concat([start, middle, table]), 0, start.length + middle.length + 32, 0)
  closeSync(fd)
}

interface PageState {
  readonly stamp: number
  readonly left: number
  readonly random: () => number
  readonly ids: Readonly<
    Record<'writeFolio' | 'schedSwitch' | 'schedWaking' | 'shrinkInactive' | 'isolate', number>
  >
}

function fillPage(page: Buffer, state: PageState): { stamp: number; written: number } {
  const { random, ids } = state
  page.fill(0)
  page.writeBigUInt64LE(BigInt(state.stamp), 0)
  let at = 16
  let { stamp } = state
  let written = 0
  const begin = (id: number, words: number): number => {
    const delta = written === 0 ? 0 : 200 + (random() % 20_000)
    stamp += delta
    page.writeUInt32LE(((delta << 5) | words) >>> 0, at)
    page.writeUInt16LE(id, at + 4)
    page.writeInt32LE(100 + (random() % COMMS.length), at + 8)
    const data = at + 4
    at += 4 + words * 4
    written++
    return data
  }
  const comm = () => COMMS[random() % COMMS.length] ?? ''
  while (written < state.left && at + 4 + 96 <= PAGE) {
    const kind = random() % 16
    if (kind < 8) {
      const data = begin(ids.writeFolio, 5)
      page.writeUInt32LE(random() >>> 12, data + 8)
      page.writeInt32LE(9, data + 16)
    } else if (kind < 12) {
      const data = begin(ids.schedSwitch, 16)
      page.write(comm(), data + 8, 'latin1')
      page.writeInt32LE(100 + (random() % 8), data + 24)
      page.writeInt32LE(120, data + 28)
      page.writeUInt32LE(random() & 1, data + 32)
      page.write(comm(), data + 40, 'latin1')
      page.writeInt32LE(100 + (random() % 8), data + 56)
      page.writeInt32LE(120, data + 60)
    } else if (kind < 14) {
      const data = begin(ids.schedWaking, 9)
      page.write(comm(), data + 8, 'latin1')
      page.writeInt32LE(100 + (random() % 8), data + 24)
      page.writeInt32LE(120, data + 28)
      page.writeInt32LE(random() & 1, data + 32)
    } else if (kind < 15) {
      const data = begin(ids.isolate, 14)
      page.writeInt32LE(2, data + 8)
      page.writeUInt32LE(32, data + 16)
      page.writeUInt32LE(random() % 64, data + 24)
      page.writeUInt32LE(random() % 32, data + 40)
    } else {
      const data = begin(ids.shrinkInactive, 24)
      page.writeUInt32LE(random() % 64, data + 16)
      page.writeUInt32LE(random() % 32, data + 24)
    }
  }
  page.writeBigUInt64LE(BigInt(at - 16), 8)
  return { stamp: stamp + 500, written }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , path, events] = process.argv
  if (path === undefined) throw new Error('usage: synthetic-trace.ts OUT [EVENTS]')
  await writeSyntheticTrace(path, Number(events ?? 3_000_000))
}
