import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ChartRow } from '../../src/charts/chart.ts'
import { quantile, sum, trueStalls } from '../analysis/truth-stalls.ts'
import type { Row } from '../generate/expected.ts'
import { type GeneratedCharts, openCharts } from './generated.ts'

const RECORDINGS = {
  phone: { scenario: 'phone' },
  burst: { scenario: 'burst', seed: 3, events: 12_000 },
  server: { scenario: 'server', seed: 2 },
  late: { scenario: 'late' },
  'server with losses': { scenario: 'server', seed: 3, events: 8000, loss: 0.1 },
} as const
type Name = keyof typeof RECORDINGS

const opened = new Map<string, GeneratedCharts>()
const chartsOf = (name: Name): GeneratedCharts => {
  const charts = opened.get(name)
  if (charts === undefined) throw new Error(`${name} was not generated`)
  return charts
}
beforeAll(async () => {
  for (const [name, choice] of Object.entries(RECORDINGS))
    opened.set(name, await openCharts(choice))
})
afterAll(() => {
  for (const { database } of opened.values()) database.close()
})

const total = (rows: readonly ChartRow[], figureOf: (row: ChartRow) => number): number =>
  sum(rows.map(figureOf))
const of = (row: ChartRow, column: string): number => Number(row[column])
const length = (row: ChartRow): number => of(row, 'end_s') - of(row, 'start_s')
const ns = (row: Row, column: string): number => Number(row[column])
/** Rows carry seven significant digits. */
const near = (found: number, truth: number): void =>
  expect(Math.abs(found - truth)).toBeLessThanOrEqual(1e-5 * Math.abs(truth))

describe.each(['phone', 'burst', 'server'] as const)('of the generated %s', (name) => {
  const seconds = (at: number): number => (at - chartsOf(name).truth.startNs) / 1e9

  it('stalls-by-task draws, for each task and cause, the time that it was stalled for that', () => {
    const charts = chartsOf(name)
    const truth = new Map<string, number>()
    for (const { comm, tid, parts } of trueStalls(charts))
      for (const [part, length] of parts) {
        const key = `${comm} (${tid}) ${part}`
        truth.set(key, (truth.get(key) ?? 0) + length)
      }
    const drawn = charts.drawn('stalls-by-task', 'stalls_by_task')
    expect(drawn.map((row) => `${row['task']} ${row['cause']}`).sort()).toEqual(
      [...truth.keys()].sort(),
    )
    for (const row of drawn)
      near(of(row, 'ms') * 1e6, truth.get(`${row['task']} ${row['cause']}`) ?? Number.NaN)
    near(
      total(drawn, (row) => of(row, 'ms') * 1e6),
      sum(trueStalls(charts).map((stall) => stall.ns)),
    )
  })

  it('stall-distribution draws the middle and the longest stall, and the share that is longer', () => {
    const charts = chartsOf(name)
    const lengths = trueStalls(charts).map((stall) => stall.ns)
    const [row = {}, ...others] = charts.drawn('stall-distribution', 'stall_quantiles')
    expect(others).toEqual([])
    expect([row['stalls'], row['censored']]).toEqual([lengths.length, 0])
    near(of(row, 'p50_ms') * 1e6, quantile(lengths, 0.5) ?? Number.NaN)
    near(of(row, 'max_ms') * 1e6, Math.max(...lengths))
    const curve = charts.rows.get('stall-distribution')?.['stall_curve'] ?? []
    expect(curve.length).toBeGreaterThan(5)
    for (const point of curve) {
      // A point is a stall's length: that stall itself and those above it are at least as long.
      const edge = of(point, 'ms') * 1e6
      const atLeast = lengths.filter((own) => own >= edge * (1 - 1e-6)).length
      const above = lengths.filter((own) => own > edge * (1 + 1e-6)).length
      const said = (of(point, 'longer_percent') / 100) * lengths.length
      expect(said).toBeLessThanOrEqual(atLeast + 1e-3)
      expect(said).toBeGreaterThanOrEqual(above - 1e-3)
    }
  })

  it('timeline draws kswapd awake as long as it was, and as many tasks stalled as were', () => {
    const charts = chartsOf(name)
    const spans = charts.table('kswapd_spans')
    const kswapds = new Set(spans.map(({ node }) => node)).size
    near(
      total(
        charts.drawn('timeline', 'kswapd_activity'),
        (row) => (of(row, 'busy_percent') / 100) * length(row) * 1e9 * kswapds,
      ),
      sum(spans.map((span) => ns(span, 'end_ns') - ns(span, 'start_ns'))),
    )
    const stalls = trueStalls(charts)
    const activity = charts.drawn('timeline', 'stall_activity')
    near(
      total(activity, (row) => of(row, 'stalled_tasks') * length(row) * 1e9),
      sum(stalls.map((stall) => stall.ns)),
    )
    for (const row of activity) {
      const during = stalls.filter(
        ({ startNs, endNs }) =>
          seconds(Number(startNs)) < of(row, 'end_s') + 1e-9 &&
          seconds(endNs) > of(row, 'start_s') - 1e-9,
      )
      expect(during.length).toBeGreaterThan(0)
    }
  })

  it('timeline draws bands of free memory that what kswapd and the tasks did allows', () => {
    const charts = chartsOf(name)
    const bounds = charts.rows.get('timeline')?.['free_bounds'] ?? []
    const [first, last] = [bounds[0], bounds.at(-1)]
    if (first === undefined || last === undefined) throw new Error('there is no band')
    near(of(first, 'start_s') + 1, 1)
    expect(of(last, 'end_s')).toBeGreaterThanOrEqual(seconds(charts.truth.endNs) * (1 - 1e-6))
    for (const [index, row] of bounds.slice(1).entries())
      near(of(row, 'start_s'), of(bounds[index] ?? {}, 'end_s'))
    const awake = charts.table('kswapd_spans')
    const direct = charts.table('reclaim_spans').filter(({ kind }) => kind === 'direct')
    const meets = (row: ChartRow) => (span: Row) =>
      seconds(ns(span, 'start_ns')) < of(row, 'end_s') * (1 - 1e-6) &&
      seconds(ns(span, 'end_ns')) > of(row, 'start_s') * (1 + 1e-6)
    const { zones } = charts.scenario
    const mib = (pages: number): number => (pages * 4096) / 2 ** 20
    const low = mib(sum(zones.map((zone) => zone.low)))
    for (const row of bounds) {
      const isDirect = direct.some(meets(row))
      const isAwake = awake.some(meets(row))
      if (isDirect) expect(of(row, 'lo_mib')).toBe(0)
      if (isAwake) expect(of(row, 'lo_mib')).toBeLessThan(low)
      if (!isDirect && !isAwake) near(of(row, 'lo_mib'), low)
      if (row['hi_mib'] !== null) expect(isAwake || isDirect).toBe(true)
    }
    // Free memory that a task saw when it reclaimed again lies in the band of that moment.
    for (const sample of charts.table('samples')) {
      if (!String(sample['name']).startsWith('free_pages')) continue
      const at = seconds(ns(sample, 'ts_ns'))
      const band = bounds.find((row) => of(row, 'start_s') <= at && of(row, 'end_s') > at)
      const free = mib(ns(sample, 'value'))
      expect(free).toBeGreaterThanOrEqual(of(band ?? {}, 'lo_mib'))
      expect(free).toBeLessThanOrEqual(Number(band?.['hi_mib'] ?? Number.POSITIVE_INFINITY))
    }
  })

  it('timeline draws the watermarks of the machine', () => {
    const charts = chartsOf(name)
    const drawn = charts.drawn('timeline', 'watermarks')
    for (const mark of ['min', 'low', 'high'] as const)
      near(
        of(drawn.find((row) => row['name'] === mark) ?? {}, 'mib'),
        (sum(charts.scenario.zones.map((zone) => zone[mark])) * 4096) / 2 ** 20,
      )
  })

  it('swap-rates draws every page that went out or came back', () => {
    const charts = chartsOf(name)
    const drawn = charts.drawn('swap-rates', 'swap_activity')
    for (const [direction, table] of [
      ['swap-out', 'swapouts'],
      ['swap-in', 'swapins'],
    ] as const)
      near(
        total(
          drawn.filter((row) => row['direction'] === direction),
          (row) => of(row, 'pages_per_s') * length(row),
        ),
        charts.table(table).length,
      )
  })

  it('order draws every page of kswapd at its place, and none overtaken', () => {
    const charts = chartsOf(name)
    const outs = charts.table('swapouts')
    const kswapd = outs.filter(({ context }) => context === 'kswapd')
    const bins = charts.drawn('order', 'order_bins')
    expect(total(bins, (row) => of(row, 'pages'))).toBe(kswapd.length)
    for (const row of bins)
      expect([row['displacement_from'], row['displacement_to']]).toEqual([-0.5, 0.5])
    const paths = charts.rows.get('order')?.['order_paths'] ?? []
    expect(paths.map((row) => [row['path'], row['pages'], row['overtaken']])).toEqual([
      ['bypass', outs.length - kswapd.length, 0],
      ['inline', kswapd.length, 0],
    ])
  })

  it('kswapd-split draws what each kswapd ran for', () => {
    const charts = chartsOf(name)
    const drawn = charts.drawn('kswapd-split', 'kswapd_split')
    const doing = { scan: 'scan', unmap: 'unmap', store: 'store', slab: 'slab', other: 'none' }
    for (const { tid, node } of charts.table('tasks').filter(({ kind }) => kind === 'kswapd'))
      for (const [part, what] of Object.entries(doing)) {
        const truth = sum(
          charts
            .table('thread_states')
            .filter(
              (row) => row['tid'] === tid && row['state'] === 'running' && row['doing'] === what,
            )
            .map((row) => ns(row, 'end_ns') - ns(row, 'start_ns')),
        )
        const row = drawn.find((one) => one['node'] === node && one['part'] === part)
        near(of(row ?? {}, 'ms') * 1e6, truth)
      }
  })

  it('policy-comparison says what the recording was', () => {
    const charts = chartsOf(name)
    const rows = charts.rows.get('policy-comparison')?.['policy_comparison'] ?? []
    const value = (metric: string): number =>
      of(rows.find((row) => row['metric'] === metric) ?? {}, 'value')
    const stalls = trueStalls(charts)
    near(value('app_stall_ns') * 1e6, sum(stalls.map((stall) => stall.ns)))
    expect(value('allocstalls')).toBe(sum(stalls.map((stall) => stall.rounds)))
  })

  it.each(['queue-depth', 'compressed-sizes'])(
    '%s has nothing to draw: a recording knows neither queues nor sizes',
    (chart) => {
      for (const rows of Object.values(chartsOf(name).rows.get(chart) ?? {})) {
        const own = rows.filter((row) => 'depth_mean' in row || 'from_bytes' in row)
        expect(own).toEqual([])
      }
    },
  )
})

it('the timeline greys what was lost, on the CPU where it was lost', () => {
  const { truth, rows } = chartsOf('server with losses')
  const ended = truth.losses.filter(({ beforeNs }) => beforeNs !== undefined)
  expect(ended.length).toBeGreaterThan(2)
  const gaps = rows.get('timeline')?.['gaps'] ?? []
  const expected = ended
    .map((gap) => ({
      cpu: gap.cpu,
      events: gap.events,
      from: Number(gap.afterNs ?? gap.beforeNs),
    }))
    .sort((a, b) => a.from - b.from || a.cpu - b.cpu)
  expect(gaps.map((row) => [row['cpu'], row['events']])).toEqual(
    expected.map(({ cpu, events }) => [cpu, events]),
  )
  for (const [index, row] of gaps.entries())
    near(of(row, 'start_s'), (Number(expected[index]?.from) - truth.startNs) / 1e9)
})

it('stalls that began before the recording are marked as such in their distribution', () => {
  const charts = chartsOf('late')
  const censored = trueStalls(charts).filter((stall) => stall.censored !== null).length
  expect(censored).toBeGreaterThan(0)
  const [row] = charts.drawn('stall-distribution', 'stall_quantiles')
  expect(row?.['censored']).toBe(censored)
})
