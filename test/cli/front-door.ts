import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { binary } from '../shared/binary.ts'
import { type ProgramResult, ResidentProgram } from './resident-program.ts'

export interface Door {
  readonly folder: string
  /** Runs a command in the folder, in the process that has run those before it. */
  run(args: readonly string[]): ProgramResult
  /** The rows that a command gives with `--format json`; throws what it says where it fails. */
  rows<Row = Record<string, unknown>>(args: readonly string[]): Row[]
  /** Runs the binary in the folder: a process of its own, with pipes. */
  start(args: readonly string[], options?: StartOptions): SpawnSyncReturns<string>
  /** Runs a shell line in the folder; `pstrace` is the binary. */
  shell(line: string): SpawnSyncReturns<string>
  close(): void
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
}

/** An empty folder of its own with the real command line. */
export function openDoor(): Door {
  const main = binary()
  const folder = mkdtempSync(join(tmpdir(), 'pstrace-door-'))
  const environment = (env: Readonly<Record<string, string>> = {}) => {
    const { PSTRACE_DB: _db, NO_COLOR: _color, FORCE_COLOR: _force, ...rest } = process.env
    return { ...rest, ...env }
  }
  let resident: ResidentProgram | undefined
  const run: Door['run'] = (args) => {
    resident ??= new ResidentProgram(folder, environment())
    return resident.run(args)
  }
  return {
    folder,
    run,
    rows<Row>(args: readonly string[]) {
      const { stdout, stderr, status } = run([...args, '--format', 'json'])
      if (status !== 0) throw new Error(`pstrace ${args.join(' ')} ended with ${status}: ${stderr}`)
      return JSON.parse(stdout) as Row[]
    },
    start: (args, options = {}) =>
      spawnSync(process.execPath, [main, ...args], {
        cwd: folder,
        encoding: 'utf8',
        env: environment(options.env),
        maxBuffer: 256 * 1024 * 1024,
        ...(options.input === undefined ? {} : { input: options.input }),
      }),
    shell: (line) =>
      spawnSync('bash', ['-c', `pstrace() { "${process.execPath}" "${main}" "$@"; }\n${line}`], {
        cwd: folder,
        encoding: 'utf8',
        env: environment(),
      }),
    close: () => {
      resident?.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
