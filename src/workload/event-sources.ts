import { quoteName } from '../database/quote.ts'
import { EVENT, type EventKind } from './recording.ts'

/** One kind of event: names it goes by, and the SQL of its values from the columns that the trace has. */
export interface Source {
  readonly kind: EventKind
  readonly names: readonly string[]
  readonly values: readonly ((fields: Fields) => string)[]
}

/** Columns of one raw table with their SQL types. */
export type Fields = ReadonlyMap<string, string>

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
        found.push({ name: quoteName(column), isText: type === 'VARCHAR' })
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

function number(...names: string[]): (fields: Fields) => string {
  return (fields) =>
    fieldValue(fields, names, ({ name, isText }) => (isText ? `TRY_CAST(${name} AS DOUBLE)` : name))
}

/** A swap entry's type in columns of events; the offset lies below. */
export const ENTRY_TYPE = 2 ** 40

/** Swap entries: type in the top six bits of 64, offset below (include/linux/swapops.h, SWP_TYPE_SHIFT). */
function entry(fields: Fields): string {
  return fieldValue(fields, ['entry', 'ent', 'swap_entry', 'val'], ({ name }) => {
    const value = `${name}::UBIGINT`
    return `((${value}) >> 58)::DOUBLE * ${ENTRY_TYPE} + ((${value}) & 288230376151711743)::DOUBLE`
  })
}

/** log2 of the folio's pages, where the probe fetched it. */
const folioOrder = number('order', 'ord')

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

export const SOURCES: readonly Source[] = [
  {
    kind: EVENT.switch,
    names: ['sched_switch'],
    values: [number('prev_pid'), leftState, number('next_pid')],
  },
  { kind: EVENT.waking, names: ['sched_waking'], values: [number('pid'), number('target_cpu')] },
  { kind: EVENT.wakeup, names: ['sched_wakeup'], values: [number('pid'), number('target_cpu')] },
  {
    kind: EVENT.gate,
    names: ['swap_writepage', 'swap_writeout', 'swout'],
    values: [entry, folioOrder],
  },
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
  { kind: EVENT.store, names: ['pst_write'], values: [entry, folioOrder] },
  { kind: EVENT.storeReturn, names: ['pst_write_ret'], values: [] },
  {
    kind: EVENT.read,
    names: ['swap_readpage', 'swap_read_folio', 'swin'],
    values: [entry, folioOrder],
  },
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
    values: [number('order'), gfp, number('nid')],
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
