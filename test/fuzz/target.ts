import { toByteSource } from '../../parsers/cursor.ts'
import { folderFormats, openTrace, TraceParseError, traceFormats } from '../../parsers/index.ts'
import { valueAt } from '../parsers/open-bytes.ts'
import { unpackFolder } from './folder-bytes.ts'

/** Names of all formats that are fuzzed; a folder is given as `packFolder` packs it. */
export const TARGETS: readonly string[] = [...traceFormats, ...folderFormats].map(
  ({ name }) => name,
)

/** The corpus folder of a target. */
export function folderNameOf(target: string): string {
  return target.replaceAll(' ', '-')
}

/** A short input must not keep a reader busy: time of the CPU, of which a loaded machine takes no more. */
const MOST_CPU_MS = 5000

/** Reads all of it as `format`; what is wrong with how the reader took it, `undefined` = nothing. */
export async function readAsFormat(bytes: Uint8Array, format: string): Promise<string | undefined> {
  const started = process.cpuUsage()
  try {
    const isFolder = folderFormats.some(({ name }) => name === format)
    const reader = isFolder
      ? await openTrace(unpackFolder(bytes))
      : await openTrace(toByteSource('fuzz', bytes), { format })
    for (let window = reader.read(); window !== undefined; window = reader.read())
      for (const batch of window.batches)
        for (const column of batch.columns)
          for (let row = 0; row < Math.min(batch.length, 4); row++) valueAt(column, row)
    for (const { startNs, endNs } of reader.losses)
      if (Number.isNaN(startNs + endNs)) return 'a loss has no time'
    reader.close()
  } catch (error) {
    if (!(error instanceof TraceParseError))
      return error instanceof Error ? (error.stack ?? error.message) : String(error)
    const { unit, at } = error.position
    if (!error.message.startsWith('fuzz') || !error.message.includes(`, ${unit} ${at}: `))
      return `an error without its place: ${error.message}`
  }
  const { user, system } = process.cpuUsage(started)
  const tookMs = Math.round((user + system) / 1000)
  return tookMs > MOST_CPU_MS ? `${bytes.length} bytes took ${tookMs} ms` : undefined
}
