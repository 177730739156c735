import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import type { GlobalOptions } from '../config/settings.ts'
import { compileLater } from '../ingest/compile-later.ts'
import { usageError } from './failure.ts'
import { finishOnInterrupt } from './interrupt.ts'
import { addDatabase, addExamples, addProgress } from './options.ts'
import { toSettings } from './settings.ts'

export interface IngestOptions extends GlobalOptions {
  readonly name?: string
  /** false = --no-snapshots. */
  readonly snapshots?: string | false
  readonly format?: string
  readonly raw: string
  readonly strict?: boolean
  readonly force?: boolean
}

export function register(command: Command): void {
  command
    .argument('<files...>', "trace files or folders; '-' reads standard input")
    .description(
      'Read traces into the database. The format is recognised by content; gzip and zstd are unpacked. ' +
        "Nothing is dropped silently: losses and what could not be used are counted and shown. Prints the new trace's id last.",
    )
    .option('--name <name>', 'name of the trace (default: the file, or its folder for trace.dat)')
    .option(
      '--snapshots <folder>',
      'files recorded beside the trace (vmstat.before, vmstat.after, zoneinfo.before, ...; default: the folder of the trace, where it has a vmstat.before)',
    )
    .option('--no-snapshots', 'do not look for them')
    .option('--format <format>', 'do not recognise the format, use this')
    .option(
      '--raw <pattern>',
      "raw events to keep: all, none, or names such as 'vmscan:*,sched:sched_switch'",
      'all',
    )
    .option('--strict', 'stop with status 3 at the first loss or unusable event')
    .option('--force', 'read a trace again that the database has already')
  addProgress(addDatabase(command))
  addExamples(
    command,
    `
pstrace ingest trace.dat
pstrace ingest perf.data --name boot --snapshots snapshots/
cat trace.txt.gz | pstrace ingest -
id=$(pstrace ingest --quiet trace.dat) && pstrace info --trace $id`,
  )
  command.action(async (files: string[], options: IngestOptions) => {
    if (options.name !== undefined && files.length > 1)
      throw usageError('--name names one trace; several files were given')
    for (const file of files)
      if (file !== '-' && !existsSync(file)) throw usageError(`${file}: no such file or folder`)
    const settings = toSettings(options)
    compileLater()
    await finishOnInterrupt(async (signal) => {
      // First of all: its thread starts while the rest is loaded.
      const { openWriter } = await import('../database/thread-writer.ts')
      const isNew = !existsSync(settings.databasePath)
      const writer = await openWriter(settings.databasePath)
      const { ingestAll } = await import('./ingest-files.ts')
      await ingestAll({ writer, isNew }, files, options, settings, signal)
    })
  })
}
