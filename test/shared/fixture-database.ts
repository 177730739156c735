import { spawnSync } from 'node:child_process'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { binary, ROOT } from './binary.ts'
import { once } from './once.ts'

const FIXTURE_TRACE = join(ROOT, 'fixtures/zram-lz4-6.1/trace.dat')

/** Copies a database to `path`: the recording of the fixture (trace 1) and its replays under kswapd, kcompressd and parallel (runs 1 to 3). */
export function copyFixtureDatabase(path: string): void {
  copyFileSync(join(made(), 'fixture.duckdb'), path)
}

function made(): string {
  return once('fixture', (folder) => {
    for (const args of [['ingest', FIXTURE_TRACE], ['replay']]) {
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [binary(), ...args, '-q', '--db', join(folder, 'fixture.duckdb')],
        { encoding: 'utf8' },
      )
      if (status !== 0) throw new Error(`pstrace ${args[0]} failed:\n${stdout}${stderr}`)
    }
  })
}
