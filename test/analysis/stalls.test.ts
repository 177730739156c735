import { afterEach, describe, expect, it } from 'vitest'
import { readRows } from '../../src/analysis/query.ts'
import type { Database } from '../../src/database/database.ts'
import { type HandTables, openViews } from './hand-made.ts'

const TASKS = [
  { task_id: 1, tid: 100, comm: 'app-0', kind: 'user' },
  { task_id: 2, tid: 50, comm: 'kswapd0', kind: 'kswapd', node: 0 },
  { task_id: 3, tid: 70, comm: 'kworker/u8:1', kind: 'kworker' },
  { task_id: 4, tid: 71, comm: 'kcompressd0', kind: 'compressor' },
]

let database: Database | undefined
afterEach(() => {
  database?.close()
  database = undefined
})

interface StallRow {
  readonly tid: number
  readonly stalled: string
  readonly kinds: string
  readonly start_ns: number
  readonly ns: number
  readonly censored: string | null
  readonly rounds: number
}

async function readStalls(tables: HandTables): Promise<StallRow[]> {
  database = await openViews([{ startNs: 0, endNs: 10_000, tables: { tasks: TASKS, ...tables } }])
  return readRows<StallRow>(
    database.connection,
    'SELECT tid, stalled, kinds, start_ns, ns, censored, rounds FROM stalls ORDER BY start_ns, tid',
  )
}

function span(
  id: number,
  start: number,
  end: number | null,
  more: Record<string, string | number> = {},
) {
  return {
    span_id: id,
    kind: 'direct',
    task_id: 1,
    tid: 100,
    cpu: 0,
    node: 0,
    start_ns: start,
    ...(end === null ? {} : { end_ns: end }),
    ...more,
  }
}

describe('the view stalls', () => {
  it('counts nested spans once', async () => {
    const stalls = await readStalls({
      reclaim_spans: [
        span(1, 100, 500),
        span(2, 200, 300, { kind: 'throttle', parent_span_id: 1 }),
        span(3, 220, 280, { kind: 'compaction', parent_span_id: 2 }),
      ],
    })
    expect(stalls).toEqual([
      {
        tid: 100,
        stalled: 'application',
        kinds: 'direct',
        start_ns: 100,
        ns: 400,
        censored: null,
        rounds: 1,
      },
    ])
  })

  it('takes throttling that ends where direct reclaim begins as one stall', async () => {
    const stalls = await readStalls({
      reclaim_spans: [span(1, 100, 300, { kind: 'throttle' }), span(2, 300, 350)],
    })
    expect(stalls).toMatchObject([{ kinds: 'direct+throttle', ns: 250, rounds: 1 }])
  })

  it('counts overlapping spans by their union, not their sum', async () => {
    const stalls = await readStalls({
      reclaim_spans: [span(1, 100, 300), span(2, 250, 400, { kind: 'compaction' })],
    })
    expect(stalls).toMatchObject([{ ns: 300 }])
  })

  it('keeps spans apart between which the task ran', async () => {
    const stalls = await readStalls({ reclaim_spans: [span(1, 100, 200), span(2, 201, 300)] })
    expect(stalls.map(({ ns }) => ns)).toEqual([100, 99])
  })

  it('keeps tasks apart that stall at the same time', async () => {
    const stalls = await readStalls({
      reclaim_spans: [span(1, 100, 200), span(2, 150, 250, { task_id: 3, tid: 70 })],
    })
    expect(stalls.map(({ stalled, ns }) => [stalled, ns])).toEqual([
      ['application', 100],
      ['worker', 100],
    ])
  })

  it.each([
    [3, 70, 'worker'],
    [4, 71, 'worker'],
    [2, 50, 'other'],
    [1, 100, 'application'],
  ])('tells the stall of task %i (tid %i) as %s', async (task, tid, stalled) => {
    const stalls = await readStalls({ reclaim_spans: [span(1, 1, 2, { task_id: task, tid })] })
    expect(stalls[0]?.stalled).toBe(stalled)
  })

  it('reaches to the end of the trace where the end was not seen, and is censored', async () => {
    const stalls = await readStalls({ reclaim_spans: [span(1, 9_000, null, { censored: 'end' })] })
    expect(stalls).toMatchObject([{ ns: 1_000, censored: 'end' }])
  })

  it('is censored at both ends when neither was seen', async () => {
    const stalls = await readStalls({
      reclaim_spans: [span(1, 0, 10, { censored: 'start' }), span(2, 5, 20, { censored: 'end' })],
    })
    expect(stalls).toMatchObject([{ ns: 20, censored: 'both' }])
  })

  it('takes direct reclaims that touch as stalls of their own', async () => {
    const stalls = await readStalls({
      reclaim_spans: [span(1, 0, 10), span(2, 10, 20), span(3, 20, 30)],
    })
    expect(stalls.map(({ ns }) => ns)).toEqual([10, 10, 10])
  })

  it('counts the rounds of direct reclaim that one throttling delays', async () => {
    const stalls = await readStalls({
      reclaim_spans: [span(1, 0, 10, { kind: 'throttle' }), span(2, 10, 20)],
    })
    expect(stalls).toMatchObject([{ ns: 20, rounds: 1 }])
  })
})

describe('the view stall_causes', () => {
  it('adds an unknown part so that parts sum to the stall', async () => {
    await readStalls({
      reclaim_spans: [span(1, 0, 100), span(2, 20, 40, { kind: 'throttle', parent_span_id: 1 })],
      stall_parts: [
        { span_id: 1, part: 'store', ns: 70 },
        { span_id: 2, part: 'throttle', ns: 20 },
      ],
    })
    const parts = await readRows<{ part: string; ns: number }>(
      (database as Database).connection,
      'SELECT part, ns FROM stall_causes ORDER BY part',
    )
    expect(parts).toEqual([
      { part: 'store', ns: 70 },
      { part: 'unknown', ns: 30 },
    ])
  })

  it('sums to the stall for every stall that the parts cover', async () => {
    await readStalls({
      reclaim_spans: [span(1, 0, 100, { kind: 'throttle' }), span(2, 100, 160)],
      stall_parts: [
        { span_id: 1, part: 'throttle', ns: 100 },
        { span_id: 2, part: 'scan', ns: 20 },
        { span_id: 2, part: 'store', ns: 40 },
      ],
    })
    const rows = await readRows<{ difference: number }>(
      (database as Database).connection,
      `SELECT st.ns - (SELECT sum(c.ns) FROM stall_causes c WHERE c.stall_id = st.stall_id) AS difference FROM stalls st`,
    )
    expect(rows).toEqual([{ difference: 0 }])
  })
})

describe('what is not complete', () => {
  it('is seen by no view', async () => {
    const opened = await openViews([{ tables: { tasks: TASKS, reclaim_spans: [span(1, 0, 10)] } }])
    database = opened
    await opened.run("UPDATE pstrace.main.traces SET state = 'loading'")
    const { createViews } = await import('../../src/analysis/views.ts')
    const { selectEverything } = await import('../../src/analysis/selection.ts')
    await createViews(opened.connection, await selectEverything(opened.connection))
    for (const table of ['traces', 'reclaim_spans', 'stalls', 'tasks'])
      expect(await readRows(opened.connection, `SELECT * FROM ${table}`)).toEqual([])
  })
})
