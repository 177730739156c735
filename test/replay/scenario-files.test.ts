import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { policies } from '../../src/policies/index.ts'
import { kcompressdV1 } from '../../src/policies/kcompressd-v1.ts'
import type { Policy } from '../../src/policies/policy.ts'
import { type ReplayOptions, replay } from '../../src/replay/replay.ts'
import { parseWorkloadJson } from '../../src/workload/json.ts'
import { CountingBackend, plainContents } from './build.ts'
import { RowCollector } from './rows.ts'

function policyOf(wanted: string): Policy {
  const policy = policies.find(({ name }) => name === wanted)
  if (policy === undefined) throw new Error(`no policy ${wanted}`)
  return policy
}

function run(
  scenario: string,
  policy: Policy,
  tunables: Record<string, number> = {},
  costScale: ReplayOptions['costScale'] = {},
) {
  const path = new URL(`../../fixtures/scenarios/${scenario}/workload.json`, import.meta.url)
  const workload = parseWorkloadJson(readFileSync(path, 'utf8'), scenario)
  const rows = new RowCollector()
  const { summary } = replay(workload, {
    policy,
    tunables,
    costScale,
    backend: new CountingBackend(),
    contents: plainContents,
    sink: rows.sink,
  })
  return {
    summary,
    handed: Math.max(...rows.numbers('swapouts', 'ts_ns')),
    stored: Math.max(...rows.numbers('swapouts', 'stored_ns')),
    count: rows.of('swapouts').length,
    /** Most folios that waited at once, over all queues. */
    mostQueued: rows
      .of('samples')
      .reduce(
        (most, row) => Math.max(most, row['name'] === 'queued' ? Number(row['value']) : 0),
        0,
      ),
    byKswapd: rows
      .of('swapouts')
      .filter((row) => row['stored_by'] === row['task_id'] && row['context'] === 'kswapd').length,
    waits: rows
      .of('swapouts')
      .filter((row) => row['path'] === 'queued' || row['path'] === 'displaced')
      .map((row) => Number(row['start_ns']) - Number(row['submit_ns']))
      .sort((a, b) => a - b),
  }
}

/** The published table of a toy simulation: ms, stores by kswapd, and waits in the queue (p50, longest), us. */
interface ToyRow {
  readonly policy: string
  readonly tunables?: Record<string, number>
  readonly kswapdDone: number
  readonly allDone: number
  readonly byKswapd: number
  readonly queuePeak: number
  readonly startDisplacement: number
  readonly doneDisplacement: number
  readonly inversions: number
  readonly waits?: readonly [number, number]
}

const TOY: readonly ToyRow[] = [
  {
    policy: 'kswapd',
    kswapdDone: 15.999,
    allDone: 15.999,
    byKswapd: 4000,
    queuePeak: 0,
    startDisplacement: 0,
    doneDisplacement: 0,
    inversions: 0,
  },
  {
    policy: 'kcompressd-v1',
    kswapdDone: 4,
    allDone: 12,
    byKswapd: 0,
    queuePeak: 2678,
    startDisplacement: 0,
    doneDisplacement: 0,
    inversions: 0,
    waits: [4014, 7998],
  },
  {
    policy: 'kcompressd',
    kswapdDone: 7.612,
    allDone: 8.389,
    byKswapd: 1208,
    queuePeak: 256,
    startDisplacement: 256,
    doneDisplacement: 257,
    inversions: 309_248,
    waits: [754, 800],
  },
  {
    policy: 'parallel',
    kswapdDone: 9.563,
    allDone: 9.583,
    byKswapd: 1864,
    queuePeak: 6,
    startDisplacement: 0,
    doneDisplacement: 1,
    inversions: 0,
    waits: [14, 19],
  },
  {
    policy: 'parallel',
    tunables: { 'vm.parallel_swap': 3 },
    kswapdDone: 4.007,
    allDone: 4.013,
    byKswapd: 2,
    queuePeak: 18,
    startDisplacement: 0,
    doneDisplacement: 3,
    inversions: 0,
    waits: [5.6, 21],
  },
  {
    policy: 'kcompressd-unofficial',
    kswapdDone: 7.965,
    allDone: 8.035,
    byKswapd: 1312,
    queuePeak: 24,
    startDisplacement: 0,
    doneDisplacement: 2,
    inversions: 0,
    waits: [47, 70],
  },
]

function near(what: string, value: number, published: number, within: number): void {
  expect(Math.abs(value - published), `${what}: ${value} beside ${published}`).toBeLessThanOrEqual(
    published * within + 1e-9,
  )
}

describe('fixtures/scenarios', () => {
  it.each(TOY.map((row) => [`${row.policy} ${JSON.stringify(row.tunables ?? {})}`, row] as const))(
    'toy-des gives the published row of %s',
    (_name, row) => {
      const { summary, handed, stored, byKswapd, waits } = run(
        'toy-des',
        policyOf(row.policy),
        row.tunables,
      )
      near('kswapd done', handed / 1e6, row.kswapdDone, 0.03)
      near('all done', stored / 1e6, row.allDone, 0.03)
      // Three workers keep up: how often the queue is full all the same is chance.
      if (row.byKswapd > 2) near('stores by kswapd', byKswapd, row.byKswapd, 0.05)
      else expect(byKswapd).toBeLessThan(40)
      if (row.queuePeak === 18) expect(summary.queuePeak).toBeLessThanOrEqual(18)
      else near('largest queue', summary.queuePeak, row.queuePeak, 0.05)
      near('inversions', summary.startInversions, row.inversions, 0.05)
      expect(summary.startDisplacement).toBe(row.startDisplacement)
      if (row.doneDisplacement < 4)
        expect(summary.doneDisplacement).toBeLessThanOrEqual(row.doneDisplacement)
      else expect(summary.doneDisplacement).toBe(row.doneDisplacement)
      if (row.waits === undefined) return
      // Workers that just keep up: how many wait is a walk up and down.
      const within = row.byKswapd > 2 ? 0.1 : 0.35
      near('median wait', (waits[Math.floor(waits.length / 2)] ?? 0) / 1e3, row.waits[0], within)
      near('longest wait', (waits.at(-1) ?? 0) / 1e3, row.waits[1], 0.2)
    },
  )

  it('toy-des: small queues of v1 fill one after the other, and spill over what is older', () => {
    // 682 entries: what the driver makes of 500 asked for, rounded up to a power of two bytes.
    const { summary, handed, stored, byKswapd } = run('toy-des', kcompressdV1, {
      queue_size_per_kcompressd: 500,
    })
    expect(handed / 1e6).toBeCloseTo(4, 1)
    expect(stored / 1e6).toBeGreaterThan(5)
    expect(stored / 1e6).toBeLessThan(8)
    expect(byKswapd).toBe(0)
    expect(summary.startInversions).toBeGreaterThan(400_000)
    expect(summary.startDisplacement).toBeGreaterThan(600)
  })

  it('toy-des gives the published row of v1 with queues of 500, which the driver itself cannot have', () => {
    const exact: Policy = {
      ...kcompressdV1,
      layout(node, tunables) {
        const layout = kcompressdV1.layout(node, tunables)
        return { ...layout, queues: layout.queues.map(({ name }) => ({ name, capacity: 500 })) }
      },
    }
    const { summary, handed, stored, byKswapd, waits, mostQueued } = run('toy-des', exact)
    near('kswapd done', handed / 1e6, 4, 0.03)
    near('all done', stored / 1e6, 5.497, 0.03)
    expect(byKswapd).toBe(0)
    near('largest queue', mostQueued, 1009, 0.05)
    near('inversions', summary.startInversions, 833_781, 0.05)
    expect(summary.startDisplacement).toBe(1000)
    near('displacement of ends', summary.doneDisplacement, 1002, 0.01)
    near('median wait', (waits[waits.length >> 1] ?? 0) / 1e3, 1216, 0.05)
    near('longest wait', (waits.at(-1) ?? 0) / 1e3, 1525, 0.05)
  })

  it.each(policies.map((policy) => [policy.name, policy] as const))(
    'toy-des with stores shorter than scans: %s is bound by the scan, and next to nothing waits',
    (name, policy) => {
      const { handed, stored, mostQueued } = run('toy-des', policy, {}, { store: 0.8 / 3 })
      near('kswapd done', handed / 1e6, name === 'kswapd' ? 7.2 : 4, 0.01)
      near('all done', stored / 1e6, name === 'kswapd' ? 7.2 : 4.001, 0.01)
      expect(mostQueued).toBeLessThanOrEqual(1)
    },
  )

  it('limits: an unbounded queue with one helper ends at the last store of an unbroken row', () => {
    const { stored, count } = run('limits', policyOf('kcompressd'), { 'pstrace.fifo': 4096 })
    // Stores are slower than scans: the worker starts after the first scan and never waits.
    expect(stored).toBe(1013 + count * 3137)
  })

  it('limits: mainline takes every scan and every store', () => {
    const { stored, count, summary } = run('limits', policyOf('kswapd'))
    const files = summary.pgstealKswapd - summary.pgstealAnon
    expect(stored).toBeGreaterThanOrEqual(count * (1013 + 3137))
    expect(stored).toBeLessThanOrEqual(count * (1013 + 3137) + files * 377)
  })
})
