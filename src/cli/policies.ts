import type { Command } from 'commander'
import { type Result, toResult } from '../analysis/result.ts'
import type { Policy } from '../policies/policy.ts'
import { addExamples, addOutput, type OutputOptions } from './options.ts'
import { printLine, printResult, printText, toFormat } from './output.ts'
import { toSettings } from './settings.ts'

export function register(command: Command): void {
  command
    .argument('[name]', 'a policy')
    .description(
      'List the swap-out policies, or the tunables of one with what it models and where it is known to deviate.',
    )
  addOutput(command)
  addExamples(command, '\npstrace policies\npstrace policies parallel')
  command.action(async (name: string | undefined, options: OutputOptions) => {
    const { lookUpPolicy, policies } = await import('../policies/index.ts')
    const settings = toSettings({})
    if (name === undefined) {
      await printResult(listPolicies(policies), options, settings)
      return
    }
    const policy = lookUpPolicy(name)
    if (toFormat(options) === 'table' && options.output === undefined) await describe(policy)
    await printResult(listTunables(policy), options, settings)
  })
}

function listPolicies(policies: readonly Policy[]): Result {
  return toResult(
    ['name', 'aliases', 'covers', 'models'].map((name) => ({ name, type: 'text' as const })),
    policies.map(({ name, aliases, covers, models }) => ({
      name,
      aliases: aliases.join(', '),
      covers: covers.join(', '),
      models,
    })),
  )
}

async function describe(policy: Policy): Promise<void> {
  const { name, aliases, covers, models, knownDeviations } = policy
  await printText(`${name}${aliases.length === 0 ? '' : ` (${aliases.join(', ')})`}: ${models}`)
  await printText(`  covers: ${covers.join(', ')}; on other backends the reclaimer stores itself`)
  for (const deviation of knownDeviations) await printText(`  deviates: ${deviation}`)
  await printLine('')
}

function listTunables(policy: Policy): Result {
  return toResult(
    [
      { name: 'tunable', type: 'text' },
      { name: 'default', type: 'integer' },
      { name: 'min', type: 'integer' },
      { name: 'max', type: 'integer' },
      { name: 'source', type: 'text' },
      { name: 'meaning', type: 'text' },
    ],
    policy.tunables.map((tunable) => ({
      tunable: tunable.name,
      default: tunable.default,
      min: tunable.min,
      max: tunable.max,
      source: tunable.source,
      meaning: tunable.meaning,
    })),
  )
}
