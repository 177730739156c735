import { parseUname, type TraceInfo } from '../../parsers/index.ts'
import type { SnapshotFiles } from './snapshot.ts'

/** The recorded kernel: as the trace names it, or else the file `uname` recorded beside it. */
export function kernelOf(
  info: TraceInfo,
  files: SnapshotFiles,
): { readonly kernelRelease: string | undefined; readonly arch: string | undefined } {
  const beside = parseUname(files.get('uname') ?? '')
  return {
    kernelRelease: info.kernelRelease ?? beside.kernelRelease,
    arch: info.arch ?? beside.arch,
  }
}
