import type { DuckDBValue } from '@duckdb/node-api'
import type { Row } from './query.ts'
import type { RenamedField } from './raw.ts'
import type { SentBatch } from './sent-batches.ts'
import type { SentRows } from './sent-rows.ts'
import type { Facts } from './states.ts'
import type { TableDefinition } from './tables/definition.ts'

/** What the writing thread opens. */
export interface WriterSetting {
  readonly path: string
  readonly memoryLimit: string | undefined
  /** The database was open before: what is in state loading there is its owner's. */
  readonly keepUnfinished: boolean
}

/** A call of `RowWriter` on its way to the writing thread; answered in order. */
export type WriterCall =
  | {
      readonly call: 'beginTrace'
      readonly facts: Facts
      readonly baseNs: bigint
      readonly force: boolean
    }
  | { readonly call: 'completeTrace'; readonly facts: Facts }
  | { readonly call: 'run'; readonly sql: string }
  | { readonly call: 'query'; readonly sql: string; readonly values: DuckDBValue[] | undefined }
  | { readonly call: 'createTemporary' | 'dropTemporary'; readonly definition: TableDefinition }
  | { readonly call: 'append'; readonly rows: SentRows }
  | {
      readonly call: 'appendRaw'
      readonly batches: readonly SentBatch[]
      /** The memory of the batches, which comes back with the answer. */
      readonly buffers: ArrayBuffer[]
    }
  | {
      readonly call:
        | 'traceId'
        | 'removeTrace'
        | 'begin'
        | 'commit'
        | 'beginRaw'
        | 'endRaw'
        | 'flush'
        | 'close'
    }

/** What calls give back; the others nothing. */
interface WriterResults {
  readonly traceId: number
  readonly query: readonly Row[]
  readonly endRaw: readonly RenamedField[]
}
export type ResultOf<Call extends WriterCall['call']> = Call extends keyof WriterResults
  ? WriterResults[Call]
  : undefined

export type WriterAnswer =
  | { readonly answer: 'done'; readonly result: ResultOf<WriterCall['call']> }
  | { readonly answer: 'appended'; readonly table: string; readonly set: number }
  | { readonly answer: 'appendedRaw'; readonly buffers: ArrayBuffer[] }
  | {
      readonly answer: 'failed'
      readonly message: string
      /** Of a PstraceError. */
      readonly own: { readonly code: string; readonly exitStatus: 1 | 2 | 3 } | undefined
    }
