import type { Command } from 'commander'
import type { HalfRow, PolicyRow } from '../analysis/validate.ts'
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
        "against the recorded one, with its spread over the repeats, the self-replay's own error, and predictions for 0.9 and 1.1 times the demand.",
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
pstrace validate trace:sync-1,trace:sync-2 trace:par-1,trace:par-2 --policy parallel`,
  )
  command.action(async (a: string | undefined, b: string | undefined, options: ValidateOptions) => {
    if ((a === undefined) !== (b === undefined))
      throw usageError('validate: give both A and B, or neither')
    if (a !== undefined && options.policy === undefined)
      throw usageError('validate: --policy names the policy under which B was recorded')
    if (a === undefined && options.policy !== undefined)
      throw usageError('validate: --policy belongs to two sets of recordings, A and B')
    const { runValidation } = await import('./validation-runs.ts')
    await runValidation(a, b, options)
  })
}

/** Columns in the order in which they are read. */
export const HALF_COLUMNS = [
  { name: 'metric', type: 'text' },
  { name: 'unit', type: 'text' },
  { name: 'recorded', type: 'number' },
  { name: 'recorded_hi', type: 'number' },
  { name: 'replayed', type: 'number' },
  { name: 'lo', type: 'number' },
  { name: 'hi', type: 'number' },
  { name: 'error', type: 'number' },
  { name: 'tolerance', type: 'number' },
  { name: 'within', type: 'boolean' },
  { name: 'nothing_changes', type: 'number' },
  { name: 'nothing_changes_error', type: 'number' },
  { name: 'open_loop', type: 'number' },
  { name: 'open_loop_error', type: 'number' },
  { name: 'better_than_both', type: 'boolean' },
  { name: 'stolen_first_s', type: 'number' },
  { name: 'stolen_second_s', type: 'number' },
  { name: 'basis', type: 'text' },
] as const satisfies readonly { readonly name: keyof HalfRow; readonly type: string }[]

export const POLICY_COLUMNS = [
  { name: 'metric', type: 'text' },
  { name: 'unit', type: 'text' },
  { name: 'recorded_a', type: 'number' },
  { name: 'recorded_b', type: 'number' },
  { name: 'ratio', type: 'number' },
  { name: 'spread', type: 'number' },
  { name: 'predicted', type: 'number' },
  { name: 'predicted_demand_low', type: 'number' },
  { name: 'predicted_demand_high', type: 'number' },
  { name: 'sign', type: 'text' },
  { name: 'size', type: 'text' },
  { name: 'nothing_changes_error', type: 'number' },
  { name: 'formula', type: 'number' },
  { name: 'formula_error', type: 'number' },
  { name: 'predicted_better', type: 'boolean' },
  { name: 'self_error', type: 'number' },
  { name: 'trusted', type: 'boolean' },
  { name: 'basis', type: 'text' },
] as const satisfies readonly { readonly name: keyof PolicyRow; readonly type: string }[]
