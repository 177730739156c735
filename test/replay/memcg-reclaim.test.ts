import { expect, it } from 'vitest'
import { policies } from '../../src/policies/index.ts'
import { replay } from '../../src/replay/replay.ts'
import { allocations, CountingBackend, plainContents, plan } from './build.ts'
import { RowCollector } from './rows.ts'

it.each(policies.map((policy) => [policy.name, policy] as const))(
  'a task that reclaims for its memory cgroup does so under %s although memory is plentiful, and that is no allocstall',
  (_name, policy) => {
    const rows = new RowCollector()
    const { summary } = replay(
      plan({
        cpus: 2,
        free: 5000,
        min: 10,
        low: 20,
        high: 30,
        tasks: [
          {
            rows: [
              ...allocations(2000, 1000),
              { op: 'reclaim', arg: 300 },
              { op: 'sleep', arg: 1e6 },
              { op: 'reclaim', arg: 0 },
            ],
          },
        ],
        costs: { store: 3000, unmap: 1000, scanKept: 100, batch: 500 },
      }),
      {
        policy,
        backend: new CountingBackend(3),
        contents: plainContents,
        checkEveryNs: 100_000,
        sink: rows.sink,
      },
    )
    const spans = rows.of('reclaim_spans')
    expect(spans.map((row) => row['kind'])).toEqual(['memcg', 'memcg'])
    // Reclaim goes on by whole batches; asked for nothing it still takes SWAP_CLUSTER_MAX.
    const [first = 0, second = 0] = spans.map((row) => Number(row['nr_reclaimed']))
    expect(first).toBeGreaterThanOrEqual(300)
    expect(first).toBeLessThan(300 + 2 * 32)
    expect(second).toBeGreaterThanOrEqual(32)
    expect(rows.of('swapouts')).toHaveLength(first + second)
    expect(summary.all.rounds).toBe(0)
    expect(rows.of('kswapd_spans')).toHaveLength(0)
  },
)

it('reclaim for a memory cgroup calls no shrinkers and has an entry of its own cost, which is all that it takes in vain', () => {
  const [kswapd] = policies
  if (kswapd === undefined) throw new Error('there is no policy')
  const spanNs = (memcgEntry: number) => {
    const rows = new RowCollector()
    const memcgs = [{ name: 'a', swapMaxPages: 0 }]
    const tasks = [
      { memcg: 0, rows: [...allocations(200, 1000), { op: 'reclaim' as const, arg: 32 }] },
    ]
    const costs = { store: 3000, slab: 70_000, directEntry: 9000, memcgEntry }
    replay(plan({ free: 5000, min: 10, low: 20, high: 30, memcgs, tasks, costs }), {
      policy: kswapd,
      backend: new CountingBackend(3),
      contents: plainContents,
      sink: rows.sink,
    })
    expect(rows.of('slab_shrinks')).toEqual([])
    return rows.of('reclaim_spans').map((row) => Number(row['end_ns']) - Number(row['start_ns']))
  }
  expect(spanNs(4000)).toEqual([4000])
  // None is told: as that of direct reclaim.
  expect(spanNs(0)).toEqual([9000])
})
