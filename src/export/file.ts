import { existsSync, rmSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
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
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const reason = REASONS[code] ?? (cause instanceof Error ? cause.message : String(cause))
  return new PstraceError('cannot-write', `${path}: cannot be written: ${reason}`, { cause })
}

/** Refuses to replace a file that the user did not allow to replace. */
export function refuseOverwrite(path: string, options: { force: boolean }): void {
  if (!options.force && existsSync(path))
    throw new PstraceError('file-exists', `${path}: exists already; --force replaces it`)
}

/** Runs `write` on a temporary name beside `path` and renames when it has succeeded, so that no half-written file is ever seen. */
export async function replaceFile(
  path: string,
  options: { force: boolean },
  write: (temporaryPath: string) => Promise<void>,
): Promise<void> {
  refuseOverwrite(path, options)
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`)
  const abandon = () => rmSync(temporary, { force: true })
  // Ctrl-C ends the process in the middle of `write`.
  process.once('exit', abandon)
  try {
    await write(temporary)
    refuseOverwrite(path, options)
    await rename(temporary, path)
  } catch (cause) {
    await rm(temporary, { force: true })
    if (cause instanceof PstraceError) throw cause
    throw cannotWrite(path, cause)
  } finally {
    process.off('exit', abandon)
  }
}

/** Writes text or bytes to a file by way of a temporary name. */
export async function writeFileWhole(
  path: string,
  options: { force: boolean },
  pieces: AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>,
): Promise<void> {
  await replaceFile(path, options, async (temporary) => {
    const file = await open(temporary, 'wx')
    try {
      for await (const piece of pieces) {
        const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece
        // What a full disk still takes is written short, and only the next write fails.
        for (let done = 0; done < bytes.length; )
          done += (await file.write(bytes, done)).bytesWritten
      }
    } finally {
      await file.close()
    }
  })
}
