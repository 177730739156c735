import type { Command } from 'commander'
import type { GlobalOptions } from '../config/settings.ts'
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
    .argument('[a]', 'recordings under the recorded policy: trace:NAME[,trace:NAME...]')
    .argument('[b]', 'recordings of the same activity under the predicted policy')
    .description(
      'How far a replay can be trusted. Without A and B: costs and machine parameters from the first half of a recording, replay of the second half, ' +
        'and the errors of the replay, of "nothing changes" and of the open loop. With A and B: the effect of --policy as predicted from A alone ' +
        'against the recorded one and its spread over the repeats, whether sign and size are right and both null models do worse, ' +
        "the self-replay's own error, and predictions for 0.9 and 1.1 times the demand; and whether both sets tell the same demand, touches and costs. Where the recorder of A or B was woken by its many events, the replays have one that theirs wake (`pstrace replay` has none). Six replays per recording of A and seed. " +
        '--format json holds the recordings, the policy with its tunables, the seeds, every single figure, the rules and the basis of the inputs.',
    )
    .option('--trace <id|name>', 'trace to validate (default: the last ingested)')
    .option('--policy <name>', 'policy under which B was recorded')
    .option('--set <key=value>', 'tunable of that policy; repeatable', collect)
    .option('--seeds <n>', 'runs with different seeds', '3')
  addOutput(addProgress(addDatabase(command)))
  addExamples(
    command,
    `
pstrace validate
pstrace validate --trace idle-1 --seeds 5 --format json
pstrace validate trace:sync-1,trace:sync-2 trace:par-1,trace:par-2 --policy parallel
pstrace validate trace:sync-1 trace:par-1 --policy parallel --set vm.parallel_swap_factor=1 --seeds 1`,
  )
  command.action(async (a: string | undefined, b: string | undefined, options: ValidateOptions) => {
    if ((a === undefined) !== (b === undefined))
      throw usageError('validate: give both A and B, or neither')
    if (a !== undefined && options.policy === undefined)
      throw usageError('validate: --policy names the policy under which B was recorded')
    if (a === undefined && options.policy !== undefined)
      throw usageError('validate: --policy belongs to two sets of recordings, A and B')
    if (a === undefined && options.set !== undefined)
      throw usageError('validate: --set belongs to the --policy that two sets of recordings have')
    if (a !== undefined && options.trace !== undefined)
      throw usageError('validate: --trace is for one recording; A and B name theirs')
    if (a === undefined || b === undefined || options.policy === undefined) {
      const { runHalfValidation } = await import('./validation-halves.ts')
      await runHalfValidation(options)
    } else {
      const { runPolicyValidation } = await import('./validation-policy.ts')
      await runPolicyValidation({ a, b, policy: options.policy }, options)
    }
  })
}
