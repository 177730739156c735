import { expect, test } from 'vitest'
import { CostSampler } from '../../src/replay/costs.ts'
import { Random } from '../../src/replay/random.ts'

test('a warm step costs its share of the median cold one, a cold one what it is drawn to', () => {
  const dear = Float64Array.of(50_000, 60_000, 4_000_000, 55_000, 65_000)
  const passes = new CostSampler(dear, 0, 1, new Random(1, 0))
  const drawn = new Set<number>()
  for (let pass = 0; pass < 100; pass++) {
    expect(passes.drawAt(0.15)).toBe(9000)
    drawn.add(passes.drawAt(1))
  }
  expect([...drawn].sort((x, y) => x - y)).toEqual([50_000, 55_000, 60_000, 65_000, 4_000_000])
})

test('where only a figure is known, a warm step costs its share of that', () => {
  const passes = new CostSampler(new Float64Array(0), 8000, 0.5, new Random(1, 0))
  expect(passes.drawAt(0.25)).toBe(1000)
  expect(passes.drawAt(1)).toBe(4000)
})
