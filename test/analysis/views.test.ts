import { readdirSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { readIntervals } from '../../src/analysis/intervals.ts'
import { readLosses } from '../../src/analysis/losses.ts'
import { readCrossLaneInversions, readLaneOrders } from '../../src/analysis/order.ts'
import { readRows } from '../../src/analysis/query.ts'
import { resolveSubjects } from '../../src/analysis/selection.ts'
import { describeViewColumn } from '../../src/analysis/view-columns.ts'
import { createViews, readView, VIEW_NAMES } from '../../src/analysis/views.ts'
import { resolveSelection, type SelectionOptions } from '../../src/config/selection.ts'
import type { Database } from '../../src/database/database.ts'
import { allColumns, TABLES } from '../../src/database/schema.ts'
import type { Row } from '../generate/expected.ts'
import { type GeneratedRecording, openGenerated } from './generated.ts'
import { type HandTrace, openViews } from './hand-made.ts'
import { type TrueStall, trueStalls } from './truth-stalls.ts'

let database: Database | undefined
afterEach(() => {
  database?.close()
  database = undefined
})

async function open(traces: readonly HandTrace[]): Promise<Database> {
  database = await openViews(traces)
  return database
}

function swapout(
  id: number,
  ranks: readonly [number, number, number],
  more: Record<string, string | number | null> = {},
) {
  return {
    swapout_id: id,
    page_id: id,
    submit_ns: ranks[0] * 10,
    start_ns: ranks[1] * 10 + 1,
    stored_ns: ranks[2] * 10 + 2,
    context: 'kswapd',
    path: 'queued',
    lane: '0/kswapd',
    node: 0,
    submit_rank: ranks[0],
    start_rank: ranks[1],
    done_rank: ranks[2],
    ...more,
  }
}

describe('views', () => {
  it('are exactly the files of the folder', () => {
    const files = readdirSync(new URL('../../src/analysis/views', import.meta.url))
    expect(files.map((file) => file.replace('.sql', '')).sort()).toEqual([...VIEW_NAMES].sort())
  })

  it('have columns that all say what they mean', async () => {
    const opened = await open([])
    const named = new Set(TABLES.flatMap((table) => allColumns(table).map(({ name }) => name)))
    const silent: string[] = []
    for (const view of VIEW_NAMES)
      for (const { column_name: name } of await readRows<{ column_name: string }>(
        opened.connection,
        `DESCRIBE ${view}`,
      ))
        if (describeViewColumn(name) === undefined && !named.has(name))
          silent.push(`${view}.${name}`)
    expect(silent).toEqual([])
  })

  it.each(VIEW_NAMES)(
    '%s says what it shows and can be read when the database is empty',
    async (name) => {
      const opened = await open([])
      expect(readView(name).comment).toMatch(/^[A-Z].{20,}\.$/)
      expect(await readRows(opened.connection, `SELECT * FROM ${name}`)).toEqual([])
    },
  )
})

// Hand-made: only replays have queues, in which a page is overtaken before its store or between lanes.
describe('order', () => {
  it('counts a page stored before its elders and leaves bypass out', async () => {
    const opened = await open([
      {
        tables: {
          swapouts: [
            swapout(1, [1, 2, 2]),
            swapout(2, [2, 3, 3]),
            swapout(3, [3, 1, 1]),
            { swapout_id: 4, page_id: 4, path: 'bypass', bypass_reason: 'zero', lane: '0/kswapd' },
            {
              swapout_id: 5,
              page_id: 5,
              path: 'bypass',
              bypass_reason: 'context',
              lane: '0/direct',
            },
          ],
        },
      },
    ])
    const orders = await readLaneOrders(opened.connection)
    expect(orders).toMatchObject([
      { lane: '0/kswapd', submitted: 3, bypass: 1, start: { inversions: 2, maxDisplacement: 2 } },
      { lane: '0/direct', submitted: 0, bypass: 1, start: { inversions: 0 } },
    ])
  })

  it('keeps start and done apart', async () => {
    const opened = await open([
      { tables: { swapouts: [swapout(1, [1, 1, 2]), swapout(2, [2, 2, 1])] } },
    ])
    const [lane] = await readLaneOrders(opened.connection)
    expect(lane?.start.inversions).toBe(0)
    expect(lane?.done.inversions).toBe(1)
  })

  it('counts overtaking between lanes apart from that within them', async () => {
    const opened = await open([
      {
        tables: {
          swapouts: [
            swapout(1, [1, 3, 3]),
            swapout(2, [2, 2, 2]),
            swapout(3, [3, 1, 1], { lane: '1/kswapd', node: 1 }),
          ],
        },
      },
    ])
    expect(await readCrossLaneInversions(opened.connection)).toEqual([
      { traceId: 1, runId: null, inversions: 2 },
    ])
  })

  it('is that of each lane, of the pages that got there, and none passes another lane where there is one', async () => {
    const waiting = { start_rank: null, start_ns: null, done_rank: null, stored_ns: null }
    const other = { lane: "1/it's", node: 1 }
    const opened = await open([
      {
        tables: {
          swapouts: [
            swapout(1, [1, 0, 0], waiting),
            swapout(2, [2, 3, 4]),
            swapout(3, [3, 1, 1]),
            swapout(4, [1, 2, 3], other),
            swapout(5, [2, 4, 2], { ...other, done_rank: null, stored_ns: null }),
          ],
        },
      },
    ])
    const here = { traceId: 1, runId: null, label: 'recording', bypass: 0 }
    const swapped = { pages: 2, inversions: 1, pairs: 1, displaced: 2, maxDisplacement: 1 }
    expect(await readLaneOrders(opened.connection)).toMatchObject([
      { ...here, lane: '0/kswapd', submitted: 3, start: swapped, done: swapped },
      { ...here, lane: "1/it's", submitted: 2, start: { pages: 2 }, done: { pages: 1, pairs: 0 } },
    ])
    // Only 3 passes one of another lane, which was handed over at 10.
    expect(await readCrossLaneInversions(opened.connection)).toEqual([
      { traceId: 1, runId: null, inversions: 1 },
    ])
    const alone = await open([
      { tables: { swapouts: [swapout(1, [1, 2, 2]), swapout(2, [2, 1, 1])] } },
    ])
    expect(await readCrossLaneInversions(alone.connection)).toEqual([
      { traceId: 1, runId: null, inversions: 0 },
    ])
  })
})

// Hand-made: databases of before ingest counted each CPU's events, and losses of unknown size; others are held to generated losses.
describe('losses', () => {
  const losses = [
    { cpu: 0, start_ns: 10, end_ns: 20, events: 5 },
    { cpu: 1, start_ns: 10, end_ns: 20 },
  ]

  it('widen a count by every lost event where nothing tells what the gaps are like', async () => {
    const [counted] = losses
    const opened = await open([{ tables: { losses: counted === undefined ? [] : [counted] } }])
    const summary = await readLosses(opened.connection, 1)
    expect(summary).toMatchObject({ gaps: 1, lostEvents: 5, uncountedGaps: 0 })
    const intervals = await readIntervals(opened.connection, 1, summary)
    expect(intervals?.count('swapout_pages', 100)).toEqual({ lo: 100, hi: 105 })
    expect(intervals?.spans('application', 7)).toEqual({ lo: 7, hi: 12 })
    expect(intervals?.stallTime('application', 7)).toEqual({ lo: 7, hi: null })
    // One task at a time is on a CPU, so its gap hides no more than it lasts.
    expect(intervals?.time('cpu_ns', 7)).toEqual({ lo: 7, hi: 17 })
  })

  it('leave no upper bound where the number of lost events is not known', async () => {
    const opened = await open([{ tables: { losses } }])
    const summary = await readLosses(opened.connection, 1)
    expect(summary).toMatchObject({ gaps: 2, lostEvents: 5, uncountedGaps: 1 })
    const intervals = await readIntervals(opened.connection, 1, summary)
    expect(intervals?.count('swapout_pages', 100)).toEqual({ lo: 100, hi: null })
    expect(intervals?.stallQuantile('application', 0.5, 9)).toEqual({ lo: null, hi: null })
  })

  it('leave figures alone where there are none', async () => {
    const opened = await open([{ tables: {} }])
    const summary = await readLosses(opened.connection, 1)
    expect(await readIntervals(opened.connection, 1, summary)).toBe(undefined)
  })
})

describe('a part of a generated recording', () => {
  let recording: GeneratedRecording
  beforeAll(async () => {
    recording = await openGenerated({ scenario: 'server' })
  })
  afterAll(() => recording.database.close())

  async function rowsOf(options: SelectionOptions, sql: string): Promise<Row[]> {
    const { connection } = recording.database
    await createViews(
      connection,
      await resolveSubjects(connection, resolveSelection({ ...options, run: ['recording'] })),
    )
    return await recording.query(sql)
  }

  it('has of each kswapd the running time within it, cut at its ends', async () => {
    const { startNs, endNs } = recording.truth
    const length = endNs - startNs
    const [from, to] = [Math.floor(length * 0.02), Math.floor(length * 0.06)]
    const rows = await rowsOf(
      { from: `${from}ns`, to: `${to}ns` },
      'SELECT tid, running_ns, store_ns, busy_share FROM kswapd_busy ORDER BY tid',
    )
    const time = (tid: unknown, isCounted: (state: Row) => boolean): number =>
      recording
        .table('thread_states')
        .filter((state) => state['tid'] === tid && state['state'] === 'running')
        .filter(isCounted)
        .map(
          (state) =>
            Math.min(Number(state['end_ns']), startNs + to) -
            Math.max(Number(state['start_ns']), startNs + from),
        )
        .reduce((total, ns) => total + Math.max(0, ns), 0)
    const expected = [60, 61].map((tid) => {
      const running = time(tid, () => true)
      return {
        tid,
        running_ns: running,
        store_ns: time(tid, ({ doing }) => doing === 'store'),
        busy_share: running / (to - from),
      }
    })
    expect(expected.map((row) => row.running_ns).every((ns) => ns > 0 && ns < to - from)).toBe(true)
    expect(rows).toEqual(expected)
  })

  const lastly = (stall: TrueStall): number => stall.endNs - recording.truth.startNs
  const firstly = (stall: TrueStall): number => lastly(stall) - stall.ns

  it.each<[string, SelectionOptions, (stall: TrueStall) => boolean]>([
    ['a time from the start', { from: '20ms' }, (stall) => lastly(stall) >= 20e6],
    ['a time up to an end', { to: '20ms' }, (stall) => firstly(stall) < 20e6],
    ['a thread', { tid: ['1000'] }, ({ tid }) => tid === 1000],
    ['a CPU, to which each task of the scenario keeps', { cpu: ['2'] }, ({ tid }) => tid === 1002],
    ['a name with a pattern', { comm: ['*-2'] }, ({ comm }) => comm === 'app-2'],
  ])('chosen by %s holds just its stalls', async (_what, options, isIn) => {
    const all = trueStalls(recording)
    const expected = all.filter(isIn).map(({ ns }) => ns)
    expect(expected.length).toBeGreaterThan(0)
    expect(expected.length).toBeLessThan(all.length)
    const rows = await rowsOf(options, 'SELECT ns FROM stalls ORDER BY end_ns, tid')
    expect(rows.map(({ ns }) => ns)).toEqual(expected)
  })

  it('chosen by a mark holds what went on while an application was within one', async () => {
    const phone = await openGenerated({ scenario: 'phone' })
    try {
      const { connection } = phone.database
      const options = { window: 'frame', run: ['recording'] }
      await createViews(connection, await resolveSubjects(connection, resolveSelection(options)))
      const frames = phone.table('markers').filter(({ name }) => name === 'frame')
      const expected = phone
        .table('swapouts')
        .filter(({ start_ns: at }) =>
          frames.some(
            (frame) => Number(frame['ts_ns']) <= Number(at) && Number(at) < Number(frame['end_ns']),
          ),
        )
      expect(expected.length).toBeGreaterThan(0)
      expect(expected.length).toBeLessThan(phone.table('swapouts').length)
      const rows = await phone.query('SELECT submit_ns FROM swapouts ORDER BY submit_ns')
      expect(rows.map((row) => row['submit_ns'])).toEqual(
        expected.map((row) => row['start_ns']).sort((a, b) => Number(a) - Number(b)),
      )
    } finally {
      phone.database.close()
    }
  })

  it('chosen by node holds the swap-outs of its pages', async () => {
    for (const node of [0, 1]) {
      const [row] = await rowsOf({ node: [`${node}`] }, 'SELECT count(*) AS n FROM swapouts')
      expect(row?.['n']).toBe(
        recording.table('swapouts').filter((page) => page['node'] === node).length,
      )
    }
  })
})

// Hand-made: runs of replays beside recordings, and several traces of which each has known runs.
describe('selection', () => {
  const traces: HandTrace[] = [
    {
      name: 'first',
      startNs: 1000,
      endNs: 2000,
      tables: {
        tasks: [
          { task_id: 1, tid: 11, comm: 'app-1', kind: 'user' },
          { task_id: 2, tid: 12, comm: 'filer', kind: 'user' },
        ],
        reclaim_spans: [
          {
            span_id: 1,
            kind: 'direct',
            task_id: 1,
            tid: 11,
            cpu: 0,
            node: 0,
            start_ns: 1100,
            end_ns: 1200,
          },
          {
            span_id: 2,
            kind: 'direct',
            task_id: 2,
            tid: 12,
            cpu: 1,
            node: 1,
            start_ns: 1500,
            end_ns: 1600,
          },
        ],
        markers: [{ ts_ns: 1450, end_ns: 1700, name: 'launch' }],
      },
      runs: [
        {
          policy: 'parallel',
          tables: {
            reclaim_spans: [
              { span_id: 1, kind: 'direct', task_id: 1, tid: 11, start_ns: 50, end_ns: 70 },
            ],
          },
        },
        {
          policy: 'parallel',
          tables: {
            reclaim_spans: [
              { span_id: 1, kind: 'direct', task_id: 1, tid: 11, start_ns: 50, end_ns: 80 },
            ],
          },
        },
      ],
    },
    {
      name: 'second',
      startNs: 0,
      endNs: 100,
      tables: {
        reclaim_spans: [{ span_id: 1, kind: 'direct', task_id: 9, tid: 9, start_ns: 1, end_ns: 8 }],
      },
    },
  ]

  async function lengths(options: SelectionOptions): Promise<number[]> {
    const opened = await open(traces)
    await createViews(
      opened.connection,
      await resolveSubjects(opened.connection, resolveSelection(options)),
    )
    const rows = await readRows<{ ns: number }>(
      opened.connection,
      'SELECT ns FROM stalls ORDER BY run_id NULLS FIRST, start_ns',
    )
    return rows.map(({ ns }) => ns)
  }

  it.each<[string, SelectionOptions, number[]]>([
    ['the last trace by default', {}, [7]],
    ['a trace by name with the latest run of each policy', { trace: 'first' }, [100, 100, 30]],
    ['a trace by id', { trace: '1', run: ['recording'] }, [100, 100]],
    ['a run by id', { trace: '1', run: ['1'] }, [20]],
    ['the last run', { trace: '1', run: ['last'] }, [30]],
    ['the latest run of a policy', { trace: '1', run: ['parallel'] }, [30]],
    ['several runs', { trace: '1', run: ['1', '2'] }, [20, 30]],
    ['a node', { trace: '1', run: ['recording'], node: ['1'] }, [100]],
  ])('takes %s', async (_what, options, expected) => {
    expect(await lengths(options)).toEqual(expected)
  })

  it.each<[string, SelectionOptions, string]>([
    ['trace', { trace: 'frist' }, 'Did you mean first?'],
    ['run', { trace: '1', run: ['paralel'] }, 'Did you mean parallel?'],
    ['marker', { trace: '1', window: 'lunch' }, 'Did you mean launch?'],
    ['thread', { trace: '1', comm: ['app-1', 'file'] }, 'known: app-1, filer. Did you mean filer?'],
  ])('names the known ones when the %s is unknown', async (_what, options, message) => {
    await expect(lengths(options)).rejects.toThrow(message)
  })

  it.each([
    ['a thread that the trace does not have', { tid: ['13'] }, /^--tid '13': expected a thread/],
    ['a CPU that nothing has', { cpu: ['2'] }, /^--cpu '2': expected a CPU .*; it has 2, from 0$/],
    [
      'a node that nothing has',
      { node: ['9'] },
      /^--node '9': expected a node .*; it has 1, from 0$/,
    ],
    ['an end before the begin', { from: '30ms', to: '0.02s' }, /^--to '0.02s': .* --from 0.03s$/],
    ['a begin after the end of everything', { from: '1100' }, /which lasts 0.000001s$/],
  ])('takes %s for a slip, not for a time without stalls', async (_what, options, message) => {
    await expect(lengths({ trace: '1', run: ['recording'], ...options })).rejects.toThrow(message)
  })

  it('tells two runs of one policy apart', async () => {
    const opened = await open(traces)
    const { subjects } = await resolveSubjects(
      opened.connection,
      resolveSelection({ trace: '1', run: ['1', '2'] }),
    )
    expect(subjects.map(({ label }) => label)).toEqual(['parallel #1', 'parallel #2'])
  })

  it('of an empty database is data not fit for the question', async () => {
    const opened = await open([])
    await expect(resolveSubjects(opened.connection, resolveSelection({}))).rejects.toMatchObject({
      exitStatus: 3,
    })
  })
})
