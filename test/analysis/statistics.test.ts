import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toDisorder } from '../../src/analysis/order.ts'
import { countInversions, quantile, spreadOf } from '../../src/analysis/statistics.ts'

function countSlowly(values: readonly number[]): number {
  let inversions = 0
  for (let i = 0; i < values.length; i++)
    for (let j = i + 1; j < values.length; j++)
      if ((values[i] ?? 0) > (values[j] ?? 0)) inversions++
  return inversions
}

describe('inversions', () => {
  it('equal the count over all pairs', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 200 }), (values) => {
        expect(countInversions(values)).toBe(countSlowly(values))
      }),
    )
  })

  it('of 2,000 shuffled pages equal the count over all pairs', () => {
    const values = Array.from({ length: 2000 }, (_, i) => (i * 7919) % 2003)
    expect(countInversions(values)).toBe(countSlowly(values))
  })

  it('of a reversed sequence are all its pairs', () => {
    expect(countInversions([5, 4, 3, 2, 1])).toBe(10)
  })

  it('leave the given array as it was', () => {
    const values = new Float64Array([2, 1])
    countInversions(values)
    expect([...values]).toEqual([2, 1])
  })
})

describe('quantiles', () => {
  it('are values that occurred, by nearest rank', () => {
    expect(quantile([1, 2, 3, 4], 0.5)).toBe(2)
    expect(quantile([1, 2, 3, 4], 0.99)).toBe(4)
    expect(quantile([1], 0)).toBe(1)
    expect(quantile([], 0.5)).toBeUndefined()
  })

  it('stand beside mean and maximum', () => {
    expect(spreadOf([4, 1, 1, 2])).toEqual({ n: 4, total: 8, mean: 2, p50: 1, p99: 4, max: 4 })
    expect(spreadOf([]).mean).toBeUndefined()
  })
})

describe('displacement', () => {
  it('of a swap of neighbours is one page each and one inversion', () => {
    expect(toDisorder([1, -1, 0])).toMatchObject({
      pages: 3,
      inversions: 1,
      displaced: 2,
      maxDisplacement: 1,
    })
  })

  it('leaves out pages that never got there', () => {
    expect(toDisorder([0, Number.NaN, 0])).toMatchObject({ pages: 2, inversions: 0, displaced: 0 })
  })
})
