import { PstraceError } from '../model/error.ts'
import {
  EVENT,
  type EventKind,
  type RecordedGap,
  type RecordedIos,
  type RecordedRefusals,
  type RecordedTask,
  type RecordedZone,
  type Recording,
  RecordingBuilder,
  type Sample,
} from './recording.ts'

/** Columns by name: numbers with NaN for NULL, texts with undefined. */
export interface TableColumns {
  readonly length: number
  readonly columns: Readonly<Record<string, Float64Array | (string | undefined)[]>>
}

/** What the extraction needs of a database. */
export interface WorkloadTables {
  queryColumns(sql: string): Promise<TableColumns>
}

/** One kind of event: names it goes by, and the SQL of its values from the columns that the trace has. */
interface Source {
  readonly kind: EventKind
  readonly names: readonly string[]
  readonly values: readonly ((fields: Fields) => string)[]
}

/** Columns of one raw table with their SQL types. */
type Fields = ReadonlyMap<string, string>

interface Column {
  readonly name: string
  readonly isText: boolean
}

/** Columns of the field, by each of its names: traces in which it has another class of type have one of their own, told by its end. */
function columnsOf(fields: Fields, names: readonly string[]): Column[] {
  const found: Column[] = []
  for (const name of names)
    for (const [column, type] of fields) {
      const end = column.startsWith(name) ? column.slice(name.length) : undefined
      if (end === '' || (end !== undefined && /^__(number|text)\d*$/.test(end)))
        found.push({ name: quote(column), isText: type === 'VARCHAR' })
    }
  return found
}

/** The value of the first of the columns that the trace has filled. */
function fieldValue(
  fields: Fields,
  names: readonly string[],
  toSql: (column: Column) => string,
  otherwise = 'NULL',
): string {
  const cases = columnsOf(fields, names).map(
    (column) => `WHEN ${column.name} IS NOT NULL THEN (${toSql(column)})::DOUBLE`,
  )
  return cases.length === 0 ? otherwise : `CASE ${cases.join(' ')} ELSE ${otherwise} END`
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function number(...names: string[]): (fields: Fields) => string {
  return (fields) =>
    fieldValue(fields, names, ({ name, isText }) => (isText ? `TRY_CAST(${name} AS DOUBLE)` : name))
}

/** A swap entry's type in columns of events; the offset lies below. */
const ENTRY_TYPE = 2 ** 40

/** Swap entries: type in the top six bits of 64, offset below (include/linux/swapops.h, SWP_TYPE_SHIFT). */
function entry(fields: Fields): string {
  return fieldValue(fields, ['entry', 'ent', 'swap_entry', 'val'], ({ name }) => {
    const value = `${name}::UBIGINT`
    return `((${value}) >> 58)::DOUBLE * ${ENTRY_TYPE} + ((${value}) & 288230376151711743)::DOUBLE`
  })
}

function addressPage(fields: Fields): string {
  return fieldValue(fields, ['addr', 'address'], ({ name }) => `(${name}::UBIGINT) >> 12`)
}

/** TASK_INTERRUPTIBLE 1, TASK_UNINTERRUPTIBLE 2, TASK_REPORT_IDLE 0x80; 0 and the preempted bits above mean runnable. */
function leftState(fields: Fields): string {
  const toSql = ({ name, isText }: Column): string =>
    isText
      ? `CASE WHEN ${name} LIKE 'S%' OR ${name} LIKE 'I%' THEN 1 WHEN ${name} LIKE 'D%' THEN 2 WHEN ${name} LIKE 'R%' THEN 0 ELSE 3 END`
      : `CASE WHEN (${name}::BIGINT & 129) <> 0 THEN 1 WHEN (${name}::BIGINT & 2) <> 0 THEN 2 WHEN (${name}::BIGINT & 126) = 0 THEN 0 ELSE 3 END`
  return fieldValue(fields, ['prev_state'], toSql, '0')
}

/** Only movable (0x8) and zero (0x100) are read; as text they are parts of the names. */
function gfp(fields: Fields): string {
  return fieldValue(fields, ['gfp_flags'], ({ name, isText }) =>
    isText
      ? `CASE WHEN contains(${name}, 'MOVABLE') THEN 8 ELSE 0 END + CASE WHEN contains(${name}, '__GFP_ZERO') THEN 256 ELSE 0 END`
      : name,
  )
}

function reclaimFlags(fields: Fields): string {
  const toSql = ({ name, isText }: Column): string =>
    isText ? `CASE WHEN contains(${name}, 'FILE') THEN 10 ELSE 9 END` : name
  return fieldValue(fields, ['reclaim_flags', 'flags'], toSql, '9')
}

const LRU_NAMES = ['inactive_anon', 'active_anon', 'inactive_file', 'active_file', 'unevictable']

function lru(fields: Fields): string {
  const values = LRU_NAMES.map((text, value) => `WHEN '${text}' THEN ${value}`).join(' ')
  const named = fieldValue(fields, ['lru'], ({ name, isText }) =>
    isText ? `CASE ${name} ${values} END` : name,
  )
  // Before 4.11 the event said only whether it was a file list.
  return fieldValue(fields, ['file'], ({ name }) => `${name}::DOUBLE * 2`, named)
}

function zone(fields: Fields): string {
  const node = fieldValue(fields, ['node', 'nid'], ({ name }) => name, '0')
  const index = fieldValue(
    fields,
    ['zone_idx', 'zone'],
    ({ name, isText }) =>
      isText
        ? `CASE trim(${name}) WHEN 'DMA' THEN 0 WHEN 'DMA32' THEN 1 WHEN 'Normal' THEN 2 ELSE 3 END`
        : name,
    '0',
  )
  return `(${node}) * 16 + (${index})`
}

const SOURCES: readonly Source[] = [
  {
    kind: EVENT.switch,
    names: ['sched_switch'],
    values: [number('prev_pid'), leftState, number('next_pid')],
  },
  { kind: EVENT.waking, names: ['sched_waking'], values: [number('pid'), number('target_cpu')] },
  { kind: EVENT.wakeup, names: ['sched_wakeup'], values: [number('pid'), number('target_cpu')] },
  { kind: EVENT.gate, names: ['swap_writepage', 'swap_writeout', 'swout'], values: [entry] },
  {
    kind: EVENT.gateReturn,
    names: ['swap_writepage_ret', 'swap_writeout_ret', 'swout_r', 'swout_ret'],
    values: [],
  },
  {
    kind: EVENT.written,
    names: ['mm_vmscan_write_folio', 'mm_vmscan_writepage'],
    values: [number('pfn'), reclaimFlags],
  },
  { kind: EVENT.store, names: ['pst_write'], values: [entry] },
  { kind: EVENT.storeReturn, names: ['pst_write_ret'], values: [] },
  { kind: EVENT.read, names: ['swap_readpage', 'swap_read_folio', 'swin'], values: [entry] },
  { kind: EVENT.fault, names: ['do_swap_page', 'flt'], values: [addressPage] },
  { kind: EVENT.faultReturn, names: ['do_swap_page_ret', 'flt_r', 'flt_ret'], values: [] },
  {
    kind: EVENT.isolate,
    names: ['mm_vmscan_lru_isolate'],
    values: [number('nr_requested'), number('nr_scanned'), number('nr_taken'), lru],
  },
  {
    kind: EVENT.batchEnd,
    names: ['mm_vmscan_lru_shrink_inactive'],
    values: [number('nr_scanned'), number('nr_reclaimed'), reclaimFlags, number('priority')],
  },
  {
    kind: EVENT.directBegin,
    names: ['mm_vmscan_direct_reclaim_begin'],
    values: [number('order'), gfp],
  },
  {
    kind: EVENT.directEnd,
    names: ['mm_vmscan_direct_reclaim_end'],
    values: [number('nr_reclaimed')],
  },
  { kind: EVENT.memcgBegin, names: ['mm_vmscan_memcg_reclaim_begin'], values: [] },
  {
    kind: EVENT.memcgEnd,
    names: ['mm_vmscan_memcg_reclaim_end'],
    values: [number('nr_reclaimed')],
  },
  {
    kind: EVENT.kswapdWake,
    names: ['mm_vmscan_kswapd_wake'],
    values: [number('nid'), number('order')],
  },
  { kind: EVENT.kswapdSleep, names: ['mm_vmscan_kswapd_sleep'], values: [number('nid')] },
  {
    kind: EVENT.wakeKswapd,
    names: ['mm_vmscan_wakeup_kswapd'],
    values: [number('order'), gfp],
  },
  {
    kind: EVENT.retry,
    names: ['reclaim_retry_zone'],
    values: [number('reclaimable'), number('available'), number('min_wmark'), zone],
  },
  { kind: EVENT.slabBegin, names: ['mm_shrink_slab_start'], values: [] },
  { kind: EVENT.slabEnd, names: ['mm_shrink_slab_end'], values: [number('retval')] },
  {
    kind: EVENT.slotFree,
    names: ['zram_slot_free', 'zram_slot_free_notify', 'zfree'],
    values: [number('index')],
  },
]

/** Reads a complete trace. Its raw events must be in the database (`pstrace ingest --raw all`, the default). */
export async function loadRecording(tables: WorkloadTables, traceId: number): Promise<Recording> {
  const trace = await one(
    tables,
    `SELECT name, state, start_ns::VARCHAR AS start_ns, (end_ns - start_ns)::DOUBLE AS length_ns, cpus, page_size,
       lost_events, snapshot::VARCHAR AS snapshot
     FROM traces WHERE trace_id = ${traceId}`,
  )
  if (trace === undefined || trace.text('state') !== 'complete')
    throw new PstraceError(
      'no_trace',
      `trace ${traceId}: no complete trace of that id in the database`,
    )
  const name = trace.text('name') ?? `trace ${traceId}`
  const start = trace.text('start_ns') ?? '0'
  const events = new Set<string>()
  const builder = new RecordingBuilder()
  const rawTables = await findRawTables(tables)
  for (const [table, fields] of rawTables) {
    const event = table.slice(table.indexOf(':') + 1)
    const source = SOURCES.find(({ names }) => names.includes(event))
    if (source === undefined) {
      if (await hasRows(tables, table, traceId)) events.add(event)
      continue
    }
    const values = ['a', 'b', 'c', 'd'].map((column, index) => {
      const value = source.values[index]
      return `${value === undefined ? '0' : `coalesce(${value(fields)}, 0)`}::DOUBLE AS ${column}`
    })
    const rows = await tables.queryColumns(
      `SELECT seq::DOUBLE AS seq, (ts_ns - ${start})::DOUBLE AS ns, cpu::DOUBLE AS cpu, tid::DOUBLE AS tid, ${values.join(', ')}
       FROM raw.${quote(table)} WHERE trace_id = ${traceId} ORDER BY seq`,
    )
    if (rows.length > 0) events.add(event)
    const column = (of: string): Float64Array => floats(rows, of)
    const [seq, ns, cpu, tid, a, b, c, d] = ['seq', 'ns', 'cpu', 'tid', 'a', 'b', 'c', 'd'].map(
      column,
    )
    if (seq === undefined || ns === undefined || cpu === undefined || tid === undefined) continue
    for (let i = 0; i < rows.length; i++)
      builder.add(
        seq[i] ?? 0,
        source.kind,
        ns[i] ?? 0,
        cpu[i] ?? 0,
        tid[i] ?? 0,
        a?.[i] ?? 0,
        b?.[i] ?? 0,
        c?.[i] ?? 0,
        d?.[i] ?? 0,
      )
  }
  const columns = builder.finish()
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
  const isZswap = [...events].some((event) => /^zswap_(frontswap_)?store$/.test(event))
  return {
    name,
    ...columns,
    cpus,
    pageSize: pageSize > 0 ? pageSize : 4096,
    endNs: trace.number('length_ns'),
    tasks: await loadTasks(tables, traceId),
    zones: await loadZones(tables, traceId),
    samples: await loadSamples(tables, traceId, start),
    snapshot: parseSnapshot(trace.text('snapshot')),
    swapKinds: await loadSwapKinds(tables, traceId),
    ...(isZswap ? { refusals: await loadRefusals(tables, traceId, start) } : {}),
    ios: await loadIos(tables, traceId, start),
    events,
    losses: trace.number('lost_events') || 0,
    gaps: await loadGaps(tables, traceId, start),
  }
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
    `SELECT 1 AS one FROM raw.${quote(table)} WHERE trace_id = ${traceId} LIMIT 1`,
  )
  return rows.length > 0
}

async function loadTasks(
  tables: WorkloadTables,
  traceId: number,
): Promise<Map<number, RecordedTask>> {
  // Tids are used again and names change: the last to bear the tid names it.
  const rows = await tables.queryColumns(
    `SELECT tid::DOUBLE AS tid, task_id::DOUBLE AS task_id, tgid::DOUBLE AS tgid, comm, kind
     FROM tasks WHERE trace_id = ${traceId} ORDER BY last_ns NULLS FIRST, task_id`,
  )
  const tasks = new Map<number, RecordedTask>()
  const tid = floats(rows, 'tid')
  const taskId = floats(rows, 'task_id')
  const tgid = floats(rows, 'tgid')
  const comm = texts(rows, 'comm')
  const kind = texts(rows, 'kind')
  for (let i = 0; i < rows.length; i++) {
    const group = tgid[i] ?? Number.NaN
    tasks.set(tid[i] ?? -1, {
      taskId: taskId[i] ?? 0,
      tid: tid[i] ?? -1,
      tgid: Number.isNaN(group) ? -1 : group,
      comm: comm[i] ?? '',
      kind: kind[i] ?? 'user',
    })
  }
  return tasks
}

async function loadZones(tables: WorkloadTables, traceId: number): Promise<RecordedZone[]> {
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

async function loadSamples(
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

async function loadRefusals(
  tables: WorkloadTables,
  traceId: number,
  start: string,
): Promise<RecordedRefusals> {
  const rows = await tables.queryColumns(
    `SELECT (submit_ns - ${start})::DOUBLE AS ns, swap_type::DOUBLE * ${ENTRY_TYPE} + swap_offset::DOUBLE AS entry
     FROM swapouts WHERE trace_id = ${traceId} AND run_id IS NULL AND place = 'disk'
     ORDER BY submit_ns, swapout_id`,
  )
  return { ns: floats(rows, 'ns'), entry: floats(rows, 'entry') }
}

async function loadGaps(
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

async function loadIos(
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

async function loadSwapKinds(tables: WorkloadTables, traceId: number): Promise<string[]> {
  const rows = await tables.queryColumns(
    `SELECT kind FROM swap_devices WHERE trace_id = ${traceId} ORDER BY priority DESC, swap_type`,
  )
  return texts(rows, 'kind').filter((kind) => kind !== undefined)
}

function parseSnapshot(text: string | undefined): Readonly<Record<string, unknown>> {
  if (text === undefined) return {}
  const value: unknown = JSON.parse(text)
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
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

async function one(
  tables: WorkloadTables,
  sql: string,
): Promise<
  { text: (column: string) => string | undefined; number: (column: string) => number } | undefined
> {
  const rows = await tables.queryColumns(sql)
  if (rows.length === 0) return undefined
  return {
    text: (column) => texts(rows, column)[0],
    number: (column) => {
      const values = rows.columns[column]
      return values instanceof Float64Array
        ? (values[0] ?? Number.NaN)
        : Number(values?.[0] ?? Number.NaN)
    },
  }
}

function floats(rows: TableColumns, column: string): Float64Array {
  const values = rows.columns[column]
  return values instanceof Float64Array ? values : Float64Array.from(values ?? [], Number)
}

function texts(rows: TableColumns, column: string): readonly (string | undefined)[] {
  const values = rows.columns[column]
  return values instanceof Float64Array ? Array.from(values, String) : (values ?? [])
}
