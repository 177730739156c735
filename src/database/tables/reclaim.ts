import { CENSORED, CPU, END, NODE, START, TASK_ID, TID } from './columns.ts'
import { column, type TableDefinition } from './definition.ts'

/** Who reclaimed, for how long, and what the time and the lists gave. */

export const RECLAIM_SPANS: TableDefinition = {
  name: 'reclaim_spans',
  comment:
    'Intervals in which a task reclaimed, waited for reclaim, or compacted. Spans nest; totals use the view stalls.',
  scope: 'run',
  columns: [
    column('span_id', 'BIGINT', 'Number of the span within trace and run, from 1.'),
    column('parent_span_id', 'BIGINT', 'Enclosing span of the same task.'),
    column('kind', 'VARCHAR', 'direct, memcg, memcg_softlimit, node, throttle or compaction.'),
    TASK_ID,
    TID,
    CPU,
    NODE,
    START,
    END,
    CENSORED,
    column('alloc_order', 'INTEGER', 'Order of the allocation that caused it.'),
    column(
      'gfp_flags',
      'BIGINT',
      'Allocation flags as a number; their bits differ between kernels.',
    ),
    column('nr_reclaimed', 'BIGINT', 'Pages reclaimed as reported at the end.'),
  ],
}

export const STALL_PARTS: TableDefinition = {
  name: 'stall_parts',
  comment:
    'What each outermost or nested span was spent on; parts of a span sum to its length to the nanosecond.',
  scope: 'run',
  shared: ['part', 'detail'],
  columns: [
    column('span_id', 'BIGINT', 'Span (reclaim_spans.span_id).'),
    column(
      'part',
      'VARCHAR',
      'scan, unmap, store, slab, lock, runnable, io, throttle, other or unknown.',
    ),
    column('detail', 'VARCHAR', 'Finer cause where known, e.g. throttle reason or shrinker.'),
    column('ns', 'BIGINT', 'Nanoseconds.'),
  ],
}

export const KSWAPD_SPANS: TableDefinition = {
  name: 'kswapd_spans',
  comment: 'Intervals between kswapd wake-up and its full sleep; naps of 100 ms lie inside.',
  scope: 'run',
  columns: [
    NODE,
    TASK_ID,
    TID,
    START,
    END,
    CENSORED,
    column('alloc_order', 'INTEGER', 'Highest order asked for.'),
  ],
}

export const SHRINK_BATCHES: TableDefinition = {
  name: 'shrink_batches',
  comment: 'Batches of pages taken from an LRU list.',
  scope: 'run',
  shared: ['task_id', 'node', 'lru', 'priority'],
  columns: [
    column(
      'ts_ns',
      'BIGINT',
      'End of the batch (mm_vmscan_lru_shrink_*), ns; of its isolation where no end is traced.',
    ),
    column('start_ns', 'BIGINT', 'Isolation of the batch (mm_vmscan_lru_isolate), ns.'),
    TASK_ID,
    NODE,
    column(
      'lru',
      'VARCHAR',
      'inactive_anon, active_anon, inactive_file, active_file or unevictable.',
    ),
    column('nr_scanned', 'BIGINT', 'Pages scanned.'),
    column('nr_taken', 'BIGINT', 'Pages isolated.'),
    column('nr_reclaimed', 'BIGINT', 'Pages reclaimed.'),
    column('nr_dirty', 'BIGINT', 'Dirty pages met.'),
    column('nr_writeback', 'BIGINT', 'Pages under writeback met.'),
    column('nr_activate', 'BIGINT', 'Pages moved to the active list.'),
    column('priority', 'INTEGER', 'Scan priority: 12 lightest, 0 everything.'),
  ],
}

export const SLAB_SHRINKS: TableDefinition = {
  name: 'slab_shrinks',
  comment: 'Calls of slab shrinkers.',
  scope: 'run',
  shared: ['task_id', 'node', 'shrinker'],
  columns: [
    START,
    END,
    TASK_ID,
    NODE,
    column('shrinker', 'VARCHAR', 'Function of the shrinker, or its address.'),
    column('nr_scanned', 'BIGINT', 'Objects scanned.'),
    column('nr_freed', 'BIGINT', 'Objects freed.'),
  ],
}
