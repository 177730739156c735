import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Column } from '../../parsers/batch.ts'
import { toHalves } from '../../src/database/chunk.ts'
import { Database } from '../../src/database/database.ts'
import { RawTables } from '../../src/database/raw.ts'
import { appendRaw, batchOf, field, names } from './raw-batches.ts'

let database: Database
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pstrace-raw-'))
  database = await Database.open(':memory:', { mode: 'write' })
})
afterAll(() => {
  database.close()
  rmSync(folder, { recursive: true })
})

/** A field of each kind of 64 bits: the numbers, and the same below 0. */
function wideColumns(length: number, number: (i: number) => [lo: number, hi: number]): Column[] {
  const halves = Array.from({ length }, (_, i) => number(i))
  const below = halves.map(([lo, hi]) => toHalves(-(BigInt(hi) * 2n ** 32n + BigInt(lo))))
  return [
    {
      kind: 'u64',
      field: field('up', 'u64'),
      lo: Uint32Array.from(halves, ([lo]) => lo),
      hi: Uint32Array.from(halves, ([, hi]) => hi),
    },
    {
      kind: 'i64',
      field: field('down', 'i64'),
      lo: Uint32Array.from(below, ({ lo }) => lo),
      hi: Uint32Array.from(below, ({ hi }) => hi),
    },
  ]
}

describe('raw tables', () => {
  it('keep every kind of field to the bit', async () => {
    const long = 'a string that does not fit into twelve bytes: žluťoučký kůň'
    const dictionary = { length: 3, get: (code: number) => ['kswapd0', long, ''][code] ?? '' }
    const columns: Column[] = [
      { kind: 'i32', field: field('small', 'i32'), values: Int32Array.of(-1, 2147483647, 0) },
      { kind: 'u32', field: field('mask', 'u32'), values: Uint32Array.of(4294967295, 0, 1) },
      { kind: 'f64', field: field('share', 'f64'), values: Float64Array.of(0.25, -1.5, 2) },
      {
        kind: 'u64',
        field: field('pointer', 'u64'),
        lo: Uint32Array.of(0xffffffff, 1, 0),
        hi: Uint32Array.of(0xffffffff, 0, 0x80000000),
        valid: Uint8Array.of(1, 0, 1),
      },
      {
        kind: 'i64',
        field: field('delta', 'i64'),
        lo: Uint32Array.of(0xffffffff, 1, 0),
        hi: Uint32Array.of(0xffffffff, 0, 0x80000000),
      },
      {
        kind: 'string',
        field: field('comm', 'string'),
        codes: Uint32Array.of(1, 0, 2),
        dictionary,
      },
      {
        kind: 'bytes',
        field: field('blob', 'bytes'),
        starts: Uint32Array.of(0, 2, 2, 20),
        bytes: Uint8Array.from({ length: 20 }, (_, i) => i),
      },
      {
        kind: 'list',
        field: field('numbers', 'list', 'i32'),
        starts: Uint32Array.of(0, 2, 2, 3),
        lo: Uint32Array.of(1, 0xffffffff, 9),
        hi: new Uint32Array(3),
      },
    ]
    await appendRaw(database, 1, batchOf('test:kinds', columns, 3))
    const rows = await database.query(
      'SELECT seq, ts_ns, tid, small, mask, share, pointer::VARCHAR AS pointer, delta::VARCHAR AS delta, comm, hex(blob) AS blob, numbers FROM raw."test:kinds" ORDER BY seq',
    )
    expect(rows).toEqual([
      {
        seq: 7,
        ts_ns: 5,
        tid: 100,
        small: -1,
        mask: 4294967295,
        share: 0.25,
        pointer: '18446744073709551615',
        delta: '-1',
        comm: long,
        blob: '0001',
        numbers: [1, -1],
      },
      {
        seq: 8,
        ts_ns: 15,
        tid: 101,
        small: 2147483647,
        mask: 0,
        share: -1.5,
        pointer: null,
        delta: '1',
        comm: 'kswapd0',
        blob: '',
        numbers: [],
      },
      {
        seq: 9,
        ts_ns: 25,
        tid: 102,
        small: 0,
        mask: 1,
        share: 2,
        pointer: '9223372036854775808',
        delta: '-9223372036854775808',
        comm: '',
        blob: '02030405060708090A0B0C0D0E0F10111213',
        numbers: [9],
      },
    ])
  })

  it('keep a name once, and every row its own', async () => {
    const comm = names('comm', ['kswapd0', 'kcompactd0', 'a task'], 6)
    const valid = Uint8Array.of(1, 1, 1, 0, 1, 1)
    await appendRaw(database, 1, batchOf('test:names', [{ ...comm, valid }], 6))
    const number: Column = { kind: 'i32', field: field('n', 'i32'), values: Int32Array.of(4) }
    await appendRaw(database, 1, batchOf('test:names', [number], 1), 20)
    const written = { ...comm.field, type: 'text', size: -1 }
    const later = { ...names('comm', ['a task', 'told by a text'], 2), field: written }
    await appendRaw(database, 2, batchOf('test:names', [later], 2), 30)
    const rows = await database.query('SELECT comm FROM raw."test:names" ORDER BY seq')
    expect(rows.map((row) => row['comm'])).toEqual([
      'kswapd0',
      'kcompactd0',
      'a task',
      null,
      'kcompactd0',
      'a task',
      null,
      'a task',
      'told by a text',
    ])
    const kept = `SELECT count(*) AS n FROM packed.raw_strings WHERE text IN ('kcompactd0', 'told by a text')`
    expect(await database.query(kept)).toEqual([{ n: 2 }])
  })

  it('keep strings of any length, which may all differ, in their rows', async () => {
    const spec = { ...field('buf', 'string'), type: '__data_loc char[]', size: 4 }
    const column = { ...names('buf', ['B|1|first', 'B|1|second'], 2), field: spec }
    await appendRaw(database, 1, batchOf('test:marks', [column], 2))
    expect(await database.query('SELECT buf FROM raw."test:marks" ORDER BY seq')).toEqual([
      { buf: 'B|1|first' },
      { buf: 'B|1|second' },
    ])
    const kept = "SELECT count(*) AS n FROM packed.raw_strings WHERE text LIKE 'B|1|%'"
    expect(await database.query(kept)).toEqual([{ n: 0 }])
  })

  it('take a later trace’s new columns, wider numbers and other classes', async () => {
    const number: Column = { kind: 'i32', field: field('flags', 'i32'), values: Int32Array.of(-5) }
    await appendRaw(database, 1, batchOf('test:grow', [number], 1))
    const wide: Column = {
      kind: 'u64',
      field: field('flags', 'u64'),
      lo: Uint32Array.of(0xffffffff),
      hi: Uint32Array.of(0xffffffff),
    }
    const added: Column = { kind: 'i32', field: field('added', 'i32'), values: Int32Array.of(3) }
    await appendRaw(database, 2, batchOf('test:grow', [added, wide], 1))
    const text: Column = {
      kind: 'string',
      field: field('flags', 'string'),
      codes: Uint32Array.of(0),
      dictionary: { length: 1, get: () => 'A|B' },
    }
    const raw = await appendRaw(database, 3, batchOf('test:grow', [text], 1))
    expect(raw.renamed).toEqual([{ table: 'test:grow', field: 'flags', column: 'flags__text' }])
    const rows = await database.query(
      'SELECT trace_id, flags::VARCHAR AS flags, added, flags__text FROM raw."test:grow" ORDER BY trace_id',
    )
    expect(rows).toEqual([
      { trace_id: 1, flags: '-5', added: null, flags__text: null },
      { trace_id: 2, flags: '18446744073709551615', added: 3, flags__text: null },
      { trace_id: 3, flags: null, added: null, flags__text: 'A|B' },
    ])
  })

  it('show what rows have in common, and 32 bits as BIGINT, with their meaning', async () => {
    const values = Int32Array.of(4, -4, 4, 0)
    const batch = batchOf('test:shown', [{ kind: 'i32', field: field('shape', 'i32'), values }], 4)
    batch.tid.set([9, 9, 8, 9])
    batch.cpu.set([0, 3, 3, -1])
    await appendRaw(database, 4, batch)
    const rows =
      'SELECT trace_id, cpu, tid, shape, typeof(shape) AS type FROM raw."test:shown" ORDER BY seq'
    expect(await database.query(rows)).toEqual([
      { trace_id: 4, cpu: 0, tid: 9, shape: 4, type: 'BIGINT' },
      { trace_id: 4, cpu: 3, tid: 9, shape: -4, type: 'BIGINT' },
      { trace_id: 4, cpu: 3, tid: 8, shape: 4, type: 'BIGINT' },
      { trace_id: 4, cpu: -1, tid: 9, shape: 0, type: 'BIGINT' },
    ])
    const comments = await database.query(
      "SELECT column_name AS name, comment FROM duckdb_columns() WHERE schema_name = 'raw' AND table_name = 'test:shown'",
    )
    expect(comments.map(({ name }) => name)).toEqual([
      'trace_id',
      'seq',
      'ts_ns',
      'cpu',
      'tid',
      'shape',
    ])
    expect(comments.filter(({ comment }) => String(comment ?? '').length < 4)).toEqual([])
  })

  it('keep ranks and times beyond 32 bits, in any order, before 0 too', async () => {
    const times = [2 ** 32 - 1, 2 ** 32, 2 ** 33 + 7, 0, -1, 2 ** 51, 2 ** 32 - 2]
    const values = Int32Array.from(times, (_, i) => i)
    const field32: Column = { kind: 'i32', field: field('n', 'i32'), values }
    const batch = batchOf('test:long', [field32], times.length)
    batch.ts.set(times)
    batch.tid.fill(9)
    await appendRaw(database, 8, batch, 2 ** 32 - 3)
    const rows = await database.query(
      'SELECT seq, ts_ns, cpu, tid, n FROM raw."test:long" ORDER BY seq',
    )
    expect(rows).toEqual(
      times.map((time, n) => ({ seq: 2 ** 32 - 3 + n, ts_ns: time + 5, cpu: 1, tid: 9, n })),
    )
  })

  it('keep the times of a long trace whose rare events come late', async () => {
    const minutes = 30_000
    const batch = batchOf('test:late', [], minutes)
    for (let i = 0; i < minutes; i++) batch.ts[i] = i % 10 === 0 ? 0 : i * 60e9
    await appendRaw(database, 9, batch)
    const rows = await database.query('SELECT ts_ns, tid FROM raw."test:late" ORDER BY seq')
    expect(rows).toEqual(Array.from(batch.ts, (time, i) => ({ ts_ns: time + 5, tid: 100 + i })))
  })

  it('give numbers of 64 bits more room when one needs it, amid the transaction of a long trace', async () => {
    const rows = 130_000
    const path = join(folder, 'wide.duckdb')
    const file = await Database.open(path, { mode: 'write' })
    const raw = new RawTables(file.connection, file.strings, 1, toHalves(0n))
    const format = batchOf(
      'test:room',
      wideColumns(0, () => [0, 0]),
      0,
    ).format
    const seq = Float64Array.from({ length: rows }, (_, i) => i)
    await file.run('BEGIN')
    const [near, far] = [0, 0x40000000].map((last) => {
      const columns = wideColumns(rows, (i) => [i, i === rows - 1 ? last : 0])
      return { ...batchOf('test:room', columns, rows), format, tid: new Int32Array(rows).fill(9) }
    })
    for (const batch of [near, near, far, near])
      if (batch !== undefined) await raw.append(batch, seq)
    raw.close()
    await file.run('COMMIT')
    const sums = await file.query(`
      SELECT count(*) AS n, sum(up)::VARCHAR AS up, sum(down)::VARCHAR AS down, count(DISTINCT up) AS values,
        any_value(typeof(up)) AS type, any_value(typeof(down)) AS signed, sum(ts_ns) AS times
      FROM raw."test:room"`)
    file.close()
    const sum = BigInt(rows * (rows - 1) * 2)
    expect(sums).toEqual([
      {
        n: 4 * rows,
        up: String(sum + 2n ** 62n),
        down: String(-sum - 2n ** 62n),
        values: rows + 1,
        type: 'UBIGINT',
        signed: 'BIGINT',
        times: Number(sum) * 10,
      },
    ])
  })

  it('keep what is NULL out of the choice of the room', async () => {
    const [up] = wideColumns(2, (i) => [i, i])
    const column = { ...up, valid: Uint8Array.of(1, 0) } as Column
    await appendRaw(database, 1, batchOf('test:null', [column], 2))
    expect(
      await database.query('SELECT up, typeof(up) AS type FROM raw."test:null" ORDER BY seq'),
    ).toEqual([
      { up: 0, type: 'UBIGINT' },
      { up: null, type: 'UBIGINT' },
    ])
  })

  it('widen a field of 32 bits to 64 where a later trace needs them', async () => {
    const wide = (kind: 'i64' | 'u32'): Column =>
      kind === 'i64'
        ? { kind, field: field('n', kind), lo: Uint32Array.of(0), hi: Uint32Array.of(0x80000000) }
        : { kind, field: field('n', kind), values: Uint32Array.of(0xffffffff) }
    await appendRaw(database, 5, batchOf('test:wide', [wide('u32')], 1))
    await appendRaw(database, 6, batchOf('test:wide', [wide('i64')], 1))
    await appendRaw(database, 7, batchOf('test:wide', [wide('u32')], 1))
    expect(
      await database.query(
        'SELECT n::VARCHAR AS n, typeof(n) AS type FROM raw."test:wide" ORDER BY trace_id',
      ),
    ).toEqual([
      { n: '4294967295', type: 'BIGINT' },
      { n: '-9223372036854775808', type: 'BIGINT' },
      { n: '4294967295', type: 'BIGINT' },
    ])
  })
})
