import { realpathSync, type Stats, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { PstraceError } from '../model/error.ts'

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such folder',
  ENOTDIR: 'there is no such folder',
  EISDIR: 'it is a folder',
  EACCES: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space is left on its device',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'it is at the limit of file sizes (ulimit -f)',
}

/** The error for a file that the file system would not take. */
export function cannotWrite(path: string, cause: unknown): PstraceError {
  return new PstraceError('cannot-write', `${path}: cannot be written: ${reasonOf(cause)}`, {
    cause,
  })
}

/** What a file system has against a file, in our words. */
export function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  return REASONS[code] ?? (cause instanceof Error ? cause.message : String(cause))
}

/** Where the bytes of a file go until it is complete. */
export interface Destination {
  /** The name that the complete file gets: behind a link, what the link leads to. */
  readonly path: string
  /** A name beside it; `path` itself where that is written into. */
  readonly temporary: string
  /** A terminal, a pipe or a device is written into: a rename would put a file in its place. */
  readonly isWrittenInto: boolean
}

/** Refuses folders, and files that the user did not allow to replace. */
export function toDestination(path: string, options: { readonly force: boolean }): Destination {
  const found = statOf(path)
  if (found?.isDirectory()) throw cannotWrite(path, Object.assign(new Error(), { code: 'EISDIR' }))
  if (found !== undefined && !found.isFile()) return { path, temporary: path, isWrittenInto: true }
  if (found !== undefined && !options.force) throw existsError(path)
  const target = found === undefined ? path : realpathSync(path)
  const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.tmp`)
  return { path: target, temporary, isWrittenInto: false }
}

/** Refuses, before any work is done, what could not be written when it is done. */
export function refuseOverwrite(path: string, options: { readonly force: boolean }): void {
  toDestination(path, options)
}

export function existsError(path: string): PstraceError {
  return new PstraceError('file-exists', `${path}: already exists; --force replaces it`)
}

/** Undefined where nothing is there, or nothing can be seen: opening it tells why. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch {
    return undefined
  }
}
