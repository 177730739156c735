import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { type Result, type ResultStream, toStream } from '../analysis/result.ts'
import type { Settings } from '../config/settings.ts'
import type { OutputOptions, ResultFormat } from './options.ts'
import { toParagraph } from './wrap.ts'

/** Waits until standard output takes more, so that a slow reader costs no memory. */
export async function writeOut(piece: string | Uint8Array): Promise<void> {
  if (piece.length > 0 && !process.stdout.write(piece)) await once(process.stdout, 'drain')
}

/** To stdout; resolves when it is written, so that a slow reader holds the command up. */
export async function printLine(line: string): Promise<void> {
  await writeOut(`${line}\n`)
}

/** A line of prose: where it does not fit on the terminal it goes on below. */
export async function printText(line: string): Promise<void> {
  await printLine(toParagraph(line, process.stdout.columns ?? Number.POSITIVE_INFINITY))
}

/** A remark for people: on stderr, and not with --quiet. */
export function remark(settings: Settings, line: string): void {
  if (!settings.quiet) process.stderr.write(`${line}\n`)
}

/** As asked for, else as the output file's extension says, else a table. */
export function toFormat(options: OutputOptions): ResultFormat {
  if (options.format !== undefined) return options.format as ResultFormat
  const extension = /\.(csv|json|ndjson|parquet|arrow)$/.exec(options.output ?? '')?.[1]
  return (extension ?? 'table') as ResultFormat
}

/** How to make Parquet without passing rows through JavaScript, where the result is plain SQL. */
export type ParquetWriter = (path: string) => Promise<void>

/** Prints a result, or writes it to --output, in the asked format. */
export async function printResult(
  result: Result | ResultStream,
  options: OutputOptions,
  settings: Settings,
  parquet?: ParquetWriter,
): Promise<void> {
  const stream = 'pieces' in result ? result : toStream(result)
  const format = toFormat(options)
  if (format === 'parquet') {
    await printParquet(stream, options, parquet)
    return
  }
  const pieces = await toPieces(stream, format, options, settings)
  if (options.output === undefined) for await (const piece of pieces) await writeOut(piece)
  else {
    const { writeFileWhole } = await import('../io/whole-file.ts')
    await writeFileWhole(options.output, { force: options.force ?? false }, pieces)
  }
}

async function toPieces(
  stream: ResultStream,
  format: Exclude<ResultFormat, 'parquet'>,
  options: OutputOptions,
  settings: Settings,
): Promise<AsyncIterable<string | Uint8Array>> {
  switch (format) {
    case 'csv':
      return (await import('../export/csv.ts')).toCsvText(stream)
    case 'json':
      return (await import('../export/json.ts')).toJsonText(stream)
    case 'ndjson':
      return (await import('../export/json.ts')).toNdjsonText(stream)
    case 'arrow': {
      const { toArrow } = await import('../export/arrow.ts')
      return toArrow(stream, options.output === undefined ? 'stream' : 'file')
    }
    case 'table': {
      const { toTableText } = await import('./table.ts')
      return toTableText(stream, {
        color: options.output === undefined && settings.color.stdout,
        width: options.output === undefined ? process.stdout.columns : undefined,
      })
    }
  }
}

async function printParquet(
  stream: ResultStream,
  options: OutputOptions,
  parquet: ParquetWriter | undefined,
): Promise<void> {
  const write: ParquetWriter =
    parquet ??
    (async (path) => {
      const { writeParquet } = await import('../export/parquet.ts')
      await writeParquet(stream, path)
    })
  const { replaceFile, withTemporaryFile } = await import('../io/whole-file.ts')
  if (options.output !== undefined) {
    await replaceFile(options.output, { force: options.force ?? false }, write)
    return
  }
  // Parquet's index is at its end, so it is finished in a file before its first byte goes out.
  await withTemporaryFile(async (path) => {
    await write(path)
    for await (const bytes of createReadStream(path)) await writeOut(bytes as Uint8Array)
  })
}
