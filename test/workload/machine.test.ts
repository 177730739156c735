import { expect, it } from 'vitest'
import { findBlockPages, findBoostLevel } from '../../src/workload/machine.ts'

const LOW = 700

function levelOf(boostFree: readonly number[]) {
  const { value, basis, n } = findBoostLevel(boostFree, LOW).boostBelowFree ?? {}
  return { value, basis, n }
}

it('few wake-ups by boosts tell the level where they lie close together', () => {
  expect(levelOf([1300, 1500, 1330, 1560, 1340])).toEqual({ value: 1340, basis: 'event', n: 5 })
})

it('as many that lie far apart leave it at the multiple of low, and so do three of any kind', () => {
  const assumed = { value: Math.round(2.1 * LOW), basis: 'default' }
  expect(levelOf([5300, 4800, 4200, 3200])).toEqual({ ...assumed, n: 4 })
  expect(levelOf([1340, 1340, 1340])).toEqual({ ...assumed, n: 3 })
})

it('many that lie far apart tell it again', () => {
  const far = [500, 1000, 1500, 2000, 2500]
  expect(levelOf(far)).toMatchObject({ basis: 'default' })
  expect(levelOf([...far, ...far, ...far])).toEqual({ value: 1500, basis: 'event', n: 15 })
})

it('a block of pages is a huge page, and the largest chunk of a kernel that has none; without meminfo it is not known', () => {
  const without = 'MemTotal:        1011104 kB\nMemFree:          700000 kB\n'
  const withHuge = `${without}AnonHugePages:         0 kB\n`
  expect(findBlockPages(without, 4096)).toBe(1024)
  expect(findBlockPages(withHuge, 4096)).toBe(512)
  expect(findBlockPages(`${withHuge}Hugepagesize:       2048 kB\n`, 4096)).toBe(512)
  expect(findBlockPages(`${withHuge}Hugepagesize:      32768 kB\n`, 16384)).toBe(1024)
  expect(findBlockPages(undefined, 4096)).toBe(0)
})
