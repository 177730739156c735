import { expect, it } from 'vitest'
import { METRICS } from '../../src/analysis/metrics.ts'
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

it('says "not known" where nothing was recorded, "none" of the length of stalls that never were, and never zero', () => {
  const at = (value: number | null) =>
    ({ value, lo: value, hi: value, basis: 'event', n: 1 }) as const
  const subject = (label: string, stalls: number | null, p99: number | null) => ({
    traceId: 1,
    runId: null,
    label,
    figures: [
      { metric: 'worker_stalls', ...at(stalls) },
      { metric: 'worker_stall_p99_ns', ...at(p99) },
    ],
  })
  const metrics = toMetrics([subject('a', 2, 5e6), subject('b', 0, null), subject('c', null, null)])
  const said = metrics.find(({ metric }) => metric === 'worker_stall_p99_ns')?.figures
  expect(said?.map((figure) => figure.said)).toEqual(['5 ms', 'none', 'not known'])
})
