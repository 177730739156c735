import { expect, it } from 'vitest'
import { METRICS } from '../../src/analysis/figures.ts'
import { toMetrics } from '../../src/report/comparison.ts'

it('every row of the comparison has a title of its own, as rows are not indented there', () => {
  const known = { value: 1, lo: 1, hi: 1, basis: 'event', n: 1 } as const
  const figures = METRICS.map(({ name }) => ({ metric: name, ...known }))
  const rows = toMetrics([{ traceId: 1, runId: null, label: 'recording', figures }])
  const titles = rows.map(({ title }) => title)
  expect(titles.length).toBe(METRICS.length)
  expect(new Set(titles).size).toBe(titles.length)
  const parts = METRICS.filter(({ title }) => title.startsWith('  '))
  for (const { name, title } of parts)
    expect(rows.find(({ metric }) => metric === name)?.title.toLowerCase()).not.toBe(title.trim())
})
