#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { unknownName } from '../config/names.ts'
import { COMMANDS, type CommandEntry } from './commands.ts'
import { describeFailure, toExitStatus } from './failure.ts'
import { exitOnInterrupt } from './interrupt.ts'

const EXAMPLES = `
Examples:
  pstrace ingest trace.dat               read a recording into pstrace.duckdb
  pstrace info                           what it holds and how far it can be trusted
  pstrace stalls                         who stalled, how long, on what

'pstrace COMMAND --help' explains a command and its options.
Exit status: 0 done, 1 failed, 2 wrong usage, 3 data not fit for the question, 130 interrupted.`

/** Options that may stand before the command's name, with the number of values each takes. */
const LEADING_OPTIONS: Readonly<Record<string, number>> = {
  '--db': 1,
  '--progress': 1,
  '--quiet': 0,
  '-q': 0,
}

async function main(args: readonly string[]): Promise<void> {
  const { name, rest } = splitArguments(args)
  if (name === 'help' && rest[0] !== undefined && !rest[0].startsWith('-')) {
    await main([rest[0], '--help'])
    return
  }
  // The scripts that `pstrace completion` prints ask `pstrace complete -- WORDS`.
  if (name === 'complete' && rest[0] === '--') {
    const { answerCompletion } = await import('./completion.ts')
    await answerCompletion(rest.slice(1))
    return
  }
  const program = createProgram()
  const entry = COMMANDS.find((command) => command.name === name)
  if (entry !== undefined) {
    await addCommand(program, entry)
    await program.parseAsync([entry.name, ...rest], { from: 'user' })
    return
  }
  if (args.includes('--version') || args.includes('-V')) {
    const { printVersion } = await import('./version.ts')
    await printVersion()
    return
  }
  for (const { name: listed, summary, group } of COMMANDS)
    program.command(listed).description(summary).helpGroup(group)
  if (name !== undefined && name !== 'help')
    throw unknownName(
      'command',
      name,
      COMMANDS.map((command) => command.name),
    )
  if (name === undefined && rest.some((argument) => !['-h', '--help'].includes(argument)))
    await program.parseAsync(rest, { from: 'user' })
  if (rest.length === 0 && name === undefined) {
    program.outputHelp({ error: true })
    process.exitCode = 2
    return
  }
  program.outputHelp()
}

function createProgram(): Command {
  return new Command('pstrace')
    .description(
      'Given a trace of memory reclaim recorded on a real device: what would another swap-out policy have done to its stalls, throughput, order and memory?',
    )
    .usage('COMMAND [options]')
    .helpOption('-h, --help', 'show this help')
    .option('-V, --version', 'show versions')
    .addHelpText('after', EXAMPLES)
    .helpCommand(false)
    .exitOverride()
}

async function addCommand(program: Command, entry: CommandEntry): Promise<void> {
  const command = program.command(entry.name).description(`${entry.summary}.`)
  command
    .helpOption('-h, --help', 'show this help')
    .showHelpAfterError(`(pstrace ${entry.name} --help shows the options)`)
  const module = await entry.load()
  module.register(command)
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
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2
  else {
    process.stderr.write(`${describeFailure(error)}\n`)
    process.exitCode = toExitStatus(error)
  }
}
