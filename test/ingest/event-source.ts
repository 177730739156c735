import type { Column, EventFormat, EventWindow, FieldSpec } from '../../parsers/batch.ts'
import { EventOrder } from '../../parsers/event-order.ts'
import type { Loss, TraceReader } from '../../parsers/reader.ts'

/** One event for a hand-made trace; numbers become i64 fields, strings string fields. */
export interface MadeEvent {
  readonly ts: number
  readonly cpu?: number
  readonly tid?: number
  /** `system:name`. */
  readonly event: string
  readonly fields?: Readonly<Record<string, number | string>>
}

export interface MadeTrace {
  readonly events: Iterable<MadeEvent>
  readonly losses?: readonly Loss[]
  readonly comms?: ReadonlyMap<number, string>
  readonly baseNs?: bigint
  readonly windowRows?: number
  /** Formats described without events so far: [name, field names]. */
  readonly formats?: readonly string[]
}

/** A reader over events made in a test: the input of ingest, not a stand-in for a parser. */
export function readerOf(trace: MadeTrace): TraceReader {
  const formats: EventFormat[] = []
  const byName = new Map<string, EventFormat>()
  const formatOf = (event: string, fields: Readonly<Record<string, number | string>>) => {
    const key = `${event} ${Object.entries(fields)
      .map(([name, value]) => `${name}:${typeof value}`)
      .join()}`
    let format = byName.get(key)
    if (format === undefined) {
      const [system = '', name = ''] = event.split(':')
      format = {
        system,
        name,
        id: formats.length + 1,
        printFmt: '',
        fields: Object.entries(fields).map(([field, value]) => toField(field, value)),
      }
      byName.set(key, format)
      formats.push(format)
    }
    return format
  }
  for (const event of trace.formats ?? []) formatOf(event, {})
  const iterator = trace.events[Symbol.iterator]()
  const losses: Loss[] = [...(trace.losses ?? [])]
  const windowRows = trace.windowRows ?? 1000
  let seq = 0
  return {
    info: {
      format: 'made',
      kernelRelease: undefined,
      arch: undefined,
      cpus: undefined,
      pageSize: undefined,
      clock: 'mono',
      baseNs: trace.baseNs ?? 0n,
      ticks: false,
      instances: [],
      comms: trace.comms ?? new Map(),
      tgids: new Map(),
      nodeRanges: [],
      facts: new Map(),
    },
    formats,
    losses,
    issues: [],
    bytesRead: 0,
    read(): EventWindow | undefined {
      const rows = new Map<EventFormat, MadeEvent[]>()
      const order: EventFormat[] = []
      const batchOf: number[] = []
      const rowOf: number[] = []
      while (batchOf.length < windowRows) {
        const next = iterator.next()
        if (next.done === true) break
        const format = formatOf(next.value.event, next.value.fields ?? {})
        let list = rows.get(format)
        if (list === undefined) {
          list = []
          rows.set(format, list)
          order.push(format)
        }
        batchOf.push(order.indexOf(format))
        rowOf.push(list.length)
        list.push(next.value)
      }
      if (batchOf.length === 0) return undefined
      const firstSeq = seq
      seq += batchOf.length
      return new EventOrder(batchOf.length).complete({
        firstSeq,
        length: batchOf.length,
        batch: Uint16Array.from(batchOf),
        row: Uint32Array.from(rowOf),
        batches: order.map((format) => {
          const list = rows.get(format) ?? []
          return {
            format,
            length: list.length,
            ts: Float64Array.from(list, ({ ts }) => ts),
            cpu: Int32Array.from(list, ({ cpu }) => cpu ?? 0),
            tid: Int32Array.from(list, ({ tid }) => tid ?? 1),
            flags: new Uint16Array(list.length),
            columns: format.fields.map((field) => toColumn(field, list)),
            instance: 0,
          }
        }),
      })
    },
    close() {},
  }
}

function toField(name: string, value: number | string): FieldSpec {
  const text = typeof value === 'string'
  return {
    name,
    type: text ? 'char[16]' : 'long',
    offset: 8,
    size: text ? 16 : 8,
    signed: !text,
    kind: text ? 'string' : 'i64',
  }
}

function toColumn(field: FieldSpec, events: readonly MadeEvent[]): Column {
  const values = events.map(({ fields }) => fields?.[field.name] ?? 0)
  if (field.kind === 'string') {
    const strings = [...new Set(values.map(String))]
    return {
      kind: 'string',
      field,
      codes: Uint32Array.from(values, (value) => strings.indexOf(String(value))),
      dictionary: { length: strings.length, get: (code) => strings[code] ?? '' },
    }
  }
  const halves = values.map((value) => BigInt.asUintN(64, BigInt(value)))
  return {
    kind: 'i64',
    field,
    lo: Uint32Array.from(halves, (value) => Number(value & 0xffffffffn)),
    hi: Uint32Array.from(halves, (value) => Number(value >> 32n)),
  }
}
