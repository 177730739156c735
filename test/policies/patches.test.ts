import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { kcompressd } from '../../src/policies/kcompressd.ts'
import { kcompressdUnofficial } from '../../src/policies/kcompressd-unofficial.ts'
import { kcompressdV1 } from '../../src/policies/kcompressd-v1.ts'
import { parallel } from '../../src/policies/parallel.ts'
import type { Operations, Policy, TunableValues } from '../../src/policies/policy.ts'
import { completeTunables } from '../../src/replay/tunables.ts'
import { type ConformanceOptions, conform } from './conformance.ts'

const DEEP = Number.POSITIVE_INFINITY
const schedules = fc.array(fc.nat(1000), { minLength: 1, maxLength: 200 })

/** One that answers as it is told, and to whatever waits that it must. */
function answering(policy: Policy, answers: Partial<Operations>): Operations {
  const initial: TunableValues = Object.fromEntries(
    policy.tunables.map(({ name, default: value }) => [name, value]),
  )
  return { cpus: 2, initial, tunables: initial, ...answers } as Operations
}

/** Names of a thread's operations, `end` where a program ended. */
function opsOf(log: readonly string[], thread: string): string[] {
  return log
    .filter((line) => line.startsWith(`${thread} `))
    .map((line) => line.slice(thread.length + 1).split(' ')[0] ?? '')
    .map((name) => (name === 'ends' ? 'end' : name))
}

describe('sequences worked by hand from the patches', () => {
  // The worker gets no turn until kswapd is through.
  const kswapdFirst = { cpus: 2, schedule: [0], kswapdFirst: true }

  it('kcompressd stores the newest inline once 256 wait', () => {
    const { starts, deepest } = conform(kcompressd, {
      ...kswapdFirst,
      folios: 260,
      depth: 256,
    })
    expect(deepest).toBe(256)
    expect(starts.slice(0, 4)).toEqual([256, 257, 258, 259])
    expect(starts[4]).toBe(0)
  })

  it('unofficial 0.5 queues the new folio before it stores the oldest', () => {
    const { log, starts } = conform(kcompressdUnofficial, {
      ...kswapdFirst,
      folios: 25,
      depth: 24,
    })
    expect(opsOf(log, 'kswapd').slice(-7)).toEqual([
      'lock',
      'pop',
      'unlock',
      'push',
      'wake',
      'store',
      'end',
    ])
    expect(starts).toEqual(Array.from({ length: 25 }, (_, folio) => folio))
  })

  it('parallel 0.2a pops and stores the oldest before it pushes, all under the mutex', () => {
    const { log } = conform(parallel, { ...kswapdFirst, folios: 7, depth: 6 })
    const ops = opsOf(log, 'kswapd')
    expect(ops.slice(ops.lastIndexOf('lock'))).toEqual([
      'lock',
      'write',
      'pop',
      'store',
      'push',
      'unlock',
      'end',
    ])
  })

  it('parallel 0.1 gives each worker one folio and stores the newest when all are busy', () => {
    const first = { 'pstrace.release': 1, 'vm.parallel_swap': 2 }
    const { log, starts, violations, deepest } = conform(parallel, {
      ...kswapdFirst,
      cpus: 4,
      folios: 6,
      depth: 2,
      tunables: first,
    })
    expect([violations, deepest]).toEqual([[], 2])
    // Two wait for their workers; what follows overtakes them.
    expect(starts).toEqual([2, 3, 4, 5, 0, 1])
    const ops = opsOf(log, 'kswapd')
    expect(ops.slice(0, ops.indexOf('end') + 1)).toEqual([
      ...['allocItem', 'push', 'queueWork', 'add', 'end'],
    ])
    fc.assert(
      fc.property(schedules, (schedule) => {
        const result = conform(parallel, {
          folios: 120,
          cpus: 4,
          schedule,
          depth: 3,
          tunables: { ...first, 'vm.parallel_swap': 3 },
        })
        expect(result.violations).toEqual([])
      }),
      { numRuns: 25 },
    )
  })

  it('parallel 0.2a is synchronous on a node with one CPU', () => {
    const { log } = conform(parallel, { folios: 5, cpus: 1, schedule: [0], depth: 0 })
    expect(log.filter((line) => line.endsWith('ends inline'))).toHaveLength(5)
  })

  it('parallel 0.2a with an overflowing depth fills the queue, then bypasses it', () => {
    const { log, deepest } = conform(parallel, {
      folios: 260,
      cpus: 4,
      schedule: [0],
      kswapdFirst: true,
      depth: 256,
      tunables: { 'vm.parallel_swap': 2, 'vm.parallel_swap_factor': 0x7fffffff },
    })
    expect(deepest).toBe(256)
    expect(log.filter((line) => line.endsWith('ends bypass')).length).toBe(4)
  })

  it('unofficial 0.2a stores the oldest before it queues the new folio', () => {
    const { log, starts } = conform(kcompressdUnofficial, {
      ...kswapdFirst,
      folios: 7,
      depth: 6,
      tunables: { 'vm.kcompressd': 6, 'pstrace.release': 2 },
    })
    const ops = opsOf(log, 'kswapd')
    expect(ops.slice(-4)).toEqual(['store', 'push', 'wake', 'end'])
    expect(starts).toEqual(Array.from({ length: 7 }, (_, folio) => folio))
  })

  it('v1 stores everything inline once a parameter was written, or takes the new value where that quirk is off', () => {
    const inlineOf = (tunables: TunableValues, later: TunableValues): number =>
      conform(kcompressdV1, {
        folios: 40,
        cpus: 4,
        schedule: [0, 1, 2],
        depth: DEEP,
        tunables,
        later,
      }).log.filter((line) => line.endsWith('ends inline')).length
    expect(inlineOf({}, { nr_kcompressd: 2 })).toBe(20)
    expect(inlineOf({}, { queue_size_per_kcompressd: 64 })).toBe(20)
    expect(inlineOf({}, {})).toBe(0)
    expect(inlineOf({ 'pstrace.write_disables': 0 }, { nr_kcompressd: 2 })).toBe(0)
    expect(inlineOf({ 'pstrace.write_disables': 0 }, { nr_kcompressd: 0 })).toBe(20)
  })

  it('v1 gives the second thread its first folio when the first queue of 5461 is full', () => {
    const { log } = conform(kcompressdV1, { ...kswapdFirst, folios: 5463, depth: 5461 })
    const pushes = log.filter((line) => line.includes(' push '))
    expect(pushes[5460]).toBe('kswapd push 0 5460')
    expect(pushes[5461]).toBe('kswapd push 1 5461')
  })

  it('v1 stores the newest inline when every queue is full', () => {
    const { starts, log } = conform(kcompressdV1, {
      ...kswapdFirst,
      folios: 12,
      depth: 5,
      // 5 entries of 24 bytes: 120 of 128 bytes.
      tunables: { nr_kcompressd: 2, queue_size_per_kcompressd: 5 },
    })
    expect(opsOf(log, 'kswapd').filter((op) => op === 'push')).toHaveLength(10)
    expect(starts.slice(0, 2)).toEqual([10, 11])
  })

  it('v1 wakes the thread whose queue it filled, at each push', () => {
    const { log } = conform(kcompressdV1, { ...kswapdFirst, folios: 3, depth: DEEP })
    expect(opsOf(log, 'kswapd')).toEqual(Array(3).fill(['push', 'wake', 'end']).flat())
  })

  it('v1 as one vendor ships it fills the queues in rotation, as another it sleeps after each drain', () => {
    const rotation = { 'pstrace.vendor': 2, queue_size_per_kcompressd: 256 }
    const filled = conform(kcompressdV1, {
      ...kswapdFirst,
      folios: 6,
      depth: DEEP,
      tunables: rotation,
    })
    const queues = filled.log.flatMap((line) => line.match(/ push (\d)/)?.[1] ?? [])
    expect(queues).toEqual(['0', '1', '2', '3', '0', '1'])
    const ring = kcompressdV1.layout(
      { node: 0, cpus: 4 },
      completeTunables(kcompressdV1, { ...rotation, nr_kcompressd: 1 }),
    )
    expect(ring.queues.map(({ capacity }) => capacity)).toEqual([256])
    const idle = conform(kcompressdV1, {
      ...kswapdFirst,
      folios: 2,
      depth: DEEP,
      tunables: { 'pstrace.vendor': 1, nr_kcompressd: 1 },
    })
    expect(opsOf(idle.log, 'worker0')).toEqual([
      ...['wait', 'pop', 'store', 'pop', 'store', 'pop', 'pause'],
      'wait',
    ])
  })

  it('v1 where any context may queue lets who finds another at it store for itself', () => {
    const { log } = conform(kcompressdV1, {
      ...kswapdFirst,
      folios: 1,
      depth: DEEP,
      tunables: { 'pstrace.vendor': 3 },
    })
    expect(opsOf(log, 'kswapd')).toEqual(['tryLock', 'push', 'wake', 'unlock', 'end'])
    const taken = answering(kcompressdV1, { read: () => 0, tryLock: () => false })
    const initial = { ...taken.initial, 'pstrace.vendor': 3 }
    const program = kcompressdV1.submit(0, { ...taken, initial, tunables: initial })
    expect(program.next()).toEqual({ done: true, value: 'inline' })
  })

  it('kcompressd wakes its thread at each push, and takes no lock', () => {
    const { log } = conform(kcompressd, { ...kswapdFirst, folios: 3, depth: 256 })
    expect(opsOf(log, 'kswapd')).toEqual(Array(3).fill(['push', 'wake', 'end']).flat())
    expect(opsOf(log, 'worker0').slice(0, 4)).toEqual(['wait', 'pop', 'store', 'pop'])
  })

  it('unofficial pushes without its lock below the depth, and its thread pops under it and stores without', () => {
    const { log } = conform(kcompressdUnofficial, { ...kswapdFirst, folios: 24, depth: 24 })
    expect(opsOf(log, 'kswapd')).toEqual(Array(24).fill(['push', 'wake', 'end']).flat())
    expect(opsOf(log, 'worker0').slice(0, 5)).toEqual(['wait', 'lock', 'pop', 'unlock', 'store'])
  })

  it('parallel 0.2a begins a worker at an enqueue while fewer than it may run, one at a time', () => {
    const options: ConformanceOptions = {
      ...kswapdFirst,
      cpus: 4,
      folios: 5,
      depth: 18,
      tunables: { 'vm.parallel_swap': 3 },
    }
    const begins = (cpus: number): number =>
      opsOf(conform(parallel, { ...options, cpus }).log, 'kswapd').filter(
        (op) => op === 'queueWork',
      ).length
    expect(begins(4)).toBe(3)
    // One CPU is kswapd's, whatever the sysctl says.
    expect(begins(3)).toBe(2)
    expect(begins(2)).toBe(1)
  })

  it('parallel 0.2a: a worker that finds the queue empty goes, and the next enqueue begins another', () => {
    // Who may go next alternates, so that the worker drains each folio before the next one comes.
    const { log } = conform(parallel, {
      folios: 2,
      cpus: 2,
      schedule: [1],
      depth: 6,
    })
    expect(opsOf(log, 'kswapd').filter((op) => op === 'queueWork').length).toBeGreaterThan(0)
    const ends = log.filter((line) => line.startsWith('run') && line.endsWith('ends undefined'))
    expect(ends.length).toBe(opsOf(log, 'kswapd').filter((op) => op === 'queueWork').length)
    const ops = opsOf(log, 'run1')
    expect(ops.slice(-5)).toEqual(['pop', 'add', 'unlock', 'freeItem', 'end'])
  })

  it('parallel 0.2a: a worker that sees kswapd wait lets the mutex go and tries again', () => {
    const ops: string[] = []
    const worker = parallel.work(
      0,
      answering(parallel, {
        read: () => 1,
        lock: () => ops.push('lock') % 4 !== 1,
        unlock: () => ops.push('unlock'),
      }),
    )
    worker.next()
    worker.next()
    expect(ops).toEqual(['lock', 'unlock', 'lock', 'unlock', 'lock'])
  })

  it('parallel 0.2a stores the folio inline, out of order, where no work item is to be had', () => {
    const none: typeof parallel = {
      ...parallel,
      layout: (node, tunables) => ({ ...parallel.layout(node, tunables), items: 0 }),
    }
    const { log, violations } = conform(none, { ...kswapdFirst, folios: 2, depth: 6 })
    expect(violations).toEqual([])
    expect(opsOf(log, 'kswapd')).toEqual(
      Array(2).fill(['write', 'lock', 'write', 'allocItem', 'unlock', 'end']).flat(),
    )
    expect(log.filter((line) => line.endsWith('ends bypass'))).toHaveLength(2)
  })

  it('parallel 0.2a gives the item back where the queue is physically full', () => {
    // Two workers and an overflowing depth: after 256 folios each push fails.
    const { log, violations } = conform(parallel, {
      ...kswapdFirst,
      cpus: 8,
      folios: 258,
      depth: 256,
      tunables: { 'vm.parallel_swap': 2, 'vm.parallel_swap_factor': 0x7fffffff },
    })
    expect(violations).toEqual([])
    expect(opsOf(log, 'kswapd').slice(-5)).toEqual(
      ['write', 'lock', 'write', 'push', 'unlock', 'end'].slice(-5),
    )
  })
})
