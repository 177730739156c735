import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { readRows } from '../../src/analysis/query.ts'
import type { Database } from '../../src/database/database.ts'
import type { Actor, Step } from '../../src/generate/scenario.ts'
import { type GeneratedRecording, openGenerated, scenarioOf } from './generated.ts'
import { type HandTables, openViews } from './hand-made.ts'
import { trueStalls } from './truth-stalls.ts'

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

const pages = (swapOuts: number): Step => ({
  do: 'batch',
  swapOuts,
  scanNs: 5_000,
  unmapNs: 4_000,
  storeNs: 20_000,
})
const direct = (...steps: readonly Step[]): Step => ({ do: 'direct', order: 0, steps })
const actor = (kind: Actor['kind'], comm: string, tid: number, steps: readonly Step[]): Actor => ({
  comm,
  tid,
  tgid: tid,
  cpu: tid % 2,
  kind,
  node: 0,
  steps,
})
const US = 1000

describe('stalls of a generated recording', () => {
  let recording: GeneratedRecording
  let stalls: readonly StallRow[]
  beforeAll(async () => {
    recording = await openGenerated({
      scenario: scenarioOf('stalls', [
        actor('user', 'app-0', 100, [
          direct(
            pages(8),
            { do: 'throttle', ns: 700 * US, reason: 4 },
            { do: 'compaction', ns: 90 * US },
          ),
          { do: 'sleep', ns: 2000 * US },
          { do: 'throttle', ns: 900 * US, reason: 1 },
          direct(pages(3)),
          { do: 'run', ns: US },
          direct(pages(2)),
        ]),
        actor('kworker', 'kworker/u8:1', 71, [direct(pages(9))]),
        // The truth calls a compressor what it is to the scheduler: a kernel thread that works.
        actor('kworker', 'kcompressd0', 73, [direct(pages(4))]),
        actor('kcompactd', 'kcompactd0', 75, [direct(pages(5))]),
      ]),
    })
    stalls = await readRows<StallRow>(
      recording.database.connection,
      'SELECT tid, stalled, kinds, start_ns, ns, censored, rounds FROM stalls ORDER BY start_ns, tid',
    )
  })
  afterAll(() => recording.database.close())

  const of = (tid: number): readonly StallRow[] => stalls.filter((stall) => stall.tid === tid)

  it('are all that happened, each as long as it was', () => {
    const truth = trueStalls(recording).map((stall) => ({
      tid: stall.tid,
      stalled: stall.stalled,
      kinds: stall.kinds,
      start_ns: stall.startNs,
      ns: stall.ns,
      censored: stall.censored,
      rounds: stall.rounds,
    }))
    const byTid = (a: { tid: unknown }, b: { tid: unknown }) => Number(a.tid) - Number(b.tid)
    expect([...stalls].sort(byTid)).toEqual([...truth].sort(byTid))
  })

  it('count nested spans once', () => {
    const nested = recording.table('reclaim_spans').filter(({ parent }) => parent !== null)
    expect(nested.map(({ kind }) => kind)).toEqual(['throttle', 'compaction'])
    const [outer] = recording.table('reclaim_spans').filter(({ tid }) => tid === 100)
    expect(of(100)[0]).toMatchObject({
      kinds: 'direct',
      ns: Number(outer?.['end_ns']) - Number(outer?.['start_ns']),
    })
  })

  it('are one where throttling delays direct reclaim, and that is one round', () => {
    const spans = recording.table('reclaim_spans').filter(({ tid }) => tid === 100)
    const throttle = spans.find(({ kind, parent }) => kind === 'throttle' && parent === null)
    const after = spans.find(({ start_ns: start }) => start === throttle?.['end_ns'])
    expect(of(100)[1]).toMatchObject({
      kinds: 'direct+throttle',
      rounds: 1,
      ns: Number(after?.['end_ns']) - Number(throttle?.['start_ns']),
    })
  })

  it('are several where the task ran in between, however shortly', () => {
    expect(of(100)).toHaveLength(3)
  })

  it('are each its own of tasks that stall at the same time', () => {
    const [app, worker] = [of(100)[0], of(71)[0]]
    expect(app?.start_ns).toBeLessThan(Number(worker?.start_ns) + Number(worker?.ns))
    expect(worker?.start_ns).toBeLessThan(Number(app?.start_ns) + Number(app?.ns))
  })

  it.each([
    [100, 'application'],
    [71, 'worker'],
    [73, 'worker'],
    [75, 'other'],
  ])('of tid %i are told as those of: %s', (tid, stalled) => {
    expect(of(tid).map((stall) => stall.stalled)).toEqual(of(tid).map(() => stalled))
    expect(of(tid)).not.toHaveLength(0)
  })

  it('are explained by parts that sum to them', async () => {
    const rows = await readRows<{ difference: number }>(
      recording.database.connection,
      'SELECT st.ns - (SELECT sum(c.ns) FROM stall_causes c WHERE c.stall_id = st.stall_id) AS difference FROM stalls st',
    )
    expect(rows.map(({ difference }) => Number(difference))).toEqual(stalls.map(() => 0))
  })
})

// Hand-made: what no generated recording has. Its spans end, one task's never overlap, and a kernel passes time between two.
describe('the view stalls', () => {
  it('counts overlapping spans by their union, not their sum', async () => {
    const stalls = await readStalls({
      reclaim_spans: [span(1, 100, 300), span(2, 250, 400, { kind: 'compaction' })],
    })
    expect(stalls).toMatchObject([{ ns: 300 }])
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
})

// Hand-made: a generated recording explains every span.
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
