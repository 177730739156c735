import type { EventBatch } from '../../parsers/batch.ts'
import type { RowBuffer } from '../model/rows.ts'
import type { RowOwner } from './append.ts'
import type { Halves } from './chunk.ts'
import type { Database } from './database.ts'
import { RawTables, type RenamedField } from './raw.ts'
import type { TableDefinition } from './schema.ts'

/** Raw events of one format; `seq[i]` is the rank of row i in the trace's total order. */
export interface RawBatch {
  readonly batch: EventBatch
  readonly seq: Float64Array
}

/**
 * Where ingest puts rows. Calls take effect in the order they are made; what fails may be told by a later call, at the latest
 * by `flush` or `run`.
 */
export interface RowWriter {
  run(sql: string): Promise<unknown>
  /** Opens a transaction. */
  begin(): Promise<void>
  createTemporary(definition: TableDefinition): Promise<void>
  dropTemporary(definition: TableDefinition): Promise<void>
  /** Takes all rows and leaves the buffer empty. */
  append(rows: RowBuffer, owner: RowOwner): Promise<void>
  beginRaw(traceId: number, base: Halves): Promise<void>
  /** The batches may be overwritten afterwards. */
  appendRaw(batches: readonly RawBatch[]): Promise<void>
  endRaw(): Promise<readonly RenamedField[]>
  /** Hands everything appended so far to the open transaction. */
  flush(): Promise<void>
  rollback(): Promise<void>
  close(): Promise<void>
}

/** Writes in the calling thread. */
export class DirectWriter implements RowWriter {
  readonly #database: Database
  #raw: RawTables | undefined

  constructor(database: Database) {
    this.#database = database
  }

  run(sql: string): Promise<unknown> {
    return this.#database.run(sql)
  }

  async begin(): Promise<void> {
    await this.#database.run('BEGIN')
  }

  createTemporary(definition: TableDefinition): Promise<void> {
    return this.#database.createTemporary(definition)
  }

  dropTemporary(definition: TableDefinition): Promise<void> {
    return this.#database.dropTemporary(definition)
  }

  append(rows: RowBuffer, owner: RowOwner): Promise<void> {
    return this.#database.append(rows, owner)
  }

  async beginRaw(traceId: number, base: Halves): Promise<void> {
    const { connection, strings } = this.#database
    this.#raw = new RawTables(connection, strings, traceId, base)
  }

  async appendRaw(batches: readonly RawBatch[]): Promise<void> {
    for (const { batch, seq } of batches) await this.#raw?.append(batch, seq)
  }

  async endRaw(): Promise<readonly RenamedField[]> {
    this.#raw?.close()
    return this.#raw?.renamed ?? []
  }

  async flush(): Promise<void> {
    this.#database.flush()
    this.#raw?.flush()
  }

  async rollback(): Promise<void> {
    this.#raw?.discard()
    await this.#database.rollback()
  }

  async close(): Promise<void> {}
}
