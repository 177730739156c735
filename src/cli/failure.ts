import { PstraceError } from '../model/error.ts'
import { InterruptedError, interruptedStatus } from './interrupt.ts'

/** What a file system has against more bytes, by the words of strerror(3). */
const FULL: Readonly<Record<string, string>> = {
  'No space left on device': 'no space is left on its device',
  'Disk quota exceeded': 'the disk quota is used up',
  'File too large': 'it is at the limit of file sizes (ulimit -f)',
}
/** DuckDB names the file at the end of what it was about to do. */
const FULL_FILE = new RegExp(`"([^"]+)": (${Object.keys(FULL).join('|')})`)
/** What DuckDB writes beside databases, by its own name or a temporary one. */
const OUTPUT_FILE = /^(.*\/|)\.?([^/]+\.parquet)(?:\.\d+\.tmp)?$/

/** A database was open that DuckDB refuses to use any further: its device is full, or fails. */
export function isInvalidated(error: unknown): boolean {
  return error instanceof Error && /\bhas been invalidated\b/.test(error.message)
}

/** What the user reads: one message, and the stack only with PSTRACE_DEBUG. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return `pstrace: ${String(error)}`
  if ((process.env['PSTRACE_DEBUG'] ?? '') !== '') return `pstrace: ${describeStack(error)}`
  const [, file, words] = FULL_FILE.exec(error.message) ?? []
  if (file !== undefined && words !== undefined) {
    const output = OUTPUT_FILE.exec(file)
    return output === null
      ? `pstrace: ${file}: ${FULL[words]}; what the database held before is kept`
      : `pstrace: ${output[1]}${output[2]}: cannot be written: ${FULL[words]}`
  }
  return `pstrace: ${error.message}`
}

function describeStack(error: Error): string {
  const own = error.stack ?? error.message
  return error.cause instanceof Error ? `${own}\ncaused by: ${describeStack(error.cause)}` : own
}

/** What the process ends with after this error; 1 for errors that are not ours. */
export function toExitStatus(error: unknown): number {
  if (error instanceof InterruptedError) return interruptedStatus()
  return error instanceof PstraceError ? error.exitStatus : 1
}

/** Wrong usage that commander cannot see. */
export function usageError(message: string): PstraceError {
  return new PstraceError('usage', message, { exitStatus: 2 })
}

/** The data cannot answer the question. */
export function unfitError(message: string): PstraceError {
  return new PstraceError('unfit', message, { exitStatus: 3 })
}
