import { expect, it } from 'vitest'
import { DisturbedSteps, UNDISTURBED } from '../../src/workload/disturbed-steps.ts'

const FLUSH_NS = 30_000
const switchCost = { usualNs: 100_000, anyRunNs: 20_000 }
const costs = { flushNs: FLUSH_NS, switchCost }

function stepsOf(
  seen: readonly (readonly [ns: number, flushes: number, switches: number])[],
): DisturbedSteps {
  const steps = new DisturbedSteps()
  for (const [ns, flushes, switches] of seen)
    steps.push(ns, { flushes, switches, switchShares: switches })
  return steps
}

it('a disturbed step counts without what came on top of it', () => {
  const seen = stepsOf([
    [100_000, 0, 0],
    [100_000 + 2 * FLUSH_NS, 2, 0],
    [100_000 + 120_000, 0, 1],
  ])
  expect([...seen.bare(costs).copyValues()]).toEqual([100_000, 100_000, 100_000])
})

it('steps are shorter in sum by what disturbances cost in sum, also where one is shorter than these', () => {
  const bare = stepsOf([
    [40_000, 2, 0],
    [200_000, 0, 0],
    [260_000, 1, 0],
  ]).bare(costs)
  expect(bare.mean() * bare.length).toBeCloseTo(500_000 - 3 * FLUSH_NS, 3)
  for (const ns of bare.copyValues()) expect(ns).toBeGreaterThan(0)
})

it('steps with a switch are left out where nothing tells what it costs', () => {
  const seen = stepsOf([
    [100_000, 0, 0],
    [300_000, 0, 1],
  ])
  const bare = seen.bare({ flushNs: FLUSH_NS, switchCost: undefined })
  expect([...bare.copyValues()]).toEqual([100_000])
})

it('what the step before left over is taken off', () => {
  const steps = new DisturbedSteps()
  steps.push(50_000, UNDISTURBED, 12_000)
  expect([...steps.bare(costs).copyValues()]).toEqual([38_000])
})
