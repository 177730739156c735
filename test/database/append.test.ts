import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toHalves } from '../../src/database/chunk.ts'
import { Database } from '../../src/database/database.ts'
import { shapedRows } from '../../src/database/packed.ts'
import { rowKinds } from '../../src/database/schema.ts'
import { PstraceError } from '../../src/model/error.ts'
import { RowBuffer } from '../../src/model/rows.ts'

let database: Database
beforeAll(async () => {
  database = await Database.open(':memory:', { mode: 'write' })
})
afterAll(() => database.close())

/** What swapouts shows of a row of which nothing is known. */
const NOTHING = {
  place: null,
  pfn: null,
  submit: null,
  start: null,
  stored: null,
  rank: null,
  done: null,
  span: null,
  freed: null,
}

/** What runs and the states after them have in common in rows that keep them together, and what each of them is. */
const IN_IO = { task_id: 5, cpu: 1, state: 'io', doing: 'scan' }
const RAN = { ...IN_IO, state: 'running' }
const WAITED = { ...IN_IO, doing: 'none' }

/** Appends rows of one form and one shape. */
async function appendShaped(
  table: string,
  shape: Readonly<Record<string, number | string>>,
  traceId: number,
  cells: readonly Readonly<Record<string, number>>[],
): Promise<void> {
  const { rows, shapes } = shapedRows(table)
  for (const [name, value] of Object.entries(shape))
    shapes.cells[shapes.position(name)] =
      typeof value === 'string' ? shapes.codeOf(name, value) : value
  const number = shapes.find()
  for (const own of cells) {
    const row = rows.add()
    if (rows.columns['shape']?.kind === 'shape') rows.columns['shape'].codes[row] = number
    for (const [name, value] of Object.entries(own)) rows.number(row, name, value)
  }
  await database.append(rows, { traceId })
  database.flush()
}

function statesOf(traceId: number) {
  return database.query(
    `SELECT task_id, cpu, start_ns AS start, end_ns AS "end", state, doing FROM thread_states
     WHERE trace_id = ${traceId} ORDER BY start`,
  )
}

function ungatedOf(traceId: number) {
  return database.query(
    `SELECT swapout_id AS id, ts_ns, stored_ns, pfn::VARCHAR AS pfn, done_rank, span_id,
       coalesce(page_id, submit_ns, start_ns, freed_ns, swap_offset, submit_rank, start_rank, compressed_bytes) AS others
     FROM swapouts WHERE trace_id = ${traceId} ORDER BY id`,
  )
}

describe('append', () => {
  it('brings back exactly the rows it was given, NULLs included', async () => {
    const row = fc.record({
      value: fc.option(fc.maxSafeInteger(), { nil: null }),
      // NUL ends a string in DuckDB's C interface, and no kernel string holds one.
      name: fc.option(
        fc.string({ unit: 'grapheme', maxLength: 40 }).filter((text) => !text.includes('\0')),
        { nil: null },
      ),
      ratio: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }), { nil: null }),
    })
    let traceId = 0
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 60 }), async (rows) => {
        traceId++
        const pools = new RowBuffer('samples', rowKinds('samples'))
        const issues = new RowBuffer('import_issues', rowKinds('import_issues'))
        for (const { value, name, ratio } of rows) {
          const sample = pools.add()
          pools.text(sample, 'name', name ?? undefined)
          pools.number(sample, 'value', ratio ?? Number.NaN)
          const issue = issues.add()
          issues.number(issue, 'count', value ?? Number.NaN)
        }
        await database.append(pools, { traceId })
        await database.append(issues, { traceId })
        database.flush()
        expect(pools.length).toBe(0)
        const samples = await database.query(
          `SELECT run_id, name, value FROM samples WHERE trace_id = ${traceId}`,
        )
        expect(samples).toEqual(
          rows.map(({ name, ratio }) => ({ run_id: null, name, value: ratio })),
        )
        const counts = await database.query(
          `SELECT count FROM import_issues WHERE trace_id = ${traceId}`,
        )
        expect(counts.map(({ count }) => count)).toEqual(rows.map(({ value }) => value))
      }),
      { numRuns: 50 },
    )
  })

  it('adds the base to moments but not to durations, beyond 2^53 without rounding', async () => {
    const base = 1_700_000_000_123_456_789n
    const rows = new RowBuffer('swapins', rowKinds('swapins'))
    for (const ts of [0, 1, 4294967295, 4294967296, 2 ** 52]) {
      const row = rows.add()
      rows.number(row, 'ts_ns', ts)
      rows.number(row, 'wait_ns', ts)
    }
    await database.append(rows, { traceId: 9001, base: toHalves(base) })
    database.flush()
    const [sum] = await database.query(
      'SELECT sum(ts_ns)::VARCHAR AS ts, sum(wait_ns)::VARCHAR AS wait, count(end_ns) AS ends FROM swapins WHERE trace_id = 9001',
    )
    const total = 0n + 1n + 4294967295n + 4294967296n + 2n ** 52n
    expect(sum).toEqual({ ts: String(total + 5n * base), wait: String(total), ends: 0 })
  })

  it('keeps the sums of 300,000 rows over many chunks', async () => {
    const rows = new RowBuffer('swapouts', rowKinds('swapouts'))
    let pfns = 0n
    let texts = 0
    const paths = ['inline', 'queued', 'a path whose name is longer than twelve bytes']
    for (let i = 0; i < 300_000; i++) {
      const row = rows.add()
      rows.number(row, 'swapout_id', i)
      rows.number(row, 'pfn', (i * 2654435761) % 4294967291)
      if (i % 3 !== 0) rows.text(row, 'bypass_reason', paths[(i % 7) % 3])
      rows.number(row, 'tid', i % 5 === 0 ? Number.NaN : -i)
      pfns += BigInt((i * 2654435761) % 4294967291)
      if (i % 3 !== 0) texts += (paths[(i % 7) % 3] ?? '').length
    }
    await database.append(rows, { traceId: 9002, runId: 7 })
    database.flush()
    const [sums] = await database.query(
      `SELECT count(*) AS n, sum(pfn)::VARCHAR AS pfns, sum(length(bypass_reason)) AS texts, count(tid) AS tids, sum(tid) AS tid,
         min(run_id) AS run, count(DISTINCT swapout_id) AS ids FROM swapouts WHERE trace_id = 9002`,
    )
    let tid = 0
    for (let i = 0; i < 300_000; i++) if (i % 5 !== 0) tid -= i
    expect(sums).toEqual({
      n: 300_000,
      pfns: String(pfns),
      texts,
      tids: 240_000,
      tid,
      run: 7,
      ids: 300_000,
    })
  })

  it('gives rows in brief the columns they lack, the states they stand for, and keeps what rows have in common apart by trace and run', async () => {
    const { rows, shapes } = shapedRows('swapouts_brief')
    const shape = rows.columns['shape']
    const add = (id: number, cpu: number): void => {
      shapes.cells.fill(Number.NaN)
      for (const [at, name] of shapes.names.entries())
        if (shapes.isText(name)) shapes.cells[at] = -1
      shapes.cells[shapes.position('cpu')] = cpu
      shapes.cells[shapes.position('place')] = shapes.codeOf('place', 'zram')
      const row = rows.add()
      if (shape?.kind === 'shape') shape.codes[row] = shapes.find()
      const cells = {
        ts_ns: id * 100,
        held_ns: 40,
        after_ns: 10,
        states_ns: id - 1,
        pfn: 2 ** 32 - id,
      }
      const others = { page_id: id, swap_offset: id, submit_rank: id, passed: -1, span_id: id - 1 }
      for (const [name, value] of Object.entries({ swapout_id: id, ...cells, ...others }))
        rows.number(row, name, value)
    }
    for (const owner of [{ traceId: 9003 }, { traceId: 9003, runId: 3 }]) {
      for (let id = 1; id <= 3; id++) add(id, id % 2)
      await database.append(rows, owner)
      const full = new RowBuffer('swapouts', rowKinds('swapouts'))
      full.number(full.add(), 'swapout_id', 4)
      full.number(0, 'cpu', 7)
      await database.append(full, owner)
    }
    database.flush()
    const found = await database.query(
      `SELECT run_id, swapout_id AS id, cpu, place, pfn::VARCHAR AS pfn, submit_ns AS submit, start_ns AS start, stored_ns AS stored,
         start_rank AS rank, done_rank AS done, span_id AS span, freed_ns AS freed FROM swapouts WHERE trace_id = 9003 ORDER BY run_id NULLS FIRST, id`,
    )
    const expected = [null, 3].flatMap((run_id) => [
      ...[1, 2, 3].map((id) => ({
        run_id,
        id,
        cpu: id % 2,
        place: 'zram',
        pfn: String(2 ** 32 - id),
        submit: id * 100 - 40,
        start: id * 100 - 40,
        stored: id * 100 - 10,
        rank: id,
        done: id - 1,
        span: id === 1 ? null : id - 1,
        freed: null,
      })),
      { ...NOTHING, run_id, id: 4, cpu: 7 },
    ])
    expect(found).toEqual(expected)
    const states = await database.query(
      `SELECT run_id, cpu, start_ns AS start, end_ns AS "end", state, doing FROM thread_states WHERE trace_id = 9003
       ORDER BY run_id NULLS FIRST, start`,
    )
    const running = { state: 'running' }
    expect(states).toEqual(
      [null, 3].flatMap((run_id) => [
        { run_id, cpu: 0, start: 160, end: 200, ...running, doing: 'store' },
        { run_id, cpu: 1, start: 259, end: 260, ...running, doing: 'unmap' },
        { run_id, cpu: 1, start: 260, end: 300, ...running, doing: 'store' },
      ]),
    )
    const [count] = await database.query(
      'SELECT count(*) AS n FROM packed.swapouts_shapes WHERE trace_id = 9003',
    )
    expect(count).toEqual({ n: 6 })
  })

  it('shows a run and what followed it, kept in one row, as two states', async () => {
    const [running, off] = [2 ** 32 - 1, 2 ** 32 - 2]
    await appendShaped('thread_states_pairs', IN_IO, 9004, [
      { start_ns: 1000, run_ns: running, off_ns: off },
    ])
    expect(await statesOf(9004)).toEqual([
      { ...RAN, start: 1000, end: 1000 + running },
      { ...WAITED, start: 1000 + running, end: 1000 + running + off },
    ])
  })

  it('shows four runs and what followed each, kept in one row, as eight states', async () => {
    const ends = [1, 2, 4, 8, 16, 32, 64, 2 ** 32 - 1]
    const at = Object.fromEntries(ends.map((end, i) => [`at_${i + 1}`, end]))
    await appendShaped('thread_states_fours', IN_IO, 9006, [{ start_ns: 1000, ...at }])
    const expected = ends.map((end, i) => ({
      ...(i % 2 === 0 ? RAN : WAITED),
      start: 1000 + (ends[i - 1] ?? 0),
      end: 1000 + end,
    }))
    expect(await statesOf(9006)).toEqual(expected)
  })

  it('shows what is not known of a swap-out without a gate as NULL', async () => {
    const first = { ts_ns: 50, pfn: 2 ** 32 - 1, done_rank: 7 }
    const rows = [0, 4].map((span) => ({ ...first, swapout_id: span + 1, span_id: span }))
    await appendShaped('swapouts_ungated', {}, 9005, rows)
    const known = { ts_ns: 50, stored_ns: 50, pfn: String(2 ** 32 - 1), done_rank: 7, others: null }
    expect(await ungatedOf(9005)).toEqual([
      { id: 1, ...known, span_id: null },
      { id: 5, ...known, span_id: 4 },
    ])
  })

  it('shows four such swap-outs, kept in one row, as four', async () => {
    const first = { swapout_id: 11, ts_ns: 50, pfn: 3, done_rank: 7, span_id: 4 }
    const later = { after_1: 0, pfn_1: 2 ** 32 - 1, after_2: 9, pfn_2: 4, after_3: 2 ** 32 - 1 }
    await appendShaped('swapouts_fours', {}, 9007, [{ ...first, ...later, pfn_3: 0 }])
    const swapout = (k: number, ts_ns: number, pfn: number) => {
      const own = { id: 11 + k, ts_ns, stored_ns: ts_ns, pfn: String(pfn), done_rank: 7 + k }
      return { ...own, span_id: 4, others: null }
    }
    expect(await ungatedOf(9007)).toEqual([
      swapout(0, 50, 3),
      swapout(1, 50, 2 ** 32 - 1),
      swapout(2, 59, 4),
      swapout(3, 49 + 2 ** 32, 0),
    ])
  })

  it('refuses a text that the column has no value for', async () => {
    const rows = new RowBuffer('thread_states', rowKinds('thread_states'))
    rows.text(rows.add(), 'state', 'dreaming')
    await expect(database.append(rows, { traceId: 1 })).rejects.toThrow(
      /thread_states\.state cannot hold "dreaming"; expected one of io, lock, nap/,
    )
  })

  it('refuses a column the table does not have, and a column of another kind', async () => {
    const unknown = new RowBuffer('samples', { nonsense: 'number' })
    unknown.add()
    await expect(database.append(unknown, { traceId: 1 })).rejects.toThrow(PstraceError)
    const wrong = new RowBuffer('samples', { name: 'number' })
    wrong.add()
    await expect(database.append(wrong, { traceId: 1 })).rejects.toThrow(/samples\.name is VARCHAR/)
  })
})
