import { expect, test } from 'vitest'
import {
  shareOfColdEntry,
  shareOfColdPass,
  shareOfSwitch,
  switchNsAfter,
  Warmth,
} from '../../src/model/warmth.ts'

test('a step costs less for the last one of its own CPU only, and of its own kind', () => {
  const passes = new Warmth(shareOfColdPass, 2)
  const entries = new Warmth(shareOfColdEntry, 2)
  passes.ended(1, 5_000_000)
  expect(passes.shareAt(1, 5_000_000)).toBe(0.15)
  expect(passes.shareAt(1, 6_000_000)).toBe(0.55)
  expect(passes.shareAt(0, 5_000_000)).toBe(1)
  expect(entries.shareAt(1, 5_000_000)).toBe(1)
})

test('on a CPU that is not known every step is cold', () => {
  const passes = new Warmth(shareOfColdPass, 1)
  passes.ended(-1, 10)
  expect(passes.shareAt(-1, 10)).toBe(1)
  expect(passes.shareAt(0, 10)).toBe(1)
})

test('a switch costs less after a run too short to fill caches, more after a long one, and the usual after one that is not known', () => {
  expect([50_000, 250_000, 3_000_000, 20_000_000].map(shareOfSwitch)).toEqual([0, 0.5, 1, 1.3])
  expect(shareOfSwitch(Number.NaN)).toBe(1)
})

test('a switch takes no more than half of the run before, but where that is not known or no recording has one as dear', () => {
  expect(switchNsAfter(1_000_000, 3_000_000, 1)).toBe(500_000)
  expect(switchNsAfter(10_000, 150_000, 1)).toBe(150_000)
  expect(switchNsAfter(10_000, 250_000, 1)).toBe(200_000)
  expect(switchNsAfter(Number.NaN, 3_000_000, 0.5)).toBe(3_000_000)
})

test('on a slow CPU a switch takes no more of the time of a run than on a fast one', () => {
  expect(switchNsAfter(1_000_000, 3_000_000, 0.1)).toBe(50_000)
  expect(switchNsAfter(10_000, 250_000, 0.1)).toBe(20_000)
})
