import type { Column, EventBatch, EventFormat, FieldSpec } from '../../parsers/batch.ts'
import { toHalves } from '../../src/database/chunk.ts'
import type { Database } from '../../src/database/database.ts'
import { RawTables } from '../../src/database/raw.ts'

export function field(
  name: string,
  kind: FieldSpec['kind'],
  element?: FieldSpec['element'],
): FieldSpec {
  const base = { name, type: kind, offset: 8, size: 8, signed: kind.startsWith('i'), kind }
  return element === undefined ? base : { ...base, element }
}

/** A field of fixed length that has the strings in turn. */
export function names(name: string, strings: readonly string[], length: number): Column {
  const codes = Uint32Array.from({ length }, (_, i) => i % strings.length)
  const dictionary = { length: strings.length, get: (code: number) => strings[code] ?? '' }
  return { kind: 'string', field: field(name, 'string'), codes, dictionary }
}

/** Rows on CPU 1, each of a task of its own from 100 on, ten nanoseconds apart. */
export function batchOf(event: string, columns: readonly Column[], length: number): EventBatch {
  const [system = '', name = ''] = event.split(':')
  const fields = columns.map((column) => column.field)
  const format: EventFormat = { system, name, id: 1, fields, printFmt: '' }
  return {
    format,
    length,
    ts: Float64Array.from({ length }, (_, i) => i * 10),
    cpu: new Int32Array(length).fill(1),
    tid: Int32Array.from({ length }, (_, i) => 100 + i),
    flags: new Uint16Array(length),
    columns,
    instance: 0,
  }
}

/** Appends the batch as events 7, 8, ... of the trace, or from `first` on; its clock begins at 5. */
export async function appendRaw(
  database: Database,
  traceId: number,
  batch: EventBatch,
  first = 7,
): Promise<RawTables> {
  const raw = new RawTables(database.connection, database.strings, traceId, toHalves(5n))
  const seq = Float64Array.from({ length: batch.length }, (_, i) => first + i)
  await raw.append(batch, seq)
  raw.close()
  return raw
}
