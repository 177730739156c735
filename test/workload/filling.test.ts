import { describe, expect, it } from 'vitest'
import { findFilling } from '../../src/workload/filling.ts'
import type { Sample } from '../../src/workload/recording.ts'

const MS = 1_000_000
/** 320 MB: refills of 15 pages, 480 at most. */
const MANAGED = 80_000
const START = 1000 * MS

/** Free memory every 100 ms, the first sample so long before the start. */
function sampled(beforeMs: number, values: readonly number[]): Sample[] {
  return values.map((value, i) => ({ ns: START + (i * 100 - beforeMs) * MS, value }))
}

describe('memory that is filled until movable pages are used up', () => {
  it('falls in steps of the largest refill, and is at the start what the last sample says', () => {
    const samples = sampled(405, [3048, 2568, 2568, 1610, 1130, 1888])
    expect(findFilling(samples, START, MANAGED)).toEqual({ refill: 480, falls: 3, free: 1130 })
  })

  it('lacks the refill that boosted in a sample after it', () => {
    const samples = sampled(380, [3302, 2822, 2342, 1682, 1204, 1853])
    expect(findFilling(samples, START, MANAGED)).toEqual({ refill: 480, falls: 3, free: 1684 })
  })

  it('is not told where it falls otherwise, or without a sample near', () => {
    expect(
      findFilling(sampled(405, [3048, 2700, 2350, 2000, 1650]), START, MANAGED),
    ).toBeUndefined()
    expect(
      findFilling(sampled(650, [3048, 2568, 2088, 1608, 1128]), START, MANAGED),
    ).toBeUndefined()
    expect(findFilling([], START, MANAGED)).toBeUndefined()
  })
})
