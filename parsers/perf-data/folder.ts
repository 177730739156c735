import { readFully } from '../cursor.ts'
import { TraceParseError } from '../error.ts'
import type { FolderFile, FolderSource } from '../reader.ts'
import { isPerfData } from './header.ts'

/** One of the files data.0, data.1, ... */
export interface FolderPart {
  readonly name: string
  readonly file: FolderFile
}

/** More files than any machine has cpus. */
const MAX_FILES = 8192

/** The folder that holds the file `data`: the given one, or the only such one below it; `undefined` = none or several. */
function findRoot(folder: FolderSource): string | undefined {
  const roots = folder.paths
    .filter((path) => (path === 'data' || path.endsWith('/data')) && isHeader(folder, path))
    .map((path) => path.slice(0, -'data'.length))
  if (roots.includes('')) return ''
  return roots.length === 1 ? roots[0] : undefined
}

function isHeader(folder: FolderSource, path: string): boolean {
  const file = folder.open(path)
  if (file === undefined) return false
  try {
    const head = new Uint8Array(8)
    return isPerfData(head.subarray(0, readFully(file, 0, head)))
  } finally {
    file.close()
  }
}

/** True for a folder written by perf: a file `data` that begins as perf.data does. */
export function isPerfFolder(folder: FolderSource): boolean {
  return findRoot(folder) !== undefined
}

/** Opens `data` and, in order of their numbers, the other files with records. Source: perf_data__open_dir, tools/perf/util/data.c (6.12). */
export function openFolderParts(folder: FolderSource): {
  readonly header: FolderFile
  readonly files: readonly FolderPart[]
  close(): void
} {
  const root = findRoot(folder)
  const header = root === undefined ? undefined : folder.open(`${root}data`)
  if (root === undefined || header === undefined)
    throw error(
      folder,
      'unknown_format',
      'one folder with a perf.data header named "data" was expected',
    )
  const files: FolderPart[] = []
  const close = () => {
    header.close()
    for (const { file } of files.splice(0)) file.close()
  }
  try {
    for (const path of folder.paths) {
      const name = path.startsWith(root) ? path.slice(root.length) : ''
      if (!name.startsWith('data.') || name.includes('/')) continue
      if (files.length === MAX_FILES)
        throw error(folder, 'too_many_files', `more than ${MAX_FILES} files data.*`)
      const file = folder.open(path)
      if (file !== undefined) files.push({ name, file })
    }
  } catch (cause) {
    close()
    throw cause
  }
  files.sort((a, b) => numberOf(a) - numberOf(b))
  return { header, files: [...files], close }
}

function numberOf({ name }: FolderPart): number {
  const number = Number(name.slice('data.'.length))
  return Number.isNaN(number) ? MAX_FILES : number
}

function error(folder: FolderSource, code: string, what: string): TraceParseError {
  return new TraceParseError(code, folder.name, { unit: 'byte', at: 0 }, what)
}
