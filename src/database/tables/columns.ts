import { type ColumnDefinition, column } from './definition.ts'

/** Columns that several tables have, said once. */

export const TRACE_ID: ColumnDefinition = {
  name: 'trace_id',
  type: 'INTEGER',
  comment: 'Trace the row belongs to (traces.trace_id).',
}
export const RUN_ID: ColumnDefinition = {
  name: 'run_id',
  type: 'INTEGER',
  comment: 'Run that produced the row (runs.run_id); NULL for the recording itself.',
}
export const TASK_ID = column(
  'task_id',
  'BIGINT',
  'Task (tasks.task_id); stable while tids are reused.',
)
export const TID = column('tid', 'INTEGER', "Thread id; the kernel's pid.")
export const CPU = column('cpu', 'INTEGER', 'CPU number.')
export const NODE = column('node', 'INTEGER', 'NUMA node.')
export const START = column(
  'start_ns',
  'BIGINT',
  "Start, ns in the trace's clock (runs: since the run's start).",
)
export const END = column(
  'end_ns',
  'BIGINT',
  'End, ns, same clock as start_ns; of a censored end the last moment at which it was known to last.',
)
export const TS = column(
  'ts_ns',
  'BIGINT',
  "Time, ns in the trace's clock (runs: since the run's start).",
)
export const SWAP_TYPE = column(
  'swap_type',
  'INTEGER',
  'Swap area number of the swap entry (swap_devices.swap_type).',
)
export const SWAP_OFFSET = column('swap_offset', 'BIGINT', 'Page offset within the swap area.')
export const PAGE_ID = column(
  'page_id',
  'BIGINT',
  'Identity of the page, followed over swap-out and swap-in by its swap entry; never a pfn. In the recording every swap-out keeps the identity of the swap-in that read the same entry before, where that is known.',
)
export const CENSORED = column(
  'censored',
  'VARCHAR',
  'Which ends were not seen (lost events or edge of the trace): NULL none, start, end, both.',
)
