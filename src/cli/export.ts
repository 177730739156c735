import { type Command, Option } from 'commander'
import { plural } from '../model/counted.ts'
import { usageError } from './failure.ts'
import { addDatabase, addExamples, addSelectors, collect } from './options.ts'
import { remark } from './output.ts'
import { type ReadingOptions, withReading } from './reading.ts'

const EXPORT_FORMATS = ['parquet', 'arrow', 'csv', 'ndjson', 'perfetto'] as const
export type ExportFormat = (typeof EXPORT_FORMATS)[number]

export interface ExportOptions extends ReadingOptions {
  readonly table?: readonly string[]
}

export function register(command: Command): void {
  command
    .description(
      'Write tables and views to files: a folder with one file per table (Parquet, Arrow IPC, CSV, NDJSON), or one Perfetto trace with the ' +
        "stalls, kswapd's waking times, stores and counters of recording and runs, which ui.perfetto.dev opens.",
    )
    .requiredOption('-o, --output <path>', 'folder to write; the file itself with perfetto')
    .addOption(
      new Option(
        '--format <format>',
        'file format (default: parquet, or by the extension)',
      ).choices([...EXPORT_FORMATS]),
    )
    .option('--table <name>', 'only this table or view; repeatable', collect)
    .option('--force', 'replace existing files')
  addSelectors(addDatabase(command))
  addExamples(
    command,
    `
pstrace export -o export/
pstrace export --format csv --table stalls --table swapouts -o csv/
pstrace export --run recording --run parallel -o compare.perfetto-trace`,
  )
  command.action(async (options: ExportOptions) => {
    const format = toExportFormat(options)
    if (format === 'perfetto' && options.table !== undefined)
      throw usageError('--table: a Perfetto trace takes no tables')
    const work = await import('./export-files.ts')
    await withReading(options, async (reading) => {
      const files =
        format === 'perfetto'
          ? await work.exportPerfetto(reading, options)
          : await work.exportTables(reading, format, options)
      remark(reading.settings, `${options.output} written (${plural(files, 'file')})`)
    })
  })
}

function toExportFormat(options: ExportOptions): ExportFormat {
  if (options.format !== undefined) return options.format as ExportFormat
  return /\.(perfetto-trace|pftrace)$/.test(options.output ?? '') ? 'perfetto' : 'parquet'
}
