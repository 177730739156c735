import { PstraceError } from '../model/error.ts'
import type { ValueKind } from '../model/rows.ts'
import { quoteText } from './quote.ts'
import { CPU, RUN_ID, TID, TRACE_ID } from './tables/columns.ts'
import {
  type ColumnDefinition,
  column,
  type SqlType,
  type TableDefinition,
} from './tables/definition.ts'
import { BLOCK_IOS, SAMPLES, SWAP_DEVICES, ZONES } from './tables/machine.ts'
import {
  KSWAPD_SPANS,
  RECLAIM_SPANS,
  SHRINK_BATCHES,
  SLAB_SHRINKS,
  STALL_PARTS,
} from './tables/reclaim.ts'
import { IMPORT_ISSUES, LOSSES, MARKERS, RAW_FIELDS, TASKS, TRACES } from './tables/recording.ts'
import { METRICS, RUNS } from './tables/runs.ts'
import { POOL_MOVES, SWAPINS, SWAPOUTS } from './tables/swap.ts'
import { THREAD_STATES, WAKEUPS } from './tables/threads.ts'

/**
 * The database's tables as data. The SQL that creates them, the comments in the catalogue, the checks on appended rows and
 * the reference page all come from here.
 */

export const SCHEMA_VERSION = 7

/** In the order of the reference page. */
export const TABLES: readonly TableDefinition[] = [
  TRACES,
  TASKS,
  ZONES,
  SWAP_DEVICES,
  SWAPOUTS,
  SWAPINS,
  RECLAIM_SPANS,
  STALL_PARTS,
  KSWAPD_SPANS,
  THREAD_STATES,
  WAKEUPS,
  SHRINK_BATCHES,
  SLAB_SHRINKS,
  POOL_MOVES,
  BLOCK_IOS,
  SAMPLES,
  MARKERS,
  LOSSES,
  IMPORT_ISSUES,
  RAW_FIELDS,
  RUNS,
  METRICS,
]

export const RAW_SCHEMA = 'raw'
/** Leading columns of every raw table (packed-raw.ts). */
export const RAW_COLUMNS: readonly ColumnDefinition[] = [
  TRACE_ID,
  column('seq', 'BIGINT', "Rank in the trace's total order, from 0."),
  column('ts_ns', 'BIGINT', 'Time, ns in the trace clock.'),
  CPU,
  TID,
]

const ROW_KINDS: Readonly<Record<SqlType, ValueKind>> = {
  INTEGER: 'number',
  UINTEGER: 'number',
  BIGINT: 'number',
  DOUBLE: 'number',
  BOOLEAN: 'number',
  UBIGINT: 'wide',
  VARCHAR: 'text',
  JSON: 'text',
}

/** How a column travels in a RowBuffer. */
export function rowKindOf({ type, filled }: ColumnDefinition): ValueKind {
  return filled === true ? 'int' : ROW_KINDS[type]
}

/** How columns travel in a RowBuffer, by name. */
export function kindsOf(columns: readonly ColumnDefinition[]): Record<string, ValueKind> {
  return Object.fromEntries(columns.map((column) => [column.name, rowKindOf(column)]))
}

/** How the columns of a table travel in a RowBuffer. */
export function rowKinds(table: string): Record<string, ValueKind> {
  return kindsOf(tableOf(table).columns)
}

/** All columns in table order, trace_id and run_id included. */
export function allColumns(table: TableDefinition): readonly ColumnDefinition[] {
  if (table.scope === 'catalogue') return table.columns
  return table.scope === 'trace'
    ? [TRACE_ID, ...table.columns]
    : [TRACE_ID, RUN_ID, ...table.columns]
}

/** Undefined for a name that no table has: names come from users. */
export function findTable(name: string): TableDefinition | undefined {
  return TABLES.find((table) => table.name === name)
}

/** A table that is known to exist. */
export function tableOf(name: string): TableDefinition {
  const table = findTable(name)
  if (table === undefined) throw new PstraceError('unknown_table', `no table ${name}`)
  return table
}

/** Type of a column in the file. */
export function sqlTypeOf({ type, values }: Pick<ColumnDefinition, 'type' | 'values'>): string {
  return values === undefined ? type : `ENUM (${values.map(quoteText).join(', ')})`
}
