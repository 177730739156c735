#!/usr/bin/env node
import { unknownName } from '../model/names.ts'
import { COMMANDS } from './commands.ts'
import { describeFailure, toExitStatus } from './failure.ts'
import { describeAll } from './help.ts'
import { exitOnInterrupt, InterruptedError } from './interrupt.ts'

/** Options that may stand before the command's name, with the number of values each takes. */
const LEADING_OPTIONS: Readonly<Record<string, number>> = {
  '--db': 1,
  '--progress': 1,
  '--quiet': 0,
  '-q': 0,
}

/** Nothing but this file and the list of commands is loaded for `pstrace --help`. */
async function main(args: readonly string[]): Promise<void> {
  const { name, rest } = splitArguments(args)
  const asked = name === 'help' ? rest[0] : undefined
  if (asked !== undefined && !asked.startsWith('-')) {
    await main([asked, '--help'])
    return
  }
  // The scripts that `pstrace completion` prints ask `pstrace complete -- WORDS`.
  if (name === 'complete' && rest[0] === '--') {
    const { answerCompletion } = await import('./completion.ts')
    await answerCompletion(rest.slice(1))
    return
  }
  const entry = COMMANDS.find((command) => command.name === name)
  if (entry !== undefined) {
    const { runCommand } = await import('./run-command.ts')
    process.exitCode = (await runCommand(entry, rest)) ?? process.exitCode ?? 0
    return
  }
  if (name !== undefined && name !== 'help')
    throw unknownName(
      'command',
      name,
      COMMANDS.map((command) => command.name),
    )
  if (rest.includes('--version') || rest.includes('-V')) {
    const { printVersion } = await import('./version.ts')
    await printVersion()
    return
  }
  if (name === 'help' || rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(describeAll())
    return
  }
  const [unknown] = rest
  process.stderr.write(
    unknown === undefined
      ? describeAll()
      : `pstrace: unknown option '${unknown}'; 'pstrace --help' lists the commands\n`,
  )
  process.exitCode = 2
}

/** The command is the first word; options that hold for every command may stand before it. */
function splitArguments(args: readonly string[]): { name: string | undefined; rest: string[] } {
  const leading: string[] = []
  for (let i = 0; i < args.length; i++) {
    const argument = args[i] ?? ''
    if (!argument.startsWith('-'))
      return { name: argument, rest: [...leading, ...args.slice(i + 1)] }
    leading.push(argument)
    for (let values = LEADING_OPTIONS[argument] ?? 0; values > 0 && i + 1 < args.length; values--)
      leading.push(args[++i] ?? '')
  }
  return { name: undefined, rest: leading }
}

/** `pstrace query ... | head`: the reader has seen enough; that is no failure of ours. */
function quitOnClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0)
  throw error
}

process.stdout.on('error', quitOnClosedPipe)
process.stderr.on('error', quitOnClosedPipe)
exitOnInterrupt()

try {
  await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof InterruptedError)) process.stderr.write(`${describeFailure(error)}\n`)
  process.exitCode = toExitStatus(error)
}
