import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { toByteSource } from '../../parsers/cursor.ts'
import type {
  ByteSource,
  Column,
  EventBatch,
  EventWindow,
  ImportIssue,
  Loss,
  TraceInfo,
  TraceReader,
} from '../../parsers/index.ts'
import { openTrace } from '../../parsers/index.ts'

export type Value = number | bigint | string | number[] | bigint[]

export interface ReadEvent {
  readonly seq: number
  readonly ts: number
  readonly cpu: number
  readonly tid: number
  readonly flags: number
  readonly system: string
  readonly name: string
  readonly instance: number
  readonly fields: Record<string, Value>
}

export interface ReadTrace {
  readonly info: TraceInfo
  readonly events: ReadEvent[]
  readonly losses: readonly Loss[]
  readonly issues: readonly ImportIssue[]
}

function wide(lo: number, hi: number, signed: boolean): bigint {
  const value = (BigInt(hi) << 32n) | BigInt(lo)
  return signed ? BigInt.asIntN(64, value) : value
}

export function valueAt(column: Column, row: number): Value {
  switch (column.kind) {
    case 'i32':
    case 'u32':
    case 'f64':
      return column.values[row] ?? Number.NaN
    case 'i64':
    case 'u64':
      return wide(column.lo[row] ?? 0, column.hi[row] ?? 0, column.kind === 'i64')
    case 'string':
      return column.dictionary.get(column.codes[row] ?? 0)
    case 'bytes':
      return [...column.bytes.subarray(column.starts[row], column.starts[row + 1])]
    case 'list': {
      const { element } = column.field
      const lo = [...column.lo.subarray(column.starts[row], column.starts[row + 1])]
      if (element === 'u32') return lo
      if (element === 'i32') return lo.map((value) => value | 0)
      const from = column.starts[row] ?? 0
      return lo.map((value, index) => wide(value, column.hi[from + index] ?? 0, element === 'i64'))
    }
  }
}

export function eventAt(batch: EventBatch, row: number, seq: number): ReadEvent {
  const fields: Record<string, Value> = {}
  for (const column of batch.columns) fields[column.field.name] = valueAt(column, row)
  return {
    seq,
    ts: batch.ts[row] ?? Number.NaN,
    cpu: batch.cpu[row] ?? -1,
    tid: batch.tid[row] ?? -1,
    flags: batch.flags[row] ?? 0,
    system: batch.format.system,
    name: batch.format.name,
    instance: batch.instance,
    fields,
  }
}

export type Visit = (batch: EventBatch, row: number, seq: number) => void

/** Calls `visit` for every event in order; fields are read only where it asks. */
export function forEachEvent(reader: TraceReader, visit: Visit): void {
  for (let window = reader.read(); window !== undefined; window = reader.read())
    visitWindow(window, visit)
}

export function visitWindow(window: EventWindow, visit: Visit): void {
  for (let k = 0; k < window.length; k++) {
    const batch = window.batches[window.batch[k] ?? -1]
    if (batch === undefined) throw new Error(`event ${window.firstSeq + k} has no batch`)
    visit(batch, window.row[k] ?? -1, window.firstSeq + k)
  }
}

export async function readTrace(source: ByteSource): Promise<ReadTrace> {
  const reader = await openTrace(source)
  const events: ReadEvent[] = []
  forEachEvent(reader, (batch, row, seq) => events.push(eventAt(batch, row, seq)))
  reader.close()
  const { info, losses, issues } = reader
  return { info, events, losses, issues }
}

export async function readBytes(bytes: Uint8Array): Promise<ReadTrace> {
  return await readTrace(toByteSource('test', bytes))
}

/** A file as a source; the descriptor is closed by `close`. */
export function openTestFile(path: string): ByteSource & { close(): void } {
  const descriptor = openSync(path, 'r')
  return {
    name: path,
    size: fstatSync(descriptor).size,
    readInto: (offset, target) => readSync(descriptor, target, 0, target.length, offset),
    close: () => closeSync(descriptor),
  }
}
