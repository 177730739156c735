import { readFully } from '../cursor.ts'
import { TraceParseError } from '../error.ts'
import type { FolderFile, FolderSource } from '../reader.ts'
import { isPerfData } from './header.ts'

/** One of the files data.0, data.1, ... */
export interface FolderPart {
  readonly name: string
  readonly file: FolderFile
}

export interface FolderParts {
  readonly header: FolderFile
  readonly files: readonly FolderPart[]
  /** Copies the /proc/kallsyms that --kcore leaves, and may throw `TraceParseError`; undefined where there is none. */
  readonly copySymbols: (() => Uint8Array) | undefined
  close(): void
}

/** More files than any machine has cpus. */
const MAX_FILES = 8192
/** Kernels of distributions have some 10 MiB of symbols. */
const MAX_SYMBOL_BYTES = 1 << 27

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
export function openFolderParts(folder: FolderSource): FolderParts {
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
  const symbols = `${root}kcore_dir/kallsyms`
  return {
    header,
    files: [...files],
    copySymbols: folder.paths.includes(symbols) ? () => copyFile(folder, symbols) : undefined,
    close,
  }
}

/** The whole file; nothing where there is none. */
function copyFile(folder: FolderSource, path: string): Uint8Array {
  const file = folder.open(path)
  if (file === undefined) return new Uint8Array(0)
  try {
    if (file.size > MAX_SYMBOL_BYTES)
      throw error(folder, 'too_large', `${path} has ${file.size} bytes`)
    const bytes = new Uint8Array(file.size)
    return bytes.subarray(0, readFully(file, 0, bytes))
  } finally {
    file.close()
  }
}

function numberOf({ name }: FolderPart): number {
  const number = Number(name.slice('data.'.length))
  return Number.isNaN(number) ? MAX_FILES : number
}

function error(folder: FolderSource, code: string, what: string): TraceParseError {
  return new TraceParseError(code, folder.name, { unit: 'byte', at: 0 }, what)
}
