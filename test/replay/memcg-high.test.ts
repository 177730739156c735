import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { policies } from '../../src/policies/index.ts'
import { highDelay, overage } from '../../src/replay/memcg-high.ts'
import { replay } from '../../src/replay/replay.ts'
import { PlainSlots } from '../../src/replay/slots.ts'
import type { Machine } from '../../src/workload/types.ts'
import { allocations, CountingBackend, type Plan, plainContents, plan } from './build.ts'
import { randomWorkload } from './random-workload.ts'
import { RowCollector } from './rows.ts'

const MS = 1_000_000
const HZ = 1000
const [kswapd] = policies

function run(
  given: Partial<Plan> & Pick<Plan, 'memcgs' | 'tasks'>,
  swapPages?: number,
  machine: Partial<Machine> = {},
) {
  if (kswapd === undefined) throw new Error('there is no policy')
  const rows = new RowCollector()
  const plenty = { free: 50_000, min: 10, low: 20, high: 30, cpus: 1 }
  const costs = { store: 2000, unmap: 1000, scanKept: 100, batch: 500 }
  const planned = plan({ ...plenty, costs, ...given })
  const { summary, exhausted } = replay(
    { ...planned, machine: { ...planned.machine, ...machine } },
    {
      policy: kswapd,
      backend: new CountingBackend(),
      contents: plainContents,
      checkEveryNs: 20 * MS,
      slots: new PlainSlots(swapPages),
      sink: rows.sink,
    },
  )
  const spans = rows.of('reclaim_spans').map((row) => ({
    kind: String(row['kind']),
    taskId: Number(row['task_id']),
    ns: Number(row['end_ns']) - Number(row['start_ns']),
  }))
  return {
    rows,
    summary,
    exhausted,
    spans,
    throttled: spans.filter(({ kind }) => kind === 'throttle'),
  }
}

/** So many ms and up to a tick, or eight from the 63rd tick on, by which the kernel's timers are late (timers.test.ts). */
function expectDelays(throttled: readonly { ns: number }[], ms: readonly number[], tickNs: number) {
  expect(throttled).toHaveLength(ms.length)
  for (const [at, { ns }] of throttled.entries()) {
    const delay = (ms[at] ?? 0) * MS
    expect(ns).toBeGreaterThan(delay)
    expect(ns).toBeLessThanOrEqual(delay + (delay < 63 * tickNs ? 1 : 8) * tickNs)
  }
}

/** The comment above MEMCG_DELAY_PRECISION_SHIFT in mm/memcontrol.c: megabytes in use with memory.high at 100M, and what it takes to allocate more, ms. */
const KERNELS_TABLE = [
  [100, 0],
  [101, 6],
  [102, 25],
  [103, 57],
  [104, 102],
  [105, 159],
  [106, 230],
  [107, 313],
  [108, 409],
  [109, 518],
  [110, 639],
  [111, 774],
  [112, 921],
  [113, 1081],
  [114, 1254],
  [115, 1439],
  [116, 1638],
  [117, 1849],
] as const

it.each(KERNELS_TABLE)(
  "%i MB in use with memory.high at 100 MB delay by %i ms, as the kernel's table has it",
  (megabytes, ms) => {
    expect(highDelay(overage(megabytes * 256, 100 * 256), 64, HZ)).toBe(ms)
  },
)

it('the delay is in proportion to what the task itself charged', () => {
  const over = overage(110 * 256, 100 * 256)
  expect([16, 64, 128, 512].map((pages) => highDelay(over, pages, HZ))).toEqual([
    159, 639, 1278, 5112,
  ])
})

it('a limit of nothing counts as one page, and 64-bit numbers wrap', () => {
  expect(overage(3, 0)).toBe(3 * 2 ** 20)
  // (2^30)^2 * 1000 = 1000 * 2^60 = 232 * 2^58, modulo 2^64: 2^60 * (1000 mod 16) = 2^63.
  expect(highDelay(2 ** 30, 64, HZ)).toBe(2 ** (63 - 34))
})

describe.each(['classic', 'mglru'] as const)('with the %s lists', (lru) => {
  it('where there is no swap a task is slowed down by how far its cgroup is above memory.high, others are not', () => {
    const memcgs = [{ name: 'a', highPages: 6400 }, { name: 'b' }]
    const rows = allocations(6400 + 5 * 64, 1000)
    const tasks = [0, 1].map((memcg) => ({ memcg, rows, cpus: [memcg] }))
    const outcome = run({ lru, memcgs, tasks, cpus: 2 }, 0)
    const { spans, summary, throttled } = outcome
    const last = (name: string) =>
      outcome.rows.of('samples').findLast((row) => row['name'] === name)?.['value']
    // 1, 2, ... 5 % above it: the first delay is too short for a sleep.
    expectDelays(throttled, [25, 57, 102, 159], MS)
    expect(new Set(spans.map(({ taskId }) => taskId))).toEqual(new Set([1]))
    // MAX_RECLAIM_RETRIES more calls before each of them.
    expect(spans.filter(({ kind }) => kind === 'memcg')).toHaveLength(1 + 4 * 17)
    expect(summary.all.throttledNs).toBe(throttled.reduce((sum, { ns }) => sum + ns, 0))
    // Weighted by the CPUs' busy time, of which the second has little.
    expect(summary.psiSomeNs / summary.all.throttledNs).toBeGreaterThan(0.95)
    expect(summary.all.rounds).toBe(0)
    // reclaim_high counts an event for each call.
    expect(last('memcg.a.high_events')).toBe(1 + 4 * 17)
    expect(last('memcg.a.pages')).toBe(6400 + 5 * 64)
    expect(last('memcg.b.high_events')).toBe(0)
  })

  it('it is slowed down by whole ticks of the recorded kernel', () => {
    const memcgs = [{ name: 'a', highPages: 6400 }]
    const tasks = [{ memcg: 0, rows: allocations(6400 + 5 * 64, 1000) }]
    const scheduler = { tickNs: { value: 4 * MS, basis: 'snapshot' as const }, newidle: [] }
    const { throttled } = run({ lru, memcgs, tasks }, 0, { scheduler })
    expectDelays(throttled, [24, 56, 100, 156], 4 * MS)
  })

  it('where swap is fast it is not slowed down: each batch of pages charged is reclaimed', () => {
    const memcgs = [{ name: 'a', highPages: 640 }]
    const tasks = [{ memcg: 0, rows: allocations(6400, 1000) }]
    const { rows, spans, throttled } = run({ lru, memcgs, tasks })
    expect(throttled).toEqual([])
    // All but what is left below the limit, and each call takes a batch or somewhat more.
    const out = rows.of('swapouts').length
    expect(out).toBeGreaterThanOrEqual(6400 - 640 - 64)
    expect(spans.length).toBeLessThanOrEqual((6400 - 640) / 64 + 2)
    expect(spans.length).toBeGreaterThan((6400 - 640) / 64 / 3)
    expect(rows.of('kswapd_spans')).toEqual([])
  })

  it('a limit is that of all below it together', () => {
    const memcgs = [
      { name: 'a', highPages: 3200 },
      { name: 'a/b', parent: 0 },
      { name: 'a/c', parent: 0 },
    ]
    const rows = allocations(1800, 1000)
    const tasks = [1, 2].map((memcg) => ({ memcg, rows, cpus: [memcg - 1] }))
    const { throttled } = run({ lru, memcgs, tasks, cpus: 2 }, 0)
    expect(new Set(throttled.map(({ taskId }) => taskId))).toEqual(new Set([1, 2]))
  })

  it('memory.max holds where nothing can be reclaimed: the run ends where the kernel would kill', () => {
    const memcgs = [{ name: 'a', maxPages: 400 }]
    const tasks = [{ memcg: 0, rows: allocations(500, 1000) }]
    const { rows, exhausted } = run({ lru, memcgs, tasks }, 0)
    const held = rows.of('samples').filter((row) => row['name'] === 'memcg.a.pages')
    expect(Math.max(...held.map((row) => Number(row['value'])))).toBe(400)
    expect(exhausted).toBe(true)
    expect(rows.of('swapouts')).toEqual([])
  })

  it('above memory.swap.high a task is slowed down although its memory is below memory.high', () => {
    const slowed = (swapHighPages: number) => {
      const memcgs = [{ name: 'a', maxPages: 640, swapHighPages }]
      const tasks = [{ memcg: 0, rows: allocations(1280, 1000) }]
      return run({ lru, memcgs, tasks }).throttled.length
    }
    expect(slowed(300)).toBeGreaterThan(0)
    expect(slowed(1280)).toBe(0)
  })
})

it('limits that are never reached change nothing', () => {
  if (kswapd === undefined) throw new Error('there is no policy')
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 0x7fffffff }),
      fc.constantFrom('classic', 'mglru'),
      fc.option(fc.integer({ min: 100, max: 300 }), { nil: undefined }),
      (seed, lru, maxPages) => {
        const small = randomWorkload({ seed, cpus: 2, tasks: 3, free: 120, preemptible: true, lru })
        const inMemcgs = small.tasks.map((task, index) => ({ ...task, memcg: index % 2 }))
        const outcome = (high: object) => {
          const limit = maxPages === undefined ? {} : { maxPages }
          const memcgs = [
            { name: 'a', ...limit, ...high },
            { name: 'a/b', parent: 0, ...high },
          ]
          const machine = { ...small.machine, memcgs }
          const backend = new CountingBackend(3)
          const options = { policy: kswapd, seed, backend, contents: plainContents }
          return replay({ ...small, machine, tasks: inMemcgs }, options).summary
        }
        const never = { highPages: 100_000, swapHighPages: 100_000, swapMaxPages: 100_000 }
        expect(outcome(never)).toEqual(outcome({}))
      },
    ),
    { numRuns: 15 },
  )
})
