import { rowKinds } from '../database/schema.ts'
import type { RowWriter } from '../database/writer.ts'
import { RowBuffer } from '../model/rows.ts'
import { SingleStates, StatePairs } from './state-rows.ts'

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
type TableName = (typeof NAMES)[number]

/** The rows on their way into the database, one buffer per table. */
export class Tables {
  readonly buffers: Readonly<Record<TableName, RowBuffer>>
  readonly states = new SingleStates()
  readonly statePairs = new StatePairs()
  readonly #all: readonly RowBuffer[]

  constructor() {
    const buffers = {} as Record<TableName, RowBuffer>
    for (const name of NAMES) buffers[name] = new RowBuffer(name, rowKinds(name))
    this.buffers = buffers
    this.#all = [...Object.values(buffers), this.states.rows, this.statePairs.rows]
  }

  /** Appends the buffers that are worth it. */
  async drain(writer: RowWriter, options: { all: boolean }): Promise<void> {
    const least = options.all ? 1 : BLOCK_ROWS
    for (const rows of this.#all) if (rows.length >= least) await writer.append(rows)
  }
}
