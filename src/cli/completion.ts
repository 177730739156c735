import { Argument, type Command } from 'commander'
import { COMMANDS } from './commands.ts'
import { addExamples } from './options.ts'
import { printLine } from './output.ts'

const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const

export function register(command: Command): void {
  command
    .addArgument(new Argument('<shell>').choices([...SHELLS]))
    .description('Print a completion script for a shell.')
  addExamples(
    command,
    `
pstrace completion bash > ~/.local/share/bash-completion/completions/pstrace
pstrace completion zsh > ~/.zfunc/_pstrace
pstrace completion fish > ~/.config/fish/completions/pstrace.fish`,
  )
  command.action(async (shell: (typeof SHELLS)[number]) => {
    const { script } = await import('@bomb.sh/tab')
    script(shell, 'pstrace', 'pstrace')
    await printLine('')
  })
}

/** Answers the shell's question what may follow `words`; the script that `completion` prints calls it as `pstrace complete -- WORDS`. */
export async function answerCompletion(words: readonly string[]): Promise<void> {
  const { RootCommand } = await import('@bomb.sh/tab')
  const { Command: Root } = await import('commander')
  const root = new RootCommand()
  for (const { name, summary, load } of COMMANDS) {
    const command = root.command(name, summary)
    if (words[0] !== name) continue
    const declared = new Root(name)
    ;(await load()).register(declared)
    for (const { long, short, description, argChoices } of declared.options) {
      if (long === undefined || long === null) continue
      const letter = short?.replace(/^-/, '')
      const flag = long.replace(/^--/, '')
      if (argChoices !== undefined)
        command.option(
          flag,
          description,
          (complete) => {
            for (const choice of argChoices) complete(choice, '')
          },
          letter,
        )
      else if (letter === undefined) command.option(flag, description)
      else command.option(flag, description, letter)
    }
  }
  root.parse([...words])
}
