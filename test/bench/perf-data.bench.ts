import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { writeGeneratedFile } from './generated-file.ts'
import { writeRepeatedPerf } from './repeated-perf.ts'
import { type BenchRow, pairedRow } from './row.ts'
import { runTimed, type TimedRun } from './timed.ts'

const ROUNDS = 3
const EVENTS = 3_000_000
const GOAL = 10

/** Files to measure with: a recording's mix of events, and a generated one's, which has many short records. */
const FILES: readonly (readonly [string, (path: string) => number])[] = [
  ['recorded', (path) => writeRepeatedPerf(path, EVENTS)],
  ['generated', (path) => writeGeneratedFile(path, 'perf', EVENTS)],
]

/** perf.data to columns, and into a database, whole processes: ours beside `perf script`. */
export async function bench(): Promise<readonly BenchRow[]> {
  if (spawnSync('perf', ['--version']).error !== undefined) {
    console.log('perf-data: skipped, perf is not installed')
    return []
  }
  const folder = mkdtempSync(join(tmpdir(), 'pstrace-bench-'))
  // Packages with native parts stay outside the bundle and are found from here.
  const programs = fileURLToPath(new URL('../../.scratch/perf-bench', import.meta.url))
  mkdirSync(dirname(programs), { recursive: true })
  const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
  try {
    await build({
      entryPoints: {
        'decode-trace': here('./decode-trace.ts'),
        'ingest-trace': here('./ingest-trace.ts'),
        'writer-thread': here('../../src/database/writer-thread.ts'),
      },
      outdir: programs,
      bundle: true,
      packages: 'external',
      platform: 'node',
      format: 'esm',
    })
    return FILES.flatMap(([name, write]) => measure(name, write, folder, programs))
  } finally {
    rmSync(folder, { recursive: true })
    rmSync(programs, { recursive: true, force: true })
  }
}

function measure(
  name: string,
  write: (path: string) => number,
  folder: string,
  programs: string,
): readonly BenchRow[] {
  const trace = join(folder, 'perf.data')
  const database = join(folder, 'bench.duckdb')
  const events = write(trace)
  const script: TimedRun[] = []
  const decode: TimedRun[] = []
  const ingest: TimedRun[] = []
  const node = process.execPath
  for (let round = 0; round < ROUNDS; round++) {
    decode.push(runTimed([node, join(programs, 'decode-trace.js'), trace]))
    script.push(runTimed(['perf', 'script', '-i', trace], join(folder, 'script.txt')))
    ingest.push(runTimed([node, join(programs, 'ingest-trace.js'), trace, database, 'none']))
    rmSync(database)
  }
  const shared = { peerName: 'perf script', better: 'higher', goal: GOAL } as const
  const what = `perf.data, ${name}, 3 M events`
  const rate = (time: 'cpuSeconds' | 'wallSeconds') => (run: TimedRun) => events / run[time] / 1e6
  return [
    pairedRow(
      {
        ...shared,
        name: `${what}, decode all fields`,
        unit: 'M events/s of cpu time',
        peakMiB: peakOf(decode, events),
      },
      decode.map(rate('cpuSeconds')),
      script.map(rate('cpuSeconds')),
    ),
    pairedRow(
      {
        ...shared,
        name: `${what}, domain tables`,
        unit: 'M events/s',
        peakMiB: peakOf(ingest, events),
      },
      ingest.map(rate('wallSeconds')),
      script.map(rate('wallSeconds')),
    ),
  ]
}

function peakOf(runs: readonly TimedRun[], events: number): number {
  const results = runs.map(
    ({ stdout }) => JSON.parse(stdout) as { events: number; peakMiB: number },
  )
  for (const result of results)
    if (result.events !== events) throw new Error(`${result.events} events, ${events} were written`)
  return Math.round(Math.max(...results.map(({ peakMiB }) => peakMiB)))
}
