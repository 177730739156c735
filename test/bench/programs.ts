import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runTimed, type TimedRun } from './timed.ts'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

interface Bundler {
  bundlePrograms(programs: readonly string[], outdir: string): Promise<void>
}
const { bundlePrograms }: Bundler = await import(
  new URL('../../scripts/bundle.mjs', import.meta.url).href
)

/** What a program of this folder prints at its end. */
export interface ProgramRun extends TimedRun {
  readonly events: number
  readonly peakMiB: number
}

/** Programs of this folder as processes of their own, bundled as a release is, and a folder for what they read and write. */
export class Programs {
  readonly folder = mkdtempSync(join(tmpdir(), 'pstrace-bench-'))
  readonly #bundles: string

  private constructor(bundles: string) {
    this.#bundles = bundles
  }

  static async with<T>(names: readonly string[], use: (programs: Programs) => T): Promise<T> {
    // Packages with native parts stay outside the bundles and are found from here.
    const scratch = here('../../.scratch')
    mkdirSync(scratch, { recursive: true })
    const programs = new Programs(mkdtempSync(join(scratch, 'bench-')))
    try {
      await programs.#build(names)
      return await use(programs)
    } finally {
      rmSync(programs.folder, { recursive: true })
      rmSync(programs.#bundles, { recursive: true })
    }
  }

  async #build(names: readonly string[]): Promise<void> {
    await bundlePrograms(
      [...names.map((name) => `test/bench/${name}`), 'src/database/writer-thread'],
      this.#bundles,
    )
  }

  run(name: string, ...args: readonly string[]): ProgramRun {
    const run = runTimed([process.execPath, join(this.#bundles, `test/bench/${name}.js`), ...args])
    const { events, peakMiB } = JSON.parse(run.stdout) as { events: number; peakMiB: number }
    return { ...run, events, peakMiB: Math.round(peakMiB) }
  }

  /** Into a new database, which is removed. */
  ingest(trace: string, raw: 'all' | 'none'): ProgramRun {
    const database = join(this.folder, 'bench.duckdb')
    const run = this.run('ingest-trace', trace, database, raw)
    rmSync(database)
    return run
  }

  /** A reference reader, its text kept as a file that the next one replaces. */
  read(...command: readonly string[]): TimedRun {
    return runTimed(command, join(this.folder, 'read.txt'))
  }
}
