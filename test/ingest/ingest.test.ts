import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Database } from '../../src/database/database.ts'
import { type IngestOptions, ingestTrace } from '../../src/ingest/ingest.ts'
import { type MadeEvent, type MadeTrace, readerOf } from './event-source.ts'

let database: Database
beforeEach(async () => {
  database = await Database.open(':memory:', { mode: 'write' })
})
afterEach(() => database.close())

const EVENTS: readonly MadeEvent[] = [
  { ts: 10, tid: 3, event: 'vmscan:mm_vmscan_direct_reclaim_begin', fields: { order: 2 } },
  { ts: 20, tid: 3, event: 'vmscan:mm_vmscan_direct_reclaim_end', fields: { nr_reclaimed: 9 } },
  { ts: 30, tid: 4, event: 'oom:mark_victim', fields: { pid: 4 } },
]

function ingest(trace: MadeTrace, options: Pick<IngestOptions, 'raw' | 'strict' | 'sha256'>) {
  return ingestTrace({ database, reader: readerOf(trace), name: 't', path: 't.dat', ...options })
}

async function rawTables(): Promise<unknown[]> {
  const rows = await database.query(
    "SELECT view_name AS name FROM duckdb_views() WHERE schema_name = 'raw' ORDER BY name",
  )
  return rows.map(({ name }) => name)
}

describe('ingestTrace', () => {
  it.each([
    ['none', []],
    ['oom:*', ['oom:mark_victim']],
    ['mm_vmscan_*_end, mark_victim', ['oom:mark_victim', 'vmscan:mm_vmscan_direct_reclaim_end']],
  ])('keeps the raw events that %s names', async (raw, kept) => {
    await ingest({ events: EVENTS }, { raw })
    expect(await rawTables()).toEqual(kept)
  })

  it('gives raw rows their rank in the total order and the trace its ends', async () => {
    await ingest({ events: EVENTS, baseNs: 1000n, windowRows: 2 }, {})
    const rows = await database.query('SELECT seq, ts_ns, pid FROM raw."oom:mark_victim"')
    expect(rows).toEqual([{ seq: 2, ts_ns: 1030, pid: 4 }])
    const traces = await database.query(
      'SELECT start_ns, end_ns, events, lost_gaps, state FROM traces',
    )
    expect(traces).toEqual([
      { start_ns: 1010, end_ns: 1030, events: 3, lost_gaps: 0, state: 'complete' },
    ])
  })

  it('stops at a loss when strict, and leaves nothing behind', async () => {
    const losses = [{ cpu: 1, startNs: 12, endNs: 15, events: undefined }]
    await expect(ingest({ events: EVENTS, losses }, { strict: true })).rejects.toMatchObject({
      code: 'strict',
      exitStatus: 3,
      message: 't.dat: an unknown number of events were lost on CPU 1',
    })
    expect(await database.query('SELECT * FROM traces')).toEqual([])
    expect(await database.query('SELECT * FROM reclaim_spans')).toEqual([])
  })

  it('records a loss whose size is not known as NULL, not 0', async () => {
    const losses = [{ cpu: 1, startNs: 12, endNs: 15, events: undefined }]
    await ingest({ events: EVENTS, losses }, {})
    const rows = await database.query(
      'SELECT l.cpu, l.start_ns, l.end_ns, l.events, t.lost_events, t.lost_gaps FROM losses l JOIN traces t USING (trace_id)',
    )
    expect(rows).toEqual([
      { cpu: 1, start_ns: 12, end_ns: 15, events: null, lost_events: null, lost_gaps: 1 },
    ])
  })

  it('refuses the same file twice and keeps the first', async () => {
    await ingest({ events: EVENTS }, { sha256: 'aa' })
    await expect(ingest({ events: EVENTS }, { sha256: 'aa' })).rejects.toMatchObject({
      code: 'already_ingested',
    })
    expect(await database.query('SELECT trace_id FROM traces')).toEqual([{ trace_id: 1 }])
  })

  it('asks for the digest of an input at the end, and knows the input by it afterwards', async () => {
    const reader = readerOf({ events: EVENTS })
    const sha256 = () => (reader.read() === undefined ? 'aa' : 'too early')
    await ingestTrace({ database, reader, name: 't', path: 't.dat', sha256 })
    expect(await database.query('SELECT sha256 FROM traces')).toEqual([{ sha256: 'aa' }])
    await expect(ingest({ events: EVENTS }, { sha256: 'aa' })).rejects.toMatchObject({
      code: 'already_ingested',
    })
  })
})
