import { createReadStream, rmSync } from 'node:fs'
import { mkdtemp, open, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PstraceError } from '../model/error.ts'
import { cannotWrite, refuseOverwrite, toDestination } from './destination.ts'

type Pieces = AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>

/** Runs `write` on a temporary name beside `path` and renames when it has succeeded, so that no half-written file is ever seen. */
export async function replaceFile(
  path: string,
  options: { readonly force: boolean },
  write: (temporaryPath: string) => Promise<void>,
): Promise<void> {
  const destination = toDestination(path, options)
  if (destination.isWrittenInto) {
    await writeByCopy(path, write)
    return
  }
  const { temporary } = destination
  const abandon = () => rmSync(temporary, { force: true })
  // Ctrl-C ends the process in the middle of `write`.
  process.once('exit', abandon)
  try {
    await write(temporary)
    refuseOverwrite(path, options)
    await rename(temporary, destination.path)
  } catch (cause) {
    await rm(temporary, { force: true })
    if (cause instanceof PstraceError) throw cause
    throw cannotWrite(path, cause)
  } finally {
    process.off('exit', abandon)
  }
}

/** Writes text or bytes to a file by way of a temporary name, or into a pipe or device as they come. */
export async function writeFileWhole(
  path: string,
  options: { readonly force: boolean },
  pieces: Pieces,
): Promise<void> {
  if (toDestination(path, options).isWrittenInto) await writeInto(path, pieces)
  else await replaceFile(path, options, async (temporary) => writePieces(temporary, 'wx', pieces))
}

/** What has to be able to go back in its file (Parquet's writer) is finished before its first byte goes into a pipe or device. */
async function writeByCopy(
  path: string,
  write: (temporaryPath: string) => Promise<void>,
): Promise<void> {
  await withTemporaryFile(async (temporary) => {
    await write(temporary)
    await writeInto(path, createReadStream(temporary))
  })
}

/** A name for a file that is gone when `work` is done. */
export async function withTemporaryFile(work: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'pstrace-'))
  try {
    await work(join(folder, 'result'))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function writeInto(path: string, pieces: Pieces): Promise<void> {
  try {
    await writePieces(path, 'w', pieces)
  } catch (cause) {
    if (cause instanceof PstraceError) throw cause
    throw cannotWrite(path, cause)
  }
}

async function writePieces(path: string, flag: 'w' | 'wx', pieces: Pieces): Promise<void> {
  const file = await open(path, flag)
  try {
    for await (const piece of pieces) {
      const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece
      // What a full disk still takes is written short, and only the next write fails.
      for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done)).bytesWritten
    }
  } finally {
    await file.close()
  }
}
