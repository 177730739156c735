import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openTrace } from '../../parsers/index.ts'
import { Database } from '../../src/database/database.ts'
import { checkEquations } from '../../src/ingest/equations.ts'
import { ingestTrace } from '../../src/ingest/ingest.ts'
import { openInput } from '../../src/io/input.ts'
import { readSnapshots } from '../../src/io/snapshots.ts'

const folder = process.env['PSTRACE_TRACES']
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

if (folder === undefined)
  it('is skipped for want of PSTRACE_TRACES, the folder of recorded traces', () => {
    expect(folder).toBeUndefined()
  })

describe.runIf(folder !== undefined)('the counts of a recording', () => {
  const root = folder ?? ''
  const traces = folder === undefined ? [] : full ? findTraces(root) : FEW
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
      const equations = await checkEquations(database, traceId)
      expect(equations.length).toBeGreaterThanOrEqual(5)
      // Recorded without a quiet moment at the end: the counters were read a little after the trace's last event.
      const ragged = !snapshots.has('samples.tsv')
      for (const equation of equations) {
        if (ragged && equation.explanation === 'no')
          expect(Math.abs(equation.difference) / equation.rightValue).toBeLessThan(0.025)
        else expect(equation).not.toMatchObject({ explanation: 'no' })
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
