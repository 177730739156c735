import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const BUILT = join(ROOT, 'dist/src/cli/main.js')
/** A copy of the build: another build may empty `dist` while tests run. */
const COPY = join(ROOT, 'node_modules/.pstrace-door')
/** PSTRACE_BINARY tests another build, such as an installed package. */
const GIVEN = process.env['PSTRACE_BINARY']
export const BINARY = GIVEN ?? join(COPY, 'dist/src/cli/main.js')
const LOCK = join(ROOT, 'node_modules/.pstrace-build')
const LOCK_MS = 180_000

/** Builds the real binary and keeps a copy, unless that is newer than every source; test files that run at the same time wait for one build. */
export function buildBinary(): void {
  if (GIVEN !== undefined) return
  const begun = Date.now()
  for (;;) {
    try {
      mkdirSync(LOCK)
      break
    } catch {
      const age = existsSync(LOCK) ? Date.now() - statSync(LOCK).mtimeMs : 0
      if (age > LOCK_MS) rmSync(LOCK, { recursive: true, force: true })
      if (Date.now() - begun > LOCK_MS) throw new Error('another build does not end')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    }
  }
  try {
    if (isCurrent(BINARY)) return
    const built = spawnSync('npm', ['run', '--silent', 'build'], { cwd: ROOT, encoding: 'utf8' })
    if (built.status !== 0) throw new Error(`the build failed:\n${built.stdout}${built.stderr}`)
    if (!existsSync(BUILT)) throw new Error(`the build made no ${BUILT}`)
    rmSync(COPY, { recursive: true, force: true })
    for (const path of ['dist', 'package.json'])
      cpSync(join(ROOT, path), join(COPY, path), { recursive: true })
  } finally {
    rmSync(LOCK, { recursive: true, force: true })
  }
}

function isCurrent(binary: string): boolean {
  if (!existsSync(binary)) return false
  const built = statSync(binary).mtimeMs
  return !['src', 'parsers'].some((folder) => isNewer(join(ROOT, folder), built))
}

function isNewer(folder: string, than: number): boolean {
  return readdirSync(folder, { withFileTypes: true }).some((entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? isNewer(path, than) : statSync(path).mtimeMs > than
  })
}

export interface Door {
  readonly folder: string
  /** Runs the binary in the folder. */
  run(args: readonly string[], options?: RunOptions): SpawnSyncReturns<string>
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
  buildBinary()
  const folder = mkdtempSync(join(tmpdir(), 'pstrace-door-'))
  const environment = (env: Readonly<Record<string, string>> = {}) => {
    const { PSTRACE_DB: _db, NO_COLOR: _color, FORCE_COLOR: _force, ...rest } = process.env
    return { ...rest, ...env }
  }
  return {
    folder,
    run: (args, options = {}) =>
      spawnSync(process.execPath, [BINARY, ...args], {
        cwd: folder,
        encoding: 'utf8',
        env: environment(options.env),
        maxBuffer: 256 * 1024 * 1024,
        ...(options.input === undefined ? {} : { input: options.input }),
      }),
    shell: (line) =>
      spawnSync('bash', ['-c', `pstrace() { "${process.execPath}" "${BINARY}" "$@"; }\n${line}`], {
        cwd: folder,
        encoding: 'utf8',
        env: environment(),
      }),
    close: () => rmSync(folder, { recursive: true, force: true }),
  }
}
