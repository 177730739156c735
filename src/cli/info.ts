import type { Command } from 'commander'
import { addDatabase, addExamples, addOutput, addProgress } from './options.ts'
import { type ReadingOptions, withReading } from './reading.ts'

export interface InfoOptions extends ReadingOptions {
  readonly all?: boolean
}

export function register(command: Command): void {
  command
    .description(
      'What the database holds. Without --trace a list of traces and runs; with --trace what that trace is, its counts, what ' +
        "was lost, how its rows agree with the kernel's own counters (both sides of each equation), import issues, and which " +
        'questions it can answer. One trace alone is shown in full at once.',
    )
    .option('--trace <id|name>', 'the trace to describe in full')
    .option('--all', 'describe every trace in full')
  addProgress(addOutput(addDatabase(command)))
  addExamples(
    command,
    `
pstrace info
pstrace info --trace zram-lz4-6.12
pstrace info --format json`,
  )
  command.action(async (options: InfoOptions) => {
    const { printInfo } = await import('./trace-description.ts')
    await withReading(options, (reading) => printInfo(reading, options), { runs: 'everything' })
  })
}
