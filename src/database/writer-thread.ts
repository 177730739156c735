// The thread that writes to the database while another one reads and follows the trace.
import { parentPort, workerData } from 'node:worker_threads'
import { PstraceError } from '../model/error.ts'
import type { ColumnArrays, ColumnRows, TableRows } from '../model/rows.ts'
import { Database } from './database.ts'
import { memoryLimit as ownMemoryLimit } from './limits.ts'
import { BatchReceiver } from './sent-batches.ts'
import { DirectWriter } from './writer.ts'
import {
  ReceivedShapes,
  type SentRows,
  type WriterAnswer,
  type WriterCall,
  type WriterSetting,
} from './writer-messages.ts'

const port = parentPort
if (port === null) throw new Error('writer-thread is started by ThreadWriter')

const { path, memoryLimit } = workerData as WriterSetting
// One thread each for reading and writing: a second one here would only take the reader's processor.
const opening = Database.open(path, {
  mode: 'write',
  threads: 1,
  keepUnfinished: true,
  ...(memoryLimit === undefined ? {} : { memoryLimit }),
})
/**
 * While rows only come in, more memory would only keep written blocks cached: DuckDB fills what it may have, so memory would
 * grow with the trace. The statements after the load may need it all.
 */
const LOAD_MEMORY = '128MiB'
const received = new BatchReceiver()
const tables = new Map<string, Record<string, ColumnRows>>()
const sets = new Map<number, readonly ColumnArrays[]>()
let writer: DirectWriter | undefined
let last: Promise<void> = Promise.resolve()

port.on('message', (call: WriterCall) => {
  last = last.then(async () => {
    try {
      await answer(call)
    } catch (error) {
      const code = error instanceof PstraceError ? error.code : undefined
      const message = error instanceof Error ? error.message : String(error)
      post({ answer: 'failed', message, code })
    }
  })
})

async function answer(call: WriterCall): Promise<void> {
  const database = await opening
  if (writer === undefined) {
    writer = new DirectWriter(database)
    if (memoryLimit === undefined) await database.run(`SET memory_limit = '${LOAD_MEMORY}'`)
  }
  switch (call.call) {
    case 'run':
      await writer.run(call.sql)
      break
    case 'createTemporary':
      await writer.createTemporary(call.definition)
      break
    case 'dropTemporary':
      await writer.dropTemporary(call.definition)
      break
    case 'append': {
      const { rows } = call
      await database.appendRows(receiveRows(rows), call.owner)
      post({ answer: 'appended', table: rows.table, set: rows.set })
      return
    }
    case 'beginRaw':
      await writer.beginRaw(call.traceId, call.base)
      break
    case 'appendRaw':
      await writer.appendRaw(call.batches.map((batch) => received.receive(batch)))
      post({ answer: 'appendedRaw', buffers: call.buffers }, call.buffers)
      return
    case 'endRaw':
      post({ answer: 'done', renamed: await writer.endRaw() })
      if (memoryLimit === undefined) await database.run(`SET memory_limit = '${ownMemoryLimit()}'`)
      return
    case 'flush':
      await writer.flush()
      break
    case 'rollback':
      await writer.rollback()
      break
    case 'close':
      database.close()
      break
  }
  post({ answer: 'done' })
}

function receiveRows(sent: SentRows): TableRows {
  let columns = tables.get(sent.table)
  if (columns === undefined) {
    columns = {}
    tables.set(sent.table, columns)
  }
  const arraysOfSet = sent.arrays ?? sets.get(sent.set) ?? []
  sets.set(sent.set, arraysOfSet)
  for (let i = 0; i < sent.names.length; i++) {
    const name = sent.names[i]
    const arrays = arraysOfSet[i]
    if (name === undefined || arrays === undefined) continue
    const column = columns[name]
    if (arrays.kind === 'shape') {
      const shapes = column?.kind === 'shape' ? column.shapes : new ReceivedShapes()
      if (sent.shapes !== undefined && shapes instanceof ReceivedShapes) shapes.take(sent.shapes)
      columns[name] = { kind: 'shape', codes: arrays.codes, shapes }
    } else if (arrays.kind === 'text') {
      const strings = column?.kind === 'text' ? column.strings : []
      strings.push(...(sent.strings[i] ?? []))
      if (column?.kind === 'text') column.codes = arrays.codes
      else columns[name] = { kind: 'text', codes: arrays.codes, strings }
    } else columns[name] = { ...arrays }
  }
  return { table: sent.table, length: sent.length, columns }
}

function post(message: WriterAnswer, moved: ArrayBuffer[] = []): void {
  port?.postMessage(message, moved)
}
