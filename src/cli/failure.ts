import { PstraceError } from '../model/error.ts'
import { EXIT_INTERRUPTED, InterruptedError } from './interrupt.ts'

/** DuckDB names the file at the end of what it was about to do. */
const FULL_DEVICE = /"([^"]+)": No space left on device/

/** What the user reads: one message, and the stack only with PSTRACE_DEBUG. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return `pstrace: ${String(error)}`
  if ((process.env['PSTRACE_DEBUG'] ?? '') !== '') return `pstrace: ${describeStack(error)}`
  const full = FULL_DEVICE.exec(error.message)
  if (full !== null)
    return `pstrace: ${full[1]}: no space is left on its device; what the database held before is kept`
  return `pstrace: ${error.message}`
}

function describeStack(error: Error): string {
  const own = error.stack ?? error.message
  return error.cause instanceof Error ? `${own}\ncaused by: ${describeStack(error.cause)}` : own
}

/** What the process ends with after this error; 1 for errors that are not ours. */
export function toExitStatus(error: unknown): number {
  if (error instanceof InterruptedError) return EXIT_INTERRUPTED
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
