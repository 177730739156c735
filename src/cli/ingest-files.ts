import { existsSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { isLiveFormat, openTrace, traceFormats } from '../../parsers/index.ts'
import type { Settings } from '../config/settings.ts'
import type { RowWriter } from '../database/writer.ts'
import { writeTrace } from '../ingest/ingest.ts'
import { openInput } from '../io/input.ts'
import { readSnapshots } from '../io/snapshots.ts'
import { formatCount } from '../model/counted.ts'
import { unknownName } from '../model/names.ts'
import { describeFailure, isInvalidated, toExitStatus, usageError } from './failure.ts'
import { formatNs } from './format.ts'
import type { IngestOptions } from './ingest.ts'
import { describeEvents, describeWholeness } from './lost-events.ts'
import { printLine, remark } from './output.ts'
import { startProgress } from './progress.ts'
import { readVersion } from './version.ts'

interface Target {
  readonly writer: RowWriter
  /** Without traces until now. */
  readonly isNew: boolean
}

/** Reads files one after the other and closes the writer; a broken one of several does not keep the others out. A new database that took none goes away. */
export async function ingestAll(
  { writer, isNew }: Target,
  files: readonly string[],
  options: IngestOptions,
  settings: Settings,
  signal: AbortSignal,
): Promise<void> {
  let read = 0
  try {
    // What is piped in may not come twice: a database that cannot be opened is told before anything is read.
    if (files.includes('-')) await writer.query('SELECT 1')
    for (const [n, file] of files.entries()) {
      if (signal.aborted) break
      try {
        await ingestOne({ writer, isNew: isNew && n === 0 }, file, options, settings, signal)
        read++
      } catch (error) {
        if (signal.aborted) break
        if (files.length === 1) throw error
        // One broken trace of many must not keep the others out.
        process.stderr.write(`${describeFailure(error)}\n`)
        process.exitCode = toExitStatus(error)
      }
    }
    if (signal.aborted) remark(settings, describeInterruption(read, files.length))
  } finally {
    if (isNew && read === 0) await removeEmpty(writer, settings.databasePath)
    await writer.close()
  }
}

/** Ctrl-C: files that were read completely stay. */
function describeInterruption(read: number, files: number): string {
  if (read === files) return 'interrupted: what came until then is kept'
  if (read === 0) return 'interrupted: nothing of it is kept'
  return `interrupted: of ${files} files ${read} ${read === 1 ? 'is' : 'are'} kept`
}

/** Removes a database without traces, while it is open: nobody else can have it open then. One that could not be opened is not the writer's. */
async function removeEmpty(writer: RowWriter, path: string): Promise<void> {
  const traces = await writer
    .query('SELECT 1 FROM traces LIMIT 1')
    .catch((error) => (isInvalidated(error) ? [] : undefined))
  if (traces?.length !== 0) return
  rmSync(path, { force: true })
  rmSync(`${path}.wal`, { force: true })
}

async function ingestOne(
  { writer, isNew }: Target,
  file: string,
  options: IngestOptions,
  settings: Settings,
  signal: AbortSignal,
): Promise<void> {
  const begun = Date.now()
  const live = file === '-'
  const input = await openInput(
    file,
    live ? { stdin: untilAborted(process.stdin, signal), isStream: isLiveFormat } : {},
  )
  try {
    const reader = await openTrace(
      input.live ?? input.folder ?? input.source,
      toOpenOptions(options.format),
    )
    const total = input.source.size
    const askLater = isNew || options.force === true
    const progress = startProgress(
      settings,
      `reading ${live ? 'standard input' : basename(file)}`,
      'bytes',
    )
    try {
      const result = await writeTrace(writer, {
        reader,
        name: options.name ?? toName(file),
        path: file,
        ...(live ? {} : { size: total }),
        ...(input.live === undefined ? { sha256: askLater ? input.sha256 : input.sha256() } : {}),
        snapshots: findSnapshots(file, options.snapshots, settings),
        raw: options.raw,
        strict: options.strict ?? false,
        force: options.force ?? false,
        pstraceVersion: readVersion(),
        progress: () => progress.update(reader.bytesRead, total),
        // Ctrl-C ends the input of a live trace: what came until then is read and kept.
        ...(live ? {} : { signal }),
      })
      progress.stop()
      await report(writer, result.traceId, settings, Date.now() - begun)
    } finally {
      progress.stop()
      reader.close()
    }
  } finally {
    input.close()
  }
}

/** The pieces of a stream until it ends or the signal is raised. */
async function* untilAborted(stream: Readable, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const pieces = stream[Symbol.asyncIterator]()
  const aborted = new Promise<undefined>((end) => {
    if (signal.aborted) end(undefined)
    signal.addEventListener('abort', () => end(undefined), { once: true })
  })
  for (;;) {
    const next = pieces.next()
    // Destroying the stream makes the read that is under way fail; nobody waits for it any more.
    next.catch(() => undefined)
    const piece = await Promise.race([next, aborted])
    if (piece === undefined) stream.destroy()
    if (piece === undefined || piece.done === true) return
    yield piece.value
  }
}

function toOpenOptions(format: string | undefined): { format?: string } {
  if (format === undefined) return {}
  const names = traceFormats.map(({ name }) => name)
  if (!names.includes(format)) throw unknownName('format', format, names)
  return { format }
}

/** `trace.dat` and `perf.data` say nothing: the folder does. */
function toName(file: string): string {
  if (file === '-') return 'stdin'
  const base = basename(file).replace(/\.(gz|zst)$/, '')
  const plain = ['trace.dat', 'perf.data', 'trace', 'trace.txt', 'raw'].includes(base)
  const folder = basename(dirname(resolve(file)))
  return plain && folder !== ''
    ? folder
    : base.replace(/\.(dat|data|txt|pftrace|perfetto-trace)$/, '')
}

/** Snapshot files by name; those beside the trace are taken without asking, and said so. */
function findSnapshots(
  file: string,
  asked: string | false | undefined,
  settings: Settings,
): ReadonlyMap<string, string> {
  if (asked === false) return new Map()
  if (asked !== undefined) {
    if (!existsSync(asked) || !statSync(asked).isDirectory())
      throw usageError(`--snapshots ${asked}: no such folder`)
    return readSnapshots(asked)
  }
  if (file === '-') return new Map()
  const folder = snapshotFolder(file)
  if (folder === undefined) return new Map()
  const found = readSnapshots(folder)
  if (found.size > 0)
    remark(
      settings,
      `snapshots: ${found.size} files beside the trace (--no-snapshots leaves them out)`,
    )
  return found
}

/** Where files were recorded beside the trace; a recorded folder may hold them itself. */
export function snapshotFolder(file: string): string | undefined {
  return [file, dirname(file)].find((folder) =>
    ['before', 'after'].some((when) => existsSync(join(folder, `vmstat.${when}`))),
  )
}

/** One line per import issue and one of totals on stderr; the id alone on stdout. */
async function report(
  writer: RowWriter,
  traceId: number,
  settings: Settings,
  tookMs: number,
): Promise<void> {
  const [trace] = await writer.query(
    'SELECT name, format, events, lost_events, lost_gaps, start_ns, end_ns FROM traces WHERE trace_id = ?',
    [traceId],
  )
  const issues = await writer.query(
    "SELECT severity, code, count, message FROM import_issues WHERE trace_id = ? AND severity <> 'info' ORDER BY count DESC",
    [traceId],
  )
  for (const issue of issues)
    remark(
      settings,
      `${issue['severity']} ${issue['code']} (${formatCount(Number(issue['count']))}): ${issue['message']}`,
    )
  if (trace !== undefined) {
    const lost = describeWholeness(
      { gaps: Number(trace['lost_gaps'] ?? 0), events: trace['lost_events'] as number | null },
      issues.some(({ severity }) => severity === 'data_loss'),
    )
    const lengthNs = Number(trace['end_ns'] ?? 0) - Number(trace['start_ns'] ?? 0)
    const events = describeEvents(Number(trace['events'] ?? 0), lengthNs)
    remark(
      settings,
      `${trace['name']} (${trace['format']}): ${events}, ${lost}, read in ${formatNs(tookMs * 1e6)}`,
    )
  }
  if (settings.quiet) await printLine(String(traceId))
  else await printLine(`trace ${traceId}`)
}
