import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findPolicy, policies } from '../../src/policies/index.ts'
import { kcompressd } from '../../src/policies/kcompressd.ts'
import { kcompressdUnofficial } from '../../src/policies/kcompressd-unofficial.ts'
import { parallel } from '../../src/policies/parallel.ts'
import type { Operations, Policy, TunableValues } from '../../src/policies/policy.ts'
import { conform } from './conformance.ts'

const DEEP = Number.POSITIVE_INFINITY
const schedules = fc.array(fc.nat(1000), { minLength: 1, maxLength: 200 })

function physicalDepth(policy: Policy): number {
  switch (policy.name) {
    case 'kcompressd-v1':
      return 5461
    case 'kcompressd-unofficial':
      return 24
    case 'parallel':
      return 6
    default:
      return 256
  }
}

describe.each(policies.map((policy) => [policy.name, policy] as const))('%s', (_name, policy) => {
  it('stores each folio exactly once, whoever runs when', () => {
    fc.assert(
      fc.property(schedules, fc.integer({ min: 1, max: 5 }), (schedule, cpus) => {
        const result = conform(policy, {
          folios: 150,
          cpus,
          schedule,
          depth: physicalDepth(policy),
        })
        expect(result.violations).toEqual([])
        expect(new Set(result.starts).size).toBe(150)
      }),
      { numRuns: 25 },
    )
  })

  it('loses nothing when a tunable changes half-way', () => {
    fc.assert(
      fc.property(schedules, fc.nat(8), fc.nat(8), (schedule, before, after) => {
        const own = policy.tunables.filter(({ name }) => !name.startsWith('pstrace.'))
        const values = (value: number): Record<string, number> =>
          Object.fromEntries(
            own.map(({ name, min, max }) => [name, Math.min(max, Math.max(min, value))]),
          )
        const starts = policy.name === 'kcompressd-v1' ? before : Math.max(1, before)
        const { violations } = conform(policy, {
          folios: 200,
          cpus: 4,
          tunables: values(starts),
          // A thread that was never created cannot be asked for: v1's count only falls.
          later: values(policy.name === 'kcompressd-v1' ? Math.min(before, after) : after),
          schedule,
          depth: DEEP,
        })
        expect(violations).toEqual([])
      }),
      { numRuns: 25 },
    )
  })

  it('keeps nothing across calls: two interleaved machines behave as two alone', () => {
    const options = { folios: 60, cpus: 3, schedule: [3, 1, 4, 1, 5, 9, 2, 6], depth: DEEP }
    const alone = conform(policy, options).log
    conform(policy, { ...options, schedule: [2, 7, 1, 8] })
    expect(conform(policy, options).log).toEqual(alone)
  })

  it('has a tunable for each name it reads, with its default in range', () => {
    for (const { default: value, min, max, source } of policy.tunables) {
      expect(source).not.toBe('')
      expect(value).toBeGreaterThanOrEqual(min)
      expect(value).toBeLessThanOrEqual(max)
    }
  })
})

describe.each([
  ['kcompressd-v1', { 'pstrace.vendor': 1, nr_kcompressd: 1 }],
  ['kcompressd-v1', { 'pstrace.vendor': 2, queue_size_per_kcompressd: 256 }],
  ['kcompressd-v1', { 'pstrace.vendor': 3 }],
  ['kcompressd-v1', { 'pstrace.write_disables': 0 }],
  ['kcompressd-unofficial', { 'pstrace.release': 2, 'vm.kcompressd': 6 }],
  ['kcompressd-unofficial', { 'pstrace.release': 3 }],
  ['parallel', { 'pstrace.release': 1, 'vm.parallel_swap': 3 }],
  ['parallel', { 'pstrace.cpu_node': 1 }],
] satisfies [string, TunableValues][])('%s with %j', (name, tunables: TunableValues) => {
  it('stores each folio exactly once, whoever runs when', () => {
    fc.assert(
      fc.property(schedules, (schedule) => {
        const policy = findPolicy(name) as Policy
        const result = conform(policy, { folios: 120, cpus: 4, tunables, schedule, depth: DEEP })
        expect(result.violations).toEqual([])
      }),
      { numRuns: 15 },
    )
  })
})

/** The same but for some operations. */
function changed(node: Operations, others: Partial<Operations>): Operations {
  return new Proxy(node, {
    get(target, name) {
      const found: unknown = Reflect.get(name in others ? others : target, name)
      return typeof found === 'function' ? found.bind(target) : found
    },
  })
}

describe('the kit catches', () => {
  const options = { folios: 100, cpus: 2, schedule: [0, 1, 1, 0, 2, 5], depth: 256 }

  it('a policy that drops a folio', () => {
    const drops: Policy = {
      ...kcompressd,
      *submit(folio, setting) {
        if (folio === 41) return 'queued'
        return yield* kcompressd.submit(folio, setting)
      },
    }
    expect(conform(drops, options).violations).toEqual(['folio 41 is lost: it was never stored'])
  })

  it('a policy that stores a folio twice', () => {
    const twice: Policy = {
      ...kcompressd,
      *submit(folio, node) {
        if (folio === 17 && !node.store(folio)) yield
        return yield* kcompressd.submit(folio, node)
      },
    }
    expect(conform(twice, options).violations).toContain('folio 17 is stored twice')
  })

  it('a policy that exceeds its depth', () => {
    const deep: Policy = {
      ...kcompressdUnofficial,
      *submit(folio, node) {
        if (!node.push(0, folio)) yield
        if (!node.wake(0)) yield
        return 'queued'
      },
    }
    // kswapd alone runs until it cannot.
    const { violations } = conform(deep, { ...options, kswapdFirst: true, depth: 24 })
    expect(violations[0]).toBe('a queue holds 25 folios after a submit; at most 24 may wait')
  })

  it('a policy that keeps state across calls', () => {
    let calls = 0
    const remembers: Policy = {
      ...kcompressd,
      *submit(folio, setting) {
        calls++
        if (calls % 7 === 0) return 'inline'
        return yield* kcompressd.submit(folio, setting)
      },
    }
    const first = conform(remembers, { ...options, folios: 50 }).log
    expect(conform(remembers, { ...options, folios: 50 }).log).not.toEqual(first)
  })

  it('a policy that forgets to unlock', () => {
    const holds: Policy = {
      ...parallel,
      submit: (folio, node) => parallel.submit(folio, changed(node, { unlock() {} })),
    }
    expect(conform(holds, options).violations.length).toBeGreaterThan(1)
  })

  it('a worker that leaves its queue unread', () => {
    const lazy: Policy = {
      ...kcompressd,
      *work(_worker, node) {
        if (!node.wait(0)) yield
        const head = node.pop(0)
        if (head >= 0 && !node.store(head)) yield
        while (node.length(0) < 0) if (!node.wait(0)) yield
      },
    }
    expect(conform(lazy, { ...options, folios: 10 }).violations.length).toBeGreaterThan(0)
  })

  it('a policy that goes on where others have to run first, or ends there', () => {
    const hurries: Policy = {
      ...kcompressd,
      *submit(folio, node) {
        node.push(0, folio)
        if (!node.wake(0) && folio % 2 === 0) yield
        return 'queued'
      },
    }
    const { violations } = conform(hurries, options)
    expect(violations).toContain('kswapd goes on where it must yield')
    expect(violations).toContain('kswapd ends where it must yield')
  })

  it('a policy that yields where nothing asks it to', () => {
    const idles: Policy = {
      ...kcompressd,
      *submit(folio, node) {
        yield
        return yield* kcompressd.submit(folio, node)
      },
    }
    expect(conform(idles, options).violations).toContain('kswapd yields where nothing asks it to')
  })
})
