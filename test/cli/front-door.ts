import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** Copies of builds, one for each state of the sources: another build may empty `dist` while tests run. */
const COPIES = join(ROOT, 'node_modules/.pstrace-door')
/** PSTRACE_BINARY tests another build, such as an installed package. */
const GIVEN = process.env['PSTRACE_BINARY']
const LOCK = join(ROOT, 'node_modules/.pstrace-build')
const LOCK_MS = 180_000

let binary: string | undefined

/** The real binary, built from the sources as they are; test files that run at the same time wait for one build. */
export function buildBinary(): string {
  binary ??= GIVEN ?? buildCopy()
  return binary
}

function buildCopy(): string {
  const copy = join(
    COPIES,
    String(Math.round(newestOf(['src', 'parsers'].map((name) => join(ROOT, name))))),
  )
  const path = join(copy, 'dist/src/cli/main.js')
  takeLock()
  try {
    if (existsSync(path)) return path
    const built = spawnSync('npm', ['run', '--silent', 'build'], { cwd: ROOT, encoding: 'utf8' })
    if (built.status !== 0) throw new Error(`the build failed:\n${built.stdout}${built.stderr}`)
    removeOldCopies()
    for (const name of ['package.json', 'fixtures/corpus', 'dist'])
      cpSync(join(ROOT, name), join(copy, name), { recursive: true })
    return path
  } finally {
    rmSync(LOCK, { recursive: true, force: true })
  }
}

function takeLock(): void {
  mkdirSync(COPIES, { recursive: true })
  const begun = Date.now()
  for (;;) {
    try {
      mkdirSync(LOCK)
      return
    } catch {
      const age = existsSync(LOCK) ? Date.now() - statSync(LOCK).mtimeMs : 0
      if (age > LOCK_MS) rmSync(LOCK, { recursive: true, force: true })
      if (Date.now() - begun > LOCK_MS) throw new Error('another build does not end')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    }
  }
}

const COPY_LIFE_MS = 3_600_000

function removeOldCopies(): void {
  for (const name of readdirSync(COPIES)) {
    const path = join(COPIES, name)
    if (Date.now() - statSync(path).mtimeMs > COPY_LIFE_MS)
      rmSync(path, { recursive: true, force: true })
  }
}

function newestOf(folders: readonly string[]): number {
  let newest = 0
  for (const folder of folders)
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      newest = Math.max(newest, entry.isDirectory() ? newestOf([path]) : statSync(path).mtimeMs)
    }
  return newest
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
  const main = buildBinary()
  const folder = mkdtempSync(join(tmpdir(), 'pstrace-door-'))
  const environment = (env: Readonly<Record<string, string>> = {}) => {
    const { PSTRACE_DB: _db, NO_COLOR: _color, FORCE_COLOR: _force, ...rest } = process.env
    return { ...rest, ...env }
  }
  return {
    folder,
    run: (args, options = {}) =>
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
    close: () => rmSync(folder, { recursive: true, force: true }),
  }
}
