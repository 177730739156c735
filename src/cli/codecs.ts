import type { Command } from 'commander'
import { type Result, toResult } from '../analysis/result.ts'
import { addExamples, addOutput, type OutputOptions } from './options.ts'
import { printLine, printResult, printText, toFormat } from './output.ts'
import { toSettings } from './settings.ts'

export function register(command: Command): void {
  command.description(
    'List the codecs with their versions. Portable ones give the same bytes on every machine; a native one is used only when asked for (--codec-impl native).',
  )
  addOutput(command)
  addExamples(command, '\npstrace codecs\npstrace codecs --format json')
  command.action(async (options: OutputOptions) => {
    const codecs = await listCodecs()
    const settings = toSettings({})
    if (toFormat(options) !== 'table' || options.output !== undefined) {
      await printResult(toCodecResult(codecs, ['unavailable']), options, settings)
      return
    }
    await printResult(toCodecResult(codecs, []), options, settings)
    const missing = codecs.flatMap(({ unavailable }) => unavailable ?? [])
    if (missing.length > 0) await printLine('')
    for (const reason of missing) await printText(reason)
  })
}

interface ListedCodec {
  readonly codec: string
  readonly implementation: string
  readonly version: string | null
  readonly summary: string
  /** Why it cannot be used here. */
  readonly unavailable: string | null
}

async function listCodecs(): Promise<ListedCodec[]> {
  const { codecProviders } = await import('../memory/codecs/index.ts')
  const rows: ListedCodec[] = []
  for (const provider of codecProviders) {
    let version: string | null = null
    let unavailable: string | null = null
    try {
      version = (await provider.open()).version
    } catch (error) {
      // An optional package that is not installed is a fact to list, not a failure.
      unavailable = error instanceof Error ? error.message : String(error)
    }
    const { name: codec, implementation, summary } = provider
    rows.push({ codec, implementation, version, summary, unavailable })
  }
  return rows
}

function toCodecResult(
  codecs: readonly ListedCodec[],
  more: readonly (keyof ListedCodec)[],
): Result {
  const names: readonly (keyof ListedCodec)[] = ['codec', 'implementation', 'version', 'summary']
  return toResult(
    [...names, ...more].map((name) => ({ name, type: 'text' as const })),
    codecs.map((codec) => ({ ...codec })),
  )
}
