import { describe, expect, it } from 'vitest'
import { findPolicy, policies } from '../../src/policies/index.ts'
import type { Policy } from '../../src/policies/policy.ts'
import { Random } from '../../src/replay/random.ts'
import { type RunSummary, replay } from '../../src/replay/replay.ts'
import { CountingBackend, plainContents, plan } from './build.ts'
import { RowCollector, RowDigest } from './rows.ts'
import { pressure } from './scenarios.ts'

const PAGES = 3000
const UNIT = 1000

function policyOf(name: string): Policy {
  const policy = findPolicy(name)
  if (policy === undefined) throw new Error(`no policy ${name}`)
  return policy
}

/** kswapd has `PAGES` old pages to get rid of, a CPU of its own, and nobody disturbs it. */
function backlog(compress: number, filePages = 0) {
  const random = new Random(11, 1)
  const spread = (mean: number): number[] =>
    Array.from({ length: 1009 }, () => Math.round(mean * (0.5 + random.below(10_001) / 10_000)))
  return plan({
    cpus: 8,
    free: 10,
    min: 0,
    low: 20,
    high: PAGES + 9,
    resident: PAGES,
    kinds: (page) =>
      page % Math.floor(PAGES / Math.max(1, filePages)) === 0 && filePages > 0 ? 2 : 0,
    tasks: [{ rows: [{ op: 'sleep', arg: 1e9 }] }],
    costs: { store: spread(UNIT * compress), unmap: spread(UNIT), freeClean: 377 },
  })
}

function run(name: string, tunables: Record<string, number>, compress: number, filePages = 0) {
  const rows = new RowCollector()
  const { summary } = replay(backlog(compress, filePages), {
    policy: policyOf(name),
    tunables,
    backend: new CountingBackend(),
    contents: plainContents,
    sink: rows.sink,
  })
  const outs = [...rows.of('swapouts')].sort(
    (a, b) => Number(a['swapout_id']) - Number(b['swapout_id']),
  )
  return { summary, outs, rows }
}

describe('with free CPUs, free hand-off and an unbounded queue', () => {
  it.each([0.4, 1, 3])(
    'kswapd hands over at t1 + t3 and everything is stored at the formula (store = %d scans)',
    (compress) => {
      const { outs, rows } = run('kcompressd', { 'pstrace.fifo': 1 << 20 }, compress, 300)
      const handed = outs.map((row) => Number(row['ts_ns']))
      const stores = outs.map((row) => Number(row['stored_ns']) - Number(row['start_ns']))
      // t1 + t3: kswapd's own running time up to the last hand-over is nothing but scanning, unmapping and file reclaim.
      const kswapd = rows
        .of('thread_states')
        .filter((row) => row['task_id'] === 2 && row['state'] === 'running')
      const lastHanded = Math.max(...handed)
      let spent = 0
      for (const row of kswapd)
        if (Number(row['start_ns']) < lastHanded)
          spent += Math.min(Number(row['end_ns']), lastHanded) - Number(row['start_ns'])
      expect(spent).toBe(lastHanded)
      expect(new Set(kswapd.map((row) => row['doing']))).not.toContain('store')
      // max over k of (a_k + sum of c_i, i >= k)
      let rest = 0
      let formula = 0
      for (let page = outs.length - 1; page >= 0; page--) {
        rest += stores[page] ?? 0
        formula = Math.max(formula, (handed[page] ?? 0) + rest)
      }
      const stored = Math.max(...outs.map((row) => Number(row['stored_ns'])))
      expect(stored).toBe(Math.max(lastHanded, formula))
    },
  )

  it('mainline takes the sum of scans and stores, to the nanosecond', () => {
    const fixed = plan({
      cpus: 8,
      free: 10,
      min: 0,
      low: 20,
      high: PAGES + 9,
      resident: PAGES,
      tasks: [{ rows: [{ op: 'sleep', arg: 1e9 }] }],
      costs: { store: 3137, unmap: 1013 },
    })
    const rows = new RowCollector()
    replay(fixed, {
      policy: policyOf('kswapd'),
      backend: new CountingBackend(),
      contents: plainContents,
      sink: rows.sink,
    })
    const stored = rows.numbers('swapouts', 'stored_ns').sort((a, b) => a - b)
    expect(stored).toEqual(
      Array.from({ length: PAGES }, (_, page) => (page + 1) * 4150).slice(0, stored.length),
    )
    // At priority 1 half of a list is scanned: the last page is never reached.
    expect(stored.length).toBe(PAGES - 1)
  })
})

describe('without a worker', () => {
  const off: Record<string, readonly Record<string, number>[]> = {
    kcompressd: [{ 'pstrace.workers': 0 }],
    'kcompressd-v1': [{ 'pstrace.workers': 0 }, { nr_kcompressd: 0 }],
    'kcompressd-unofficial': [{ 'pstrace.workers': 0 }, { 'vm.kcompressd': 0 }],
    parallel: [{ 'pstrace.workers': 0 }, { 'vm.parallel_swap': 0 }],
  }
  const workload = pressure({ pages: 5000, touches: 2000 })
  const digest = (policy: Policy, tunables: Record<string, number>): string => {
    const rows = new RowDigest()
    replay(workload, {
      policy,
      tunables,
      backend: new CountingBackend(3),
      contents: plainContents,
      sink: rows.sink,
    })
    expect(rows.rows).toBeGreaterThan(5000)
    return rows.hex
  }
  const baseline = digest(policyOf('kswapd'), {})

  it.each(
    policies.flatMap((policy) =>
      (off[policy.name] ?? []).map(
        (set) => [policy.name, JSON.stringify(set), policy, set] as const,
      ),
    ),
  )('%s %s gives the rows of kswapd, byte for byte', (_name, _text, policy, set) => {
    expect(digest(policy, set)).toBe(baseline)
  })

  it('a queueing policy does not give the rows of kswapd', () => {
    expect(digest(policyOf('kcompressd'), {})).not.toBe(baseline)
  })
})

describe('toy figures (4000 pages, scan 1.0, store 3.0 +- 50 %, free CPUs and wake-ups)', () => {
  const toy = (name: string, tunables: Record<string, number>): Toy => {
    const random = new Random(7, 7)
    const workload = plan({
      cpus: 8,
      free: 10,
      min: 0,
      low: 20,
      high: 4009,
      resident: 4000,
      tasks: [{ rows: [{ op: 'sleep', arg: 1e9 }] }],
      costs: {
        store: Array.from({ length: 5000 }, () =>
          Math.round(UNIT * 3 * (0.5 + random.below(10_001) / 10_000)),
        ),
        unmap: UNIT,
      },
    })
    const rows = new RowCollector()
    const { summary } = replay(workload, {
      policy: policyOf(name),
      tunables,
      backend: new CountingBackend(),
      contents: plainContents,
      sink: rows.sink,
    })
    return {
      summary,
      kswapdDone: Math.max(...rows.numbers('swapouts', 'ts_ns')) / UNIT,
      allDone: Math.max(...rows.numbers('swapouts', 'stored_ns')) / UNIT,
      kswapdStores: rows.numbers('swapouts', 'stored_by').filter((task) => task === 2).length,
    }
  }
  interface Toy {
    readonly summary: RunSummary
    readonly kswapdDone: number
    readonly allDone: number
    readonly kswapdStores: number
  }
  const near = (value: number, expected: number): void => {
    expect(Math.abs(value / expected - 1), `${value} beside ${expected}`).toBeLessThan(0.03)
  }

  it('mainline: one after the other', () => {
    const { kswapdDone, summary } = toy('kswapd', {})
    near(kswapdDone, 15_999)
    expect(summary.startInversions).toBe(0)
    expect(summary.doneInversions).toBe(0)
  })

  it('v1 with its large queues uses one thread and serialises on it', () => {
    const { kswapdDone, allDone, summary } = toy('kcompressd-v1', {})
    near(kswapdDone, 4000)
    near(allDone, 12_000)
    near(summary.queuePeak, 2678)
    expect(summary.startInversions).toBe(0)
  })

  it('kcompressd: overflow stores the newest first and halves the time', () => {
    const { kswapdDone, allDone, kswapdStores, summary } = toy('kcompressd', {})
    near(kswapdDone, 7612)
    near(allDone, 8389)
    near(kswapdStores, 1208)
    near(summary.startInversions, 309_248)
    expect(summary.startDisplacement).toBe(256)
    expect(summary.doneDisplacement).toBe(257)
    expect(summary.queuePeak).toBe(256)
  })

  it('parallel with one worker keeps the order and pays for its mutex', () => {
    const { kswapdDone, allDone, kswapdStores, summary } = toy('parallel', {})
    near(kswapdDone, 9563)
    near(allDone, 9583)
    near(kswapdStores, 1864)
    expect(summary.queuePeak).toBe(6)
    expect(summary.startInversions).toBe(0)
    expect(summary.doneDisplacement).toBe(1)
  })

  it('parallel with three workers is bound by the scan', () => {
    const { kswapdDone, summary } = toy('parallel', { 'vm.parallel_swap': 3 })
    near(kswapdDone, 4007)
    expect(summary.startInversions).toBe(0)
    expect(summary.doneDisplacement).toBeLessThanOrEqual(3)
  })

  it('unofficial keeps the order without holding a lock across its store', () => {
    const { kswapdDone, allDone, kswapdStores, summary } = toy('kcompressd-unofficial', {})
    near(kswapdDone, 7965)
    near(allDone, 8035)
    near(kswapdStores, 1312)
    expect(summary.queuePeak).toBe(24)
    expect(summary.startInversions).toBe(0)
    expect(summary.doneDisplacement).toBeLessThanOrEqual(2)
  })
})
