import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import type { ByteSource } from '../../parsers/reader.ts'
import { PstraceError } from '../model/error.ts'

/** An open file; its size is that of the moment of opening. */
export interface FileSource extends ByteSource {
  close(): void
}

/** Opens a regular file for reading. */
export function openFileSource(path: string): FileSource {
  let descriptor: number
  try {
    descriptor = openSync(path, 'r')
  } catch (cause) {
    throw toOpenError(path, cause)
  }
  const stat = fstatSync(descriptor)
  if (stat.isFile()) return toFileSource(path, descriptor, stat.size)
  closeSync(descriptor)
  throw new PstraceError(
    'not_a_file',
    `${path}: ${stat.isDirectory() ? 'is a folder' : 'is not a regular file'}; a trace file was expected.`,
  )
}

/** The source owns the descriptor. */
export function toFileSource(name: string, descriptor: number, size: number): FileSource {
  let open = true
  return {
    name,
    size,
    readInto(offset, target) {
      if (!open) throw new PstraceError('closed', `${name}: read after close.`)
      if (target.length === 0) return 0
      try {
        return readSync(descriptor, target, 0, target.length, offset)
      } catch (cause) {
        throw new PstraceError('read_failed', `${name}: cannot be read at byte ${offset}.`, {
          cause,
        })
      }
    },
    close() {
      if (!open) return
      open = false
      closeSync(descriptor)
    },
  }
}

function toOpenError(path: string, cause: unknown): PstraceError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  if (code === 'ENOENT')
    return new PstraceError('no_such_file', `${path}: no such file.`, { cause })
  if (code === 'EACCES' || code === 'EPERM')
    return new PstraceError('not_readable', `${path}: no permission to read it.`, { cause })
  return new PstraceError(
    'open_failed',
    `${path}: cannot be opened (${code || 'unknown error'}).`,
    {
      cause,
    },
  )
}
