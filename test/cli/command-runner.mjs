// Runs the commands of PSTRACE_COMMANDS one after another; writes what came of them as JSON to file descriptor 3.
import { writeSync } from 'node:fs'

const [cli, commands] = JSON.parse(process.env.PSTRACE_COMMANDS)
const { COMMANDS } = await import(`${cli}/commands.js`)
const { runCommand } = await import(`${cli}/run-command.js`)
const { describeFailure, toExitStatus } = await import(`${cli}/failure.js`)
const MOST_CHARACTERS = 20_000

async function run([name, ...args]) {
  let stdout = ''
  const { write } = process.stdout
  process.stdout.write = (piece, ...more) => {
    stdout += typeof piece === 'string' ? piece : ''
    const done = more.at(-1)
    if (typeof done === 'function') setImmediate(done)
    return true
  }
  process.exitCode = undefined
  try {
    const entry = COMMANDS.find((command) => command.name === name)
    const status = (await runCommand(entry, args)) ?? process.exitCode ?? 0
    return { status, stdout: stdout.slice(0, MOST_CHARACTERS), error: '' }
  } catch (failure) {
    return { status: toExitStatus(failure), stdout, error: describeFailure(failure) }
  } finally {
    process.stdout.write = write
  }
}

const results = []
for (const command of commands) results.push(await run(command))
writeSync(3, JSON.stringify(results))
process.exit(0)
