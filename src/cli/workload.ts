import type { Command } from 'commander'
import { Option } from 'commander'
import { DEFAULT_LOSSES, type Losses } from '../model/losses.ts'
import type { Workload } from '../workload/types.ts'
import { addDatabase, addExamples, addProgress, lossesOption, RESULT_FORMATS } from './options.ts'
import { printLine, printResult, remark, toFormat } from './output.ts'
import { type Reading, type ReadingOptions, withReading } from './reading.ts'

interface WorkloadOptions extends ReadingOptions {
  readonly losses?: Losses
  readonly output?: string
}

export function register(command: Command): void {
  command
    .description(
      'What a replay of this trace runs: machine, demand, page stream, touches, costs and background load, each number with what it ' +
        'rests on (event, snapshot, inferred, default) and the residuals of the extraction. It holds no time of a reclaim, wake-up or ' +
        'swap-out: those are results. -o writes it as JSON and Parquet; `pstrace replay --workload` runs such a folder, also one written by hand.',
    )
    .option('--trace <id|name>', 'trace to take it from (default: the last ingested)')
    .addOption(lossesOption())
    .option('-o, --output <folder>', 'write the workload into a folder')
    .option('--force', 'write into a folder that is not empty')
    .addOption(new Option('--format <format>', 'form of the list').choices([...RESULT_FORMATS]))
  addProgress(addDatabase(command))
  addExamples(
    command,
    `
pstrace workload
pstrace workload -o workload/
pstrace workload --losses most -o most/
pstrace workload --format json`,
  )
  command.action(async (options: WorkloadOptions) => {
    const { output, losses: _, ...listing } = options
    await withReading(
      listing,
      async (reading) => {
        const workload = await extract(reading, options.losses)
        if (output !== undefined) await write(workload, output, options, reading)
        if (output === undefined || options.format !== undefined)
          await list(workload, listing, reading)
      },
      { runs: 'recording' },
    )
  })
}

async function extract(
  { database, selection }: Reading,
  losses: Losses = DEFAULT_LOSSES,
): Promise<Workload> {
  const { dropViews } = await import('../analysis/views.ts')
  const { extractWorkload } = await import('../workload/extract.ts')
  await dropViews(database.connection)
  const { workload } = await extractWorkload(database, selection.subjects[0]?.traceId ?? 0, {
    losses,
  })
  return workload
}

async function write(
  workload: Workload,
  folder: string,
  { force = false }: WorkloadOptions,
  { settings }: Reading,
): Promise<void> {
  const { openWorkloadFolder } = await import('../io/workload-folder.ts')
  const { writeWorkload } = await import('../workload/store.ts')
  await writeWorkload(openWorkloadFolder(folder, { create: true, overwrite: force }), workload)
  remark(settings, `${folder} written`)
}

async function list(
  workload: Workload,
  listing: ReadingOptions,
  { settings }: Reading,
): Promise<void> {
  const { describeWorkload } = await import('../workload/describe.ts')
  const { toResult } = await import('../analysis/result.ts')
  const facts = describeWorkload(workload)
  if (toFormat(listing) === 'table')
    await printLine(`${workload.source['trace'] ?? 'workload'}: what a replay runs\n`)
  await printResult(
    toResult(
      [
        { name: 'part', type: 'text' },
        { name: 'name', type: 'text' },
        { name: 'value', type: 'text' },
        { name: 'unit', type: 'text' },
        { name: 'basis', type: 'text' },
        { name: 'n', type: 'integer' },
        { name: 'from', type: 'text' },
      ],
      facts.map((fact) => ({ ...fact, value: describeValue(fact.value) })),
    ),
    listing,
    settings,
  )
}

function describeValue(value: string | number | boolean): string {
  return typeof value === 'number' && !Number.isInteger(value)
    ? String(Number(value.toPrecision(6)))
    : String(value)
}
