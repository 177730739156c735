import { quoteName } from '../database/quote.ts'
import { PstraceError } from '../model/error.ts'
import { findCpuSpeeds } from './cpu-speeds.ts'
import { SOURCES } from './event-sources.ts'
import {
  FALLBACK,
  FALLBACK_FIELDS,
  loadChunkClaims,
  loadFrequencies,
  loadGaps,
  loadIos,
  loadPlaces,
  loadSamples,
  loadSwapKinds,
  loadTasks,
  loadZones,
  parseSnapshot,
} from './recorded-tables.ts'
import { EVENT, type Recording, RecordingBuilder } from './recording.ts'
import { floats, one, texts, type WorkloadTables } from './table-columns.ts'

/** Reads a complete trace. Its raw events must be in the database (`pstrace ingest --raw all`, the default). */
export async function loadRecording(tables: WorkloadTables, traceId: number): Promise<Recording> {
  const trace = await one(
    tables,
    `SELECT name, state, start_ns::VARCHAR AS start_ns, (end_ns - start_ns)::DOUBLE AS length_ns, cpus, page_size,
       lost_events, kernel_release, snapshot::VARCHAR AS snapshot
     FROM traces WHERE trace_id = ${traceId}`,
  )
  if (trace === undefined || trace.text('state') !== 'complete')
    throw new PstraceError(
      'no_trace',
      `trace ${traceId}: no complete trace of that id in the database`,
    )
  const name = trace.text('name') ?? `trace ${traceId}`
  const start = trace.text('start_ns') ?? '0'
  const { builder, events, frequencyTable, fallbackTable } = await loadEvents(
    tables,
    traceId,
    start,
  )
  const columns = withOrdersOfStores(builder.finish())
  if (columns.length === 0)
    throw new PstraceError(
      'workload_no_events',
      (await wereRead(tables, traceId))
        ? `${name}: no raw reclaim or scheduler events in the database; ingest the trace with --raw all`
        : `${name}: the trace holds no reclaim or scheduler events; \`pstrace doctor\` says what to record`,
      { exitStatus: 3 },
    )
  let cpus = trace.number('cpus')
  if (!(cpus > 0)) cpus = 1 + columns.cpu.reduce((most, cpu) => Math.max(most, cpu), 0)
  const pageSize = trace.number('page_size')
  const kernelRelease = trace.text('kernel_release')
  const isZswap = [...events].some((event) => /^zswap_(frontswap_)?store$/.test(event))
  const frequencies =
    frequencyTable === undefined
      ? undefined
      : await loadFrequencies(tables, traceId, { table: frequencyTable, cpus })
  const recording: Recording = {
    name,
    ...columns,
    cpus,
    ...(frequencies === undefined ? {} : { frequencies }),
    pageSize: pageSize > 0 ? pageSize : 4096,
    endNs: trace.number('length_ns'),
    ...(kernelRelease ? { kernelRelease } : {}),
    tasks: await loadTasks(tables, traceId),
    zones: await loadZones(tables, traceId),
    samples: await loadSamples(tables, traceId, start),
    ...(fallbackTable === undefined
      ? {}
      : { chunkClaims: await loadChunkClaims(tables, traceId, { table: fallbackTable, start }) }),
    snapshot: parseSnapshot(trace.text('snapshot')),
    swapKinds: await loadSwapKinds(tables, traceId),
    ...(isZswap ? await loadZswapPlaces(tables, traceId, start) : {}),
    ios: await loadIos(tables, traceId, start),
    events,
    losses: trace.number('lost_events') || 0,
    gaps: await loadGaps(tables, traceId, start),
  }
  return { ...recording, cpuSpeeds: findCpuSpeeds(recording) }
}

/** The begin of zswap's stores alone does not tell what became of them. */
async function loadZswapPlaces(
  tables: WorkloadTables,
  traceId: number,
  start: string,
): Promise<Pick<Recording, 'refusals' | 'zeroPages'>> {
  const zeroPages = await loadPlaces(tables, traceId, start, 'zero')
  return {
    refusals: await loadPlaces(tables, traceId, start, 'disk'),
    ...(zeroPages.ns.length === 0 ? {} : { zeroPages }),
  }
}

/** The events that a workload is made of, and the names of all that have raw rows. */
async function loadEvents(
  tables: WorkloadTables,
  traceId: number,
  start: string,
): Promise<{
  readonly builder: RecordingBuilder
  readonly events: ReadonlySet<string>
  readonly frequencyTable: string | undefined
  readonly fallbackTable: string | undefined
}> {
  const events = new Set<string>()
  let frequencyTable: string | undefined
  let fallbackTable: string | undefined
  const builder = new RecordingBuilder()
  for (const [table, fields] of await findRawTables(tables)) {
    const event = table.slice(table.indexOf(':') + 1)
    const source = SOURCES.find(({ names }) => names.includes(event))
    const isThere =
      source === undefined
        ? await hasRows(tables, table, traceId)
        : (await addEvents(builder, tables, { table, fields, source }, traceId, start)) > 0
    if (!isThere) continue
    events.add(event)
    if (event === 'cpu_frequency' && fields.has('cpu_id') && fields.has('state'))
      frequencyTable = table
    if (event === FALLBACK && FALLBACK_FIELDS.every((field) => fields.has(field)))
      fallbackTable = table
  }
  return { builder, events, frequencyTable, fallbackTable }
}

/** How many there were. */
async function addEvents(
  builder: RecordingBuilder,
  tables: WorkloadTables,
  of: {
    readonly table: string
    readonly fields: ReadonlyMap<string, string>
    readonly source: (typeof SOURCES)[number]
  },
  traceId: number,
  start: string,
): Promise<number> {
  const { kind, values } = of.source
  const expressions = ['a', 'b', 'c', 'd'].map((column, index) => {
    const value = values[index]
    return `${value === undefined ? '0' : `coalesce(${value(of.fields)}, 0)`}::DOUBLE AS ${column}`
  })
  const rows = await tables.queryColumns(
    `SELECT seq::DOUBLE AS seq, (ts_ns - ${start})::DOUBLE AS ns, cpu::DOUBLE AS cpu, tid::DOUBLE AS tid, ${expressions.join(', ')}
     FROM raw.${quoteName(of.table)} WHERE trace_id = ${traceId} ORDER BY seq`,
  )
  const seq = floats(rows, 'seq')
  const ns = floats(rows, 'ns')
  const cpu = floats(rows, 'cpu')
  const tid = floats(rows, 'tid')
  const a = floats(rows, 'a')
  const b = floats(rows, 'b')
  const c = floats(rows, 'c')
  const d = floats(rows, 'd')
  for (let i = 0; i < rows.length; i++)
    builder.add(
      seq[i] ?? 0,
      kind,
      ns[i] ?? 0,
      cpu[i] ?? 0,
      tid[i] ?? 0,
      a[i] ?? 0,
      b[i] ?? 0,
      c[i] ?? 0,
      d[i] ?? 0,
    )
  return rows.length
}

/** A store is of the folio that went through the gate with its entry, whose probe may tell the order where the store's does not. */
function withOrdersOfStores<C extends Pick<Recording, 'length' | 'kind' | 'a' | 'b'>>(
  columns: C,
): C {
  const { a, b, kind } = columns
  const orders = new Map<number, number>()
  for (let i = 0; i < columns.length; i++)
    if (kind[i] === EVENT.gate) {
      if ((b[i] ?? 0) > 0) orders.set(a[i] ?? 0, b[i] ?? 0)
      else orders.delete(a[i] ?? 0)
    } else if (kind[i] === EVENT.store && b[i] === 0) b[i] = orders.get(a[i] ?? 0) ?? 0
  return columns
}

async function findRawTables(tables: WorkloadTables): Promise<Map<string, Map<string, string>>> {
  const rows = await tables.queryColumns(
    `SELECT table_name, column_name, data_type FROM information_schema.columns
     WHERE table_schema = 'raw' ORDER BY table_name, ordinal_position`,
  )
  const found = new Map<string, Map<string, string>>()
  const table = texts(rows, 'table_name')
  const column = texts(rows, 'column_name')
  const type = texts(rows, 'data_type')
  for (let i = 0; i < rows.length; i++) {
    const name = table[i] ?? ''
    const fields = found.get(name) ?? new Map<string, string>()
    fields.set(column[i] ?? '', type[i] ?? '')
    found.set(name, fields)
  }
  return found
}

async function hasRows(tables: WorkloadTables, table: string, traceId: number): Promise<boolean> {
  const rows = await tables.queryColumns(
    `SELECT 1 AS one FROM raw.${quoteName(table)} WHERE trace_id = ${traceId} LIMIT 1`,
  )
  return rows.length > 0
}

/** True when the trace had events that a workload is made of, kept as raw rows or not. */
async function wereRead(tables: WorkloadTables, traceId: number): Promise<boolean> {
  const names = SOURCES.flatMap((source) => source.names.map((name) => `'${name}'`))
  const counted = await one(
    tables,
    `SELECT count(*)::DOUBLE AS n FROM samples WHERE trace_id = ${traceId} AND run_id IS NULL
       AND regexp_extract(name, '^events[.].*:(.*)$', 1) IN (${names.join(', ')}) AND value > 0`,
  )
  return (counted?.number('n') ?? 0) > 0
}
