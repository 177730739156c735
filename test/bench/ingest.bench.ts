import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { writeRepeatedTrace } from './repeated-trace.ts'
import { type BenchRow, pairedRow } from './row.ts'
import { runTimed, type TimedRun } from './timed.ts'

const ROUNDS = 5
/** Starting and compiling take about a second of CPU time at any size: of 4 M events they are a quarter of the whole. */
const EVENTS = 8_000_000
const GOALS = { all: 4, none: 6 } as const
/** Bound on the peak memory of twice the events: what is kept (tasks, swap slots, shapes) is as much in both. */
const MOST_GROWTH = 1.25

/** trace.dat into a database file, whole processes: ours beside `trace-cmd report`, and beside itself with twice the events. */
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
    writeRepeatedTrace(long, 2 * EVENTS)
    return [
      ...measure(folder, program, trace, 'all'),
      ...measure(folder, program, trace, 'none'),
      measureMemory(folder, program, { trace, long, raw: 'all' }),
      measureMemory(folder, program, { trace, long, raw: 'none' }),
    ]
  } finally {
    rmSync(folder, { recursive: true })
    rmSync(dirname(program), { recursive: true, force: true })
  }
}

function measure(
  folder: string,
  program: string,
  trace: string,
  raw: 'all' | 'none',
): readonly BenchRow[] {
  const ours: TimedRun[] = []
  const peer: TimedRun[] = []
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(ingest(folder, program, trace, raw))
    peer.push(runTimed(['trace-cmd', 'report', trace], join(folder, 'report.txt')))
  }
  const results = ours.map(resultOf)
  const events = results[0]?.events ?? Number.NaN
  const shared = {
    peerName: 'trace-cmd report',
    better: 'higher',
    peakMiB: Math.max(...results.map(({ peakMiB }) => peakMiB)),
  } as const
  const row = (
    own: { name: string; unit: string; goal?: number },
    time: 'wallSeconds' | 'cpuSeconds',
  ): BenchRow => {
    const rate = (run: TimedRun): number => events / run[time] / 1e6
    return pairedRow({ ...shared, ...own }, ours.map(rate), peer.map(rate))
  }
  const name = `ingest into DuckDB, --raw ${raw}, 8 M events`
  return [
    row({ name, unit: 'M events/s', goal: GOALS[raw] }, 'wallSeconds'),
    row({ name: `${name}, by CPU time`, unit: 'M events/s of cpu time' }, 'cpuSeconds'),
  ]
}

function measureMemory(
  folder: string,
  program: string,
  { trace, long, raw }: { trace: string; long: string; raw: 'all' | 'none' },
): BenchRow {
  const row = {
    name: `peak memory of ingest, --raw ${raw}, 16 M events`,
    peerName: 'the same of 8 M events',
    unit: 'MiB',
    better: 'lower',
    goal: MOST_GROWTH,
  } as const
  const peak = (path: string): number => resultOf(ingest(folder, program, path, raw)).peakMiB
  return pairedRow(row, [peak(long)], [peak(trace)])
}

function ingest(folder: string, program: string, trace: string, raw: 'all' | 'none'): TimedRun {
  const database = join(folder, 'bench.duckdb')
  const run = runTimed([process.execPath, program, trace, database, raw])
  rmSync(database)
  return run
}

function resultOf({ stdout }: TimedRun): { events: number; peakMiB: number } {
  const result: unknown = JSON.parse(stdout)
  return result as { events: number; peakMiB: number }
}
