import { rowKinds } from '../database/schema.ts'
import type { RowWriter } from '../database/writer.ts'
import { RowBuffer } from '../model/rows.ts'
import { SCHED_REASON, WAKEUP_ROWS } from './assembly/_layout.ts'
import type { Following } from './follow-kernel.ts'
import type { StagedRows } from './staged-rows.ts'
import { type StateRows, setDoings, singleStates, statePairs } from './state-rows.ts'

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
/** Those that the kernel sets, in its order (assembly/follow.ts). */
const WAKEUP_COLUMNS = ['ts_ns', 'waker_task_id', 'task_id', 'reason']
type TableName = (typeof NAMES)[number]

/** The rows on their way into the database, one buffer per table. */
export class Tables {
  readonly buffers: Readonly<Record<TableName, RowBuffer>>
  readonly states: StateRows
  readonly statePairs: StateRows
  readonly wakeups: StagedRows
  readonly #all: readonly RowBuffer[]

  constructor(following: Following) {
    const buffers = {} as Record<TableName, RowBuffer>
    for (const name of NAMES) buffers[name] = new RowBuffer(name, rowKinds(name))
    this.buffers = buffers
    this.states = singleStates(following)
    this.statePairs = statePairs(following)
    setDoings(following)
    const { wakeups } = buffers
    this.wakeups = following.stage(WAKEUP_ROWS, wakeups, WAKEUP_COLUMNS)
    following.words[SCHED_REASON / 4] = wakeups.code('reason', 'sched')
    this.#all = [...Object.values(buffers), this.states.staged.rows, this.statePairs.staged.rows]
  }

  /** Appends the buffers that are worth it. */
  async drain(writer: RowWriter, options: { all: boolean }): Promise<void> {
    const least = options.all ? 1 : BLOCK_ROWS
    for (const rows of this.#all) if (rows.length >= least) await writer.append(rows)
  }
}
