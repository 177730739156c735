import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { cannotWrite, refuseOverwrite } from '../export/file.ts'
import { PstraceError } from '../model/error.ts'
import { LOG_EVENTS, type ReplayLogEvent } from '../replay/log-events.ts'

const FLUSH_CHARACTERS = 1 << 20

export interface RunLog {
  write(event: ReplayLogEvent): void
  /** Gives the file its name: what was written is kept. */
  close(): void
}

/**
 * Writes the events of runs as NDJSON, as they come: a replay never returns to the event loop, so nothing may wait for it. The first line
 * says what the events are; each run is from its `begin` to its `end`.
 */
export function openRunLog(path: string, options: { readonly force: boolean }): RunLog {
  refuseOverwrite(path, options)
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`)
  let file: number
  try {
    file = openSync(temporary, 'wx')
  } catch (cause) {
    throw cannotWrite(path, cause)
  }
  let text = `${JSON.stringify({ format: 'pstrace replay log', version: 1, events: LOG_EVENTS })}\n`
  const flush = (): void => {
    const bytes = Buffer.from(text)
    text = ''
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at)
    } catch (cause) {
      throw cannotWrite(path, cause)
    }
  }
  const finish = (): void => {
    process.off('exit', finish)
    try {
      flush()
      closeSync(file)
      renameSync(temporary, path)
    } catch (cause) {
      rmSync(temporary, { force: true })
      throw cause instanceof PstraceError ? cause : cannotWrite(path, cause)
    }
  }
  // Whoever reads the table may close the pipe before the command is through.
  process.on('exit', finish)
  return {
    write(event) {
      text += `${JSON.stringify(event)}\n`
      if (text.length >= FLUSH_CHARACTERS) flush()
    },
    close: finish,
  }
}
