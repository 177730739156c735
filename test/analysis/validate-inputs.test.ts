import { expect, it } from 'vitest'
import { compareInputs, type ReadInputs } from '../../src/analysis/validate-inputs.ts'
import { COSTS, type Cost, type CostName } from '../../src/workload/types.ts'

/** A recording that tells these median costs, ns; the others are defaults. */
function told(
  anonPages: number,
  touches: number,
  medians: Readonly<Partial<Record<CostName, number>>>,
  free = 0,
): ReadInputs {
  const cost = (name: CostName): Cost => {
    const ns = medians[name]
    const known = { samples: Float64Array.of(ns ?? 0, ns ?? 0, 9e9), basis: 'event', n: 3 } as const
    const none = { samples: new Float64Array(0), basis: 'default', n: 0 } as const
    return { ...(ns === undefined ? none : known), fixedNs: ns ?? 7, from: '' }
  }
  const costs = Object.fromEntries(COSTS.map((name) => [name, cost(name)]))
  const freeAtStart = { value: free, basis: 'inferred', from: '' } as const
  const machine = { nodes: [{ node: 0, freeAtStart, totalPages: 5000 }] }
  return { anonPages, touches, workload: { costs: costs as Record<CostName, Cost>, machine } }
}

const rowsOf = (a: readonly ReadInputs[], b: readonly ReadInputs[]) =>
  new Map(compareInputs(a, b).map((row) => [row.input, row]))

it('inputs agree up to their limits, and costs that a set does not tell are not compared', () => {
  const a = [told(1000, 1000, { store: 100, unmap: 10, push: 5 })]
  const rows = rowsOf(a, [told(1049, 1099, { store: 114, unmap: 12 })])
  expect([...rows.keys()]).toEqual(['demand', 'touches', 'cost store', 'cost unmap'])
  expect(rows.get('demand')).toMatchObject({ a: 1000, b: 1049, limit: 0.05, agrees: true })
  expect(rows.get('touches')).toMatchObject({ limit: 0.1, agrees: true })
  expect(rows.get('cost store')).toMatchObject({ ratio: 1.14, agrees: true, ratio_in_stores: null })
  expect(rows.get('cost unmap')).toMatchObject({ ratio: 1.2, agrees: false })
  const apart = rowsOf(a, [told(1051, 1101, { store: 116, unmap: 10 })])
  expect([...apart.values()].map(({ agrees }) => agrees)).toEqual([false, false, false, true])
})

it("a host's speed is not in costs over the median store", () => {
  const rows = rowsOf(
    [told(10, 10, { store: 100, unmap: 10 })],
    [told(10, 10, { store: 200, unmap: 20 })],
  )
  expect(rows.get('cost unmap')).toMatchObject({
    ratio: 2,
    agrees: false,
    ratio_in_stores: 1,
    agrees_in_stores: true,
  })
})

it('what repeats of one policy differ by is no disagreement', () => {
  const of = (pages: number): ReadInputs => told(pages, 10, { store: 100 })
  const row = rowsOf([of(90), of(100), of(130)], [of(100), of(110), of(120)]).get('demand')
  expect(row?.spread).toBeCloseTo((120 / 90 - 100 / 130) / 2)
  expect(row).toMatchObject({ ratio: 1.1, agrees: true })
})

it('a workload that begins earlier, with more memory free, asks for no more', () => {
  const a = told(1000, 10, { store: 100 }, 20)
  const b = told(1200, 10, { store: 100 }, 220)
  expect(rowsOf([a], [b]).get('demand')).toMatchObject({ a: 980, b: 980, agrees: true })
})
