import { shapedRows } from '../database/packed.ts'
import { rowKinds } from '../database/schema.ts'
import type { RowWriter } from '../database/writer.ts'
import { RowBuffer } from '../model/rows.ts'
import type { Shapes } from '../model/shapes.ts'

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
  'thread_states',
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
  /** What rows of thread_states have in common. */
  readonly stateShapes: Shapes

  constructor() {
    const buffers = {} as Record<TableName, RowBuffer>
    for (const name of NAMES) buffers[name] = new RowBuffer(name, rowKinds(name))
    const states = shapedRows('thread_states')
    buffers.thread_states = states.rows
    this.stateShapes = states.shapes
    this.buffers = buffers
  }

  /** Appends the buffers that are worth it. */
  async drain(writer: RowWriter, options: { all: boolean }): Promise<void> {
    for (const name of NAMES) {
      const buffer = this.buffers[name]
      if (buffer.length >= (options.all ? 1 : BLOCK_ROWS)) await writer.append(buffer)
    }
  }
}
