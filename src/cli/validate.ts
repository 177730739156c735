import type { Command } from 'commander'
import type { GlobalOptions } from '../config/settings.ts'
import { parseCount } from '../config/settings.ts'
import { usageError } from './failure.ts'
import {
  addDatabase,
  addExamples,
  addOutput,
  addProgress,
  collect,
  type OutputOptions,
} from './options.ts'

export interface ValidateOptions extends GlobalOptions, OutputOptions {
  readonly trace?: string
  readonly policy?: string
  readonly set?: readonly string[]
  readonly seeds: string
}

export function register(command: Command): void {
  command
    .argument(
      '[a]',
      'recordings under the recorded policy: trace:NAME, repeats separated by commas',
    )
    .argument('[b]', 'recordings of the same activity under the predicted policy')
    .description(
      "How far the model can be trusted. Alone: costs and machine parameters come from the first half of the trace's work, the second " +
        'half is replayed and compared with what was recorded, beside two null models (nothing changes; open loop). With A and B: the ratio ' +
        'B / A as recorded and as predicted from A alone, for sign and size; a ratio whose self-replay misses the recording is marked as not trusted.',
    )
    .option('--trace <id|name>', 'trace to validate on (default: the last ingested)')
    .option('--policy <name>', 'with A and B: the policy of B')
    .option('--set <key=value>', 'tunables of that policy; repeatable', collect)
    .option('--seeds <n>', 'number of seeds', '3')
  addOutput(addProgress(addDatabase(command)))
  addExamples(
    command,
    `
pstrace validate
pstrace validate trace:sync-1,trace:sync-2 trace:par-1,trace:par-2 --policy parallel
pstrace validate --seeds 6 --format json`,
  )
  command.action(async (a: string | undefined, b: string | undefined, options: ValidateOptions) => {
    if ((a === undefined) !== (b === undefined))
      throw usageError('validate: give none or both of A and B')
    if (a !== undefined && options.policy === undefined)
      throw usageError('validate A B: --policy names the policy of B')
    const seeds = parseCount('--seeds', options.seeds, 1, 1000)
    const work = await import('./validation.ts')
    if (a === undefined || b === undefined) await work.validateTrace(options, seeds)
    else await work.validatePair(a, b, options, seeds)
  })
}
