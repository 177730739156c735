import { type Command, Option } from 'commander'
import {
  CLOCKS,
  CODEC_IMPLEMENTATIONS,
  DEMANDS,
  POLICIES_BY_DEFAULT,
  type ReplayOptions,
} from '../config/replay.ts'
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

export interface ReplayCommandOptions extends GlobalOptions, OutputOptions, ReplayOptions {
  readonly trace?: string
  /** Folder with a workload instead of a trace's own. */
  readonly workload?: string
}

export function register(command: Command): void {
  command.description(
    'Run a recorded workload again under other swap-out policies, with real compression, and put the recording and each run side by side. ' +
      'The workload is what the device was asked to do, with the recorded policy taken out (`pstrace workload` shows it); ' +
      'a run ends when every task has consumed its demand. Prints the id of each run last.',
  )
  addPolicies(command)
  addMachine(command)
  addRun(command)
  addOutput(addProgress(addDatabase(command)))
  addExamples(
    command,
    `
pstrace replay
pstrace replay --policy parallel --set vm.parallel_swap=2
pstrace replay --policy kswapd --policy parallel --codec zstd --cpus 4x1.0+4x0.4
pstrace replay --policy kswapd --set zram.backing_pages=100000 --set zram.writeback=idle
pstrace replay --workload fixtures/scenarios/seed-003-a --policy kswapd --set zswap.shrinker_patches=1,2,3
pstrace replay --policy kcompressd --set pstrace.cost.store=2 --format json
pstrace replay --policy parallel --clock threads`,
  )
  command.action(async (options: ReplayCommandOptions) => {
    const { replayAll } = await import('./replay-runs.ts')
    await replayAll(options)
  })
}

function addPolicies(command: Command): void {
  command
    .option(
      '--policy <name>',
      `policy to replay; repeatable (default: ${POLICIES_BY_DEFAULT.join(', ')}; see \`pstrace policies\`)`,
      collect,
    )
    .option(
      '--set <key=value>',
      'tunable of the policy or of the backend (zram.mem_limit, zswap.shrinker_patches, ...), or pstrace.demand, pstrace.watermarks, pstrace.cost.NAME (factors); repeatable',
      collect,
    )
    .option(
      '--change <name=value@time>',
      'tunable of the policy that gets another value so long after the start, such as vm.parallel_swap=4@2s; repeatable',
      collect,
    )
}

/** What of the recorded machine is another; the rest stays as it was. */
function addMachine(command: Command): void {
  command
    .option('--trace <id|name>', 'trace to replay (default: the last ingested)')
    .option('--backend <name>', 'zram, zswap or disk (default: as recorded)')
    .option('--codec <name>', 'codec (default: as recorded; see `pstrace codecs`)')
    .addOption(
      new Option('--codec-impl <impl>', 'implementation of the codec').choices([
        ...CODEC_IMPLEMENTATIONS,
      ]),
    )
    .option(
      '--contents <source>',
      'contents of pages: generator (default), corpus, corpus:FILE (see `pstrace pages`) or swap-image:FILE',
    )
    .option('--slots <name>', 'slot allocator (default: plain, the slot freed last)')
    .option(
      '--cpus <cpus>',
      'CPUs with their speeds, such as 4 or 4x1.0+4x0.4 (default: as recorded)',
    )
    .option(
      '--background <load>',
      'load outside the demand: recorded (default), none, or a share of every CPU from 0 to 1',
    )
}

function addRun(command: Command): void {
  command
    .addOption(
      new Option(
        '--demand <model>',
        'closed: tasks wait for memory and go on later (default); open: they keep to their recorded clock',
      ).choices([...DEMANDS]),
    )
    .addOption(lossesOption())
    .addOption(
      new Option(
        '--clock <clock>',
        'virtual: the whole machine in virtual time, the same rows every time (default); threads: queues, locks and compression on threads of this host, different every time',
      ).choices([...CLOCKS]),
    )
    .option(
      '--workload <folder>',
      'run this workload (from `pstrace workload -o`, or written by hand) instead of the one of the trace; the database need not hold a trace',
    )
    .option('--seed <n>', 'seed of costs and contents', '1')
    .option(
      '--log <file>',
      'write every event of the engine as NDJSON; the first line tells what the events are',
    )
}
