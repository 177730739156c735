import { spawnSync } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { binary } from '../shared/binary.ts'

export interface CommandResult {
  readonly status: number
  readonly stdout: string
  /** Message of what failed. */
  readonly error: string
}

const RUNNER = fileURLToPath(new URL('command-runner.mjs', import.meta.url))

/** The built command line, many times in one process and one folder: most of a short command's time is its start. */
export function runCommands(
  folder: string,
  commands: readonly (readonly string[])[],
): CommandResult[] {
  const { output, stderr, status } = spawnSync(process.execPath, [RUNNER], {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    maxBuffer: 1 << 26,
    env: { ...process.env, PSTRACE_COMMANDS: JSON.stringify([dirname(binary()), commands]) },
  })
  const results = output[3] ?? ''
  if (results === '')
    throw new Error(`the commands were not run to their end (status ${status}):\n${stderr}`)
  return JSON.parse(results) as CommandResult[]
}
