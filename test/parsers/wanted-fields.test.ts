import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import type {
  Column,
  EventFormat,
  EventWindow,
  FieldSpec,
  TraceReader,
} from '../../parsers/index.ts'
import { openTrace } from '../../parsers/index.ts'
import { eventAt, openTestFile, valueAt } from './open-bytes.ts'

const folder = fileURLToPath(new URL('../../fixtures/', import.meta.url))
/** More windows than one, swapped bytes, and fields of every place; the readers that decode records. */
const FILES = [
  'zram-lz4-6.1/trace.dat',
  'trace-dat/big-endian-32-v7-zlib.dat',
  'perf/vmscan-6.12-cut.data',
]

const MOST_WINDOWS = 16

/** Every other field, and of every third event the whole rows. */
function wantsOf({ id, fields }: EventFormat): readonly string[] | undefined {
  if (id % 3 === 0) return undefined
  return fields.filter((_, i) => i % 2 === id % 2).map(({ name }) => name)
}

async function openFixture(file: string): Promise<{ reader: TraceReader; close(): void }> {
  const source = openTestFile(join(folder, file))
  return { reader: await openTrace(source), close: () => source.close() }
}

/** What the wishes leave of a window's events. */
function wantedOf(window: EventWindow): unknown[] {
  return Array.from({ length: window.length }, (_, k) => {
    const batch = window.batches[window.batch[k] ?? 0] as EventWindow['batches'][number]
    const row = window.row[k] ?? 0
    const wanted = wantsOf(batch.format)
    const order = [window.ts[k], window.cpu[k], window.tid[k], batch.format.name, row]
    if (wanted === undefined) return [...order, eventAt(batch, row, k)]
    const columns = batch.columns.filter(({ field }) => wanted.includes(field.name))
    return [...order, columns.map((column) => valueAt(column, row))]
  })
}

describe.each(FILES)('%s, read for some of its fields', (file) => {
  it('gives the same events, with the same values of these fields', async () => {
    const all = await openFixture(file)
    const some = await openFixture(file)
    some.reader.wantOnly?.(wantsOf)
    for (let windows = 0; windows < MOST_WINDOWS; windows++) {
      const expected = all.reader.read()
      const window = some.reader.read()
      expect(window && wantedOf(window)).toEqual(expected && wantedOf(expected))
      if (expected === undefined) break
    }
    all.close()
    some.close()
  })

  it('leaves the other columns empty, and the times of such rows', async () => {
    const { reader, close } = await openFixture(file)
    reader.wantOnly?.(({ id }) => (id % 2 === 0 ? [] : undefined))
    const window = reader.read()
    const bare = window?.batches.filter(({ format }) => format.id % 2 === 0) ?? []
    expect(bare.length).toBeGreaterThanOrEqual(1)
    for (const { ts, cpu, tid, flags, columns } of bare) {
      expect([ts.length, cpu.length, tid.length, flags.length]).toEqual([0, 0, 0, 0])
      for (const column of columns)
        for (const array of Object.values(column).filter(ArrayBuffer.isView))
          expect(array.byteLength).toBe(0)
    }
    close()
  })
})

const READABLE = new Set(['i32', 'u32', 'i64', 'u64'])

/** A field of the record that begins at `place`. */
function inRecord(records: DataView, place: number, { kind, offset }: FieldSpec): unknown {
  const at = place + offset
  if (kind === 'i32') return records.getInt32(at, true)
  if (kind === 'u32') return records.getUint32(at, true)
  return Number(kind === 'i64' ? records.getBigInt64(at, true) : records.getBigUint64(at, true))
}

it('gives the records of perf.data as they are where they are wanted so, and they hold what is decoded else', async () => {
  const decoded = await openFixture('perf/vmscan-6.12-cut.data')
  const { reader, close } = await openFixture('perf/vmscan-6.12-cut.data')
  reader.wantRecords?.(({ id }) => id % 2 === 0)
  let compared = 0
  for (;;) {
    const expected = decoded.reader.read()
    const window = reader.read()
    expect(window?.ts.slice(0, window.length)).toEqual(expected?.ts.slice(0, expected.length))
    if (expected === undefined || window === undefined) break
    const records = new DataView(reader.memory?.buffer ?? new SharedArrayBuffer(0))
    for (let k = 0; k < window.length; k++) {
      const batch = window.batches[window.batch[k] ?? 0]
      const known = expected.batches[expected.batch[k] ?? 0]
      expect(batch?.isUndecoded).toBe(
        batch !== undefined && batch.format.id % 2 === 0 ? true : undefined,
      )
      if (batch?.isUndecoded !== true || known === undefined) continue
      const columns = known.columns.filter(
        ({ field }) => READABLE.has(field.kind) && field.size === (/64/.test(field.kind) ? 8 : 4),
      )
      compared += columns.length
      expect(columns.map(({ field }) => inRecord(records, window.row[k] ?? 0, field))).toEqual(
        columns.map((column) => decodedIn(column, expected.row[k] ?? 0)),
      )
    }
  }
  expect(compared).toBeGreaterThan(1000)
  close()
  decoded.close()
})

function decodedIn(column: Column, row: number): unknown {
  const value = valueAt(column, row)
  return typeof value === 'bigint' ? Number(value) : value
}
