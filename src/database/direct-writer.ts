import type { DuckDBValue } from '@duckdb/node-api'
import type { RowBuffer, TableRows } from '../model/rows.ts'
import type { RowOwner } from './append.ts'
import { toHalves, ZERO } from './chunk.ts'
import type { Database } from './database.ts'
import type { Row } from './query.ts'
import { RawTables, type RenamedField } from './raw.ts'
import { beginTrace, completeTrace, type Facts, removeTrace } from './states.ts'
import type { TableDefinition } from './tables/definition.ts'
import type { RawBatch, RowWriter } from './writer.ts'

/** Writes in the calling thread. */
export class DirectWriter implements RowWriter {
  readonly #database: Database
  readonly #ownsDatabase: boolean
  #owner: RowOwner | undefined
  #raw: RawTables | undefined

  /** A database that it owns is closed with it. */
  constructor(database: Database, options: { ownsDatabase: boolean }) {
    this.#database = database
    this.#ownsDatabase = options.ownsDatabase
  }

  async beginTrace(
    facts: Facts,
    { baseNs, force }: { baseNs: bigint; force: boolean },
  ): Promise<void> {
    this.#owner = undefined
    const traceId = await beginTrace(this.#database, facts, { force })
    this.#owner = { traceId, base: toHalves(baseNs) }
  }

  async traceId(): Promise<number> {
    return this.#begun.traceId
  }

  completeTrace(facts: Facts): Promise<void> {
    return completeTrace(this.#database, this.#begun.traceId, facts)
  }

  async removeTrace(): Promise<void> {
    this.#raw?.discard()
    await this.#database.rollback()
    if (this.#owner !== undefined) await removeTrace(this.#database, this.#owner.traceId)
  }

  async run(sql: string): Promise<void> {
    await this.#database.run(sql)
  }

  query(sql: string, values?: DuckDBValue[]): Promise<readonly Row[]> {
    return this.#database.query(sql, values)
  }

  begin(): Promise<void> {
    return this.#database.begin()
  }

  commit(): Promise<void> {
    return this.#database.commit()
  }

  createTemporary(definition: TableDefinition): Promise<void> {
    return this.#database.createTemporary(definition)
  }

  dropTemporary(definition: TableDefinition): Promise<void> {
    return this.#database.dropTemporary(definition)
  }

  append(rows: RowBuffer): Promise<void> {
    return this.#database.append(rows, this.#begun)
  }

  /** Appends rows that the caller keeps. */
  appendRows(rows: TableRows): Promise<void> {
    return this.#database.appendRows(rows, this.#begun)
  }

  async beginRaw(): Promise<void> {
    const { connection, strings } = this.#database
    const { traceId, base } = this.#begun
    this.#raw = new RawTables(connection, strings, traceId, base ?? ZERO)
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

  async close(): Promise<void> {
    if (this.#ownsDatabase) this.#database.close()
  }

  get #begun(): RowOwner {
    if (this.#owner === undefined) throw new Error('no trace was begun')
    return this.#owner
  }
}
