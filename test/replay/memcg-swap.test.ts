import { describe, expect, it } from 'vitest'
import { policies } from '../../src/policies/index.ts'
import { replay } from '../../src/replay/replay.ts'
import { PlainSlots } from '../../src/replay/slots.ts'
import { allocations, CountingBackend, type Plan, plainContents, plan } from './build.ts'
import { RowCollector } from './rows.ts'

const [kswapd] = policies
/** Slots below which the multi-generational LRU leaves anonymous pages alone (get_swappiness, MIN_LRU_BATCH). */
const BATCH = 64

function run(given: Partial<Plan> & Pick<Plan, 'memcgs' | 'tasks'>, swapPages?: number) {
  if (kswapd === undefined) throw new Error('there is no policy')
  const rows = new RowCollector()
  const plenty = { free: 50_000, min: 10, low: 20, high: 30, cpus: 1 }
  replay(
    plan({ ...plenty, costs: { store: 2000, unmap: 1000, scanKept: 100, batch: 500 }, ...given }),
    {
      policy: kswapd,
      backend: new CountingBackend(),
      contents: plainContents,
      checkEveryNs: 1_000_000,
      slots: new PlainSlots(swapPages),
      sink: rows.sink,
    },
  )
  const most = (name: string): number =>
    Math.max(
      ...rows
        .of('samples')
        .filter((row) => row['name'] === name)
        .map((row) => Number(row['value'])),
    )
  return { rows, most }
}

/** Tasks, each in one of the cgroups, that allocate so many pages. */
function growing(pages: readonly number[]): Plan['tasks'] {
  return pages.map((count, memcg) => ({ memcg, rows: allocations(count, 1000) }))
}

describe.each(['classic', 'mglru'] as const)('with the %s lists', (lru) => {
  it('where memory.swap.max is 0 nothing of the cgroup goes out, and it is not even looked at', () => {
    const memcgs = [
      { name: 'a', highPages: 640, swapMaxPages: 0 },
      { name: 'b', highPages: 640 },
    ]
    const { most, rows } = run({ lru, memcgs, tasks: growing([1000, 1000]) })
    expect(most('memcg.a.swap_pages')).toBe(0)
    expect(most('memcg.b.swap_pages')).toBeGreaterThan(300)
    expect(new Set(rows.of('swapouts').map((row) => row['task_id']))).toEqual(new Set([2]))
    const kinds = rows.of('reclaim_spans').map((row) => `${row['task_id']} ${row['kind']}`)
    expect(kinds).toContain('1 throttle')
    expect(kinds).not.toContain('2 throttle')
    const ofFirst = rows.of('shrink_batches').filter((row) => row['task_id'] === 1)
    expect(ofFirst).toEqual([])
  })

  it('no more than memory.swap.max is in swap, and it is used as far as the lists go', () => {
    const memcgs = [{ name: 'a', highPages: 640, swapMaxPages: 200 }]
    const { most } = run({ lru, memcgs, tasks: growing([1000]) })
    expect(most('memcg.a.swap_pages')).toBeLessThanOrEqual(200)
    expect(most('memcg.a.swap_pages')).toBeGreaterThan(lru === 'mglru' ? 200 - BATCH : 199)
  })

  it('a limit is that of all below it together', () => {
    const memcgs = [
      { name: 'a', maxPages: 1280, swapMaxPages: 300 },
      { name: 'a/b', parent: 0, highPages: 320 },
      { name: 'a/c', parent: 0, highPages: 320 },
    ]
    const { most } = run({ lru, memcgs, tasks: growing([0, 560, 560]) })
    expect(most('memcg.a.swap_pages')).toBeLessThanOrEqual(300)
    expect(most('memcg.a.swap_pages')).toBeGreaterThan(300 - BATCH)
  })

  it('a device without a free slot is no reason to look at anonymous pages', () => {
    const memcgs = [{ name: 'a', highPages: 640 }]
    const { rows } = run({ lru, memcgs, tasks: growing([1000]) }, 0)
    expect(rows.of('shrink_batches')).toEqual([])
  })
})

it('of a folio that would exceed it single pages go out', () => {
  const memcgs = [{ name: 'a', maxPages: 400, swapMaxPages: 98 }]
  const tasks = [
    { memcg: 0, rows: Array.from({ length: 140 }, (_, arg) => ({ op: 'alloc' as const, arg })) },
  ]
  const { most, rows } = run({ memcgs, tasks, pages: 140, orders: () => 2 })
  const orders = new Set(rows.of('swapouts').map((row) => row['folio_order']))
  expect(orders).toEqual(new Set([2, 0]))
  expect(most('memcg.a.swap_pages')).toBeLessThanOrEqual(98)
  expect(most('memcg.a.swap_pages')).toBeGreaterThan(96)
})
