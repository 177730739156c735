import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findPolicy, policies } from '../../src/policies/index.ts'
import { type ReplayOptions, replay } from '../../src/replay/replay.ts'
import type { Machine } from '../../src/workload/types.ts'
import { allocations, CountingBackend, type Plan, plainContents, plan } from './build.ts'
import { randomWorkload } from './random-workload.ts'
import { RowCollector } from './rows.ts'

const [kswapd] = policies
const FLAVOURS = ['classic', 'mglru'] as const

function run(given: Plan, options: Partial<ReplayOptions> = {}) {
  if (kswapd === undefined) throw new Error('there is no policy')
  const rows = new RowCollector()
  const result = replay(plan(given), {
    policy: kswapd,
    backend: new CountingBackend(),
    contents: plainContents,
    checkEveryNs: 100_000,
    sink: rows.sink,
    ...options,
  })
  return { rows, result }
}

/** Pages there at the start, so many of each cgroup in turn; -1 is the root. */
function resident(shares: readonly (readonly [memcg: number, pages: number])[]) {
  const owners = shares.flatMap(([memcg, pages]) => Array.from({ length: pages }, () => memcg))
  return {
    resident: owners.length,
    pages: owners.length,
    memcgOf: (page: number) => owners[page] ?? -1,
  }
}

/** How many pages of each cgroup went out, by its place; -1 is the root. */
function sharesOut(rows: RowCollector, memcgOf: (page: number) => number): Map<number, number> {
  const shares = new Map<number, number>()
  for (const row of rows.of('swapouts')) {
    const memcg = memcgOf(Number(row['page_id']) - 1)
    shares.set(memcg, (shares.get(memcg) ?? 0) + 1)
  }
  return shares
}

const PLENTY = { free: 20_000, min: 10, low: 20, high: 30, cpus: 1 }
const TWO: NonNullable<Machine['memcgs']> = [{ name: 'a' }, { name: 'b' }]
const COSTS = { store: 2000, unmap: 1000, scanKept: 100, batch: 500 }

describe.each(FLAVOURS)('with the %s lists', (lru) => {
  it('a task that reclaims for its cgroup takes nothing of others and of its parent', () => {
    const memcgs = [{ name: 'a' }, { name: 'a/b', parent: 0 }, { name: 'c' }]
    const there = resident([
      [0, 3000],
      [1, 3000],
      [2, 3000],
      [-1, 3000],
    ])
    const tasks = [{ memcg: 1, rows: [{ op: 'reclaim' as const, arg: 200 }] }]
    const { rows } = run({ ...PLENTY, ...there, lru, memcgs, tasks, costs: COSTS })
    const shares = sharesOut(rows, there.memcgOf)
    expect([...shares.keys()]).toEqual([1])
    expect(shares.get(1)).toBeGreaterThanOrEqual(200)
  })

  it('reclaim for a cgroup reaches those below it', () => {
    const memcgs = [{ name: 'a' }, { name: 'a/b', parent: 0 }, { name: 'c' }]
    const there = resident([
      [1, 500],
      [2, 500],
    ])
    const tasks = [{ memcg: 0, rows: [{ op: 'reclaim' as const, arg: 200 }] }]
    const { rows } = run({ ...PLENTY, ...there, lru, memcgs, tasks, costs: COSTS })
    expect([...sharesOut(rows, there.memcgOf).keys()]).toEqual([1])
  })

  it('a cgroup at its limit reclaims its own pages, although memory is plentiful, and never holds more', () => {
    const there = resident([[1, 1000]])
    const tasks = [{ memcg: 0, rows: allocations(1500, 1000) }]
    const memcgs = [{ name: 'a', maxPages: 400 }, { name: 'b' }]
    const { rows, result } = run({ ...PLENTY, ...there, lru, memcgs, tasks, costs: COSTS })
    const out = rows.of('swapouts').map((row) => Number(row['page_id']) - 1)
    expect(out.length).toBeGreaterThanOrEqual(1100)
    expect(out.filter((page) => page < 1000)).toEqual([])
    expect(new Set(rows.of('reclaim_spans').map((row) => row['kind']))).toEqual(new Set(['memcg']))
    expect(rows.of('kswapd_spans')).toEqual([])
    expect(result.summary.all.rounds).toBe(0)
  })

  it('a limit is that of all below it together', () => {
    const memcgs = [
      { name: 'a', maxPages: 400 },
      { name: 'a/b', parent: 0 },
      { name: 'a/c', parent: 0 },
    ]
    const tasks = [1, 2].map((memcg) => ({ memcg, rows: allocations(400, 1000) }))
    const { rows } = run({ ...PLENTY, lru, memcgs, tasks, costs: COSTS })
    expect(rows.of('swapouts').length).toBeGreaterThanOrEqual(400)
  })

  it('kswapd takes of each cgroup about as much as its size is', () => {
    const there = resident([
      [0, 6000],
      [1, 2000],
    ])
    const tasks = [{ rows: allocations(3000, 20_000) }]
    // Of shared memory: nobody has used it when kswapd comes, so the first look is the last.
    const given = { kinds: () => 1, ...there, lru, memcgs: TWO, tasks, costs: COSTS }
    const { rows } = run({
      ...PLENTY,
      ...given,
      free: 1500,
      min: 100,
      low: 400,
      high: 700,
      cpus: 2,
    })
    const shares = sharesOut(rows, there.memcgOf)
    const [large = 0, small = 0] = [shares.get(0), shares.get(1)]
    expect(large + small).toBeGreaterThan(1000)
    expect(large / small).toBeGreaterThan(1.5)
    expect(large / small).toBeLessThan(6)
  })

  it.each(['minPages', 'lowPages'] as const)(
    '%s keeps a cgroup while others have pages',
    (name) => {
      const there = resident([
        [0, 2000],
        [1, 4000],
      ])
      const memcgs = [{ name: 'a', [name]: 2000 }, { name: 'b' }]
      const tasks = [{ rows: allocations(2500, 20_000) }]
      const given = { ...there, lru, memcgs, tasks, costs: COSTS }
      const { rows } = run({
        ...PLENTY,
        ...given,
        free: 1000,
        min: 50,
        low: 150,
        high: 200,
        cpus: 2,
      })
      const shares = sharesOut(rows, there.memcgOf)
      // The multi-generational LRU comes to one below its low mark a second time before it ends a generation (shrink_one).
      expect(shares.get(0) ?? 0).toBeLessThanOrEqual(
        lru === 'mglru' && name === 'lowPages' ? 64 : 0,
      )
      expect(shares.get(1)).toBeGreaterThan(500)
    },
  )

  it('memory.low gives way before a task goes without memory, memory.min does not', () => {
    const there = resident([[0, 2000]])
    const outcome = (name: 'minPages' | 'lowPages') => {
      const memcgs = [{ name: 'a', [name]: 4000 }]
      const tasks = [{ memcg: 0, rows: allocations(900, 20_000) }]
      const given = { ...there, lru, memcgs, tasks, costs: COSTS }
      return run({ ...PLENTY, ...given, free: 500, min: 50, low: 100, high: 200, cpus: 2 }).result
    }
    expect(outcome('lowPages').exhausted).toBe(false)
    expect(outcome('minPages').exhausted).toBe(true)
  })
})

it('direct reclaimers of 6.11 and later go round the cgroups, each from where the last one stopped', () => {
  const memcgs = Array.from({ length: 8 }, (_, place) => ({ name: `m${place}` }))
  const there = resident(memcgs.map((_, place) => [place, 3000] as const))
  const taken = (zeroMap: boolean) => {
    const tasks = [
      { rows: Array.from({ length: 10 }, () => ({ op: 'reclaim' as const, arg: 32 })) },
    ]
    // Of shared memory: nobody has used it when reclaim comes.
    const given = { ...there, memcgs, tasks, zeroMap, costs: COSTS, kinds: () => 1 }
    const { rows } = run({ ...PLENTY, ...given })
    const spans = rows.of('reclaim_spans').map((row) => Number(row['nr_reclaimed']))
    return { spans, shares: [...sharesOut(rows, there.memcgOf).values()] }
  }
  // Such a walk is over as soon as it has its 32 pages; one of all goes on to the last cgroup.
  const partly = taken(true)
  expect(Math.min(...partly.spans)).toBeGreaterThanOrEqual(32)
  expect(Math.max(...partly.spans)).toBeLessThan(36)
  expect(partly.shares).toHaveLength(8)
  expect(Math.max(...partly.shares)).toBeLessThan(2 * Math.min(...partly.shares))
  expect(Math.max(...taken(false).spans)).toBeGreaterThanOrEqual(40)
})

it('no page is lost and every charge fits whatever random tasks in random cgroups do', () => {
  const names = policies.map(({ name }) => name)
  fc.assert(
    fc.property(
      fc.record({
        seed: fc.integer({ min: 1, max: 0x7fffffff }),
        name: fc.constantFrom(...names),
        lru: fc.constantFrom(...FLAVOURS),
        zeroMap: fc.boolean(),
        tasks: fc.integer({ min: 1, max: 4 }),
        limits: fc.array(fc.option(fc.integer({ min: 60, max: 300 }), { nil: undefined }), {
          minLength: 3,
          maxLength: 3,
        }),
        low: fc.integer({ min: 0, max: 200 }),
        high: fc.integer({ min: 0, max: 400 }),
      }),
      ({ seed, name, lru, zeroMap, tasks, limits, low, high }) => {
        const small = randomWorkload({ seed, cpus: 2, tasks, free: 120, preemptible: true, lru })
        const limit = (place: number) => {
          const pages = limits[place]
          return pages === undefined ? {} : { maxPages: pages }
        }
        const memcgs = [
          { name: 'a', lowPages: low, highPages: high, ...limit(0) },
          { name: 'a/b', parent: 0, minPages: Math.floor(low / 4), ...limit(1) },
          { name: 'c', swapHighPages: high, swapMaxPages: 2 * high, ...limit(2) },
        ]
        const policy = findPolicy(name)
        if (policy === undefined) throw new Error(`no policy ${name}`)
        const machine = {
          ...small.machine,
          memcgs,
          zeroMap: { value: zeroMap, basis: 'default' as const },
        }
        const inMemcgs = small.tasks.map((task, index) =>
          index === 3 ? task : { ...task, memcg: index % 3 },
        )
        const outcome = () =>
          replay(
            { ...small, machine, tasks: inMemcgs },
            {
              policy,
              seed,
              backend: new CountingBackend(3),
              contents: plainContents,
              checkEveryNs: 200_000,
            },
          ).summary
        expect(outcome()).toEqual(outcome())
      },
    ),
    { numRuns: 30 },
  )
})
