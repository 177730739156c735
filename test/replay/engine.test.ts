import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { StoreRequest, StoreResult } from '../../src/memory/backends/backend.ts'
import { findPolicy, policies } from '../../src/policies/index.ts'
import { kcompressd } from '../../src/policies/kcompressd.ts'
import { kcompressdUnofficial } from '../../src/policies/kcompressd-unofficial.ts'
import { parallel } from '../../src/policies/parallel.ts'
import type { Policy } from '../../src/policies/policy.ts'
import type { TunableChange } from '../../src/replay/live-tunables.ts'
import * as P from '../../src/replay/pages.ts'
import { type RunSummary, replay } from '../../src/replay/replay.ts'
import type { Cost, Workload } from '../../src/workload/types.ts'
import { allocations, CountingBackend, plainContents, plan } from './build.ts'
import { RowCollector, RowDigest } from './rows.ts'
import { pressure } from './scenarios.ts'

function policyOf(name: string): Policy {
  const policy = findPolicy(name)
  if (policy === undefined) throw new Error(`no policy ${name}`)
  return policy
}

function summaryOf(
  name: string,
  workload = pressure(),
  more: Partial<Parameters<typeof replay>[1]> = {},
): RunSummary {
  return replay(workload, {
    policy: policyOf(name),
    backend: new CountingBackend(3),
    contents: plainContents,
    checkEveryNs: 50_000_000,
    ...more,
  }).summary
}

describe('determinism', () => {
  it.each(policies.map((policy) => [policy.name, policy] as const))(
    '%s: two runs of one configuration give the same rows',
    (_name, policy) => {
      const digest = (seed: number): string => {
        const rows = new RowDigest()
        replay(pressure({ pages: 6000, touches: 3000 }), {
          policy,
          seed,
          backend: new CountingBackend(3),
          contents: plainContents,
          sink: rows.sink,
        })
        return rows.hex
      }
      expect(digest(1)).toBe(digest(1))
      expect(digest(2)).not.toBe(digest(1))
    },
  )

  it('does not depend on whether rows are recorded', () => {
    const rows = new RowCollector()
    const quiet = summaryOf('parallel')
    expect(summaryOf('parallel', pressure(), { sink: rows.sink })).toEqual(quiet)
  })
})

describe('conservation', () => {
  it('is broken by a policy that stores a folio twice, and says so', () => {
    const twice: Policy = {
      ...kcompressd,
      *submit(folio, node) {
        const end = yield* kcompressd.submit(folio, node)
        for (let time = 0; time < 2; time++)
          if (end === 'queued' && folio % 50 === 0 && !node.store(folio)) yield
        return end
      },
    }
    expect(() =>
      replay(pressure(), {
        policy: twice,
        backend: new CountingBackend(3),
        contents: plainContents,
      }),
    ).toThrow(/stored twice/)
  })
})

describe('the engine ends a run whose policy', () => {
  const runWith = (policy: Policy) => () =>
    replay(pressure(), { policy, backend: new CountingBackend(3), contents: plainContents })

  it('drops a folio on its way into the queue', () => {
    const drops: Policy = {
      ...kcompressd,
      *submit(folio, setting) {
        if (folio % 100 === 41) return 'queued'
        return yield* kcompressd.submit(folio, setting)
      },
    }
    expect(runWith(drops)).toThrow(/drops 1 folio.*kswapd0/)
  })

  it('drops a folio that a worker took out of the queue', () => {
    const drops: Policy = {
      ...kcompressd,
      *work(_worker, node) {
        for (;;) {
          if (!node.wait(0)) yield
          const head = node.pop(0)
          if (head >= 0 && head % 100 !== 41 && !node.store(head)) yield
        }
      },
    }
    expect(runWith(drops)).toThrow(/drops 1 folio.*kcompressd/)
  })

  it('queues and stores the same folio', () => {
    const both: Policy = {
      ...kcompressd,
      *submit(folio, setting) {
        const end = yield* kcompressd.submit(folio, setting)
        return folio % 100 === 41 ? 'inline' : end
      },
    }
    expect(runWith(both)).toThrow(/gives away 1 folio/)
  })

  it('lets more folios wait than its depth', () => {
    const deep: Policy = {
      ...kcompressdUnofficial,
      *submit(folio, node) {
        if (!node.push(0, folio)) yield
        if (!node.wake(0)) yield
        return 'queued'
      },
    }
    expect(runWith(deep)).toThrow(/lets 25 folios wait in kcompress_fifo.*its depth is 24/)
  })

  it('frees an item that it has not taken', () => {
    const frees: Policy = {
      ...parallel,
      *submit(folio, node) {
        node.freeItem()
        return yield* parallel.submit(folio, node)
      },
    }
    expect(runWith(frees)).toThrow(/frees more items/)
  })

  it('goes on, or ends, where others have to run first', () => {
    const hurries: Policy = {
      ...kcompressd,
      *work(_worker, node) {
        for (;;) {
          node.wait(0)
          const head = node.pop(0)
          if (head >= 0 && !node.store(head)) yield
        }
      },
    }
    expect(runWith(hurries)).toThrow(/kcompressd goes on at \d+ ns where it must yield/)
    const leaves: Policy = {
      ...kcompressd,
      *work(_worker, node) {
        if (!node.wait(0)) yield
        node.store(node.pop(0))
      },
    }
    expect(runWith(leaves)).toThrow(/kcompressd goes on at \d+ ns where it must yield/)
  })

  it('yields where nothing asks it to', () => {
    const idles: Policy = {
      ...kcompressd,
      *submit(folio, node) {
        yield
        return yield* kcompressd.submit(folio, node)
      },
    }
    expect(runWith(idles)).toThrow(/kswapd0 yields at \d+ ns where nothing asks it to/)
  })
})

describe('a tunable that changes while the run goes on', () => {
  const busy = pressure({ cpus: 4, tasks: 2, sleepNs: 300_000 })
  const runWith = (name: string, tunables: Record<string, number>, changes: TunableChange[]) => {
    const rows = new RowCollector()
    const { summary } = replay(busy, {
      policy: policyOf(name),
      tunables,
      tunableChanges: changes,
      backend: new CountingBackend(3),
      contents: plainContents,
      checkEveryNs: 10_000_000,
      sink: rows.sink,
    })
    return { summary, outs: rows.of('swapouts'), rows }
  }
  const AT = 400_000_000

  it('loses no page at any moment under any policy, whatever changes to what', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(
          ...policies.filter(({ tunables }) =>
            tunables.some(({ name }) => !name.startsWith('pstrace.')),
          ),
        ),
        fc.array(fc.tuple(fc.nat(800_000_000), fc.nat(20), fc.nat(300)), {
          minLength: 1,
          maxLength: 6,
        }),
        (policy, drawn) => {
          const own = policy.tunables.filter(({ name }) => !name.startsWith('pstrace.'))
          const changes = drawn.map(([ns, which, wanted]) => {
            const { name, min, max } = own[which % own.length] as (typeof own)[number]
            return { ns, name, value: Math.min(max, Math.max(min, wanted)) }
          })
          const { summary } = runWith(policy.name, {}, changes)
          expect(summary.workUsed).toBe(1)
        },
      ),
      { numRuns: 10 },
    )
  })

  it('parallel with 0 workers from a moment on stores everything itself from there', () => {
    const { outs } = runWith('parallel', {}, [{ ns: AT, name: 'vm.parallel_swap', value: 0 }])
    const paths = (from: number, to: number) =>
      new Set(
        outs
          .filter((row) => Number(row['submit_ns']) >= from && Number(row['submit_ns']) < to)
          .map((row) => row['path']),
      )
    expect(paths(0, AT)).toContain('queued')
    expect([...paths(AT, Number.POSITIVE_INFINITY)].sort()).toEqual(['bypass', 'inline'])
    // What waited was drained by the workers that were alive.
    for (const row of outs) if (row['path'] === 'queued') expect(row['stored_ns']).not.toBeNull()
  })

  it('parallel that begins with 0 workers uses them once it may', () => {
    const { outs } = runWith('parallel', { 'vm.parallel_swap': 0 }, [
      { ns: AT, name: 'vm.parallel_swap', value: 3 },
    ])
    const queued = outs.filter((row) => row['path'] === 'queued')
    expect(queued.length).toBeGreaterThan(100)
    for (const row of queued) expect(Number(row['submit_ns'])).toBeGreaterThanOrEqual(AT)
  })

  it('v1 queues as many as its new size lets it, where a written parameter holds', () => {
    const peakOf = (...changes: TunableChange[]): number =>
      runWith(
        'kcompressd-v1',
        { 'pstrace.write_disables': 0, nr_kcompressd: 1, queue_size_per_kcompressd: 4 },
        changes,
      ).summary.queuePeak
    expect(peakOf()).toBe(5)
    expect(peakOf({ ns: AT, name: 'queue_size_per_kcompressd', value: 8 })).toBe(10)
    expect(peakOf({ ns: AT, name: 'queue_size_per_kcompressd', value: 2 })).toBe(5)
  })

  it('a lowered depth only drains: no push makes the queue longer than it was', () => {
    const { rows } = runWith('kcompressd-unofficial', { 'vm.kcompressd': 200 }, [
      { ns: AT, name: 'vm.kcompressd', value: 4 },
    ])
    let length = 0
    let peak = 0
    for (const row of rows.of('samples')) {
      if (row['name'] !== 'queued') continue
      const value = Number(row['value'])
      if (Number(row['ts_ns']) > AT + 1e6 && value > length) {
        // One for the folio that is popped in the same submit.
        expect(value).toBeLessThanOrEqual(Math.max(4, length + 1))
        peak = Math.max(peak, value)
      }
      length = value
    }
    expect(peak).toBeGreaterThan(0)
  })

  it('refuses names and values that the policy does not have', () => {
    expect(() => runWith('parallel', {}, [{ ns: 0, name: 'vm.kcompressd', value: 1 }])).toThrow(
      /no tunable vm.kcompressd/,
    )
    expect(() => runWith('parallel', {}, [{ ns: 0, name: 'vm.parallel_swap', value: -1 }])).toThrow(
      /whole number from 0/,
    )
    expect(() => runWith('parallel', {}, [{ ns: 0, name: 'pstrace.release', value: 1 }])).toThrow(
      /says how parallel is built/,
    )
  })
})

describe('two nodes', () => {
  it.each(policies.map(({ name }) => name))(
    '%s: each has its own kswapd, lane and queue',
    (name) => {
      const pages = 1200
      const workload = plan({
        cpus: 4,
        nodes: 2,
        free: 320,
        min: 20,
        low: 30,
        high: 40,
        pages,
        tasks: [0, 1].map((task) => ({
          cpus: [task, task + 2],
          rows: Array.from({ length: pages / 2 }, (_, row) => ({
            op: 'alloc' as const,
            cpuNs: 40_000,
            arg: row * 2 + task,
          })),
        })),
        costs: {
          store: [30_000, 70_000],
          unmap: 8000,
          scanKept: 700,
          batch: 2000,
          wakeLatency: 50_000,
        },
      })
      const rows = new RowCollector()
      const { summary, tasks } = replay(workload, {
        policy: policyOf(name),
        backend: new CountingBackend(3),
        contents: plainContents,
        checkEveryNs: 500_000,
        sink: rows.sink,
      })
      expect(summary.workUsed).toBe(1)
      const kswapds = new Map(
        tasks.filter(({ kind }) => kind === 'kswapd').map(({ taskId, node }) => [taskId, node]),
      )
      expect([...kswapds.values()].sort()).toEqual([0, 1])
      const stored = [0, 1].map((node) => rows.of('swapouts').filter((row) => row['node'] === node))
      for (const [node, outs] of stored.entries()) {
        expect(outs.length).toBeGreaterThan(100)
        for (const row of outs) {
          if (row['context'] === 'kswapd') expect(kswapds.get(Number(row['task_id']))).toBe(node)
          expect(row['lane']).toBe(`${node}/${row['context']}`)
        }
        const ranks = outs
          .map((row) => row['submit_rank'])
          .filter((rank) => rank !== null)
          .map(Number)
        expect(ranks.sort((a, b) => a - b)).toEqual(ranks.map((_, rank) => rank + 1))
      }
    },
  )
})

it('a batch from an active list has written, met and activated nothing', () => {
  const rows = new RowCollector()
  summaryOf('kswapd', pressure(), { sink: rows.sink })
  const batches = rows.of('shrink_batches').filter((row) => row['lru'] === 'active_anon')
  expect(batches.length).toBeGreaterThan(10)
  for (const row of batches)
    expect(row).toMatchObject({ nr_dirty: 0, nr_writeback: 0, nr_activate: 0 })
})

describe('a folio after a store by the same reclaimer', () => {
  /** Nothing is compressed of what the backend stores. */
  class SameBackend extends CountingBackend {
    override store(request: StoreRequest): StoreResult {
      return { ...super.store(request), compressedBytes: 0, compressions: 0 }
    }
  }
  const unmapNs = 30_000
  const dearerAfterStores = (times: number): Workload => {
    const workload = pressure()
    const fixed = (fixedNs: number): Cost => ({ ...workload.costs.unmap, fixedNs })
    const costs = {
      ...workload.costs,
      unmap: fixed(unmapNs),
      unmapRemote: fixed(unmapNs),
      unmapAfterStore: fixed(times * unmapNs),
      unmapRemoteAfterStore: fixed(times * unmapNs),
      flushReceived: fixed(0),
      wake: fixed(0),
      switch: fixed(0),
    }
    return { ...workload, costs }
  }

  it('costs what is told of such ones, the first of each batch what is told of any', () => {
    const rows = new RowCollector()
    const { swapOuts, threads } = summaryOf('kswapd', dearerAfterStores(2), { sink: rows.sink })
    const batches = rows.of('shrink_batches').filter((row) => Number(row['nr_dirty']) > 0).length
    const spentNs = threads.reduce((sum, thread) => sum + thread.unmapNs, 0)
    expect(spentNs).toBe((2 * swapOuts - batches) * unmapNs)
  })

  it.each(['kswapd', 'kcompressd'])(
    'costs what is told of any after a page that is zero or was handed over (%s)',
    (policy) => {
      const rows = new RowCollector()
      // Nothing else takes time: kswapd unmaps from one hand-over to the next.
      const workload = plan({
        ...{ cpus: 3, free: 100, min: 50, low: 150, high: 400, resident: 1000 },
        tasks: [{ rows: [{ op: 'sleep', arg: 1e9 }] }],
        costs: { unmap: unmapNs, unmapAfterStore: 2 * unmapNs, store: 50_000 },
      })
      summaryOf(policy, workload, {
        contents: {
          ...plainContents,
          fill(page, version, slot, target) {
            if (page % 4 !== 2) return plainContents.fill(page, version, slot, target)
            target.fill(0)
            return -2
          },
        },
        tunables: policy === 'kcompressd' ? { 'pstrace.fifo': 2 } : {},
        sink: rows.sink,
      })
      const firsts = new Set<number>()
      let first = 0
      for (const count of rows.numbers('shrink_batches', 'nr_dirty')) {
        firsts.add(first)
        first += count
      }
      const outs = [...rows.of('swapouts')].sort(
        (a, b) => Number(a['swapout_id']) - Number(b['swapout_id']),
      )
      const seen = { zero: 0, queued: 0, stored: 0 }
      for (const [place, { submit_ns }] of outs.entries()) {
        const before = outs[place - 1]
        if (before === undefined || firsts.has(place)) continue
        const took = Number(submit_ns) - Number(before['ts_ns'])
        const what =
          before['place'] === 'zero' ? 'zero' : before['path'] === 'queued' ? 'queued' : 'stored'
        expect(took, what).toBe(what === 'stored' ? 2 * unmapNs : unmapNs)
        seen[what]++
      }
      expect(seen.zero).toBeGreaterThan(50)
      expect(seen.stored).toBeGreaterThan(30)
      expect(seen.queued).toBeGreaterThan(policy === 'kswapd' ? -1 : 30)
    },
  )

  it('costs no more where the store found nothing but one byte', () => {
    const backend = () => ({ backend: new SameBackend(3) })
    expect(summaryOf('kswapd', dearerAfterStores(2), backend())).toEqual(
      summaryOf('kswapd', dearerAfterStores(1), backend()),
    )
  })
})

it('a page that no task maps is unmapped without a flush', () => {
  const MAPPED_NS = 30_000
  const SHARED_NS = 7000
  const workload = pressure()
  const cost = (fixedNs: number): Cost => ({ ...workload.costs.unmap, fixedNs })
  /** CPU time of unmapping per page that went out. */
  const perPage = (isShared: (page: number) => boolean, unmapSharedNs: number): number => {
    const kind = workload.pages.kind.map((_, page) => (isShared(page) ? P.SHMEM : P.ANON))
    const costs = {
      ...workload.costs,
      ...{ unmap: cost(MAPPED_NS), unmapRemote: cost(MAPPED_NS), unmapShared: cost(unmapSharedNs) },
      ...{ wake: cost(0), switch: cost(0) },
    }
    const { swapOuts, threads } = summaryOf('kswapd', {
      ...{ ...workload, costs },
      pages: { ...workload.pages, kind },
    })
    return threads.reduce((sum, { unmapNs }) => sum + unmapNs, 0) / swapOuts
  }
  expect(perPage(() => true, SHARED_NS)).toBe(SHARED_NS)
  const half = perPage((page) => page % 2 === 0, SHARED_NS)
  expect(half).toBeGreaterThan(SHARED_NS)
  expect(half).toBeLessThan(perPage(() => false, SHARED_NS))
  // Where that cost is not known they are as any page.
  expect(perPage(() => true, 0)).toBeGreaterThanOrEqual(MAPPED_NS)
})

describe('order at dequeue', () => {
  it('overloaded kcompressd overtakes in kswapd lane, parallel and unofficial never do', () => {
    const work = pressure({ cpus: 2, tasks: 2, sleepNs: 500_000 })
    expect(summaryOf('kcompressd', work).startInversions).toBeGreaterThan(1000)
    expect(summaryOf('parallel', work).startInversions).toBe(0)
    expect(summaryOf('kcompressd-unofficial', work).startInversions).toBe(0)
    expect(summaryOf('kswapd', work).doneInversions).toBe(0)
  })
})

describe('the closed loop answers the right way', () => {
  const base = summaryOf('kswapd')

  it('stores twice as dear stall the application longer', () => {
    const dear = summaryOf('kswapd', pressure(), { costScale: { store: 2 } })
    expect(dear.application.totalNs).toBeGreaterThan(base.application.totalNs)
    expect(dear.workNs).toBeGreaterThan(base.workNs)
  })

  it('one CPU less takes longer', () => {
    const [first] = pressure().machine.cpus
    if (first === undefined) throw new Error('no CPU')
    const busy = pressure({ tasks: 2, sleepNs: 50_000 })
    const two = summaryOf('kswapd', busy)
    const one = summaryOf('kswapd', busy, { cpus: [first] })
    expect(one.workNs).toBeGreaterThan(two.workNs)
  })

  it('watermarks twice as far apart stall less', () => {
    const flat = pressure({ boost: false })
    const wide = summaryOf('kswapd', flat, { watermarkScale: 8 })
    expect(wide.application.count).toBeLessThan(summaryOf('kswapd', flat).application.count)
  })

  it('a fifth less demand stalls less and swaps less', () => {
    const less = summaryOf('kswapd', pressure(), { demandScale: 0.8 })
    expect(less.application.totalNs).toBeLessThan(base.application.totalNs)
    expect(less.swapOuts).toBeLessThan(base.swapOuts)
  })
})

describe('the end of a run', () => {
  it('is cut where reclaim finds no page at all, and tells how much was used', () => {
    const workload = plan({
      free: 100,
      min: 10,
      low: 20,
      high: 30,
      tasks: [{ rows: allocations(1000, 1000) }],
      costs: { store: 1000, batch: 100, directEntry: 100 },
    })
    const result = replay(workload, {
      policy: findPolicy('kswapd') ?? kcompressd,
      // Nothing compresses: each page stored takes a page.
      backend: new CountingBackend(1),
      contents: plainContents,
    })
    expect(result.exhausted).toBe(true)
    expect(result.summary.workUsed).toBeGreaterThan(0.05)
    expect(result.summary.workUsed).toBeLessThan(1)
  })

  it('waits for every task but not for background load', () => {
    const workload = plan({
      free: 1000,
      min: 10,
      low: 20,
      high: 30,
      tasks: [
        { rows: [{ op: 'sleep', arg: 5000 }] },
        { rows: [{ op: 'sleep', arg: 9000 }] },
        { rows: [{ op: 'sleep', arg: 1e9 }], kind: 'background' },
      ],
    })
    const { endNs } = replay(workload, {
      policy: kcompressd,
      backend: new CountingBackend(),
      contents: plainContents,
    })
    expect(endNs).toBe(9000)
  })

  it('charges background load no switch to its bursts, which hold it, but those after a preemption', () => {
    const run = (bursts: number, cpuNs: number): number => {
      const rows = Array.from(
        { length: bursts },
        () => ({ op: 'sleep', arg: 20e6, cpuNs }) as const,
      )
      const workload = plan({
        cpus: 1,
        free: 1000,
        min: 10,
        low: 20,
        high: 30,
        tasks: [
          { rows: [{ op: 'sleep', arg: 0, cpuNs: 200e6 }] },
          { rows: [{ op: 'sleep', arg: 10e6 }, ...rows], kind: 'background' },
        ],
        costs: { switch: 1e6 },
      })
      const { progress, summary } = replay(workload, {
        policy: kcompressd,
        backend: new CountingBackend(),
        contents: plainContents,
      })
      const load = summary.threads.find(({ kind }) => kind === 'background')
      return (load?.runningNs ?? 0) - (progress[1]?.cpuNs ?? 0)
    }
    // The first time it runs nothing is recorded of how it got its CPU.
    expect(run(4, 1e6)).toBe(1e6)
    expect(run(1, 30e6)).toBeGreaterThan(1e6)
  })

  it('charges a task that runs too shortly to fill caches no switch after its first', () => {
    const switchNs = 20_000
    const task = (runs: number, cpuNs: number) => ({
      rows: Array.from({ length: runs }, () => ({ op: 'sleep', arg: 2e6, cpuNs }) as const),
    })
    const { progress, summary } = replay(
      plan({
        cpus: 1,
        free: 1000,
        min: 10,
        low: 20,
        high: 30,
        tasks: [task(40, 50_000), task(20, 500_000)],
        costs: { switch: switchNs },
      }),
      { policy: kcompressd, backend: new CountingBackend(), contents: plainContents },
    )
    const [short, long] = summary.threads
      .filter(({ kind }) => kind === 'user')
      .map(({ runningNs }, place) => runningNs - (progress[place]?.cpuNs ?? 0))
    expect(short).toBe(switchNs)
    expect(long).toBeGreaterThanOrEqual(20 * switchNs)
  })

  it('charges what a switch costs after any run even to who runs shortly', () => {
    const runs = 40
    const rows = Array.from(
      { length: runs },
      () => ({ op: 'sleep', arg: 2e6, cpuNs: 50_000 }) as const,
    )
    const { progress, summary } = replay(
      plan({
        ...{ cpus: 1, free: 1000, min: 10, low: 20, high: 30, tasks: [{ rows }, { rows }] },
        costs: { switch: 20_000, switchAnyRun: 5000 },
      }),
      { policy: kcompressd, backend: new CountingBackend(), contents: plainContents },
    )
    summary.threads
      .filter(({ kind }) => kind === 'user')
      .forEach(({ runningNs }, place) => {
        // Both alternate; in one run more it ends.
        expect(runningNs - (progress[place]?.cpuNs ?? 0)).toBe(20_000 + (runs + 1) * 5000)
      })
  })

  it('runs nobody else on a CPU that a hypervisor has taken', () => {
    // At some of these points of the work nobody writes a page.
    const atWork = Float64Array.of(0.2, 0.35, 0.5, 0.65)
    const rows = new RowCollector()
    summaryOf(
      'kswapd',
      {
        ...pressure({ cpus: 1, pages: 3000, tasks: 3 }),
        stolen: { atWork, pages: atWork.map(() => 1), ns: atWork.map(() => 50e6) },
      },
      { sink: rows.sink },
    )
    const unmapping = rows.of('thread_states').filter(({ doing }) => doing === 'unmap')
    const longest = unmapping.map((row) => Number(row['end_ns']) - Number(row['start_ns']))
    expect(Math.max(...longest)).toBeGreaterThanOrEqual(50e6)
  })
})
