import { readFully } from './cursor.ts'
import { TraceParseError } from './error.ts'
import { isPerfFolder } from './perf-data/folder.ts'
import { isPerfData } from './perf-data/header.ts'
import { isPerfetto } from './perfetto/sniff.ts'
import type { ByteSource, FolderSource, LiveStream, TraceFormat, TraceReader } from './reader.ts'
import type { TextForm } from './text/form.ts'
import { isText } from './text/form.ts'
import { isTraceDat } from './trace-dat/header.ts'
import { isTracefsFolder, openTracefsFolder } from './tracefs-folder/reader.ts'

export type {
  BytesColumn,
  Column,
  ColumnKind,
  EventBatch,
  EventFormat,
  EventWindow,
  FieldSpec,
  ListColumn,
  NumberColumn,
  StringColumn,
  StringDictionary,
  WideColumn,
} from './batch.ts'
export { findColumn, WINDOW_ROWS } from './batch.ts'
export type { InputPosition } from './error.ts'
export { TraceParseError } from './error.ts'
export type {
  ByteSource,
  ByteStream,
  FolderFile,
  FolderSource,
  ImportIssue,
  LiveStream,
  Loss,
  Severity,
  TraceFormat,
  TraceInfo,
  TraceInstance,
  TraceReader,
} from './reader.ts'

/** A file family that is opened from a ByteSource. */
export interface SeekableFormat extends TraceFormat {
  open(source: ByteSource): Promise<TraceReader>
  /** Formats that can be read while they are still being written. */
  openLive?(stream: LiveStream): Promise<TraceReader>
}

/** Several files that are one recording. */
export interface FolderFormat {
  readonly name: string
  readonly access: 'folder'
  sniffFolder(folder: FolderSource): boolean
  openFolder(folder: FolderSource): Promise<TraceReader>
}

/** Bytes of the input's start that formats are told apart by. */
export const SNIFF_BYTES = 65_536

/** Only the reader of the format that a file has is loaded. */
const traceDat: SeekableFormat = {
  name: 'trace.dat',
  access: 'seek',
  sniff: isTraceDat,
  open: async (source) => (await import('./trace-dat/reader.ts')).openTraceDat(source),
}

const perfData: SeekableFormat = {
  name: 'perf.data',
  access: 'seek',
  sniff: isPerfData,
  open: async (source) => (await import('./perf-data/open.ts')).openPerfData(source),
}

const perfetto: SeekableFormat = {
  name: 'perfetto',
  access: 'seek',
  sniff: isPerfetto,
  open: async (source) => (await import('./perfetto/reader.ts')).openPerfetto(source),
}

function textFormat(name: TextForm['name']): SeekableFormat {
  return {
    name,
    access: 'stream',
    sniff: (head) => isText(head, name),
    open: async (source) => (await import('./text/open.ts')).openText(source, name),
    openLive: async (stream) => (await import('./text/open.ts')).openLiveText(stream),
  }
}

/** All formats, in the order in which they are tried. */
export const traceFormats: readonly SeekableFormat[] = [
  traceDat,
  perfData,
  perfetto,
  textFormat('ftrace text'),
  textFormat('perf script'),
  textFormat('systrace'),
]

const tracefsFolder: FolderFormat = {
  name: 'tracefs folder',
  access: 'folder',
  sniffFolder: isTracefsFolder,
  openFolder: async (folder) => openTracefsFolder(folder),
}

const perfFolder: FolderFormat = {
  name: 'perf.data folder',
  access: 'folder',
  sniffFolder: isPerfFolder,
  openFolder: async (folder) => (await import('./perf-data/open.ts')).openPerfFolder(folder),
}

/** Formats that are folders, in the order in which they are tried. */
export const folderFormats: readonly FolderFormat[] = [tracefsFolder, perfFolder]

/** The format whose mark `head` carries. */
export function sniffFormat(head: Uint8Array): SeekableFormat | undefined {
  return traceFormats.find((format) => format.sniff(head))
}

export interface OpenOptions {
  /** A format's name, instead of recognising it by content. */
  readonly format?: string
}

/** Opens a trace of any known format; throws `TraceParseError` when it is none or cannot be read. */
export async function openTrace(
  source: ByteSource | FolderSource | LiveStream,
  options: OpenOptions = {},
): Promise<TraceReader> {
  if ('paths' in source) return await openFolderTrace(source)
  if ('wait' in source) return await openLiveTrace(source, options)
  const head = new Uint8Array(Math.min(SNIFF_BYTES, source.size))
  const read = readFully(source, 0, head)
  const format =
    options.format === undefined
      ? sniffFormat(head.subarray(0, read))
      : traceFormats.find(({ name }) => name === options.format)
  if (format === undefined)
    throw unknown(source.name, 'known trace', traceFormats, read === 0 ? 'empty: ' : '')
  return await format.open(source)
}

async function openFolderTrace(folder: FolderSource): Promise<TraceReader> {
  const format = folderFormats.find((each) => each.sniffFolder(folder))
  if (format !== undefined) return await format.openFolder(folder)
  const inside = findTrace(folder)
  if (inside !== undefined)
    throw new TraceParseError(
      'unknown_format',
      folder.name,
      { unit: 'byte', at: 0 },
      `a folder that is no recording itself, but holds one: name the file, ${folder.name.replace(/\/+$/, '')}/${inside}`,
    )
  throw unknown(folder.name, 'folder with a known recording', folderFormats)
}

/** A file right in the folder that is a trace. */
function findTrace(folder: FolderSource): string | undefined {
  return folder.paths.find((path) => {
    const file = path.includes('/') ? undefined : folder.open(path)
    if (file === undefined) return false
    try {
      const head = new Uint8Array(Math.min(SNIFF_BYTES, file.size))
      return sniffFormat(head.subarray(0, readFully(file, 0, head))) !== undefined
    } finally {
      file.close()
    }
  })
}

function unknown(
  name: string,
  what: string,
  formats: readonly { readonly name: string }[],
  found = '',
): TraceParseError {
  const known = formats.map((format) => format.name).join(', ')
  const place = { unit: 'byte', at: 0 } as const
  const message = `${found}not a ${what}; known are ${known}`
  return new TraceParseError('unknown_format', name, place, message)
}

/** True when input that begins with `head` can be read while it is being written. */
export function isLiveFormat(head: Uint8Array): boolean {
  return sniffFormat(head)?.openLive !== undefined
}

async function openLiveTrace(stream: LiveStream, options: OpenOptions): Promise<TraceReader> {
  const format = traceFormats.find(
    ({ name, openLive }) => openLive !== undefined && name === (options.format ?? 'ftrace text'),
  )
  if (format?.openLive === undefined)
    throw new TraceParseError(
      'not_live',
      stream.name,
      { unit: 'byte', at: 0 },
      `${options.format} cannot be read while it is being written`,
    )
  return await format.openLive(stream)
}

export { parseUname } from './uname.ts'
