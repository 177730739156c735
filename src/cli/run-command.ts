import { Command, CommanderError } from 'commander'
import type { CommandEntry } from './commands.ts'

/** Parses the arguments of one command and runs it. Returns the exit status where parsing decides it: help, or wrong usage. */
export async function runCommand(
  entry: CommandEntry,
  args: readonly string[],
): Promise<number | undefined> {
  const program = new Command('pstrace').helpCommand(false).exitOverride()
  const command = program.command(entry.name).description(`${entry.summary}.`)
  command
    .helpOption('-h, --help', 'show this help')
    .showHelpAfterError(`(pstrace ${entry.name} --help shows the options)`)
    .configureOutput({
      outputError: (text, write) =>
        write(`${text.replace(/^error: /, 'pstrace: ')}${suggestFormat(text, command)}`),
    })
  const module = await entry.load()
  module.register(command)
  try {
    await program.parseAsync([entry.name, ...args], { from: 'user' })
    return undefined
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    throw error
  }
}

/** A form of the result given as an option of its own. */
function suggestFormat(message: string, { options }: Command): string {
  const asked = /^error: unknown option '--([a-z]+)'/.exec(message)?.[1] ?? ''
  const forms = options.find(({ long }) => long === '--format')?.argChoices ?? []
  return forms.includes(asked) ? `(Did you mean --format ${asked}?)\n` : ''
}
