import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Database } from '../../src/database/database.ts'
import { ingestTrace } from '../../src/ingest/ingest.ts'
import { type MadeEvent, type MadeTrace, readerOf } from './event-source.ts'

async function rowsOf(trace: MadeTrace, ...queries: string[]) {
  const database = await Database.open(':memory:', { mode: 'write' })
  try {
    await ingestTrace({ database, reader: readerOf(trace), name: 't', path: 't', raw: 'none' })
    const results = []
    for (const sql of queries) results.push(await database.query(sql))
    return results
  } finally {
    database.close()
  }
}

const nameOf = (tid: number): string => (tid === 0 ? 'swapper/0' : tid === 5 ? 'kswapd0' : 'app')

function sched(ts: number, prev: number, next: number, state: number): MadeEvent {
  const fields = {
    prev_pid: prev,
    prev_comm: nameOf(prev),
    next_pid: next,
    next_comm: nameOf(next),
    prev_state: state,
  }
  return { ts, tid: prev, event: 'sched:sched_switch', fields }
}

const SPANS = 'SELECT tid, kind, start_ns, end_ns, censored FROM reclaim_spans ORDER BY ALL'
const KINDS = { direct: 'mm_vmscan_direct_reclaim', memcg: 'mm_vmscan_memcg_reclaim' } as const
type Kind = keyof typeof KINDS

interface Step {
  readonly tid: number
  readonly kind: Kind
  readonly end: boolean
}

/** The obvious way: every end looks back through all earlier events for its begin. */
function pairSlowly(steps: readonly Step[]): unknown[] {
  const used = new Set<number>()
  const spans: unknown[] = []
  const at = (i: number): number => 100 + i * 10
  const close = (begin: number, ts: number, censored: string | null): void => {
    used.add(begin)
    const step = steps[begin]
    spans.push({ tid: step?.tid, kind: step?.kind, start_ns: at(begin), end_ns: ts, censored })
  }
  const openOf = (tid: number, before: number): number[] => {
    const open: number[] = []
    for (let j = 0; j < before; j++) {
      const step = steps[j]
      if (step !== undefined && !step.end && step.tid === tid && !used.has(j)) open.push(j)
    }
    return open
  }
  steps.forEach((step, i) => {
    const open = openOf(step.tid, i)
    const same = open.findLast((j) => steps[j]?.kind === step.kind)
    if (!step.end) {
      // The same kind does not nest: what is open from there on was cut off.
      if (same !== undefined) for (const j of open.filter((k) => k >= same)) close(j, at(i), 'end')
      return
    }
    if (same === undefined) {
      spans.push({
        tid: step.tid,
        kind: step.kind,
        start_ns: 100,
        end_ns: at(i),
        censored: 'start',
      })
      return
    }
    for (const j of open.filter((k) => k > same)) close(j, at(i), 'end')
    close(same, at(i), null)
  })
  for (const tid of new Set(steps.map((step) => step.tid)))
    for (const j of openOf(tid, steps.length)) close(j, at(steps.length - 1), 'end')
  return spans
}

const order = (rows: readonly unknown[]): string[] => rows.map((row) => JSON.stringify(row)).sort()

describe('reclaim spans', () => {
  it('are the pairs that a slow search finds, whatever the sequence of begins and ends', async () => {
    const step = fc.record({
      tid: fc.integer({ min: 1, max: 3 }),
      kind: fc.constantFrom<Kind>('direct', 'memcg'),
      end: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), async (steps) => {
        const events = steps.map(
          ({ tid, kind, end }, i): MadeEvent => ({
            ts: 100 + i * 10,
            tid,
            event: `vmscan:${KINDS[kind]}_${end ? 'end' : 'begin'}`,
          }),
        )
        const [spans, parts] = await rowsOf(
          { events, windowRows: 7 },
          SPANS,
          `SELECT span_id FROM reclaim_spans s LEFT JOIN stall_parts p USING (trace_id, span_id)
           GROUP BY span_id HAVING any_value(s.end_ns - s.start_ns) <> coalesce(sum(p.ns), 0)`,
        )
        expect(order(spans ?? [])).toEqual(order(pairSlowly(steps)))
        expect(parts).toEqual([])
      }),
      { numRuns: 60 },
    )
  })

  it('are censored by a loss on their CPU, and only there', async () => {
    const begin = 'vmscan:mm_vmscan_direct_reclaim_begin'
    const end = 'vmscan:mm_vmscan_direct_reclaim_end'
    const [spans] = await rowsOf(
      {
        events: [
          { ts: 0, tid: 9, cpu: 0, event: begin },
          { ts: 5, tid: 9, cpu: 0, event: end },
          { ts: 10, tid: 1, cpu: 0, event: begin },
          { ts: 20, tid: 2, cpu: 1, event: begin },
          { ts: 60, tid: 1, cpu: 0, event: end },
          { ts: 70, tid: 2, cpu: 1, event: end },
        ],
        losses: [{ cpu: 0, startNs: 30, endNs: 50, events: 3 }],
      },
      SPANS,
    )
    expect(spans).toEqual([
      { tid: 1, kind: 'direct', start_ns: 10, end_ns: 30, censored: 'end' },
      { tid: 1, kind: 'direct', start_ns: 50, end_ns: 60, censored: 'start' },
      { tid: 2, kind: 'direct', start_ns: 20, end_ns: 70, censored: null },
      { tid: 9, kind: 'direct', start_ns: 0, end_ns: 5, censored: null },
    ])
  })

  it.each([
    ['16 reclaims for its cgroup in vain', 16, 0, 4, ['throttle: memory.high 5000000']],
    ['15 of them', 15, 0, 4, []],
    ['16 of which the last freed something', 16, 32, 4, []],
    ['16 that are long over', 16, 0, 300, []],
  ])(
    'are the wait for memory.high where a task sleeps uninterruptibly after %s',
    async (_of, reclaims, last, afterUs, expected) => {
      const calls = Array.from({ length: reclaims }, (_, call): MadeEvent[] => {
        const ts = 1000 + call * 100
        const event = 'vmscan:mm_vmscan_memcg_reclaim_'
        const fields = { nr_reclaimed: call === reclaims - 1 ? last : 0 }
        return [
          { ts, tid: 7, event: `${event}begin` },
          { ts: ts + 50, tid: 7, event: `${event}end`, fields },
        ]
      }).flat()
      const out = 1050 + (reclaims - 1) * 100 + afterUs * 1000
      const [waits] = await rowsOf(
        {
          events: [
            sched(0, 0, 7, 0),
            ...calls,
            sched(out, 7, 0, 2),
            {
              ts: out + 5_000_000,
              tid: 0,
              event: 'sched:sched_waking',
              fields: { pid: 7, comm: 'app' },
            },
            sched(out + 5_000_100, 0, 7, 0),
            sched(out + 5_000_200, 7, 0, 1),
          ],
        },
        `SELECT kind || ': ' || detail || ' ' || ns AS wait
       FROM stall_parts JOIN reclaim_spans USING (trace_id, span_id) WHERE part = 'throttle'`,
      )
      expect(waits?.map(({ wait }) => wait)).toEqual(expected)
    },
  )

  it('begin with the throttling that kswapd ended, and divide their time by the events inside', async () => {
    const [spans, parts] = await rowsOf(
      {
        events: [
          sched(0, 0, 7, 0),
          sched(1000, 7, 5, 2),
          { ts: 5000, tid: 5, event: 'sched:sched_waking', fields: { pid: 7, comm: 'app' } },
          sched(6000, 5, 7, 1),
          { ts: 6100, tid: 7, event: 'vmscan:mm_vmscan_direct_reclaim_begin' },
          { ts: 6200, tid: 7, event: 'vmscan:mm_vmscan_lru_isolate', fields: { nr_taken: 1 } },
          { ts: 6350, tid: 7, event: 'pstrace:swap_writepage', fields: { entry: 8 } },
          sched(6400, 7, 0, 0),
          sched(6500, 0, 7, 0),
          {
            ts: 6700,
            tid: 7,
            event: 'vmscan:mm_vmscan_write_folio',
            fields: { pfn: 4, reclaim_flags: 1 },
          },
          { ts: 6800, tid: 7, event: 'vmscan:mm_vmscan_direct_reclaim_end' },
        ],
      },
      SPANS,
      `SELECT kind, part, ns FROM stall_parts JOIN reclaim_spans USING (trace_id, span_id) ORDER BY ALL`,
    )
    expect(spans).toEqual([
      { tid: 7, kind: 'direct', start_ns: 6100, end_ns: 6800, censored: null },
      { tid: 7, kind: 'throttle', start_ns: 1000, end_ns: 6100, censored: null },
    ])
    expect(parts).toEqual([
      { kind: 'direct', part: 'runnable', ns: 100 },
      { kind: 'direct', part: 'scan', ns: 200 },
      { kind: 'direct', part: 'store', ns: 250 },
      { kind: 'direct', part: 'unmap', ns: 150 },
      { kind: 'throttle', part: 'other', ns: 100 },
      { kind: 'throttle', part: 'runnable', ns: 1000 },
      { kind: 'throttle', part: 'throttle', ns: 4000 },
    ])
  })
})
