import { closeSync, fstatSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { FolderFile, FolderSource } from '../../parsers/reader.ts'
import { PstraceError } from '../model/error.ts'
import { toFileSource } from './file-source.ts'

/** A recorded folder has some thousand event descriptions; more files are not a recording. */
const MOST_FILES = 100_000
const MOST_LEVELS = 8

/** Lists the regular files below a folder; links are not followed. */
export function openFolder(path: string): FolderSource {
  const paths: string[] = []
  collect(path, '', 0, paths)
  paths.sort()
  const known = new Set(paths)
  return {
    name: path,
    paths,
    open: (file) => (known.has(file) ? openFile(`${path}/${file}`, join(path, file)) : undefined),
  }
}

function collect(root: string, below: string, level: number, paths: string[]): void {
  let entries: ReturnType<typeof readFolder>
  try {
    entries = readFolder(join(root, below))
  } catch (cause) {
    throw new PstraceError('not_readable', `${join(root, below)}: the folder cannot be read.`, {
      cause,
    })
  }
  for (const entry of entries) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`
    if (entry.isFile()) paths.push(path)
    else if (entry.isDirectory() && level < MOST_LEVELS) collect(root, path, level + 1, paths)
    if (paths.length > MOST_FILES)
      throw new PstraceError(
        'too_many_files',
        `${root}: more than ${MOST_FILES} files; a recorded folder was expected.`,
      )
  }
}

function readFolder(path: string) {
  return readdirSync(path, { withFileTypes: true })
}

function openFile(name: string, path: string): FolderFile {
  let descriptor: number
  try {
    descriptor = openSync(path, 'r')
  } catch (cause) {
    throw new PstraceError('not_readable', `${name}: cannot be opened.`, { cause })
  }
  const stat = fstatSync(descriptor)
  if (stat.isFile()) return toFileSource(name, descriptor, stat.size)
  closeSync(descriptor)
  throw new PstraceError('not_a_file', `${name}: is not a regular file.`)
}
