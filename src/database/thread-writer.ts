import { Worker } from 'node:worker_threads'
import { PstraceError } from '../model/error.ts'
import type { ColumnArrays, RowBuffer } from '../model/rows.ts'
import type { RowOwner } from './append.ts'
import type { Halves } from './chunk.ts'
import type { Database } from './database.ts'
import type { RenamedField } from './raw.ts'
import type { TableDefinition } from './schema.ts'
import { BatchSender } from './sent-batches.ts'
import { DirectWriter, type RawBatch, type RowWriter } from './writer.ts'
import {
  copyShapes,
  type SentShapes,
  type WriterAnswer,
  type WriterCall,
  type WriterSetting,
} from './writer-messages.ts'

/** Bytes under way at which the caller waits for the writing thread. */
const MOST_BYTES_UNDER_WAY = 16 * 1024 * 1024

/** A writer in a thread of its own where that is possible: the database is a file, and the code is compiled to JavaScript. */
export async function openWriter(database: Database): Promise<RowWriter> {
  const compiled = import.meta.url.endsWith('js')
  if (database.path === ':memory:' || !compiled) return new DirectWriter(database)
  return await ThreadWriter.open(database)
}

interface Waiting {
  readonly bytes: number
  resolve(renamed: readonly RenamedField[]): void
  reject(error: Error): void
}

/** Writes in a thread of its own. Until `close` that thread has the database's file, and `database` must not be used. */
class ThreadWriter implements RowWriter {
  readonly #database: Database
  readonly #worker: Worker
  readonly #waiting: Waiting[] = []
  /** Sets of arrays by number, and the number of the set that begins with an array. */
  readonly #sets: (readonly ColumnArrays[])[] = []
  readonly #numbers = new WeakMap<ArrayBufferView, number>()
  readonly #spare = new Map<string, (readonly ColumnArrays[])[]>()
  readonly #stringsSent = new Map<string, number[]>()
  readonly #shapesSent = new Map<
    string,
    { length: number; readonly strings: Map<string, number> }
  >()
  readonly #batches = new BatchSender()
  #bytesUnderWay = 0
  #failure: Error | undefined
  /** Resolves when fewer calls are under way. */
  #relief: (() => void) | undefined
  #closed = false

  static async open(database: Database): Promise<ThreadWriter> {
    await database.detach()
    return new ThreadWriter(database)
  }

  private constructor(database: Database) {
    this.#database = database
    const { path, memoryLimit } = database
    const workerData: WriterSetting = { path, memoryLimit }
    this.#worker = new Worker(new URL('./writer-thread.js', import.meta.url), { workerData })
    this.#worker.on('message', (answer: WriterAnswer) => this.#take(answer))
    this.#worker.on('error', (error) => this.#fail(error))
    this.#worker.on('exit', () => this.#fail(new Error('the writing thread ended')))
  }

  run(sql: string): Promise<unknown> {
    return this.#call({ call: 'run', sql })
  }

  begin(): Promise<void> {
    return this.#send({ call: 'run', sql: 'BEGIN' })
  }

  createTemporary(definition: TableDefinition): Promise<void> {
    return this.#send({ call: 'createTemporary', definition })
  }

  async dropTemporary(definition: TableDefinition): Promise<void> {
    await this.#call({ call: 'dropTemporary', definition })
  }

  async append(rows: RowBuffer, owner: RowOwner): Promise<void> {
    const { length, table } = rows
    if (length === 0) return
    let sent = this.#stringsSent.get(table)
    if (sent === undefined) {
      sent = []
      this.#stringsSent.set(table, sent)
    }
    const names = Object.keys(rows.columns)
    const strings: (readonly string[])[] = []
    for (let i = 0; i < names.length; i++) {
      const column = rows.columns[names[i] ?? '']
      strings[i] = column?.kind === 'text' ? column.strings.slice(sent[i] ?? 0) : []
      if (column?.kind === 'text') sent[i] = column.strings.length
    }
    const shapes = this.#newShapes(rows)
    const given = rows.exchange(this.#spare.get(table)?.pop())
    // The first column's array stands for its set: columns exchange their arrays together.
    const [first] = given
    const key = first === undefined ? undefined : bytesOf(first)
    let set = key === undefined ? undefined : this.#numbers.get(key)
    const known = set !== undefined
    if (set === undefined) {
      set = this.#sets.length
      this.#sets.push(given)
      if (key !== undefined) this.#numbers.set(key, set)
    }
    const arrays = known ? undefined : given
    const sentRows = { table, length, names, set, arrays, strings, shapes }
    await this.#send({ call: 'append', rows: sentRows, owner }, [], length * names.length * 8)
  }

  #newShapes({ table, columns }: RowBuffer): SentShapes | undefined {
    const { shape } = columns
    if (shape?.kind !== 'shape') return undefined
    let sent = this.#shapesSent.get(table)
    if (sent === undefined) {
      sent = { length: 0, strings: new Map() }
      this.#shapesSent.set(table, sent)
    }
    const first = sent.length
    if (first === shape.shapes.length) return undefined
    sent.length = shape.shapes.length
    return copyShapes(shape.shapes, first, sent.strings)
  }

  beginRaw(traceId: number, base: Halves): Promise<void> {
    return this.#send({ call: 'beginRaw', traceId, base })
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

  async rollback(): Promise<void> {
    // What failed before is told already; the thread may still be able to go back.
    this.#failure = undefined
    this.#batches.discard()
    await this.#call({ call: 'rollback' })
  }

  async close(): Promise<void> {
    try {
      this.#failure = undefined
      await this.#call({ call: 'close' })
    } finally {
      this.#closed = true
      await this.#worker.terminate()
      await this.#database.attach()
    }
  }

  /** Sends a call and waits only if too many are under way. */
  async #send(call: WriterCall, moved: ArrayBuffer[] = [], bytes = 0): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    this.#waiting.push({ bytes, resolve: () => {}, reject: () => {} })
    this.#bytesUnderWay += bytes
    this.#worker.postMessage(call, moved)
    if (this.#bytesUnderWay < MOST_BYTES_UNDER_WAY) return
    await new Promise<void>((resolve) => {
      this.#relief = resolve
    })
    if (this.#failure !== undefined) throw this.#failure
  }

  #call(call: WriterCall): Promise<readonly RenamedField[]> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ bytes: 0, resolve, reject })
      this.#worker.postMessage(call)
    })
  }

  #take(answer: WriterAnswer): void {
    const waiting = this.#waiting.shift()
    this.#bytesUnderWay -= waiting?.bytes ?? 0
    if (answer.answer === 'failed') {
      const { message, code } = answer
      const error = code === undefined ? new Error(message) : new PstraceError(code, message)
      this.#failure ??= error
      waiting?.reject(error)
    } else {
      if (answer.answer === 'appended') this.#keepSpare(answer.table, answer.set)
      if (answer.answer === 'appendedRaw') this.#batches.giveBack(answer.buffers)
      if (this.#failure !== undefined) waiting?.reject(this.#failure)
      else waiting?.resolve(answer.answer === 'done' ? (answer.renamed ?? []) : [])
    }
    if (this.#bytesUnderWay < MOST_BYTES_UNDER_WAY / 2 || this.#failure !== undefined)
      this.#relieve()
  }

  #keepSpare(table: string, set: number): void {
    const arrays = this.#sets[set]
    const [first] = arrays ?? []
    // Arrays that were copied on their way are not shared.
    if (arrays === undefined || first === undefined || !isShared(bytesOf(first))) return
    const spare = this.#spare.get(table)
    if (spare === undefined) this.#spare.set(table, [arrays])
    else spare.push(arrays)
  }

  /** The thread cannot answer any more. */
  #fail(error: Error): void {
    if (this.#closed) return
    this.#failure = error
    for (const { reject } of this.#waiting.splice(0)) reject(error)
    this.#relieve()
  }

  #relieve(): void {
    this.#relief?.()
    this.#relief = undefined
  }
}

function bytesOf(arrays: ColumnArrays): ArrayBufferView {
  if (arrays.kind === 'number' || arrays.kind === 'int') return arrays.values
  return arrays.kind === 'wide' ? arrays.lo : arrays.codes
}

function isShared(view: ArrayBufferView): boolean {
  return view.buffer instanceof SharedArrayBuffer
}
