import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { writeRepeatedTrace } from './repeated-trace.ts'
import { type BenchRow, pairedRow } from './row.ts'

const ROUNDS = 5
const EVENTS = 4_000_000
const GOALS = { all: 4, none: 6 } as const
/** Bound on the peak memory of four times the events: what is kept (tasks, swap slots, shapes) is as much in both. */
const MOST_GROWTH = 1.25

/** trace.dat into a database file, whole processes: ours beside `trace-cmd report`, and beside itself with four times the events. */
export async function bench(): Promise<readonly BenchRow[]> {
  if (spawnSync('trace-cmd', ['--version']).error !== undefined) {
    console.log('ingest: skipped, trace-cmd is not installed')
    return []
  }
  const folder = mkdtempSync(join(tmpdir(), 'pstrace-bench-'))
  // Packages with native parts stay outside the bundle and are found from here.
  const scratch = fileURLToPath(new URL('../../.scratch', import.meta.url))
  mkdirSync(scratch, { recursive: true })
  const program = join(scratch, 'ingest-bench/ingest-trace.js')
  try {
    const trace = join(folder, 'large.dat')
    writeRepeatedTrace(trace, EVENTS)
    await build({
      entryPoints: {
        'ingest-trace': fileURLToPath(new URL('./ingest-trace.ts', import.meta.url)),
        // The writing thread's program is found beside the module that starts it.
        'writer-thread': fileURLToPath(
          new URL('../../src/database/writer-thread.ts', import.meta.url),
        ),
      },
      outdir: dirname(program),
      bundle: true,
      packages: 'external',
      platform: 'node',
      format: 'esm',
    })
    const long = join(folder, 'long.dat')
    writeRepeatedTrace(long, 4 * EVENTS)
    return [
      measure(folder, program, trace, 'all'),
      measure(folder, program, trace, 'none'),
      measureMemory(folder, program, { trace, long, raw: 'all' }),
      measureMemory(folder, program, { trace, long, raw: 'none' }),
    ]
  } finally {
    rmSync(folder, { recursive: true })
    rmSync(dirname(program), { recursive: true, force: true })
  }
}

function measure(folder: string, program: string, trace: string, raw: 'all' | 'none'): BenchRow {
  const ours: number[] = []
  const peer: number[] = []
  let peakMiB = 0
  for (let round = 0; round < ROUNDS; round++) {
    const started = performance.now()
    const { events, peakMiB: peak } = ingest(folder, program, trace, raw)
    const seconds = (performance.now() - started) / 1000
    peakMiB = Math.max(peakMiB, peak)
    ours.push(events / seconds / 1e6)
    peer.push(events / secondsOfReport(folder, trace) / 1e6)
  }
  const row = {
    name: `ingest into DuckDB, --raw ${raw}, 4 M events`,
    peerName: 'trace-cmd report',
    unit: 'M events/s',
    better: 'higher',
    goal: GOALS[raw],
    peakMiB,
  } as const
  return pairedRow(row, ours, peer)
}

function measureMemory(
  folder: string,
  program: string,
  { trace, long, raw }: { trace: string; long: string; raw: 'all' | 'none' },
): BenchRow {
  const row = {
    name: `peak memory of ingest, --raw ${raw}, 16 M events`,
    peerName: 'the same of 4 M events',
    unit: 'MiB',
    better: 'lower',
    goal: MOST_GROWTH,
  } as const
  const peak = (path: string): number => ingest(folder, program, path, raw).peakMiB
  return pairedRow(row, [peak(long)], [peak(trace)])
}

function ingest(
  folder: string,
  program: string,
  trace: string,
  raw: 'all' | 'none',
): { events: number; peakMiB: number } {
  const database = join(folder, 'bench.duckdb')
  const run = spawnSync(process.execPath, [program, trace, database, raw], { encoding: 'utf8' })
  rmSync(database)
  const result: unknown = JSON.parse(run.stdout)
  return result as { events: number; peakMiB: number }
}

function secondsOfReport(folder: string, trace: string): number {
  const out = openSync(join(folder, 'report.txt'), 'w')
  const started = performance.now()
  spawnSync('trace-cmd', ['report', trace], { stdio: ['ignore', out, 'ignore'] })
  const seconds = (performance.now() - started) / 1000
  closeSync(out)
  return seconds
}
