import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findPolicy, policies } from '../../src/policies/index.ts'
import { kcompressd } from '../../src/policies/kcompressd.ts'
import type { Policy } from '../../src/policies/policy.ts'
import { Random } from '../../src/replay/random.ts'
import { type RunSummary, replay } from '../../src/replay/replay.ts'
import { allocations, CountingBackend, plainContents, plan, type Row } from './build.ts'
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
  it('holds at every moment of random workloads under every policy', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...policies.map((policy) => policy.name)),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 40, max: 400 }),
        fc.integer({ min: 2, max: 6 }),
        fc.boolean(),
        fc.constantFrom('classic' as const, 'mglru' as const),
        fc.integer({ min: 1, max: 0x7fffffff }),
        (name, cpus, taskCount, free, perPage, preemptible, lru, seed) => {
          const policy = policyOf(name)
          const random = new Random(seed, 0)
          const draw = (bound: number): number => random.below(bound)
          const pages = 360
          const tasks = Array.from({ length: taskCount }, (_, task) => {
            const rows: Row[] = []
            const mine = Math.floor(pages / taskCount)
            let allocated = 0
            for (let row = 0; row < 500; row++) {
              const cpuNs = draw(40_000)
              const pick = draw(20)
              if (pick < 8 && allocated < mine)
                rows.push({ op: 'alloc', cpuNs, arg: task * mine + allocated++ })
              else if (pick < 10) rows.push({ op: 'alloc', cpuNs, arg: -1 })
              else if (pick < 16 && allocated > 0)
                rows.push({ op: 'touch', cpuNs, arg: task * mine + draw(allocated) })
              else if (pick < 17) rows.push({ op: 'file', cpuNs, arg: 1 + draw(8) })
              else if (pick < 18) rows.push({ op: 'free', cpuNs, arg: draw(6) })
              else rows.push({ op: 'sleep', cpuNs, arg: draw(500_000) })
            }
            if (draw(2) === 0) rows.push({ op: 'exit' })
            return { rows, hasMemory: true }
          })
          const workload = plan({
            cpus,
            free: free + 60,
            min: 20,
            low: 30,
            high: 40,
            pages,
            tasks,
            lru,
            preemptible,
            dirtied: draw(3) / 2,
            boostStep: 32,
            boostMax: 48,
            boostEvery: 16,
            costs: {
              store: [20_000, 50_000, 90_000],
              storeSame: 3000,
              unmap: 9000,
              unmapRemote: 15_000,
              flushReceived: 20_000,
              scanKept: 900,
              freeClean: 700,
              batch: 3000,
              slab: 5000,
              directEntry: 4000,
              swapIn: 20_000,
              push: draw(5000),
              wake: draw(5000),
              wakeLatency: draw(100_000),
              switch: draw(5000),
            },
          })
          const backend = new CountingBackend(perPage)
          const rows = new RowCollector()
          const result = replay(workload, {
            policy,
            backend,
            contents: plainContents,
            checkEveryNs: 200_000,
            sink: rows.sink,
          })
          const spans = new Map(
            rows
              .of('reclaim_spans')
              .map((row) => [row['span_id'], Number(row['end_ns']) - Number(row['start_ns'])]),
          )
          const sums = new Map<unknown, number>()
          for (const part of rows.of('stall_parts'))
            sums.set(part['span_id'], (sums.get(part['span_id']) ?? 0) + Number(part['ns']))
          for (const [span, length] of spans) expect(sums.get(span) ?? 0).toBe(length)
          expect(result.summary.startInversions === 0 || policy.name.startsWith('kcompressd')).toBe(
            true,
          )
          for (const row of rows.of('swapouts')) {
            if (row['path'] === 'bypass') expect(row['submit_rank']).toBeNull()
            if (row['freed_ns'] !== null)
              expect(Number(row['freed_ns'])).toBeGreaterThanOrEqual(Number(row['stored_ns']))
            if (row['stored_ns'] !== null)
              expect(Number(row['stored_ns'])).toBeGreaterThanOrEqual(Number(row['start_ns']))
          }
        },
      ),
      { numRuns: 25 },
    )
  })

  it('is broken by a policy that stores a folio twice, and says so', () => {
    const twice: Policy = {
      ...kcompressd,
      *submit(folio) {
        const end = yield* kcompressd.submit(folio)
        if (end === 'queued' && folio % 50 === 0) yield { op: 'store', folio }
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
})
