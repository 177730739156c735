import { TraceParseError } from '../error.ts'
import { IssueLog } from '../issues.ts'
import { readSymbols } from '../kernel-symbols.ts'
import type { ByteSource, FolderSource, TraceReader } from '../reader.ts'
import { openFolderParts } from './folder.ts'
import { PerfHeader } from './header.ts'
import { HEADER_FILE, PerfDataReader } from './reader.ts'
import type { ZstdStream } from './record-file.ts'

/** Opens perf.data in file or pipe mode. Throws `TraceParseError`. */
export async function openPerfData(source: ByteSource): Promise<TraceReader> {
  return await openWithZstd((zstd) => {
    const issues = new IssueLog()
    const header = new PerfHeader(source, issues)
    if (header.folderVersion > 0)
      issues.add(
        'folder_expected',
        'data_loss',
        undefined,
        'This file is the header of a folder (perf record --threads); the samples are in the files data.* beside it: give the folder.',
      )
    return new PerfDataReader(header, issues, zstd)
  })
}

/** Opens the folder that `perf record --threads` or `--kcore` writes. Throws `TraceParseError`. */
export async function openPerfFolder(folder: FolderSource): Promise<TraceReader> {
  const parts = openFolderParts(folder)
  try {
    return await openWithZstd((zstd) => {
      const issues = new IssueLog()
      issues.place = HEADER_FILE
      const header = new PerfHeader(parts.header, issues)
      issues.place = ''
      if (parts.copySymbols !== undefined) header.symbols = readSymbols(issues, parts.copySymbols)
      if (header.folderVersion > 1)
        throw new TraceParseError(
          'unsupported_version',
          parts.header.name,
          { unit: 'byte', at: 0 },
          `a folder of version ${header.folderVersion}; 1, or 0 for a single file, was expected`,
        )
      // Without --threads (version 0) all samples are in the header's file; a recording that was cut short does not say.
      const files = header.folderVersion === 1 || header.isUnfinished ? parts.files : []
      if (header.folderVersion === 1 && files.length === 0)
        issues.add(
          'no_data_files',
          'data_loss',
          undefined,
          'The folder has no file data.0, data.1, ...',
        )
      return new PerfDataReader(header, issues, zstd, { files, close: parts.close })
    })
  } catch (error) {
    parts.close()
    throw error
  }
}

/** Opens without a decoder for zstd, whose start takes longer than reading most files; and with one where that is needed. */
async function openWithZstd(
  open: (zstd: ZstdStream | undefined) => PerfDataReader,
): Promise<PerfDataReader> {
  const reader = open(undefined)
  if (!reader.needsZstd) return reader
  const { loadZstdStream } = await import('../zstd.ts')
  return open(await loadZstdStream())
}
