import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ChartRow } from '../../src/charts/chart.ts'
import { charts as allCharts } from '../../src/charts/index.ts'
import { quantile, sum, trueStalls } from '../analysis/truth-stalls.ts'
import type { Row } from '../generate/expected.ts'
import { type GeneratedCharts, openCharts } from './generated.ts'

const RECORDINGS = {
  phone: { scenario: 'phone' },
  burst: { scenario: 'burst', seed: 3, events: 12_000 },
  server: { scenario: 'server', seed: 2 },
  late: { scenario: 'late' },
  queue: { scenario: 'queue', events: 3_000, policies: ['kcompressd', 'parallel'] },
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

/** Datasets of charts that have rows which a test has asked for. */
const compared = new Set<string>()
const counted = (chart: string, dataset: string, rows: readonly ChartRow[]) => {
  if (rows.length > 0) compared.add(`${chart}: ${dataset}`)
  return rows
}
/** What the chart gets. */
const rowsRead = (charts: GeneratedCharts, chart: string, dataset: string) =>
  counted(chart, dataset, charts.rows.get(chart)?.[dataset] ?? [])
/** What its specification holds. */
const rowsDrawn = (charts: GeneratedCharts, chart: string, dataset: string) =>
  counted(chart, dataset, charts.drawn(chart, dataset))

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
    const drawn = rowsDrawn(charts, 'stalls-by-task', 'stalls_by_task')
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
    const [row = {}, ...others] = rowsDrawn(charts, 'stall-distribution', 'stall_quantiles')
    expect(others).toEqual([])
    expect([row['stalls'], row['censored']]).toEqual([lengths.length, 0])
    near(of(row, 'p50_ms') * 1e6, quantile(lengths, 0.5) ?? Number.NaN)
    near(of(row, 'max_ms') * 1e6, Math.max(...lengths))
    const curve = rowsRead(charts, 'stall-distribution', 'stall_curve')
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
        rowsDrawn(charts, 'timeline', 'kswapd_activity'),
        (row) => (of(row, 'busy_percent') / 100) * length(row) * 1e9 * kswapds,
      ),
      sum(spans.map((span) => ns(span, 'end_ns') - ns(span, 'start_ns'))),
    )
    const stalls = trueStalls(charts)
    const activity = rowsDrawn(charts, 'timeline', 'stall_activity')
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
    const bounds = rowsRead(charts, 'timeline', 'free_bounds')
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
    const drawn = rowsDrawn(charts, 'timeline', 'watermarks')
    for (const mark of ['min', 'low', 'high'] as const)
      near(
        of(drawn.find((row) => row['name'] === mark) ?? {}, 'mib'),
        (sum(charts.scenario.zones.map((zone) => zone[mark])) * 4096) / 2 ** 20,
      )
  })

  it('swap-rates draws every page that went out or came back', () => {
    const charts = chartsOf(name)
    const drawn = rowsDrawn(charts, 'swap-rates', 'swap_activity')
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
    const bins = rowsDrawn(charts, 'order', 'order_bins')
    expect(total(bins, (row) => of(row, 'pages'))).toBe(kswapd.length)
    for (const row of bins)
      expect([row['displacement_from'], row['displacement_to']]).toEqual([-0.5, 0.5])
    const paths = rowsRead(charts, 'order', 'order_paths')
    expect(paths.map((row) => [row['path'], row['pages'], row['overtaken']])).toEqual([
      ['bypass', outs.length - kswapd.length, 0],
      ['inline', kswapd.length, 0],
    ])
  })

  it('kswapd-split draws what each kswapd ran for', () => {
    const charts = chartsOf(name)
    const drawn = rowsDrawn(charts, 'kswapd-split', 'kswapd_split')
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
    const rows = rowsRead(charts, 'policy-comparison', 'policy_comparison')
    const value = (metric: string): number =>
      of(rows.find((row) => row['metric'] === metric) ?? {}, 'value')
    const stalls = trueStalls(charts)
    near(value('app_stall_ns') * 1e6, sum(stalls.map((stall) => stall.ns)))
    expect(value('allocstalls')).toBe(sum(stalls.map((stall) => stall.rounds)))
  })
})

it('the timeline greys what was lost, on the CPU where it was lost', () => {
  const charts = chartsOf('server with losses')
  const { truth } = charts
  const ended = truth.losses.filter(({ beforeNs }) => beforeNs !== undefined)
  expect(ended.length).toBeGreaterThan(2)
  const gaps = rowsRead(charts, 'timeline', 'gaps')
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
  const [row] = rowsDrawn(charts, 'stall-distribution', 'stall_quantiles')
  expect(row?.['censored']).toBe(censored)
})

// What only runs have: sizes of pages, bounds of queues, samples of free memory.
describe('a generated recording with its replays', () => {
  const RUNS = ['kcompressd', 'parallel'] as const
  const database = () => chartsOf('queue').database

  /** Rows of the run as the replay wrote them, and what takes its times to the common axis. */
  const runOf = async (policy: string) => {
    const [run] = await database().query(
      `SELECT r.run_id, r.config, s.end_ns FROM runs r JOIN subjects s USING (run_id) WHERE r.policy = '${policy}'`,
    )
    const config = JSON.parse(String(run?.['config'])) as { startOffsetNs: number }
    const rowsOf = async (table: string) =>
      await database().query(`SELECT * FROM ${table} WHERE run_id = ${run?.['run_id']}`)
    return { rowsOf, offsetNs: config.startOffsetNs, endNs: Number(run?.['end_ns']) }
  }
  /** Lengths of the chart's intervals: what they hold is tested, not how many they are. */
  const extent = async () => (await database().query('SELECT * FROM report_extent'))[0] ?? {}

  /** From the hand-over to the start of the store, on the common axis. */
  const waitsOf = async (column: string): Promise<Wait[]> => {
    if (column === 'recording') {
      // A page that no store was begun for until the end has no path, in the truth as in the file.
      const { truth, table } = chartsOf('queue')
      return table('swapouts')
        .filter(({ path }) => path === 'queued')
        .map((page) => ({
          from: ns(page, 'start_ns') - truth.startNs,
          to: ns(page, 'begin_ns') - truth.startNs,
        }))
    }
    const run = await runOf(column)
    return (await run.rowsOf('swapouts'))
      .filter(({ path }) => path === 'queued' || path === 'displaced')
      .map((page) => ({
        from: ns(page, 'submit_ns') + run.offsetNs,
        to: (page['start_ns'] === null ? run.endNs : ns(page, 'start_ns')) + run.offsetNs,
      }))
  }

  it.each(['recording', ...RUNS])(
    'queue-depth draws how many pages of the %s waited in each interval, at most and on average',
    async (column) => {
      const waits = await waitsOf(column)
      const binNs = Number((await extent())['bin_ns'])
      const rows = rowsDrawn(chartsOf('queue'), 'queue-depth', 'queue_depth').filter(
        (row) => row['column'] === column,
      )
      near(
        total(rows, (row) => of(row, 'depth_mean') * binNs),
        sum(waits.map(({ from, to }) => to - from)),
      )
      for (const row of rows) {
        const bin = Math.round((of(row, 'start_s') * 1e9) / binNs)
        const truth = depthWithin(waits, bin * binNs, (bin + 1) * binNs)
        expect(row['node']).toBe(0)
        near(of(row, 'depth_mean'), truth.mean)
        near(of(row, 'depth_max'), truth.most)
      }
      expect(Math.max(...rows.map((row) => of(row, 'depth_max')))).toBeGreaterThan(1)
    },
  )

  it('queue-depth draws how much may wait, which is what does wait when the queue is full', () => {
    const bounds = rowsRead(chartsOf('queue'), 'queue-depth', 'queue_bounds')
    expect(bounds.map((row) => row['column'])).toEqual([...RUNS])
    const deepest = (column: string) =>
      Math.max(
        ...rowsDrawn(chartsOf('queue'), 'queue-depth', 'queue_depth')
          .filter((row) => row['column'] === column)
          .map((row) => of(row, 'depth_max')),
      )
    // A page in the hands of whoever finds the queue full stands above.
    for (const row of bounds)
      expect([0, 1]).toContain(deepest(String(row['column'])) - of(row, 'bound'))
  })

  it('compressed-sizes draws every stored page of a run in the range and class of its size', async () => {
    const rows = rowsDrawn(chartsOf('queue'), 'compressed-sizes', 'compressed_sizes')
    // A recording says which pages were stored, not how small they became.
    expect(new Set(rows.map((row) => row['column']))).toEqual(new Set(RUNS))
    for (const column of RUNS) {
      const truth = new Map<string, number>()
      let stored = 0
      for (const { place, compressed_bytes } of await (await runOf(column)).rowsOf('swapouts')) {
        if (compressed_bytes === null) continue
        const bytes = place === 'same' ? 0 : Number(compressed_bytes)
        const from = bytes === 4096 ? 3968 : bytes - (bytes % 128)
        const kind = place === 'same' ? 'same-filled' : bytes === 4096 ? 'stored raw' : 'compressed'
        truth.set(`${kind} ${from}`, (truth.get(`${kind} ${from}`) ?? 0) + 1)
        stored++
      }
      const own = rows.filter((row) => row['column'] === column)
      expect(
        new Map(own.map((row) => [`${row['class']} ${row['from_bytes']}`, row['pages']])),
      ).toEqual(truth)
      expect(new Set(own.map((row) => row['class'])).size).toBeGreaterThan(1)
      for (const row of own) {
        expect(of(row, 'to_bytes') - of(row, 'from_bytes')).toBe(128)
        near(of(row, 'share'), of(row, 'pages') / stored)
      }
    }
  })

  it('timeline draws the least free memory of each interval of a run', async () => {
    const fineNs = Number((await extent())['fine_ns'])
    const rows = rowsDrawn(chartsOf('queue'), 'timeline', 'free_samples')
    for (const column of RUNS) {
      const run = await runOf(column)
      const least = new Map<number, number>()
      for (const sample of await run.rowsOf('samples')) {
        if (sample['name'] !== 'free_pages') continue
        const bin = Math.floor((ns(sample, 'ts_ns') + run.offsetNs) / fineNs)
        least.set(bin, Math.min(least.get(bin) ?? Number.POSITIVE_INFINITY, ns(sample, 'value')))
      }
      const own = rows.filter((row) => row['column'] === column)
      expect(own.length).toBe(least.size)
      for (const row of own)
        near(
          of(row, 'free_mib') * 256,
          least.get(Math.round((of(row, 'time_s') * 1e9) / fineNs)) ?? Number.NaN,
        )
    }
  })

  it('every chart has the recording and its runs on one axis, from the first event to the last', async () => {
    const { truth } = chartsOf('queue')
    for (const { name, reads } of allCharts) {
      if (!('columns' in reads)) continue
      const [recording, ...runs] = rowsRead(chartsOf('queue'), name, 'columns')
      expect([recording?.['column'], recording?.['start_s']]).toEqual(['recording', 0])
      near(of(recording ?? {}, 'end_s') * 1e9, truth.endNs - truth.startNs)
      expect(runs.map((row) => row['column'])).toEqual([...RUNS])
      for (const row of runs) {
        const run = await runOf(String(row['column']))
        near(of(row, 'end_s') * 1e9, run.endNs + run.offsetNs)
      }
    }
  })
})

interface Wait {
  readonly from: number
  readonly to: number
}

/** How many wait between two moments, slow and plain on purpose. */
function depthWithin(waits: readonly Wait[], start: number, end: number) {
  const own = waits.filter(({ from, to }) => from < end && to > start)
  const moments = [start, ...own.map(({ from }) => from)].filter((at) => at >= start)
  return {
    mean: sum(own.map(({ from, to }) => Math.min(to, end) - Math.max(from, start))) / (end - start),
    most: Math.max(
      ...moments.map((at) => own.filter(({ from, to }) => from <= at && to > at).length),
    ),
  }
}

it('every chart is compared: each dataset that one reads had rows beside a truth', () => {
  const toCompare = allCharts.flatMap(({ name, reads }) =>
    Object.keys(reads).map((dataset) => `${name}: ${dataset}`),
  )
  expect([...compared].sort()).toEqual(toCompare.sort())
})
