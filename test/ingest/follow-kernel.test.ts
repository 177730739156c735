import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Column, EventBatch, EventWindow } from '../../parsers/batch.ts'
import { toByteSource } from '../../parsers/cursor.ts'
import { openTrace } from '../../parsers/index.ts'
import type { TraceReader } from '../../parsers/reader.ts'
import { RecordMemory } from '../../parsers/record-memory.ts'
import { Database } from '../../src/database/database.ts'
import { ingestTrace } from '../../src/ingest/ingest.ts'
import { generated, scenarioNamed } from '../generate/file.ts'
import { type MadeEvent, readerOf } from './event-source.ts'

async function rowsOf(reader: TraceReader, ...queries: string[]) {
  const database = await Database.open(':memory:', { mode: 'write' })
  try {
    await ingestTrace({ database, reader, name: 't', path: 't', raw: 'none' })
    const results = []
    for (const sql of queries) results.push(await database.query(sql))
    return results
  } finally {
    database.close()
  }
}

const GATE = 'pstrace:swap_writepage'
const WRITTEN = 'vmscan:mm_vmscan_write_folio'
const ANON = 1

type Numbers = Float64Array | Int32Array | Uint32Array | Uint16Array

/** The same reader, whose windows lie in one memory for WebAssembly. */
function inMemory(reader: TraceReader): TraceReader {
  const memory = new RecordMemory()
  const held = <Of extends Numbers>(from: Of): Of => {
    const Held = from.constructor as new (buffer: SharedArrayBuffer, at: number, n: number) => Of
    // Its buffer may be another after that.
    const place = memory.allocate(from.byteLength)
    const to = new Held(memory.buffer, place, from.length)
    to.set(from)
    return to
  }
  const heldColumn = (column: Column): Column => {
    if (column.kind === 'i64' || column.kind === 'u64')
      return { ...column, lo: held(column.lo), hi: held(column.hi) }
    return column.kind === 'string' ? { ...column, codes: held(column.codes) } : column
  }
  const heldBatch = (batch: EventBatch): EventBatch => ({
    ...batch,
    columns: batch.columns.map(heldColumn),
  })
  return {
    ...reader,
    memory,
    read(): EventWindow | undefined {
      const window = reader.read()
      if (window === undefined) return undefined
      const { batches, batch, row, ts, cpu, tid } = window
      const arrays = { batch: held(batch), row: held(row), ts: held(ts), cpu: held(cpu) }
      return { ...window, ...arrays, tid: held(tid), batches: batches.map(heldBatch) }
    },
  }
}

const tid = fc.constantFrom(1, 2, 3, 1_000_000, 4_194_303, 4_194_304, 2_000_000_000)
const comm = fc.constantFrom('app', 'kswapd0', 'kworker/1:2', 'other')
const fields = fc.record({
  tid,
  other: tid,
  comm,
  state: fc.constantFrom(0, 1, 2, 16),
  pfn: fc.nat(9),
})
const KINDS = [
  'switch',
  'waking',
  'gate',
  'written',
  'isolate',
  'shrink',
  'read',
  'free',
  'begin',
  'end',
]
const kind = fc.constantFrom(...KINDS)
const step = fc.record({ kind, cpu: fc.nat(2), after: fc.nat(1000), fields })

function toEvent(kind: string, { tid, other, comm, state, pfn }: FieldsOf): Omit<MadeEvent, 'ts'> {
  switch (kind) {
    case 'switch':
      return {
        tid,
        event: 'sched:sched_switch',
        fields: {
          prev_comm: comm,
          prev_pid: tid,
          prev_state: state,
          next_comm: comm,
          next_pid: other,
        },
      }
    case 'waking':
      return { tid, event: 'sched:sched_waking', fields: { comm, pid: other } }
    case 'gate':
      return { tid, event: GATE, fields: { entry: pfn } }
    case 'written':
      return { tid, event: WRITTEN, fields: { pfn, reclaim_flags: ANON } }
    case 'isolate':
      return {
        tid,
        event: 'vmscan:mm_vmscan_lru_isolate',
        fields: { nr_scanned: pfn, nr_taken: state, lru: 0 },
      }
    case 'shrink':
      return {
        tid,
        event: 'vmscan:mm_vmscan_lru_shrink_inactive',
        fields: { nid: 0, nr_scanned: pfn, nr_reclaimed: 1, priority: 12, reclaim_flags: ANON },
      }
    case 'read':
      return { tid, event: 'pstrace:swap_readpage', fields: { entry: pfn } }
    case 'free':
      return { tid, event: 'pstrace:zram_slot_free', fields: { index: pfn } }
    default:
      return {
        tid,
        event: `vmscan:mm_vmscan_direct_reclaim_${kind}`,
        fields: kind === 'begin' ? { order: 0, gfp_flags: 1 } : { nr_reclaimed: pfn },
      }
  }
}

interface FieldsOf {
  readonly tid: number
  readonly other: number
  readonly comm: string
  readonly state: number
  readonly pfn: number
}

const NOBODY: FieldsOf = { tid: 0, other: 0, comm: 'app', state: 0, pfn: 0 }

const TABLES = [
  'tasks',
  'thread_states',
  'swapouts',
  'swapins',
  'wakeups',
  'pool_moves',
  'shrink_batches',
  'reclaim_spans',
  'stall_parts',
].map((table) => `SELECT * FROM ${table} ORDER BY ALL`)

it('gives the same tables of windows that lie in the memory of WebAssembly and of others', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 200 }), async (steps) => {
      let ts = 0
      const events = steps.map(({ kind, cpu, after, fields }) => {
        ts += after
        return { ts, cpu, ...toEvent(kind, fields) }
      })
      const made = (): TraceReader => readerOf({ events, windowRows: 64 })
      expect(await rowsOf(inMemory(made()), ...TABLES)).toEqual(await rowsOf(made(), ...TABLES))
    }),
    { numRuns: 8 },
  )
})

const offset = fc.oneof(
  fc.nat(3000),
  fc.integer({ min: 2 ** 24 - 2, max: 2 ** 24 + 2 }),
  fc.integer({ min: 2 ** 45, max: 2 ** 45 + 3 }),
)

it('tells of each page read which swap-out it brings back, wherever its entry is', async () => {
  const steps = fc.array(fc.record({ offset, isRead: fc.boolean() }), { maxLength: 60 })
  await fc.assert(
    fc.asyncProperty(steps, async (steps) => {
      const events: MadeEvent[] = []
      const stored = new Map<number, number>()
      const expected: unknown[] = []
      let swapouts = 0
      for (const { offset, isRead } of steps) {
        const ts = 10 * (events.length + 1)
        const probe = { ts, tid: 7, fields: { entry: offset } }
        if (isRead) {
          events.push({ ...probe, event: 'pstrace:swap_readpage' })
          const swapout = stored.get(offset) ?? null
          expected.push({ ts_ns: ts, swap_offset: offset, swapout_id: swapout })
          continue
        }
        events.push({ ...probe, event: GATE })
        const end = { ts: ts + 1, tid: 7, event: WRITTEN }
        events.push({ ...end, fields: { pfn: 5, reclaim_flags: ANON } })
        stored.set(offset, ++swapouts)
      }
      const sql = 'SELECT ts_ns, swap_offset, swapout_id FROM swapins ORDER BY ts_ns'
      const [swapins] = await rowsOf(readerOf({ events }), sql)
      expect(swapins?.map(toNumbers)).toEqual(expected)
    }),
    { numRuns: 8 },
  )
})

function toNumbers(row: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, value === null ? null : Number(value)]),
  )
}

it('keeps all rows of a window of which there are more than it has room for at a time', async () => {
  const count = 20_000
  const events = Array.from({ length: count }, (_, i) => ({
    ts: i,
    tid: 7 + (i & 1),
    event: WRITTEN,
    fields: { pfn: i, reclaim_flags: ANON },
  }))
  const [rows] = await rowsOf(
    readerOf({ events, windowRows: count }),
    'SELECT count(*)::INT n, sum(pfn)::BIGINT pfns, max(done_rank)::INT rank FROM swapouts',
  )
  expect(rows?.map(toNumbers)).toEqual([{ n: count, pfns: (count * (count - 1)) / 2, rank: count }])
})

it('a free of a slot that no device has leaves the pages of others where they are', async () => {
  for (const index of [-1, -5, 2 ** 24, 2 ** 45]) {
    const events: MadeEvent[] = [
      { ts: 1, tid: 7, event: GATE, fields: { entry: 0 } },
      { ts: 2, tid: 7, event: WRITTEN, fields: { pfn: 5, reclaim_flags: ANON } },
      { ts: 3, tid: 7, event: 'pstrace:zram_slot_free', fields: { index } },
      { ts: 4, tid: 7, event: 'pstrace:swap_readpage', fields: { entry: 0 } },
    ]
    const queries = ['SELECT swapout_id FROM swapins', 'SELECT count(*)::INT n FROM pool_moves']
    const [swapins, moves] = await rowsOf(readerOf({ events }), ...queries)
    expect([swapins?.map(toNumbers), moves?.map(toNumbers)]).toEqual([
      [{ swapout_id: 1 }],
      [{ n: 0 }],
    ])
  }
})

/** Now and then more than rows of several in one can tell. */
const pause = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: 1, max: 1e6 }) },
  { weight: 1, arbitrary: fc.integer({ min: 2 ** 31, max: 2 ** 33 }) },
)

it('tells every swap-out without a gate by itself, whatever comes between', async () => {
  const tids = [7, 8]
  const frame = fc.oneof({ weight: 20, arbitrary: fc.nat() }, fc.constant(2 ** 32 + 1))
  const burst = fc.record({
    tid: fc.constantFrom(...tids),
    begins: fc.boolean(),
    writes: fc.array(fc.record({ pause, pfn: frame }), { maxLength: 11 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(burst, { maxLength: 30 }), async (bursts) => {
      const events: MadeEvent[] = []
      const expected: unknown[] = []
      const ranks = { proactive: 0, direct: 0 }
      const spans = new Set<number>()
      let ts = 0
      for (const { tid, begins, writes } of bursts) {
        if (begins) {
          const isOpen = spans.delete(tid)
          if (!isOpen) spans.add(tid)
          events.push({ ts: ++ts, ...toEvent(isOpen ? 'end' : 'begin', { ...NOBODY, tid }) })
        }
        const context = spans.has(tid) ? 'direct' : 'proactive'
        for (const { pause, pfn } of writes) {
          ts += pause
          events.push({ ts, tid, event: WRITTEN, fields: { pfn, reclaim_flags: ANON } })
          const id = expected.length + 1
          const done_rank = ++ranks[context]
          expected.push({
            id,
            tid,
            ts,
            stored_ns: ts,
            pfn,
            done_rank,
            direct: Number(spans.has(tid)),
          })
        }
      }
      const [swapouts] = await rowsOf(
        readerOf({ events, windowRows: 64 }),
        `SELECT swapout_id id, tid, ts_ns ts, stored_ns, pfn, done_rank, (s.span_id IS NOT NULL)::INT direct
         FROM swapouts LEFT JOIN reclaim_spans s USING (span_id, tid) ORDER BY id`,
      )
      expect(swapouts?.map(toNumbers)).toEqual(expected)
    }),
    { numRuns: 10 },
  )
})

it('tells every run and every state between runs by itself', async () => {
  const states = ['runnable', 'sleeping', 'io']
  const step = fc.record({ pause, state: fc.constantFrom(1, 1, 1, 1, 1, 1, 0, 2) })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 100 }), async (steps) => {
      let start = 0
      let end = 0
      const expected: unknown[] = []
      const events = steps.map(({ pause, state }, i) => {
        const [tid, other] = i % 2 === 0 ? [7, 8] : [8, 7]
        start = end
        end += pause
        const before = states[steps[i - 1]?.state ?? 0]
        if (i > 0) expected.push({ tid, start, end, state: 'running' })
        if (i > 0) expected.push({ tid: other, start, end, state: before })
        const fields = { ...NOBODY, tid, other, state }
        return { ts: end, ...toEvent('switch', fields) }
      })
      const [rows] = await rowsOf(
        readerOf({ events, windowRows: 64 }),
        `SELECT tid, start_ns::DOUBLE AS start, end_ns::DOUBLE "end", state FROM thread_states JOIN tasks USING (task_id)
         ORDER BY start_ns, state = 'running' DESC`,
      )
      expect(rows).toEqual(expected)
    }),
    { numRuns: 10 },
  )
})

it('follows records that are not decoded to the same rows as their fields', async () => {
  const tables = [
    ['tasks', 'task_id'],
    ['thread_states', 'task_id, start_ns, state'],
    ['wakeups', 'ts_ns, task_id'],
    ['swapouts', 'swapout_id'],
    ['shrink_batches', 'ts_ns, task_id'],
    ['slab_shrinks', 'start_ns, task_id'],
  ]
  const queries = tables.map(([table, order]) => `SELECT * FROM ${table} ORDER BY ${order}`)
  const scenario = scenarioNamed('phone')
  const { bytes } = generated({ scenario, format: 'perf', seed: 5, events: 20_000 })
  const undecoded = await openTrace(toByteSource('perf.data', bytes))
  const decoded = await openTrace(toByteSource('perf.data', bytes))
  Object.defineProperty(decoded, 'wantRecords', { value: undefined })
  const rows = await rowsOf(undecoded, ...queries)
  expect(rows).toEqual(await rowsOf(decoded, ...queries))
  for (const [i, [table]] of tables.entries())
    if (table !== 'slab_shrinks') expect(rows[i]?.length, table).toBeGreaterThan(4)
})
