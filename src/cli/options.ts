import { type Command, Option } from 'commander'
import { LOSSES } from '../model/losses.ts'
import { badValue } from '../model/names.ts'

/** For options that may be given several times. */
export function collect(value: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), value]
}

export const RESULT_FORMATS = ['table', 'csv', 'json', 'ndjson', 'parquet', 'arrow'] as const
export type ResultFormat = (typeof RESULT_FORMATS)[number]

/** Parsed as `db`; `toSettings` knows what counts without it. */
export function addDatabase(command: Command): Command {
  return command.option('--db <file>', 'database (default: $PSTRACE_DB, else pstrace.duckdb)')
}

/** What a command says on stderr beside its result: `toSettings` reads both. */
export function addProgress(command: Command): Command {
  return command
    .addOption(
      new Option('--progress <mode>', 'progress on stderr').choices([
        'auto',
        'bar',
        'plain',
        'json',
        'none',
      ]),
    )
    .option('-q, --quiet', 'no progress and no remarks')
}

export interface OutputOptions {
  readonly format?: string
  readonly output?: string
  readonly force?: boolean
}

/** Where a result goes and in which form; `more` = forms that only this command has. */
export function addOutput(command: Command, more: readonly string[] = []): Command {
  return addOutputFile(
    command.addOption(
      new Option('--format <format>', 'form of the result').choices([...RESULT_FORMATS, ...more]),
    ),
  )
}

/** Where a command writes to: a file, or standard output. */
export function addOutputFile(command: Command): Command {
  return takeDash(
    command
      .option('-o, --output <file>', 'write to a file instead of standard output')
      .option('--force', 'replace the output file'),
  )
}

/** `--output -` is standard output, as without the option. */
export function takeDash(command: Command): Command {
  return command.hook('preAction', (_, called) => {
    if (called.opts()['output'] === '-') called.setOptionValue('output', undefined)
  })
}

/** The form that the extension of a file's name tells; `none` for a name without one, or no file. */
export function formatByExtension<Format>(
  output: string | undefined,
  known: Readonly<Record<string, Format>>,
  { none }: { readonly none: Format },
): Format {
  const extension = /\.([a-z]+)$/i.exec(output ?? '')?.[1]?.toLowerCase()
  if (output === undefined || extension === undefined) return none
  const told = Object.hasOwn(known, extension) ? known[extension] : undefined
  if (told === undefined)
    throw badValue(
      '--output',
      output,
      `a name that ends in one of .${Object.keys(known).join(', .')}, or --format`,
    )
  return told
}

/** What of the database a command looks at: `resolveSelection` reads them. */
export function addSelectors(command: Command): Command {
  return command
    .option('--trace <id|name>', 'trace to look at (default: the last ingested)')
    .option(
      '--run <run>',
      "run id, policy, 'last' or 'recording'; repeatable (default: the recording and the latest run of each policy)",
      collect,
    )
    .option('--from <time>', 'from this time after the start: 1.5s, 20ms, or ns')
    .option('--to <time>', 'up to this time after the start')
    .option('--cpu <n>', 'only this CPU; repeatable', collect)
    .option('--tid <n>', 'only this thread; repeatable', collect)
    .option('--comm <name>', 'only threads of this name, * and ? allowed; repeatable', collect)
    .option('--node <n>', 'only this NUMA node; repeatable', collect)
    .option('--window <marker>', 'only within the intervals of this marker')
}

/** Examples at the end of --help, one `$ command` per line. */
export function addExamples(command: Command, examples: string): Command {
  return command.addHelpText('after', `\nExamples:\n${examples.trim().replace(/^/gm, '  ')}`)
}

/** For recordings in which events were lost: a replay of the least and one of the most that the gaps may hide are the extremes. */
export function lossesOption(): Option {
  return new Option(
    '--losses <extent>',
    'what gaps with lost events hide: counted, as many swap-outs as vmstat tells (default); least: nothing; most: every lost event was one of a page swapped out',
  ).choices([...LOSSES])
}
