import { Worker } from 'node:worker_threads'
import type { DuckDBValue } from '@duckdb/node-api'
import { PstraceError } from '../model/error.ts'
import type { RowBuffer } from '../model/rows.ts'
import type { Database } from './database.ts'
import type { Row } from './query.ts'
import type { RenamedField } from './raw.ts'
import { BatchSender } from './sent-batches.ts'
import { RowSender } from './sent-rows.ts'
import type { Facts } from './states.ts'
import type { TableDefinition } from './tables/definition.ts'
import type { RawBatch, RowWriter } from './writer.ts'
import type { ResultOf, WriterAnswer, WriterCall, WriterSetting } from './writer-messages.ts'

/** Bytes under way at which the caller waits for the writing thread. */
const MOST_BYTES_UNDER_WAY = 16 * 1024 * 1024
/** Bytes that travel in one message: each costs both threads as much as writing hundreds of rows. */
const BYTES_AT_ONCE = 1024 * 1024
/** MOST_BYTES_UNDER_WAY while the thread still opens the database, so that the caller need not wait for that. */
const MOST_BYTES_AT_START = 64 * 1024 * 1024

/**
 * Opens a database for writing traces: in a thread of its own where that is possible, that is if it is a file and the code is
 * compiled to JavaScript. Such a thread opens it beside what the caller does next, and tells of a failure with the first call.
 */
export async function openWriter(path: string): Promise<RowWriter> {
  if (canHaveThread(path))
    return new ThreadWriter({ path, memoryLimit: undefined, keepUnfinished: false })
  const { Database } = await import('./database.ts')
  return await writeHere(await Database.open(path, { mode: 'write' }), { ownsDatabase: true })
}

/** The same for a database that is open: until the writer is closed it must not be used, and then it is its owner's again. */
export async function borrowWriter(database: Database): Promise<RowWriter> {
  const { path, memoryLimit } = database
  if (!canHaveThread(path)) return await writeHere(database, { ownsDatabase: false })
  await database.detach()
  return new ThreadWriter({ path, memoryLimit, keepUnfinished: true }, () => database.attach())
}

function canHaveThread(path: string): boolean {
  return path !== ':memory:' && import.meta.url.endsWith('js')
}

/** Loaded only here: with it comes DuckDB, which a thread loads for itself. */
async function writeHere(
  database: Database,
  options: { ownsDatabase: boolean },
): Promise<RowWriter> {
  const { DirectWriter } = await import('./direct-writer.ts')
  return new DirectWriter(database, options)
}

interface Waiting {
  readonly bytes: number
  /** What failed before is no concern of this call. */
  readonly recovers?: true
  resolve(result: ResultOf<WriterCall['call']>): void
  reject(error: Error): void
}

/** Writes in a thread of its own, which has the database's file until `close`. */
class ThreadWriter implements RowWriter {
  readonly #worker: Worker
  readonly #whenClosed: () => Promise<void>
  readonly #waiting: Waiting[] = []
  /** Calls that wait for others to travel with, and the memory that moves with them. */
  #outbox: WriterCall[] = []
  #moved: ArrayBuffer[] = []
  #outboxBytes = 0
  #rows = new RowSender()
  #batches = new BatchSender()
  #bytesUnderWay = 0
  #failure: Error | undefined
  /** Resolves when fewer calls are under way. */
  #relief: (() => void) | undefined
  #answered = false
  #ended = false

  constructor(workerData: WriterSetting, whenClosed = async (): Promise<void> => {}) {
    this.#whenClosed = whenClosed
    this.#worker = new Worker(new URL('./writer-thread.js', import.meta.url), { workerData })
    this.#worker.on('message', (answers: readonly WriterAnswer[]) => {
      for (const answer of answers) this.#take(answer)
    })
    this.#worker.on('error', (error) => this.#fail(error))
    this.#worker.on('exit', () => this.#fail(new Error('the writing thread ended')))
  }

  beginTrace(facts: Facts, options: { baseNs: bigint; force: boolean }): Promise<void> {
    // Rows of another trace come in other buffers: the thread starts anew as well.
    this.#rows = new RowSender()
    this.#batches = new BatchSender()
    return this.#send({ call: 'beginTrace', facts, ...options })
  }

  traceId(): Promise<number> {
    return this.#call({ call: 'traceId' })
  }

  completeTrace(facts: Facts): Promise<void> {
    return this.#call({ call: 'completeTrace', facts })
  }

  async removeTrace(): Promise<void> {
    this.#batches.discard()
    await this.#call({ call: 'removeTrace' }, { recovers: true })
  }

  run(sql: string): Promise<void> {
    return this.#call({ call: 'run', sql })
  }

  query(sql: string, values?: DuckDBValue[]): Promise<readonly Row[]> {
    return this.#call({ call: 'query', sql, values })
  }

  begin(): Promise<void> {
    return this.#send({ call: 'begin' })
  }

  commit(): Promise<void> {
    return this.#call({ call: 'commit' })
  }

  createTemporary(definition: TableDefinition): Promise<void> {
    return this.#send({ call: 'createTemporary', definition })
  }

  async dropTemporary(definition: TableDefinition): Promise<void> {
    await this.#call({ call: 'dropTemporary', definition })
  }

  async append(rows: RowBuffer): Promise<void> {
    if (rows.length === 0) return
    const bytes = rows.length * Object.keys(rows.columns).length * 8
    await this.#send({ call: 'append', rows: this.#rows.take(rows) }, [], bytes)
  }

  beginRaw(): Promise<void> {
    return this.#send({ call: 'beginRaw' })
  }

  async appendRaw(batches: readonly RawBatch[]): Promise<void> {
    for (const batch of batches) if (batch.batch.length > 0) this.#batches.add(batch)
    await this.#sendRaw({ all: false })
  }

  async #sendRaw(options: { all: boolean }): Promise<void> {
    const parcel = this.#batches.take(options)
    if (parcel === undefined) return
    const { batches, buffers } = parcel
    const bytes = buffers.reduce((sum, { byteLength }) => sum + byteLength, 0)
    await this.#send({ call: 'appendRaw', batches, buffers }, buffers, bytes)
  }

  async endRaw(): Promise<readonly RenamedField[]> {
    await this.#sendRaw({ all: true })
    return await this.#call({ call: 'endRaw' })
  }

  async flush(): Promise<void> {
    await this.#sendRaw({ all: true })
    await this.#call({ call: 'flush' })
  }

  async close(): Promise<void> {
    try {
      await this.#call({ call: 'close' }, { recovers: true })
    } finally {
      this.#ended = true
      await this.#worker.terminate()
      await this.#whenClosed()
    }
  }

  /** Sends a call, sooner or later, and waits only if too many are under way. */
  async #send(call: WriterCall, moved: ArrayBuffer[] = [], bytes = 0): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    this.#waiting.push({ bytes, resolve: () => {}, reject: () => {} })
    this.#bytesUnderWay += bytes
    this.#outboxBytes += bytes
    this.#outbox.push(call)
    this.#moved.push(...moved)
    const most = this.#answered ? MOST_BYTES_UNDER_WAY : MOST_BYTES_AT_START
    const isFull = this.#bytesUnderWay >= most
    if (isFull || this.#outboxBytes >= BYTES_AT_ONCE) this.#post()
    if (!isFull) return
    await new Promise<void>((resolve) => {
      this.#relief = resolve
    })
    if (this.#failure !== undefined) throw this.#failure
  }

  #call<Call extends WriterCall>(
    call: Call,
    options: { recovers?: true } = {},
  ): Promise<ResultOf<Call['call']>> {
    if (this.#failure !== undefined && (this.#ended || options.recovers !== true))
      return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      const take = (result: ResultOf<WriterCall['call']>) =>
        resolve(result as ResultOf<Call['call']>)
      this.#waiting.push({ bytes: 0, ...options, resolve: take, reject })
      this.#outbox.push(call)
      this.#post()
    })
  }

  #post(): void {
    this.#worker.postMessage(this.#outbox, this.#moved)
    this.#outbox = []
    this.#moved = []
    this.#outboxBytes = 0
  }

  #take(answer: WriterAnswer): void {
    const waiting = this.#waiting.shift()
    this.#answered = true
    this.#bytesUnderWay -= waiting?.bytes ?? 0
    if (waiting?.recovers === true) this.#failure = undefined
    if (answer.answer === 'failed') {
      const { message, own } = answer
      const error =
        own === undefined ? new Error(message) : new PstraceError(own.code, message, own)
      this.#failure ??= error
      waiting?.reject(error)
    } else {
      if (answer.answer === 'appended') this.#rows.giveBack(answer.table, answer.set)
      if (answer.answer === 'appendedRaw') this.#batches.giveBack(answer.buffers)
      if (this.#failure !== undefined) waiting?.reject(this.#failure)
      else waiting?.resolve(answer.answer === 'done' ? answer.result : undefined)
    }
    if (this.#bytesUnderWay < MOST_BYTES_UNDER_WAY / 2 || this.#failure !== undefined)
      this.#relieve()
  }

  /** The thread cannot answer any more. */
  #fail(error: Error): void {
    if (this.#ended) return
    this.#ended = true
    this.#failure = error
    for (const { reject } of this.#waiting.splice(0)) reject(error)
    this.#relieve()
  }

  #relieve(): void {
    this.#relief?.()
    this.#relief = undefined
  }
}
