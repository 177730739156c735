import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { policies } from '../../src/policies/index.ts'
import { kswapd } from '../../src/policies/kswapd.ts'
import { parallel } from '../../src/policies/parallel.ts'
import type { Policy, TunableValues } from '../../src/policies/policy.ts'
import type { TunableChange } from '../../src/replay/live-tunables.ts'
import type { ReplayLogEvent } from '../../src/replay/log-events.ts'
import { replay } from '../../src/replay/replay.ts'
import type { Workload } from '../../src/workload/types.ts'
import { CountingBackend, plainContents } from './build.ts'
import { type RandomShape, randomWorkload } from './random-workload.ts'
import { RowCollector, RowDigest } from './rows.ts'
import { pressure } from './scenarios.ts'

const shapes: fc.Arbitrary<RandomShape> = fc.record({
  seed: fc.integer({ min: 1, max: 0x7fffffff }),
  cpus: fc.integer({ min: 1, max: 4 }),
  tasks: fc.integer({ min: 1, max: 3 }),
  free: fc.integer({ min: 40, max: 400 }),
  preemptible: fc.boolean(),
  lru: fc.constantFrom('classic' as const, 'mglru' as const),
})
const poolShares = fc.integer({ min: 2, max: 6 })

function run(
  workload: Workload,
  policy: Policy,
  perPage: number,
  more: {
    readonly tunables?: TunableValues
    readonly tunableChanges?: readonly TunableChange[]
  } = {},
) {
  const rows = new RowCollector()
  const log: ReplayLogEvent[] = []
  const result = replay(workload, {
    policy,
    backend: new CountingBackend(perPage),
    contents: plainContents,
    checkEveryNs: 200_000,
    sink: rows.sink,
    log: (event) => log.push(event),
    ...more,
  })
  return { ...result, rows, log }
}

function digestOf(workload: Workload, policy: Policy, tunables: TunableValues = {}): string {
  const rows = new RowDigest()
  const backend = new CountingBackend(3)
  replay(workload, { policy, tunables, backend, contents: plainContents, sink: rows.sink })
  return rows.hex
}

/** On overflow they store the newest first. */
const OVERTAKES = ['kcompressd-v1', 'kcompressd']

describe.each(policies.map((policy) => [policy.name, policy] as const))('%s', (name, policy) => {
  it('loses no page at any moment, and keeps its order and its times', () => {
    fc.assert(
      fc.property(shapes, poolShares, (shape, perPage) => {
        const { rows, summary } = run(randomWorkload(shape), policy, perPage)
        const sums = new Map<unknown, number>()
        for (const part of rows.of('stall_parts'))
          sums.set(part['span_id'], (sums.get(part['span_id']) ?? 0) + Number(part['ns']))
        for (const span of rows.of('reclaim_spans'))
          expect(sums.get(span['span_id']) ?? 0).toBe(
            Number(span['end_ns']) - Number(span['start_ns']),
          )
        if (!OVERTAKES.includes(name)) expect(summary.startInversions).toBe(0)
        if (name === 'kswapd') expect(summary.doneInversions).toBe(0)
        for (const row of rows.of('swapouts')) {
          if (row['path'] === 'bypass') expect(row['submit_rank']).toBeNull()
          if (row['freed_ns'] !== null)
            expect(Number(row['freed_ns'])).toBeGreaterThanOrEqual(Number(row['stored_ns']))
          if (row['stored_ns'] !== null)
            expect(Number(row['stored_ns'])).toBeGreaterThanOrEqual(Number(row['start_ns']))
        }
      }),
      { numRuns: 6 },
    )
  })

  it('gives slots in the order in which kswapd submits, whatever the order of the stores', () => {
    const seen = { outs: 0 }
    fc.assert(
      fc.property(shapes, (shape) => {
        const { rows, summary } = run(randomWorkload({ ...shape, returns: false }), policy, 6)
        // A failed store gives its slot back, and the next page gets it.
        if (summary.failedStores > 0) return
        const slots = rows
          .of('swapouts')
          .filter((row) => row['submit_rank'] !== null && row['context'] === 'kswapd')
          .sort((a, b) => Number(a['submit_rank']) - Number(b['submit_rank']))
          .map((row) => Number(row['swap_offset']))
        expect(slots).toEqual([...slots].sort((a, b) => a - b))
        seen.outs += slots.length
      }),
      { numRuns: 6 },
    )
    expect(seen.outs).toBeGreaterThan(0)
  })

  it('gives the same rows again, and without a worker those of kswapd', () => {
    const off = name === 'kswapd' ? {} : { 'pstrace.workers': 0 }
    fc.assert(
      fc.property(shapes, (shape) => {
        const workload = randomWorkload(shape)
        expect(digestOf(workload, policy)).toBe(digestOf(workload, policy))
        expect(digestOf(workload, policy, off)).toBe(digestOf(workload, kswapd))
      }),
      { numRuns: 3 },
    )
  })
})

describe('parallel', () => {
  const changes = fc.array(fc.tuple(fc.nat(8_000_000), fc.nat(3)), { maxLength: 4 })

  it('never has more workers at it than it was ever allowed', () => {
    const seen = { workers: 0 }
    fc.assert(
      fc.property(shapes, changes, (shape, drawn) => {
        const workload = randomWorkload({ ...shape, cpus: 4, free: 40 })
        const tunableChanges = drawn.map(([ns, value]) => ({ ns, name: 'vm.parallel_swap', value }))
        const { rows } = run(workload, parallel, 3, { tunableChanges })
        const most = Math.max(1, ...drawn.map(([, value]) => value))
        const stores = rows
          .of('swapouts')
          .filter((row) => row['path'] === 'queued' && row['start_ns'] !== null)
          .flatMap((row) => [
            { ns: Number(row['start_ns']), by: 1 },
            { ns: Number(row['stored_ns'] ?? Number.POSITIVE_INFINITY), by: -1 },
          ])
          .sort((a, b) => a.ns - b.ns || a.by - b.by)
        let at = 0
        for (const { by } of stores) {
          at += by
          expect(at).toBeLessThanOrEqual(most)
          seen.workers = Math.max(seen.workers, at)
        }
      }),
      { numRuns: 8 },
    )
    expect(seen.workers).toBeGreaterThan(1)
  })

  it('lets kswapd wait for the mutex while one worker takes one folio, no longer', () => {
    const workload = pressure({ pages: 6000, touches: 3000, tasks: 2, sleepNs: 200_000 })
    const { log, tasks } = run(workload, parallel, 3)
    const kswapdId = tasks.find(({ kind }) => kind === 'kswapd')?.taskId
    const popsPerWait: number[] = []
    let pops = Number.NaN
    for (const { event, task, detail } of log) {
      if (event === 'pop' && task !== kswapdId) pops++
      else if (task !== kswapdId || detail !== 'swapout_mutex') continue
      else if (event === 'lock-wait') pops = 0
      else if (event === 'lock-got') popsPerWait.push(pops)
    }
    expect(popsPerWait.length).toBeGreaterThan(0)
    expect(Math.max(...popsPerWait)).toBeLessThanOrEqual(1)
  })
})
