import { readdirSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readRows } from '../../src/analysis/query.ts'
import { charts } from '../../src/charts/index.ts'
import type { Database } from '../../src/database/database.ts'
import { toAnswer } from '../../src/report/answer.ts'
import { type ReportData, readReport } from '../../src/report/data.ts'
import { toFactLines } from '../../src/report/facts.ts'
import { toReportLkml } from '../../src/report/lkml.ts'
import { toReportMarkdown } from '../../src/report/markdown.ts'
import { readDataset } from '../../src/report/subjects.ts'
import { openSample, selectSample, TRUTH } from './sample-database.ts'

let database: Database
let data: ReportData
let lossy: ReportData

beforeAll(async () => {
  database = await openSample()
  await selectSample(database)
  data = await readReport(database.connection)
  const other = await openSample({ losses: true })
  await selectSample(other)
  lossy = await readReport(other.connection, { charts: [] })
  other.close()
})
afterAll(() => database.close())

function figure(
  from: ReportData,
  metric: string,
  column: string,
): { value: number | undefined; said: string; hi: number | undefined } {
  const found = from.metrics
    .find((candidate) => candidate.metric === metric)
    ?.figures.find((candidate) => candidate.column === column)
  if (found === undefined) throw new Error(`no ${metric} of ${column}`)
  return found
}

describe('datasets', () => {
  const names = readdirSync(new URL('../../src/report/datasets/', import.meta.url)).map((file) =>
    file.replace(/\.sql$/, ''),
  )

  it.each(names)('%s says what it holds, and some chart reads it', (name) => {
    expect(readDataset(name).comment.length).toBeGreaterThan(20)
    expect(charts.some((chart) => name in chart.reads)).toBe(true)
  })

  it.each(names)('%s has every field that charts read from it', async (name) => {
    const columns = await readRows<{ column_name: string }>(
      database.connection,
      `DESCRIBE ${readDataset(name).sql.replace(/;$/, '')}`,
    )
    const have = columns.map((row) => row.column_name)
    for (const chart of charts)
      for (const field of chart.reads[name] ?? []) expect(have).toContain(field)
  })

  it('draw every chart of the sample from at most ten thousand rows', () => {
    for (const { chart, rows } of data.charts) {
      const total = Object.values(rows).reduce((sum, list) => sum + list.length, 0)
      expect(rows[chart.main]?.length, chart.name).toBeGreaterThan(0)
      expect(total, chart.name).toBeLessThanOrEqual(10_000)
    }
  })

  it('put a run where its work begins in the recording: both end at the same moment of one axis', () => {
    const columns =
      data.charts.find(({ chart }) => chart.name === 'timeline')?.rows['columns'] ?? []
    const end = (name: string): number =>
      Number(columns.find((row) => row['column'] === name)?.['end_s'])
    expect(end('recording')).toBeCloseTo(TRUTH.seconds, 6)
    expect(end('kswapd')).toBeGreaterThan(TRUTH.seconds - 0.05)
    expect(end('kswapd')).toBeLessThanOrEqual(TRUTH.seconds + 0.05)
  })

  it('conserve: the area under the queue is the sum of all waits', async () => {
    const depth = await readRows<{ column: string; area: number }>(
      database.connection,
      `SELECT "column", sum(depth_mean * (end_s - start_s)) AS area FROM (${readDataset('queue_depth').sql}) GROUP BY "column" ORDER BY "column"`,
    )
    const waits = await readRows<{ column: string; area: number }>(
      database.connection,
      `SELECT s.label AS "column", sum(o.start_ns - o.submit_ns) / 1e9 AS area FROM swapouts o
       JOIN report_subjects s ON s.run_id IS NOT DISTINCT FROM o.run_id WHERE o.path = 'queued' GROUP BY s.label ORDER BY s.label`,
    )
    expect(depth.map(({ column }) => column)).toEqual(['kcompressd', 'parallel'])
    depth.forEach((row, i) => {
      expect(row.area).toBeCloseTo(waits[i]?.area ?? Number.NaN, 6)
    })
  })

  it('conserve: intervals of swap activity hold every swap-out and swap-in', async () => {
    const [row] = await readRows<{ out: number; in: number }>(
      database.connection,
      `SELECT sum(pages_per_s * (end_s - start_s)) FILTER (direction = 'swap-out') AS out,
         sum(pages_per_s * (end_s - start_s)) FILTER (direction = 'swap-in') AS "in" FROM (${readDataset('swap_activity').sql})`,
    )
    expect(row?.out).toBeCloseTo(4 * TRUTH.swapouts, 3)
    expect(row?.in).toBeCloseTo(TRUTH.swapouts, 3)
  })

  it('conserve: cells of the order chart hold every page that met the queue', () => {
    const bins = data.charts.find(({ chart }) => chart.name === 'order')?.rows['order_bins'] ?? []
    for (const column of data.columns) {
      const own = bins.filter((row) => row['column'] === column)
      expect(own.reduce((sum, row) => sum + Number(row['pages']), 0)).toBe(TRUTH.swapouts * 0.9)
    }
  })

  it('say of free memory without samples only what is proved: lower than low never while kswapd sleeps', () => {
    const rows = data.charts.find(({ chart }) => chart.name === 'timeline')?.rows ?? {}
    const bounds = rows['free_bounds'] ?? []
    const low = Number(rows['watermarks']?.find((row) => row['name'] === 'low')?.['mib'])
    expect(low).toBeCloseTo(((640 + 160) * 4096) / 1048576, 6)
    expect(new Set(bounds.map((row) => row['column']))).toEqual(new Set(['recording']))
    for (const row of bounds.filter((row) => String(row['proof']).includes('asleep'))) {
      expect(row['lo_mib']).toBeCloseTo(low, 6)
      expect(row['hi_mib']).toBeNull()
    }
    let covered = 0
    for (const row of bounds) covered += Number(row['end_s']) - Number(row['start_s'])
    expect(covered).toBeCloseTo(TRUTH.seconds, 6)
  })
})

describe('the comparison', () => {
  it('counts a throttle and the direct reclaim that follows it as one stall', () => {
    expect(figure(data, 'app_stall_max_ns', 'recording').value).toBeCloseTo(TRUTH.longestStallMs, 6)
    expect(figure(data, 'app_stalls', 'recording').value).toBe(61)
    expect(figure(data, 'allocstalls', 'recording').value).toBe(61)
  })

  it('counts overtaken pages as brute force does', () => {
    expect(TRUTH.overtaken).toBeGreaterThan(100)
    const paths = data.charts.find(({ chart }) => chart.name === 'order')?.rows['order_paths'] ?? []
    const overtaken = (column: string): number =>
      paths
        .filter((row) => row['column'] === column)
        .reduce((sum, row) => sum + Number(row['overtaken']), 0)
    expect(overtaken('kcompressd')).toBe(TRUTH.overtaken)
    expect(overtaken('recording')).toBe(0)
    expect(figure(data, 'order_done_inversions', 'kcompressd').value).toBeGreaterThanOrEqual(
      TRUTH.overtaken,
    )
    expect(figure(data, 'order_done_inversions', 'recording').value).toBe(0)
  })

  it('keeps stalls of workers out of those of applications', () => {
    expect(figure(data, 'app_stalls', 'kcompressd').value).toBe(25)
    expect(figure(data, 'worker_stall_ns', 'kcompressd').value).toBeCloseTo(2.5, 9)
    expect(figure(data, 'worker_stall_ns', 'recording').value).toBe(0)
  })

  it('prints lower bounds of the recording where events were lost in unknown number, of runs never', () => {
    expect(figure(lossy, 'app_stalls', 'recording').said).toBe('at least 61 stalls')
    expect(figure(lossy, 'app_stalls', 'recording').hi).toBeUndefined()
    expect(figure(lossy, 'app_stalls', 'kswapd').said).toBe('60 stalls')
    expect(figure(data, 'app_stalls', 'recording').said).toBe('61 stalls')
  })

  it('bounds the longest recorded stall from below and its percentiles not at all where events were lost', () => {
    expect(figure(lossy, 'app_stall_max_ns', 'recording').said).toBe('at least 84.25 ms')
    expect(figure(lossy, 'app_stall_p50_ns', 'recording').said).toMatch(/^about \d/)
    expect(figure(lossy, 'kswapd_busy_share', 'recording').said).toMatch(/^about \d/)
    expect(figure(lossy, 'app_stall_max_ns', 'kswapd').said).toMatch(/^\d/)
    expect(figure(data, 'app_stall_max_ns', 'recording').said).toBe('84.25 ms')
  })

  it('says "none" of the length of stalls where there was none', () => {
    expect(figure(data, 'worker_stall_p50_ns', 'recording')).toMatchObject({
      value: undefined,
      said: 'none',
    })
  })

  it('finds every sum in agreement, and a missing cause where one is taken away', async () => {
    expect(data.checks.filter(({ holds }) => !holds)).toEqual([])
    expect(data.checks.length).toBeGreaterThanOrEqual(16)
    const broken = await openSample()
    // One swap-out gets a shape of its own, without a path.
    await broken.run(
      `INSERT INTO packed.swapouts_shapes SELECT * REPLACE (-1 AS shape, NULL AS path) FROM packed.swapouts_shapes
       WHERE shape IN (SELECT cells.shape FROM packed.swapouts_rows WHERE cells.swapout_id = 5) AND run_id = 2;
       UPDATE packed.swapouts_rows SET cells = struct_update(cells, shape := -1) WHERE cells.swapout_id = 5
       AND cells.shape IN (SELECT shape FROM packed.swapouts_shapes WHERE run_id = 2)`,
    )
    await selectSample(broken)
    const found = await readReport(broken.connection, { charts: [] })
    broken.close()
    expect(found.checks.filter(({ holds }) => !holds)).toMatchObject([
      { column: 'kcompressd', one: TRUTH.swapouts, other: TRUTH.swapouts - 1 },
    ])
  })

  it('gives the terms of t1+t2+t3: in the recording kswapd stores itself, under kcompressd its worker does', () => {
    const [recorded, , kcompressd] = data.equations
    expect(recorded?.sum_ms).toBeCloseTo(recorded?.running_ms ?? 0, 6)
    expect(recorded?.t2_ms).toBeCloseTo((recorded?.running_ms ?? 0) * 0.5, 1)
    expect(kcompressd?.t2_ms).toBeCloseTo((kcompressd?.running_ms ?? 0) * 1.25, 1)
    expect(kcompressd?.max_ms).toBe(kcompressd?.t2_ms)
  })
})

describe('the answer', () => {
  const metric = (values: Readonly<Record<string, number>>): ReportData['metrics'] => [
    {
      metric: 'app_stall_ns',
      title: 'Stall time of applications',
      unit: 'ms',
      figures: Object.entries(values).map(([column, value]) => ({
        column,
        value,
        lo: value,
        hi: value,
        said: `${value} ms`,
        basis: 'event',
        n: undefined,
      })),
    },
  ]

  it('chooses nothing when the lead is no larger than what the self-replay misses', () => {
    const lines = toAnswer({
      metrics: metric({ recording: 100, kswapd: 90, parallel: 81 }),
      runs: [],
    })
    expect(lines).toEqual([
      'Stall time of applications: recorded 100 ms; replayed parallel 81 ms, kswapd 90 ms.',
      'The replay under kswapd, if that is what was recorded, misses the recording by 10 ms: differences of that size decide nothing.',
      'Least: parallel; kswapd is 9 ms behind, no more than the replay misses the recording by, so this recording does not choose between them.',
    ])
  })

  it('names the lead when it is larger', () => {
    const lines = toAnswer({
      metrics: metric({ recording: 100, kswapd: 95, parallel: 81 }),
      runs: [],
    })
    expect(lines[2]).toBe(
      'Least: parallel; kswapd is 14 ms behind, more than the replay misses the recording by.',
    )
  })

  it('does not judge without a replay of the recorded policy, and says nothing without runs', () => {
    const lines = toAnswer({
      metrics: metric({ recording: 100, kcompressd: 80, parallel: 81 }),
      runs: [],
    })
    expect(lines[1]).toMatch(/^Least: kcompressd; parallel is 1 ms behind, without a replay/)
    expect(toAnswer({ metrics: metric({ recording: 100 }), runs: [] })).toEqual([])
  })

  it('takes no replay on another machine for one that shows the error of the model', () => {
    const config = { policy: 'kswapd', recordedPolicy: 'kswapd', unlikeRecorded: ['CPUs', 'codec'] }
    const lines = toAnswer({
      metrics: metric({ recording: 100, kswapd: 30, parallel: 20 }),
      runs: [{ config: JSON.stringify(config) }],
    })
    expect(lines[1]).toContain('another machine or work than the recorded one (CPUs, codec)')
    expect(lines[2]).toMatch(/kswapd is 10 ms behind, without a replay of the recorded policy on/)
    const given = { policy: 'kswapd', recordedPolicy: 'kswapd', recordedWorkNs: null }
    const [, fromFolder] = toAnswer({
      metrics: metric({ recording: 100, kswapd: 30 }),
      runs: [{ config: JSON.stringify(given) }],
    })
    expect(fromFolder).toContain('than the recorded one (workload)')
  })
})

describe('what the report rests on', () => {
  it('stands in the first lines of every form', () => {
    const names = ['trace', 'kernel', 'losses', 'contents', 'demand']
    expect(
      toFactLines(data)
        .map(([name]) => name)
        .slice(0, 5),
    ).toEqual(names)
    const markdown = toReportMarkdown(data).split('\n').slice(2, 7)
    expect(markdown.map((line) => /\*\*(\w+)\*\*/.exec(line)?.[1])).toEqual(names)
    const lkml = toReportLkml(data)
    expect([...lkml.matchAll(/^([a-z]+):/gm)].map((match) => match[1]).slice(0, 5)).toEqual(names)
  })

  it('names losses with their number, gaps and what is not known', () => {
    expect(toFactLines(lossy)[2]?.[1]).toBe(
      '57 events lost in 2 gaps of together 4 ms; in 1 of them the number is not known: figures of the recording are intervals over what the gaps may hide',
    )
  })
})

describe('plain text for mailing lists', () => {
  it('has lines of at most 72 columns, without trailing blanks', () => {
    for (const text of [toReportLkml(data), toReportLkml(lossy)])
      for (const line of text.split('\n')) {
        expect(line.length, line).toBeLessThanOrEqual(72)
        expect(line).toBe(line.trimEnd())
      }
  })

  it('shows all columns of a line with the same figures as the comparison', () => {
    const line = /^Application stall, longest, ms.*$/m.exec(toReportLkml(data))?.[0] ?? ''
    expect(line.split(/\s{2,}/).slice(1)).toEqual(
      data.columns.map((column) =>
        figure(data, 'app_stall_max_ns', column).said.replace(' ms', ''),
      ),
    )
  })
})

describe('Markdown', () => {
  it('has as many cells in every row as in the head of its table', () => {
    let cells = 0
    for (const line of toReportMarkdown(lossy).split('\n')) {
      if (!line.startsWith('|')) {
        cells = 0
        continue
      }
      const own = line.replaceAll('\\|', '').split('|').length
      if (cells === 0) cells = own
      expect(own, line).toBe(cells)
    }
  })
})

it('refuses to report on nothing', async () => {
  const empty = await openSample()
  await selectSample(empty)
  await empty.run(
    "CREATE OR REPLACE TEMP VIEW subjects AS SELECT 1::INTEGER AS trace_id, NULL::INTEGER AS run_id, 'x' AS label, 'x' AS trace, NULL::VARCHAR AS policy, 0::BIGINT AS start_ns, 1::BIGINT AS end_ns, 1::BIGINT AS last_ns, 4096 AS page_size WHERE false",
  )
  await expect(readReport(empty.connection)).rejects.toThrow(/no complete recording or run/)
  empty.close()
})
