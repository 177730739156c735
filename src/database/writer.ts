import type { DuckDBValue } from '@duckdb/node-api'
import type { EventBatch } from '../../parsers/batch.ts'
import type { RowBuffer } from '../model/rows.ts'
import type { Row } from './query.ts'
import type { RenamedField } from './raw.ts'
import type { Facts } from './states.ts'
import type { TableDefinition } from './tables/definition.ts'

/** Raw events of one format; `seq[i]` is the rank of row i in the trace's total order. */
export interface RawBatch {
  readonly batch: EventBatch
  readonly seq: Float64Array
}

/**
 * Where ingest puts traces, one after the other. Calls take effect in the order they are made; what fails may be told by a
 * later call, at the latest by one that gives something back.
 */
export interface RowWriter {
  /** Starts a trace in state loading; `baseNs` is added to the moments of its rows. */
  beginTrace(facts: Facts, options: { baseNs: bigint; force: boolean }): Promise<void>
  /** The number that the trace was given. */
  traceId(): Promise<number>
  /** Sets the trace's last facts, ends the open transaction and makes the trace visible. */
  completeTrace(facts: Facts): Promise<void>
  /** Ends the open transaction and deletes every row of the trace; harmless when none was begun. */
  removeTrace(): Promise<void>
  run(sql: string): Promise<void>
  query(sql: string, values?: DuckDBValue[]): Promise<readonly Row[]>
  /** Opens a transaction. */
  begin(): Promise<void>
  commit(): Promise<void>
  createTemporary(definition: TableDefinition): Promise<void>
  dropTemporary(definition: TableDefinition): Promise<void>
  /** Takes all rows and leaves the buffer empty. */
  append(rows: RowBuffer): Promise<void>
  beginRaw(): Promise<void>
  /** The batches may be overwritten afterwards. */
  appendRaw(batches: readonly RawBatch[]): Promise<void>
  endRaw(): Promise<readonly RenamedField[]>
  /** Hands everything appended so far to the open transaction. */
  flush(): Promise<void>
  close(): Promise<void>
}
