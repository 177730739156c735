import { readFileSync } from 'node:fs'
import { PstraceError } from '../model/error.ts'

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder',
  EACCES: 'permission denied',
}

/** Why the file system refused, in words; undefined for what is not its error. */
export function readFailure(cause: unknown): string | undefined {
  if (!(cause instanceof Error) || !('code' in cause)) return undefined
  return REASONS[String(cause.code)] ?? cause.message
}

/** Runs `work`; where the file system refuses `path`, an error says why. */
export function orCannotRead<Value>(path: string, work: () => Value): Value {
  try {
    return work()
  } catch (cause) {
    const reason = cause instanceof PstraceError ? undefined : readFailure(cause)
    if (reason === undefined) throw cause
    throw new PstraceError('cannot-read', `${path}: cannot be read: ${reason}`, { cause })
  }
}

/** The text of a file; of standard input for `-`. */
export function readTextFile(path: string): string {
  return orCannotRead(path, () => readFileSync(path === '-' ? 0 : path, 'utf8'))
}
