import { describe, expect, it } from 'vitest'
import { findFilling, freeBetween, missesRaisedLow } from '../../src/workload/filling.ts'
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
    expect(findFilling(samples, START, MANAGED)).toEqual({
      refill: 480,
      falls: 3,
      rate: 1918 / (400 * MS),
      free: 1130,
      freeBefore: 1130,
    })
  })

  it('lacks the refill that boosted in a sample after it', () => {
    const samples = sampled(380, [3302, 2822, 2342, 1682, 1204, 1853])
    expect(findFilling(samples, START, MANAGED)).toEqual({
      refill: 480,
      falls: 3,
      rate: 1620 / (300 * MS),
      free: 1682,
      freeBefore: 1682,
    })
  })

  it('is at the start by as many refills lower than the last sample as fit into the time since it', () => {
    const samples = sampled(440, [13000, 10600, 7720, 4840, 2440, 900])
    // 10,560 pages in 400 ms: 1056 in 40 ms, two refills.
    expect(findFilling(samples, START, MANAGED)).toMatchObject({ free: 2440 - 2 * 480 })
  })

  it('met a boost where another CPU misses the low that it raised', () => {
    const low = 695
    const filling = { refill: 480, falls: 4, rate: 0.024, free: 1758, freeBefore: undefined }
    expect(missesRaisedLow(filling, { cpus: 2, low })).toBe(true)
    expect(missesRaisedLow(filling, { cpus: 1, low })).toBe(false)
    expect(missesRaisedLow({ ...filling, free: low + 480 }, { cpus: 2, low })).toBe(false)
  })

  it('is a whole number of refills below the sample before where the one after has pages that the list gave back', () => {
    const samples = sampled(380, [3602, 3122, 2642, 2162, 1424, 1853])
    expect(findFilling(samples, START, MANAGED)?.free).toBe(2162 - 480)
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

  it('is told by most of the falls in the half second before the start', () => {
    // One of three is a whole refill.
    const few = sampled(305, [3048, 2568, 2168, 1768, 1600])
    expect(findFilling(few, START, MANAGED)).toBeUndefined()
    // What fell otherwise long before, in another phase, is not looked at.
    const before = sampled(1205, [9000, 8600, 8200, 7800, 7400, 7000, 6600, 6200])
    const samples = [...before, ...sampled(405, [3048, 2568, 2088, 1608, 1128])]
    expect(findFilling(samples, START, MANAGED)).toMatchObject({ falls: 5, free: 1128 })
  })
})

describe('free memory at a moment', () => {
  const between = (ms: number, samples: readonly (readonly [ms: number, value: number])[]) =>
    freeBetween(
      samples.map(([at, value]) => ({ ns: at * MS, value })),
      ms * MS,
    )

  it('lies between the samples beside it', () => {
    const samples = [
      [0, 9000],
      [100, 5000],
      [200, 1000],
    ] as const
    expect(between(125, samples)).toBe(4000)
    expect(between(100, samples)).toBe(5000)
  })

  it('is not known before the first sample, after the last, and where either is far', () => {
    expect(between(99, [[100, 5000]])).toBeUndefined()
    expect(between(101, [[100, 5000]])).toBeUndefined()
    const far = [
      [0, 5000],
      [300, 1000],
    ] as const
    expect([between(99, far), between(100, far), between(201, far)]).toEqual([
      undefined,
      3667,
      undefined,
    ])
  })
})
