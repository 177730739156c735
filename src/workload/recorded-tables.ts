import { quoteName } from '../database/quote.ts'
import { MAX_PAGE_ORDER } from '../model/buddy.ts'
import { ENTRY_TYPE } from './event-sources.ts'
import type {
  RecordedGap,
  RecordedIos,
  RecordedPlaces,
  RecordedTask,
  RecordedZone,
  Sample,
} from './recording.ts'
import { floats, texts, type WorkloadTables } from './table-columns.ts'

/** By tid. A tgid of -1 is not known. */
export async function loadTasks(
  tables: WorkloadTables,
  traceId: number,
): Promise<Map<number, RecordedTask>> {
  // Tids are used again and names change: the last to bear the tid names it.
  const rows = await tables.queryColumns(
    `SELECT tid::DOUBLE AS tid, task_id::DOUBLE AS task_id, tgid::DOUBLE AS tgid, comm, kind, cgroup
     FROM tasks WHERE trace_id = ${traceId} ORDER BY last_ns NULLS FIRST, task_id`,
  )
  const tasks = new Map<number, RecordedTask>()
  const tid = floats(rows, 'tid')
  const taskId = floats(rows, 'task_id')
  const tgid = floats(rows, 'tgid')
  const comm = texts(rows, 'comm')
  const kind = texts(rows, 'kind')
  const cgroup = texts(rows, 'cgroup')
  for (let i = 0; i < rows.length; i++) {
    const group = tgid[i] ?? Number.NaN
    tasks.set(tid[i] ?? -1, {
      taskId: taskId[i] ?? 0,
      tid: tid[i] ?? -1,
      tgid: Number.isNaN(group) ? -1 : group,
      comm: comm[i] ?? '',
      kind: kind[i] ?? 'user',
      cgroup: cgroup[i],
    })
  }
  return tasks
}

/** Zones with memory whose watermarks are known, in pages; a `startPfn` of -1 is not known. */
export async function loadZones(tables: WorkloadTables, traceId: number): Promise<RecordedZone[]> {
  const rows = await tables.queryColumns(
    `SELECT node::DOUBLE AS node, zone, start_pfn::DOUBLE AS start_pfn, spanned::DOUBLE AS spanned, managed::DOUBLE AS managed,
       wmark_min::DOUBLE AS wmark_min, wmark_low::DOUBLE AS wmark_low, wmark_high::DOUBLE AS wmark_high, basis
     FROM zones WHERE trace_id = ${traceId} AND managed > 0 AND wmark_low IS NOT NULL ORDER BY node, start_pfn, zone`,
  )
  const zones: RecordedZone[] = []
  const at = (column: string, row: number, otherwise: number): number => {
    const value = floats(rows, column)[row] ?? Number.NaN
    return Number.isNaN(value) ? otherwise : value
  }
  for (let i = 0; i < rows.length; i++)
    zones.push({
      node: at('node', i, 0),
      name: texts(rows, 'zone')[i] ?? '',
      startPfn: at('start_pfn', i, -1),
      spanned: at('spanned', i, 0),
      managed: at('managed', i, 0),
      min: at('wmark_min', i, 0),
      low: at('wmark_low', i, 0),
      high: at('wmark_high', i, 0),
      basis: texts(rows, 'basis')[i] === 'snapshot' ? 'snapshot' : 'inferred',
    })
  return zones
}

/** Free pages of all nodes together, and the counters of vmstat and mm_stat, by name in the order of their times (ns since `start`). */
export async function loadSamples(
  tables: WorkloadTables,
  traceId: number,
  start: string,
): Promise<Map<string, Sample[]>> {
  const rows = await tables.queryColumns(
    `SELECT name, (ts_ns - ${start})::DOUBLE AS ns, sum(value)::DOUBLE AS value FROM samples
     WHERE trace_id = ${traceId} AND run_id IS NULL
       AND (name = 'free_pages' OR name LIKE 'vmstat.%' OR name LIKE 'mm_stat.%')
     GROUP BY name, ts_ns ORDER BY name, ts_ns`,
  )
  const samples = new Map<string, Sample[]>()
  const name = texts(rows, 'name')
  const ns = floats(rows, 'ns')
  const value = floats(rows, 'value')
  for (let i = 0; i < rows.length; i++) {
    const key = name[i] ?? ''
    const list = samples.get(key) ?? []
    list.push({ ns: ns[i] ?? 0, value: value[i] ?? 0 })
    samples.set(key, list)
  }
  return samples
}

/** Swap-outs that went to one place, in the order in which they were submitted. */
export async function loadPlaces(
  tables: WorkloadTables,
  traceId: number,
  start: string,
  place: 'disk' | 'zero',
): Promise<RecordedPlaces> {
  const rows = await tables.queryColumns(
    `SELECT (submit_ns - ${start})::DOUBLE AS ns, swap_type::DOUBLE * ${ENTRY_TYPE} + swap_offset::DOUBLE AS entry
     FROM swapouts WHERE trace_id = ${traceId} AND run_id IS NULL AND place = '${place}'
     ORDER BY submit_ns, swapout_id`,
  )
  return { ns: floats(rows, 'ns'), entry: floats(rows, 'entry') }
}

/** In the order of their starts, ns since `start`. */
export async function loadGaps(
  tables: WorkloadTables,
  traceId: number,
  start: string,
): Promise<RecordedGap[]> {
  const rows = await tables.queryColumns(
    `SELECT (start_ns - ${start})::DOUBLE AS start_ns, (end_ns - ${start})::DOUBLE AS end_ns, cpu::DOUBLE AS cpu, coalesce(events, -1)::DOUBLE AS events
     FROM losses WHERE trace_id = ${traceId} ORDER BY start_ns, cpu`,
  )
  const startNs = floats(rows, 'start_ns')
  const endNs = floats(rows, 'end_ns')
  const cpu = floats(rows, 'cpu')
  return Array.from(floats(rows, 'events'), (events, row) => ({
    cpu: cpu[row] ?? 0,
    startNs: startNs[row] ?? 0,
    endNs: endNs[row] ?? 0,
    events: events < 0 ? undefined : events,
  }))
}

/** Requests that were completed, in the order of their issue; times in ns since `start`. */
export async function loadIos(
  tables: WorkloadTables,
  traceId: number,
  start: string,
): Promise<RecordedIos> {
  const rows = await tables.queryColumns(
    `SELECT device, op, sectors::DOUBLE AS sectors, (issue_ns - ${start})::DOUBLE AS issue_ns, (complete_ns - ${start})::DOUBLE AS done_ns
     FROM block_ios WHERE trace_id = ${traceId} AND run_id IS NULL AND complete_ns IS NOT NULL
     ORDER BY issue_ns, sector`,
  )
  return {
    length: rows.length,
    device: texts(rows, 'device'),
    op: texts(rows, 'op'),
    sectors: floats(rows, 'sectors'),
    issueNs: floats(rows, 'issue_ns'),
    doneNs: floats(rows, 'done_ns'),
  }
}

/** Kinds of the swap areas, the one that is filled first first. */
export async function loadSwapKinds(tables: WorkloadTables, traceId: number): Promise<string[]> {
  const rows = await tables.queryColumns(
    `SELECT kind FROM swap_devices WHERE trace_id = ${traceId} ORDER BY priority DESC, swap_type`,
  )
  return texts(rows, 'kind').filter((kind) => kind !== undefined)
}

/** Files recorded beside the trace, by name; none where the column is NULL. */
export function parseSnapshot(text: string | undefined): Readonly<Record<string, unknown>> {
  if (text === undefined) return {}
  const value: unknown = JSON.parse(text)
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

/** include/trace/events/kmem.h: an allocation takes memory of another mobility type, the block for good or one page. */
export const FALLBACK = 'mm_page_alloc_extfrag'
export const FALLBACK_FIELDS = ['alloc_migratetype', 'fallback_order', 'change_ownership']
/** MIGRATE_UNMOVABLE. */
const UNMOVABLE = 0

/** When unmovable allocations took a whole chunk of the largest order for good, in this order. */
export async function loadChunkClaims(
  tables: WorkloadTables,
  traceId: number,
  of: { readonly table: string; readonly start: string },
): Promise<Float64Array> {
  const rows = await tables.queryColumns(
    `SELECT (ts_ns - ${of.start})::DOUBLE AS ns FROM raw.${quoteName(of.table)}
     WHERE trace_id = ${traceId} AND TRY_CAST(alloc_migratetype AS INTEGER) = ${UNMOVABLE}
       AND TRY_CAST(fallback_order AS INTEGER) >= ${MAX_PAGE_ORDER} AND TRY_CAST(change_ownership AS INTEGER) = 1
     ORDER BY seq`,
  )
  return floats(rows, 'ns')
}

/** include/trace/events/power.h: cpu_frequency {state, cpu_id}, emitted where it changes; kHz, weighted by time. */
export async function loadFrequencies(
  tables: WorkloadTables,
  traceId: number,
  of: { readonly table: string; readonly cpus: number },
): Promise<readonly number[]> {
  const rows = await tables.queryColumns(
    `SELECT TRY_CAST(cpu_id AS DOUBLE) AS cpu, coalesce(sum(state * lasted) / nullif(sum(lasted), 0), max(state))::DOUBLE AS khz FROM (
       SELECT cpu_id, TRY_CAST(state AS DOUBLE) AS state, coalesce(lead(ts_ns) OVER (PARTITION BY cpu_id ORDER BY seq), (SELECT end_ns FROM traces WHERE trace_id = ${traceId})) - ts_ns AS lasted
       FROM raw.${quoteName(of.table)} WHERE trace_id = ${traceId}
     ) GROUP BY cpu_id`,
  )
  const cpu = floats(rows, 'cpu')
  const khz = floats(rows, 'khz')
  const found = new Array<number>(of.cpus).fill(0)
  for (let i = 0; i < rows.length; i++) found[cpu[i] ?? 0] = khz[i] ?? 0
  return found
}
