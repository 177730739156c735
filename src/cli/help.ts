import { COMMANDS } from './commands.ts'

const INTRODUCTION = `Usage: pstrace COMMAND [options]

Given a trace of memory reclaim recorded on a real device: what would another
swap-out policy have done to its stalls, throughput, order and memory?
`

const END = `
Examples:
  pstrace ingest trace.dat     read a recording into pstrace.duckdb
  pstrace info                 what it holds and how far it can be trusted
  pstrace stalls               who stalled, how long, on what
  pstrace replay               the same work under three policies

Options: -h, --help; -V, --version; --db FILE names the database of every
command that has one.
\`pstrace COMMAND --help\` explains a command and its options.
Exit status: 0 done, 1 failed, 2 wrong usage, 3 data not fit for the question,
130 interrupted.
`

/** What `pstrace --help` prints. */
export function describeAll(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length))
  let text = INTRODUCTION
  let group = ''
  for (const command of COMMANDS) {
    if (command.group !== group) text += `\n${command.group}\n`
    group = command.group
    text += `  ${command.name.padEnd(width)}  ${command.summary}\n`
  }
  return text + END
}
