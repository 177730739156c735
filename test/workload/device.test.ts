import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openResources, planRuns } from '../../src/cli/run-plan.ts'
import { resolveReplay } from '../../src/config/replay.ts'
import { Database } from '../../src/database/database.ts'
import { describeWorkload } from '../../src/workload/describe.ts'
import { readDeviceRequests } from '../../src/workload/device.ts'
import { parseWorkloadJson, toWorkloadJson } from '../../src/workload/json.ts'
import { loadRecording } from '../../src/workload/load.ts'
import { type RecordedIos, type Recording, RecordingBuilder } from '../../src/workload/recording.ts'
import { readWorkload } from '../../src/workload/store.ts'
import type { DeviceRequests } from '../../src/workload/types.ts'
import { ingestBytes } from '../generate/domain-rows.ts'

interface Request {
  readonly device: string
  readonly op: string
  readonly sector: number
  readonly sectors: number
  readonly issueUs: number
  readonly doneUs: number
}

/** A disk with swap, one with files, and what is no transfer; issued in this order. */
const REQUESTS: readonly Request[] = [
  { device: '254:16', op: 'WS', sector: 800, sectors: 64, issueUs: 100, doneUs: 900 },
  { device: '254:16', op: 'R', sector: 8000, sectors: 8, issueUs: 200, doneUs: 650 },
  { device: '254:0', op: 'R', sector: 16, sectors: 256, issueUs: 300, doneUs: 350 },
  { device: '254:16', op: 'W', sector: 864, sectors: 8, issueUs: 400, doneUs: 1400 },
  { device: '254:0', op: 'W', sector: 32, sectors: 8, issueUs: 500, doneUs: 550 },
  { device: '254:16', op: 'FF', sector: 0, sectors: 0, issueUs: 600, doneUs: 610 },
  { device: '254:16', op: 'D', sector: 4096, sectors: 2048, issueUs: 700, doneUs: 720 },
  { device: '254:16', op: 'RA', sector: 9000, sectors: 16, issueUs: 2000, doneUs: 2300 },
]

const TRUTH = {
  isWrite: [1, 0, 1, 0],
  pages: [8, 1, 1, 2],
  ns: [800_000, 450_000, 1_000_000, 300_000],
  depth: 3,
}

function plain({ isWrite, pages, ns, depth }: DeviceRequests) {
  return { isWrite: Array.from(isWrite), pages: Array.from(pages), ns: Array.from(ns), depth }
}

function recordingWith(requests: readonly Request[], swapKinds: readonly string[]): Recording {
  const ios: RecordedIos = {
    length: requests.length,
    device: requests.map(({ device }) => device),
    op: requests.map(({ op }) => op),
    sectors: Float64Array.from(requests, ({ sectors }) => sectors),
    issueNs: Float64Array.from(requests, ({ issueUs }) => issueUs * 1000),
    doneNs: Float64Array.from(requests, ({ doneUs }) => doneUs * 1000),
  }
  return {
    name: 'made',
    ...new RecordingBuilder().finish(),
    cpus: 1,
    pageSize: 4096,
    endNs: 3e6,
    tasks: new Map(),
    zones: [],
    samples: new Map(),
    snapshot: {},
    swapKinds,
    ios,
    events: new Set(),
    losses: 0,
  }
}

describe('service times of the device below swap', () => {
  it('are those of the device to which most was written; flushes and discards are none', () => {
    const found = readDeviceRequests(recordingWith(REQUESTS, ['disk']), 3e6)
    expect(found && plain(found)).toEqual(TRUTH)
  })

  it('come from the part of the recording that may be used', () => {
    const found = readDeviceRequests(recordingWith(REQUESTS, ['zram', 'disk']), 300_000)
    expect(found && plain(found)).toEqual({
      isWrite: [1, 0],
      pages: [8, 1],
      ns: [800_000, 450_000],
      depth: 2,
    })
  })

  it('are not known where swap lies in zram alone, or nothing was recorded', () => {
    expect(readDeviceRequests(recordingWith(REQUESTS, ['zram']), 3e6)).toBeUndefined()
    expect(readDeviceRequests(recordingWith([], ['disk']), 3e6)).toBeUndefined()
    const { ios: _ios, ...without } = recordingWith([], ['disk'])
    expect(readDeviceRequests(without, 3e6)).toBeUndefined()
  })
})

/** Lines as ftrace prints them: requests of 6.10 and later, and bios of a device without a request queue. */
function toLines(requests: readonly Request[], bios: boolean): string {
  const at = (us: number): string => `10.${String(us).padStart(6, '0')}`
  const lines = requests.flatMap(({ device, op, sector, sectors, issueUs, doneUs }) => {
    const dev = device.replace(':', ',')
    const [issue, complete] = bios
      ? [
          `block_bio_queue: ${dev} ${op} ${sector} + ${sectors} [kswapd0]`,
          `block_bio_complete: ${dev} ${op} ${sector} + ${sectors} [0]`,
        ]
      : [
          `block_rq_issue: ${dev} ${op} ${sectors * 512} () ${sector} + ${sectors} none,0,0 [kswapd0]`,
          `block_rq_complete: ${dev} ${op} () ${sector} + ${sectors} none,0,0 [0]`,
        ]
    return [
      { us: issueUs, text: ` kswapd0-50 [000] ..... ${at(issueUs)}: ${issue}` },
      { us: doneUs, text: ` <idle>-0 [000] d.h.. ${at(doneUs)}: ${complete}` },
    ]
  })
  lines.push({
    us: 2900,
    text: ` kswapd0-50 [000] ..... ${at(2900)}: mm_vmscan_kswapd_sleep: nid=0`,
  })
  return `# tracer: nop\n#\n${lines
    .sort((x, y) => x.us - y.us)
    .map(({ text }) => `${text}\n`)
    .join('')}`
}

describe.each([
  { events: 'requests', bios: false },
  { events: 'bios', bios: true },
])('block events of $events in a trace', ({ bios }) => {
  let database: Database
  beforeAll(async () => {
    database = await Database.open(':memory:', { mode: 'write' })
  })
  afterAll(() => database.close())

  it('give the service times of the device', async () => {
    const bytes = new TextEncoder().encode(toLines(REQUESTS, bios))
    const traceId = await ingestBytes(database, bytes, { raw: 'all' })
    const recording = await loadRecording(database, traceId)
    const requests = readDeviceRequests(recording, Number.POSITIVE_INFINITY)
    expect(requests && plain(requests)).toEqual(TRUTH)
  })
})

describe('a replay of a workload with service times', () => {
  const path = fileURLToPath(new URL('../../fixtures/scenarios/toy-des', import.meta.url))
  const requests: DeviceRequests = {
    isWrite: Uint8Array.of(1, 0),
    pages: Float64Array.of(1, 1),
    ns: Float64Array.of(123_456, 654_321),
    depth: 1,
    from: 'block events',
  }
  const workload = async () => ({
    ...(await readWorkload({
      path,
      has: (name) => existsSync(join(path, name)),
      readText: (name) => readFileSync(join(path, name), 'utf8'),
    })),
    deviceRequests: requests,
  })
  const deviceOf = async (set: readonly string[], backend = 'disk') => {
    const { runs, workload: planned } = planRuns(
      resolveReplay({ policy: ['kswapd'], backend, set: [...set] }),
      await workload(),
    )
    const [run] = runs
    if (run === undefined) throw new Error('there is no run')
    const { backend: opened } = await openResources(planned, run.config)
    if (opened.device === undefined) throw new Error('there is no device')
    return opened.device
  }

  it.each(['disk', 'zswap'])('has them on %s', async (backend) => {
    const device = await deviceOf([], backend)
    expect(device.submit('write', 0)).toBe(123_456)
    expect(device.submit('read', 200_000)).toBe(854_321)
  })

  it('has latency and bandwidth instead where they are given', async () => {
    const device = await deviceOf(['disk_latency_us=1000', 'disk_bandwidth_mb=40.96'])
    expect(device.submit('write', 0)).toBe(1_100_000)
  })

  it('keeps them in its files, and prints them', async () => {
    const made = await workload()
    const text = toWorkloadJson({ ...made, pages: { ...made.pages, length: 0 }, tasks: [] })
    const read = parseWorkloadJson(text, 'workload.json').deviceRequests
    expect(read).toEqual(requests)
    const facts = describeWorkload(made).filter(({ name }) => name.startsWith('device.'))
    expect(facts.map(({ name, value, basis }) => [name, value, basis])).toEqual(
      [
        ['device.depth', 1],
        ['device.read.pages', 1],
        ['device.read.mean', 654_321],
        ['device.read.p50', 654_321],
        ['device.read.p99', 654_321],
        ['device.write.pages', 1],
        ['device.write.mean', 123_456],
        ['device.write.p50', 123_456],
        ['device.write.p99', 123_456],
      ].map((row) => [...row, 'event']),
    )
  })
})
