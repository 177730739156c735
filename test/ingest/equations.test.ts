import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openTrace } from '../../parsers/index.ts'
import type { Loss } from '../../parsers/reader.ts'
import { readEquations } from '../../src/analysis/equations.ts'
import { Database } from '../../src/database/database.ts'
import { ingestTrace } from '../../src/ingest/ingest.ts'
import { openInput } from '../../src/io/input.ts'
import { readSnapshots } from '../../src/io/snapshots.ts'
import { tracesFolder } from '../shared/given-folders.ts'
import { type MadeEvent, readerOf } from './event-source.ts'

const full = process.env['PSTRACE_FULL'] === '1'

const FEW = [
  'captured/zram-lz4-6.1/trace.dat',
  'captured/zswap-lz4-6.12/trace.dat',
  'captured/lossy-6.12/trace.dat',
  'pairs/fixed-work/busy-1/kcompressd/trace.dat',
]

function findTraces(root: string): string[] {
  const found: string[] = []
  for (const set of ['captured', 'pairs'])
    for (const name of readdirSync(join(root, set), { recursive: true }))
      if (String(name).endsWith('trace.dat')) found.push(join(set, String(name)))
  return found.sort()
}

describe('the equations of a made trace', () => {
  const vmstat = (values: Readonly<Record<string, number>>) =>
    Object.entries(values)
      .map(([name, value]) => `${name} ${value}`)
      .join('\n')
  const isolate = (ts: number, lru: number): MadeEvent => ({
    ts,
    tid: 5,
    event: 'vmscan:mm_vmscan_lru_isolate',
    fields: { nr_scanned: 32, nr_taken: 32, lru },
  })
  const shrink = (ts: number, reclaimed: number, flags: number): MadeEvent => ({
    ts,
    tid: 5,
    event: 'vmscan:mm_vmscan_lru_shrink_inactive',
    fields: { nid: 0, nr_scanned: 32, nr_reclaimed: reclaimed, priority: 12, reclaim_flags: flags },
  })

  async function explanations(
    events: readonly MadeEvent[],
    after: Readonly<Record<string, number>>,
    losses: readonly Loss[] = [],
    snapshots: readonly (readonly [string, string])[] = [],
  ) {
    const database = await Database.open(':memory:', { mode: 'write' })
    try {
      const { traceId } = await ingestTrace({
        database,
        reader: readerOf({ events, losses }),
        name: 't',
        path: 't',
        snapshots: new Map([
          [
            'vmstat.before',
            vmstat(Object.fromEntries(Object.keys(after).map((name) => [name, 0]))),
          ],
          ['vmstat.after', vmstat(after)],
          ...snapshots,
        ]),
      })
      const equations = await readEquations(database.connection, traceId)
      return equations.map(({ rows, difference, explanation }) => [rows, difference, explanation])
    } finally {
      database.close()
    }
  }

  it('say of a counter whose events were not recorded that they were not, instead of how far it is off', async () => {
    expect(await explanations([isolate(1, 0), shrink(2, 30, 9)], { pswpin: 16_204 })).toEqual([
      [null, null, 'not recorded'],
    ])
  })

  it('count what reclaim took on its second try at a batch, which it isolates nothing for', async () => {
    const events = [
      isolate(1, 0),
      shrink(2, 20, 9),
      shrink(3, 7, 9),
      isolate(4, 2),
      shrink(5, 9, 10),
    ]
    expect(await explanations(events, { pgsteal_anon: 27 })).toEqual([[27, 0, 'exact']])
  })

  it('leave out of what the kernel counts for all what was reclaimed for a cgroup', async () => {
    const memcg = (ts: number, event: string, fields: Record<string, number>): MadeEvent => ({
      ts,
      tid: 5,
      event: `vmscan:mm_vmscan_memcg_reclaim_${event}`,
      fields,
    })
    const events = [
      isolate(1, 0),
      shrink(2, 20, 9),
      memcg(3, 'begin', { order: 0, gfp_flags: 0xcc0 }),
      isolate(4, 0),
      shrink(5, 7, 9),
      memcg(6, 'end', { nr_reclaimed: 7 }),
      isolate(7, 0),
      shrink(8, 5, 9),
    ]
    expect(await explanations(events, { pgsteal_anon: 32, pgsteal_direct: 25 })).toEqual([
      [32, 0, 'exact'],
      [25, 0, 'exact'],
    ])
  })

  it('take a shortfall for lost events only as far as events were lost', async () => {
    const lost = (events: number) => [{ cpu: 0, startNs: 3, endNs: 4, events }]
    const events = [isolate(1, 0), shrink(2, 20, 9)]
    const after = { pgsteal_anon: 25 }
    expect(await explanations(events, after, lost(5))).toEqual([[20, -5, 'losses']])
    expect(await explanations(events, after, lost(4))).toEqual([[20, -5, 'unexplained']])
    expect(await explanations(events, after)).toEqual([[20, -5, 'unexplained']])
  })

  const read = (ts: number): MadeEvent => ({
    ts,
    tid: 7,
    event: 'pstrace:swap_read_folio',
    fields: { entry: 100 + ts },
  })
  const switched: MadeEvent = {
    ts: 20_000_000,
    tid: 7,
    event: 'sched:sched_wakeup',
    fields: { pid: 8 },
  }

  it('take a shortfall of swap-ins for a cut where the trace ends with one', async () => {
    expect(await explanations([read(1), read(2)], { pswpin: 5 })).toEqual([[2, -3, 'cut off']])
    expect(await explanations([read(1), read(2), switched], { pswpin: 5 })).toEqual([
      [2, -3, 'unexplained'],
    ])
    expect(await explanations([read(1), read(2)], { pswpin: 1 })).toEqual([[2, 1, 'unexplained']])
  })

  it('say that counters were read over a longer time than the trace, where /proc/stat shows it', async () => {
    const stat = (ticks: number) => `cpu ${2 * ticks} 0 0 0 0 0 0 0 5 5\ncpu0 0\ncpu1 0\nintr 1`
    const over = (ticks: number) =>
      explanations(
        [read(1), switched],
        { pswpin: 5 },
        [],
        [
          ['stat.before', stat(100)],
          ['stat.after', stat(100 + ticks)],
        ],
      )
    expect(await over(9)).toEqual([[1, -4, 'longer snapshots']])
    expect(await over(2)).toEqual([[1, -4, 'unexplained']])
  })
})

if (tracesFolder === undefined)
  it('is skipped for want of PSTRACE_TRACES, the folder of recorded traces', () => {
    expect(tracesFolder).toBeUndefined()
  })

describe.runIf(tracesFolder !== undefined)('the counts of a recording', () => {
  const root = tracesFolder ?? ''
  const traces = tracesFolder === undefined ? [] : full ? findTraces(root) : FEW
  it.each(traces)('%s agree with the kernel’s counters', async (trace) => {
    const path = join(root, trace)
    expect(existsSync(path)).toBe(true)
    const database = await Database.open(':memory:', { mode: 'write' })
    const input = await openInput(path)
    const reader = await openTrace(input.source)
    const snapshots = readSnapshots(dirname(path))
    try {
      const { traceId } = await ingestTrace({
        database,
        reader,
        name: trace,
        path,
        snapshots,
        raw: 'none',
      })
      const equations = await readEquations(database.connection, traceId)
      expect(equations).toHaveLength(7)
      // Recorded without a quiet moment at the end: the counters were read a little after the trace's last event.
      const ragged = !snapshots.has('samples.tsv')
      for (const { explanation, difference, counters } of equations) {
        if (ragged && ['cut off', 'longer snapshots', 'unexplained'].includes(explanation))
          expect(Math.abs(difference ?? 0) / counters).toBeLessThan(0.025)
        else expect(['exact', 'losses', 'retries', 'not recorded']).toContain(explanation)
      }
      const [wrong] = await database.query(
        `SELECT count(*) AS spans FROM (
           SELECT span_id FROM reclaim_spans s LEFT JOIN stall_parts p USING (trace_id, span_id)
           GROUP BY span_id HAVING any_value(s.end_ns - s.start_ns) <> coalesce(sum(p.ns), 0))`,
      )
      expect(wrong).toEqual({ spans: 0 })
      const [overlap] = await database.query(
        `SELECT count(*) AS rows FROM (
           SELECT start_ns, lag(end_ns) OVER (PARTITION BY task_id ORDER BY start_ns) AS before FROM thread_states)
         WHERE before > start_ns`,
      )
      expect(overlap).toEqual({ rows: 0 })
      const [ids] = await database.query(
        `SELECT count(*) - count(DISTINCT swapout_id) AS twice,
           count(*) FILTER (start_ns < submit_ns OR stored_ns < start_ns) AS backwards FROM swapouts`,
      )
      expect(ids).toEqual({ twice: 0, backwards: 0 })
    } finally {
      reader.close()
      input.close()
      database.close()
    }
  })
})
