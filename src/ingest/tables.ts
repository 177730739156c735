import { rowKinds } from '../database/schema.ts'
import type { RowWriter } from '../database/writer.ts'
import { LRU_LISTS } from '../model/lru.ts'
import { RowBuffer } from '../model/rows.ts'
import {
  BATCH_ROWS,
  FROM_ZRAM,
  INVALIDATED,
  MOVE_ROWS,
  SCHED_REASON,
  SLAB_ROWS,
  SWAPIN_ROWS,
  WAKEUP_ROWS,
} from './assembly/_layout.ts'
import type { Following } from './follow-kernel.ts'
import type { KernelRows } from './kernel-rows.ts'
import {
  type StateRows,
  setDoings,
  singleStates,
  statePairFours,
  statePairs,
} from './state-rows.ts'

/** Rows worth handing over: several chunks, yet few enough to stay in the processor's cache. */
export const BLOCK_ROWS = 8192

const NAMES = [
  'tasks',
  'zones',
  'swap_devices',
  'swapins',
  'reclaim_spans',
  'stall_parts',
  'kswapd_spans',
  'wakeups',
  'shrink_batches',
  'slab_shrinks',
  'pool_moves',
  'block_ios',
  'samples',
  'markers',
  'losses',
  'import_issues',
  'raw_fields',
] as const
// Columns that the kernel sets, in its order (assembly/follow.ts, _shrink.ts, _swapins.ts).
const WAKEUP_COLUMNS = ['ts_ns', 'waker_task_id', 'task_id', 'reason']
const MOVE_COLUMNS = ['ts_ns', 'page_id', 'from_place', 'to_place', 'reason', 'age_ns']
const BATCH_COLUMNS = [
  'ts_ns',
  'start_ns',
  'task_id',
  'node',
  'lru',
  'nr_scanned',
  'nr_taken',
  'nr_reclaimed',
  'nr_dirty',
  'nr_writeback',
  'nr_activate',
  'priority',
]
const SLAB_COLUMNS = ['start_ns', 'end_ns', 'task_id', 'node', 'shrinker', 'nr_scanned', 'nr_freed']
const SWAPIN_COLUMNS = [
  'page_id',
  'swapout_id',
  'ts_ns',
  'end_ns',
  'task_id',
  'tid',
  'cpu',
  'swap_type',
  'swap_offset',
  'met',
  'wait_ns',
  'readahead',
  'refault_distance',
]
type TableName = (typeof NAMES)[number]

/** The rows on their way into the database, one buffer per table. */
export class Tables {
  readonly buffers: Readonly<Record<TableName, RowBuffer>>
  readonly states: StateRows
  readonly statePairs: StateRows
  readonly wakeups: KernelRows
  readonly poolMoves: KernelRows
  readonly #all: readonly RowBuffer[]

  constructor(following: Following) {
    const buffers = {} as Record<TableName, RowBuffer>
    for (const name of NAMES) buffers[name] = new RowBuffer(name, rowKinds(name), following.memory)
    this.buffers = buffers
    this.states = singleStates(following)
    this.statePairs = statePairs(following)
    setDoings(following)
    const { wakeups, pool_moves } = buffers
    this.wakeups = following.share(WAKEUP_ROWS, wakeups, WAKEUP_COLUMNS)
    this.poolMoves = following.share(MOVE_ROWS, pool_moves, MOVE_COLUMNS)
    following.share(BATCH_ROWS, buffers.shrink_batches, BATCH_COLUMNS)
    following.share(SLAB_ROWS, buffers.slab_shrinks, SLAB_COLUMNS)
    following.share(SWAPIN_ROWS, buffers.swapins, SWAPIN_COLUMNS)
    following.words[FROM_ZRAM / 4] = pool_moves.code('from_place', 'zram')
    following.words[INVALIDATED / 4] = pool_moves.code('reason', 'invalidate')
    // In their order their codes are their indexes.
    for (const lru of LRU_LISTS) buffers.shrink_batches.code('lru', lru)
    following.words[SCHED_REASON / 4] = wakeups.code('reason', 'sched')
    const fours = statePairFours(following, this.statePairs)
    this.#all = [...Object.values(buffers), this.states.buffer, this.statePairs.buffer, fours]
  }

  /** Appends the buffers that are worth it. */
  async drain(writer: RowWriter, options: { all: boolean }): Promise<void> {
    const least = options.all ? 1 : BLOCK_ROWS
    for (const rows of this.#all) if (rows.length >= least) await writer.append(rows)
  }
}
