// The thread that writes to the database while another one reads and follows the trace.
import { parentPort, workerData } from 'node:worker_threads'
import { PstraceError } from '../model/error.ts'
import { Database } from './database.ts'
import { DirectWriter } from './direct-writer.ts'
import { memoryLimit as ownMemoryLimit } from './limits.ts'
import { BatchReceiver } from './sent-batches.ts'
import { RowReceiver } from './sent-rows.ts'
import { Writeback } from './writeback.ts'
import type { ResultOf, WriterAnswer, WriterCall, WriterSetting } from './writer-messages.ts'

const port = parentPort
if (port === null) throw new Error('writer-thread is started by ThreadWriter')

const { path, memoryLimit, keepUnfinished } = workerData as WriterSetting
const opening = open()
// Told by every call.
opening.catch(() => undefined)
let batches = new BatchReceiver()
let rows = new RowReceiver()
const writeback = new Writeback(path)
let last: Promise<void> = Promise.resolve()

port.on('message', (calls: readonly WriterCall[]) => {
  last = last.then(async () => {
    const answers: WriterAnswer[] = []
    for (const call of calls) answers.push(await answer(call).catch(toFailed))
    const moved = answers.flatMap((each) => (each.answer === 'appendedRaw' ? each.buffers : []))
    port.postMessage(answers, moved)
  })
})

function toFailed(error: unknown): WriterAnswer {
  const message = error instanceof Error ? error.message : String(error)
  if (!(error instanceof PstraceError)) return { answer: 'failed', message, own: undefined }
  return { answer: 'failed', message, own: { code: error.code, exitStatus: error.exitStatus } }
}

async function open(): Promise<{ database: Database; writer: DirectWriter }> {
  const database = await Database.open(path, {
    mode: 'write',
    threads: 1,
    ...(keepUnfinished ? { keepUnfinished } : {}),
    ...(memoryLimit === undefined ? {} : { memoryLimit }),
  })
  return { database, writer: new DirectWriter(database, { ownsDatabase: true }) }
}

async function answer(call: WriterCall): Promise<WriterAnswer> {
  if (call.call === 'append') {
    const { writer } = await opening
    await writer.appendRows(rows.receive(call.rows))
    return { answer: 'appended', table: call.rows.table, set: call.rows.set }
  }
  if (call.call === 'appendRaw') {
    const { writer } = await opening
    await writer.appendRaw(call.batches.map((batch) => batches.receive(batch)))
    return { answer: 'appendedRaw', buffers: call.buffers }
  }
  return { answer: 'done', result: await resultOf(call) }
}

async function resultOf(
  call: Exclude<WriterCall, { call: 'append' | 'appendRaw' }>,
): Promise<ResultOf<WriterCall['call']>> {
  if (call.call === 'close') {
    const opened = await opening.catch(() => undefined)
    await opened?.writer.close()
    await writeback.end()
    return
  }
  const { database, writer } = await opening
  switch (call.call) {
    case 'beginTrace':
      batches = new BatchReceiver()
      rows = new RowReceiver()
      await share(database)
      await writer.beginTrace(call.facts, call)
      return
    case 'traceId':
      return await writer.traceId()
    case 'completeTrace':
      await writer.completeTrace(call.facts)
      return
    case 'removeTrace':
      await takeAll(database)
      await writer.removeTrace()
      return
    case 'run':
      await writer.run(call.sql)
      return
    case 'query':
      return await writer.query(call.sql, call.values)
    case 'begin':
      await writer.begin()
      return
    case 'commit':
      await writer.commit()
      return
    case 'createTemporary':
      await writer.createTemporary(call.definition)
      return
    case 'dropTemporary':
      await writer.dropTemporary(call.definition)
      return
    case 'beginRaw':
      await writer.beginRaw()
      return
    case 'endRaw':
      await takeAll(database)
      writeback.begin()
      return await writer.endRaw()
    case 'flush':
      await writer.flush()
      return
  }
}

/**
 * While rows come in, a second thread of DuckDB would only take the reader's processor, and more memory would only keep written
 * blocks cached: DuckDB fills what it may have, so memory would grow with the trace.
 */
async function share(database: Database): Promise<void> {
  await database.run('SET threads = 1')
  if (memoryLimit === undefined) await database.run("SET memory_limit = '128MiB'")
}

/** When all has been read, what is left may take everything: its last blocks and the statements after the load. */
async function takeAll(database: Database): Promise<void> {
  await database.run('RESET threads')
  if (memoryLimit === undefined) await database.run(`SET memory_limit = '${ownMemoryLimit()}'`)
}
