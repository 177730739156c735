import { describe, expect, it } from 'vitest'
import { findSameThreshold } from '../../src/workload/costs.ts'

/** Deterministic spread around a centre, ns. */
function around(centre: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => centre * (0.7 + 0.6 * ((i * 0.618034) % 1)))
}

describe('stores of zero pages', () => {
  it('are told from compressed ones by the valley between two modes', () => {
    const same = around(7_000, 70)
    const data = around(120_000, 930)
    const { below } = findSameThreshold(Float64Array.from([...data, ...same]), undefined)
    expect(same.every((ns) => ns < below)).toBe(true)
    expect(data.every((ns) => ns > below)).toBe(true)
  })

  it('are not found where there is one mode only', () => {
    expect(findSameThreshold(Float64Array.from(around(120_000, 1000)), undefined).below).toBe(0)
  })

  it('have the share that the counters give, where they give one', () => {
    const all = Float64Array.from([...around(100_000, 900), ...around(90_000, 100)])
    const { below, basis } = findSameThreshold(all, 0.1)
    expect(all.filter((ns) => ns < below).length).toBe(100)
    expect(basis).toBe('snapshot')
  })
})
