// The main job on the fixture: ingest a recording of a real kernel, replay it under three policies, compare, write the report.
import { spawnSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const pstrace = join(root, 'dist/src/cli/main.js')
const db = join(mkdtempSync(join(tmpdir(), 'pstrace-quickstart-')), 'pstrace.duckdb')
const report = resolve('report.html')

run('ingest', join(root, 'fixtures/zram-lz4-6.1/trace.dat'))
run('info')
run('replay', '--policy', 'kswapd', '--policy', 'kcompressd', '--policy', 'parallel')
run('report', '-o', report, '--force')
console.error(`\nThe database is kept: pstrace stalls --db ${db}`)
console.log(report)

function run(...args) {
  console.error(`\n$ pstrace ${args.join(' ')}`)
  const { status } = spawnSync(process.execPath, [pstrace, ...args, '--db', db], {
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(status ?? 1)
}
