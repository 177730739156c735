import type { Command } from 'commander'
import { type Result, toResult } from '../analysis/result.ts'
import { addExamples, addOutput, type OutputOptions } from './options.ts'
import { printResult } from './output.ts'
import { toSettings } from './settings.ts'

export function register(command: Command): void {
  command.description(
    'List the codecs with their versions. Portable ones give the same bytes on every machine; a native one is used only when asked for (--codec-impl native).',
  )
  addOutput(command)
  addExamples(command, '\npstrace codecs\npstrace codecs --format json')
  command.action(async (options: OutputOptions) => {
    await printResult(await listCodecs(), options, toSettings({}))
  })
}

async function listCodecs(): Promise<Result> {
  const { codecProviders } = await import('../memory/codecs/index.ts')
  const rows = []
  for (const provider of codecProviders) {
    let version: string
    try {
      version = (await provider.open()).version
    } catch (error) {
      // An optional package that is not installed is a fact to list, not a failure.
      version = `unavailable: ${error instanceof Error ? error.message : String(error)}`
    }
    rows.push({
      codec: provider.name,
      implementation: provider.implementation,
      version,
      summary: provider.summary,
    })
  }
  return toResult(
    ['codec', 'implementation', 'version', 'summary'].map((name) => ({
      name,
      type: 'text' as const,
    })),
    rows,
  )
}
