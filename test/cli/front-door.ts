import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { binary } from '../shared/binary.ts'

export interface Door {
  readonly folder: string
  /** Runs the binary in the folder. */
  run(args: readonly string[], options?: RunOptions): SpawnSyncReturns<string>
  /** The rows that a command gives with `--format json`; throws what it says where it fails. */
  rows<Row = Record<string, unknown>>(args: readonly string[]): Row[]
  /** Runs a shell line in the folder; `pstrace` is the binary. */
  shell(line: string): SpawnSyncReturns<string>
  close(): void
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
}

/** An empty folder of its own with the real binary. */
export function openDoor(): Door {
  const main = binary()
  const folder = mkdtempSync(join(tmpdir(), 'pstrace-door-'))
  const environment = (env: Readonly<Record<string, string>> = {}) => {
    const { PSTRACE_DB: _db, NO_COLOR: _color, FORCE_COLOR: _force, ...rest } = process.env
    return { ...rest, ...env }
  }
  const run: Door['run'] = (args, options = {}) =>
    spawnSync(process.execPath, [main, ...args], {
      cwd: folder,
      encoding: 'utf8',
      env: environment(options.env),
      maxBuffer: 256 * 1024 * 1024,
      ...(options.input === undefined ? {} : { input: options.input }),
    })
  return {
    folder,
    run,
    rows<Row>(args: readonly string[]) {
      const { stdout, stderr, status } = run([...args, '--format', 'json'])
      if (status !== 0) throw new Error(`pstrace ${args.join(' ')} ended with ${status}: ${stderr}`)
      return JSON.parse(stdout) as Row[]
    },
    shell: (line) =>
      spawnSync('bash', ['-c', `pstrace() { "${process.execPath}" "${main}" "$@"; }\n${line}`], {
        cwd: folder,
        encoding: 'utf8',
        env: environment(),
      }),
    close: () => rmSync(folder, { recursive: true, force: true }),
  }
}
