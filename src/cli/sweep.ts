import { type Command, Option } from 'commander'
import { DEMANDS, type ReplayOptions } from '../config/replay.ts'
import type { GlobalOptions } from '../config/settings.ts'
import {
  addDatabase,
  addExamples,
  addOutput,
  addProgress,
  collect,
  lossesOption,
  type OutputOptions,
} from './options.ts'

export interface SweepOptions
  extends GlobalOptions,
    OutputOptions,
    Omit<ReplayOptions, 'cpus' | 'codec' | 'background'> {
  readonly trace?: string
  readonly workload?: string
  readonly cpus?: readonly string[]
  readonly codec?: readonly string[]
  readonly background?: readonly string[]
  readonly seeds: string
  readonly keep: 'metrics' | 'folios'
}

export function register(command: Command): void {
  command
    .description(
      'Replay every combination of the given values, one row of figures each. Values of --set are lists: key=1,2,4. Only the figures are kept ' +
        'in the database unless --keep folios. A tunable is varied only for the policies that have it.',
    )
    .option('--policy <name>', 'policy; repeatable, or separated by commas', collect)
    .option(
      '--set <key=values>',
      'tunable with its values, separated by commas; repeatable',
      collect,
    )
    .option('--cpus <cpus>', 'CPUs; repeatable', collect)
    .option('--codec <name>', 'codec; repeatable', collect)
    .option('--background <load>', 'load outside the demand; repeatable', collect)
    .option('--seeds <n>', 'runs of each combination, with seeds 1 to n', '1')
    .option('--backend <name>', 'backend (default: as recorded)')
    .option('--contents <source>', 'contents of pages')
    .option('--slots <name>', 'slot allocator')
    .addOption(new Option('--demand <model>', 'demand model').choices([...DEMANDS]))
    .addOption(lossesOption())
    .option('--trace <id|name>', 'trace to replay (default: the last ingested)')
    .option('--workload <folder>', 'workload to run instead of the one of the trace')
    .addOption(
      new Option('--keep <what>', 'what stays in the database')
        .choices(['metrics', 'folios'])
        .default('metrics'),
    )
  addOutput(addProgress(addDatabase(command)))
  addExamples(
    command,
    `
pstrace sweep --policy kswapd,kcompressd,parallel --seeds 3
pstrace sweep --policy parallel --set vm.parallel_swap=1,2,3 --cpus 4 --cpus 8
pstrace sweep --policy kcompressd --codec lz4 --codec zstd --format csv`,
  )
  command.action(async (options: SweepOptions) => {
    const { sweep } = await import('./sweep-runs.ts')
    await sweep(options)
  })
}
