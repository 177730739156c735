import { beforeAll, describe, expect, it } from 'vitest'
import type { SwapBackend } from '../../src/memory/backends/backend.ts'
import { openBackend } from '../../src/memory/backends/index.ts'
import type { Codec } from '../../src/memory/codecs/codec.ts'
import { openCodec } from '../../src/memory/codecs/index.ts'
import type { PageContents } from '../../src/memory/contents/contents.ts'
import { createGenerator, createIncompressible } from '../../src/memory/contents/index.ts'
import { openPool } from '../../src/memory/pools/index.ts'
import { openSlots, SLOT_ALLOCATORS } from '../../src/memory/slots/index.ts'
import { kcompressd } from '../../src/policies/kcompressd.ts'
import { kswapd } from '../../src/policies/kswapd.ts'
import { parallel } from '../../src/policies/parallel.ts'
import { type ReplayOptions, type RunResult, replay } from '../../src/replay/replay.ts'
import type { Workload } from '../../src/workload/types.ts'
import { plainContents } from './build.ts'
import { RowCollector, RowDigest } from './rows.ts'
import { pressure } from './scenarios.ts'

let codec: Codec
beforeAll(async () => {
  codec = await openCodec('lz4')
})

const workload = pressure({ pages: 3000, touches: 1500, boost: false })

function open(name: string, parameters: Record<string, number | string> = {}): SwapBackend {
  return openBackend(name, { codec, openPool, totalPages: 4000, parameters })
}

function run(
  backend: SwapBackend,
  more: Partial<ReplayOptions> = {},
): { result: RunResult; rows: RowCollector } {
  const rows = new RowCollector()
  const result = replay(workload, {
    policy: kswapd,
    backend,
    contents: createIncompressible(createGenerator({ seed: 1 }), { seed: 1, share: 0.1 }),
    checkEveryNs: 20_000_000,
    sink: rows.sink,
    ...more,
  })
  return { result, rows }
}

/** Pages that take next to nothing, but for some that take a page: a pool of few classes needs no more pages than its bytes do. */
const twoSizes: PageContents = createIncompressible(
  {
    ...plainContents,
    fill(page, version, slot, target) {
      target.fill(0)
      return plainContents.fill(page, version, slot, target)
    },
  },
  { seed: 1, share: 0.2 },
)

describe('zram', () => {
  it('takes the pages of its pool out of free memory and gives them back', () => {
    const backend = open('zram')
    const { result } = run(backend, { contents: twoSizes })
    const { poolPeakPages, poolEndPages, swapIns } = result.summary
    expect(result.exhausted).toBe(false)
    expect(swapIns).toBeGreaterThan(500)
    expect(poolPeakPages).toBeGreaterThan(300)
    expect(poolEndPages).toBe(backend.poolPages)
    expect(poolEndPages).toBeLessThan(poolPeakPages)
    // Incompressible pages are kept raw: the pool is larger than what its bytes need.
    expect(backend.poolPages * 4096).toBeGreaterThanOrEqual(backend.poolBytes)
  })

  it('compresses a second time where a worker without reserves has to reclaim for its pool page', () => {
    const stores = (form: string): number => {
      const { result } = run(open('zram', { form }), { policy: kcompressd })
      expect(result.summary.writestalls).toBeGreaterThan(0)
      return result.summary.threads.find(({ kind }) => kind === 'worker')?.storeNs ?? 0
    }
    expect(stores('6.12')).not.toBe(stores('2026'))
  })

  it.each(SLOT_ALLOCATORS.map(({ name }) => name))(
    'ends with slots that agree with themselves (%s)',
    (name) => {
      const slots = openSlots(name, { size: 20_000, cpus: 2 })
      let checked = 0
      const check = slots.check.bind(slots)
      slots.check = () => {
        checked++
        check()
      }
      run(open('zram'), { slots, contents: plainContents })
      expect(checked).toBe(1)
      slots.flush()
      check()
    },
  )

  it('frees slots in batches where the kernel had a cache for them', () => {
    const slots = openSlots('swap-map', { size: 20_000, cpus: 2 })
    const giveUp = slots.free.bind(slots)
    let given = 0
    slots.free = (slot, cpu) => {
      given++
      giveUp(slot, cpu)
    }
    const backend = open('zram')
    const drop = backend.free.bind(backend)
    let dropped = 0
    backend.free = (slot) => {
      dropped++
      return drop(slot)
    }
    const { result } = run(backend, { slots, contents: plainContents })
    expect(result.exhausted).toBe(false)
    expect(dropped).toBeGreaterThan(0)
    expect(given).toBeGreaterThan(dropped)
    // Up to 64 on each CPU are still in a cache.
    expect(given - dropped).toBeLessThan(2 * 64 + 1)
  })
})

describe('zswap', () => {
  it('sends what it refuses to the disk, where reads wait and writes hold the folio', () => {
    const backend = open('zswap', { max_pool_percent: 5 })
    const { result, rows } = run(backend)
    const counters = backend.counters()
    const disk = rows.of('swapouts').filter((row) => row['place'] === 'disk').length
    expect(disk).toBe(counters['rejects'])
    expect(counters['pool_limit_hit']).toBeGreaterThan(0)
    expect(rows.of('pool_moves').filter((row) => row['reason'] === 'reject')).toHaveLength(disk)
    expect(rows.of('swapins').some((row) => row['met'] === 'disk')).toBe(true)
    expect(rows.of('thread_states').some((row) => row['state'] === 'io')).toBe(true)
    const writes = rows.of('block_ios').filter((row) => row['op'] === 'W')
    const written = writes.reduce((sum, row) => sum + Number(row['sectors']) / 8, 0)
    // The run may end while the shrink worker still looks for a frame for the page that it has taken.
    expect(written).toBeLessThanOrEqual(counters['pswpout'] ?? 0)
    expect(written).toBeGreaterThanOrEqual((counters['pswpout'] ?? 0) - 1)
    for (const row of rows.of('block_ios'))
      expect(Number(row['complete_ns'])).toBeGreaterThan(Number(row['issue_ns']))
    for (const row of rows.of('swapouts'))
      if (row['place'] === 'disk' && row['freed_ns'] !== null)
        expect(Number(row['freed_ns'])).toBeGreaterThan(Number(row['stored_ns']))
    expect(result.exhausted).toBe(false)
  })

  it('writes back from a worker of its own once the pool was full', () => {
    const backend = open('zswap', { max_pool_percent: 5, shrinker_patches: '1,2' })
    const { result, rows } = run(backend)
    const worker = result.tasks.find(({ comm }) => comm === 'kworker/zswap-shrink')
    expect(worker?.kind).toBe('kworker')
    expect(backend.counters()['shrink_runs']).toBeGreaterThan(0)
    const moved = rows.of('pool_moves').filter((row) => row['reason'] === 'writeback')
    expect(moved).toHaveLength(backend.counters()['zswpwb'] ?? -1)
  })

  it('shrinks from slab passes when the dynamic shrinker is on', () => {
    const off = open('zswap', { max_pool_percent: 60 })
    const on = open('zswap', { max_pool_percent: 60, shrinker_enabled: 1 })
    run(off)
    run(on)
    expect(off.counters()['zswpwb']).toBe(0)
    expect(on.counters()['zswpwb']).toBeGreaterThan(0)
  })

  it.each([kcompressd, parallel])('$name with no worker is kswapd to the last row', (policy) => {
    const digest = (options: Partial<ReplayOptions>): string => {
      const rows = new RowDigest()
      run(open('zswap', { max_pool_percent: 5 }), { ...options, sink: rows.sink })
      return rows.hex
    }
    expect(digest({ policy, tunables: { 'pstrace.workers': 0 } })).toBe(digest({}))
  })
})

describe('disk', () => {
  it('waits for its device: swap-ins from a slow one take longer', () => {
    const waits = (latency: number): number => {
      const { rows } = run(open('disk', { disk_latency_us: latency }))
      const read = rows.of('swapins').filter((row) => row['met'] === 'disk')
      return Math.min(...read.map((row) => Number(row['wait_ns'])))
    }
    expect(waits(20_000)).toBeGreaterThan(20_000_000)
    expect(waits(50)).toBeLessThan(20_000_000)
  })

  it('keeps a clean copy, so that a page that was only read is not written again', () => {
    const { rows } = run(open('disk'))
    const requests = rows.of('block_ios').filter((row) => row['op'] === 'W')
    const sectors = requests.reduce((sum, row) => sum + Number(row['sectors']), 0)
    expect(sectors).toBe(8 * rows.of('swapouts').filter((row) => row['place'] === 'disk').length)
  })

  it('writes neighbours of one batch as one request, of 32 pages at most', () => {
    const { rows } = run(open('disk'))
    const pages = rows
      .of('block_ios')
      .filter((row) => row['op'] === 'W')
      .map((row) => Number(row['sectors']) / 8)
    expect(Math.max(...pages)).toBeGreaterThan(1)
    expect(Math.max(...pages)).toBeLessThanOrEqual(32)
  })

  it('lets submitters wait while as many requests are under way as the device takes', () => {
    const limit = 4
    const { rows } = run(open('disk', { disk_latency_us: 5000, disk_requests: limit }))
    const requests = rows.of('block_ios')
    const steps = requests
      .flatMap((row) => [
        { ns: Number(row['issue_ns']), step: 1 },
        { ns: Number(row['complete_ns']), step: -1 },
      ])
      .sort((a, b) => a.ns - b.ns || a.step - b.step)
    let underWay = 0
    let most = 0
    for (const { step } of steps) {
      underWay += step
      most = Math.max(most, underWay)
    }
    expect(most).toBe(limit)
  })
})

describe('memory cgroups of tasks', () => {
  type Memcgs = NonNullable<Workload['machine']['memcgs']>

  /** Odd pages belong to a second task, in a memory cgroup of its own. */
  const places = (memcgs: Memcgs): string[][] => {
    const small = pressure({ pages: 1500, touches: 300, boost: false })
    const { pages, tasks } = small
    const owner = Int32Array.from({ length: pages.length }, (_, page) => page % 2)
    const [first] = tasks
    if (first === undefined) throw new Error('there is no task')
    const rowsOf = (memcg: number) => {
      const isOf = (_: number, row: number): boolean => (first.arg[row] ?? 0) % 2 === memcg
      const { op, cpuNs, arg } = first
      return { memcg, op: op.filter(isOf), cpuNs: cpuNs.filter(isOf), arg: arg.filter(isOf) }
    }
    const rows = new RowCollector()
    replay(
      {
        ...small,
        machine: { ...small.machine, memcgs },
        pages: { ...pages, owner },
        tasks: [
          { ...first, ...rowsOf(0) },
          { ...first, ...rowsOf(1), taskId: 900, tid: 900 },
        ],
      },
      {
        policy: kswapd,
        backend: openBackend('zswap', { codec, openPool, totalPages: 4000, memcgs }),
        contents: createGenerator({ seed: 1 }),
        checkEveryNs: 20_000_000,
        sink: rows.sink,
      },
    )
    const found = [new Set<string>(), new Set<string>()]
    for (const row of rows.of('swapouts'))
      if (row['place'] !== 'zero')
        found[(Number(row['page_id']) - 1) % 2]?.add(String(row['place']))
    return found.map((each) => [...each].sort())
  }

  it.each([0, 1])('number %i with zswap.max = 0 has nothing in the pool, the other has', (at) => {
    const memcgs = [{ name: 'a' }, { name: 'b' }].map((memcg, index) =>
      index === at ? { ...memcg, zswapMaxPages: 0 } : memcg,
    )
    const found = places(memcgs)
    expect(found[at]).toContain('disk')
    expect(found[at]).not.toContain('zswap')
    expect(found[1 - at]).toContain('zswap')
  })
})
