import { unknownName } from '../model/names.ts'
import { COMMANDS } from './commands.ts'
import { describeFailure, toExitStatus } from './failure.ts'
import { describeAll } from './help.ts'
import { InterruptedError } from './interrupt.ts'

/** Options that may stand before the command's name, with the number of values each takes. */
const LEADING_OPTIONS: Readonly<Record<string, number>> = {
  '--db': 1,
  '--progress': 1,
  '--quiet': 0,
  '-q': 0,
}

/** The command line from its arguments to the exit status; what failed is told on stderr. */
export async function runProgram(args: readonly string[]): Promise<number> {
  try {
    return await run(args)
  } catch (error) {
    if (!(error instanceof InterruptedError)) process.stderr.write(`${describeFailure(error)}\n`)
    return toExitStatus(error)
  }
}

/** Nothing but this file and the list of commands is loaded for `pstrace --help`. */
async function run(args: readonly string[]): Promise<number> {
  const { name, rest } = splitArguments(args)
  const asked = name === 'help' ? rest[0] : undefined
  if (asked !== undefined && !asked.startsWith('-')) {
    return run([asked, '--help'])
  }
  // The scripts that `pstrace completion` prints ask `pstrace complete -- WORDS`.
  if (name === 'complete' && rest[0] === '--') {
    const { answerCompletion } = await import('./completion.ts')
    await answerCompletion(rest.slice(1))
    return 0
  }
  const entry = COMMANDS.find((command) => command.name === name)
  if (entry !== undefined) {
    const { runCommand } = await import('./run-command.ts')
    return (await runCommand(entry, rest)) ?? Number(process.exitCode ?? 0)
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
    return 0
  }
  if (name === 'help' || rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(describeAll())
    return 0
  }
  const [unknown] = rest
  process.stderr.write(
    unknown === undefined
      ? describeAll()
      : `pstrace: unknown option '${unknown}'; 'pstrace --help' lists the commands\n`,
  )
  return 2
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
