import { closeSync, ftruncateSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { cannotWrite, toDestination } from '../io/destination.ts'
import { LOG_EVENTS, type ReplayLogEvent } from '../replay/log-events.ts'
import { removeWhenKilled } from './unfinished-file.ts'

const FLUSH_CHARACTERS = 1 << 20

export interface RunLog {
  write(event: ReplayLogEvent): void
  /** Gives the file its name, with the runs that came to their end; there is none without one. */
  close(): void
}

/**
 * Writes the events of runs as NDJSON, as they come: a replay never returns to the event loop, so nothing may wait for it. The first line
 * says what the events are; each run is from its `begin` to its `end`.
 */
export function openRunLog(path: string, options: { readonly force: boolean }): RunLog {
  const { path: target, temporary, isWrittenInto } = toDestination(path, options)
  let file: number
  try {
    file = openSync(temporary, isWrittenInto ? 'w' : 'wx')
  } catch (cause) {
    throw cannotWrite(path, cause)
  }
  const keep = isWrittenInto ? () => {} : removeWhenKilled(temporary)
  let written = 0
  let complete = 0
  let text = `${JSON.stringify({ format: 'pstrace replay log', version: 1, events: LOG_EVENTS })}\n`
  const flush = (): void => {
    const bytes = Buffer.from(text)
    text = ''
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at)
      written += bytes.length
    } catch (cause) {
      throw cannotWrite(path, cause)
    }
  }
  const finish = (): void => {
    process.off('exit', finish)
    if (isWrittenInto) {
      closeSync(file)
      return
    }
    try {
      ftruncateSync(file, complete)
      closeSync(file)
      if (complete > 0) renameSync(temporary, target)
      else rmSync(temporary, { force: true })
    } catch (cause) {
      rmSync(temporary, { force: true })
      throw cannotWrite(path, cause)
    } finally {
      keep()
    }
  }
  // Whoever reads the table may close the pipe before the command is through.
  process.on('exit', finish)
  return {
    write(event) {
      text += `${JSON.stringify(event)}\n`
      const isOver = event.event === 'end'
      if (isOver || text.length >= FLUSH_CHARACTERS) flush()
      if (isOver) complete = written
    },
    close: finish,
  }
}
