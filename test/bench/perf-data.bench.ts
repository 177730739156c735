import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { writeGeneratedFile } from './generated-file.ts'
import { type BenchRow, pairedRow } from './row.ts'

const ROUNDS = 3
const EVENTS = 3_000_000
const GOAL = 10

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
    const trace = join(folder, 'perf.data')
    const events = writeGeneratedFile(trace, 'perf', EVENTS)
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
    const script: number[] = []
    const decode: number[] = []
    const ingest: number[] = []
    const peakMiB = [0, 0]
    for (let round = 0; round < ROUNDS; round++) {
      const decoded = run([join(programs, 'decode-trace.js'), trace], events)
      decode.push(decoded.rate)
      script.push(rateOfScript(folder, trace, events))
      const database = join(folder, 'bench.duckdb')
      const stored = run([join(programs, 'ingest-trace.js'), trace, database, 'none'], events)
      rmSync(database)
      ingest.push(stored.rate)
      peakMiB[0] = Math.max(peakMiB[0] ?? 0, decoded.peakMiB)
      peakMiB[1] = Math.max(peakMiB[1] ?? 0, stored.peakMiB)
    }
    const shared = {
      peerName: 'perf script',
      unit: 'M events/s',
      better: 'higher',
      goal: GOAL,
    } as const
    return [
      pairedRow(
        { ...shared, name: 'perf.data, 3 M events, decode all fields', peakMiB: peakMiB[0] ?? 0 },
        decode,
        script,
      ),
      pairedRow(
        { ...shared, name: 'perf.data, 3 M events, domain tables', peakMiB: peakMiB[1] ?? 0 },
        ingest,
        script,
      ),
    ]
  } finally {
    rmSync(folder, { recursive: true })
    rmSync(programs, { recursive: true, force: true })
  }
}

function run(args: readonly string[], events: number): { rate: number; peakMiB: number } {
  const started = performance.now()
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  const seconds = (performance.now() - started) / 1000
  if (stdout === '') throw new Error(stderr)
  const result = JSON.parse(stdout) as { events: number; peakMiB: number }
  if (result.events !== events) throw new Error(`${result.events} events, ${events} were written`)
  return { rate: events / seconds / 1e6, peakMiB: Math.round(result.peakMiB) }
}

function rateOfScript(folder: string, trace: string, events: number): number {
  const out = openSync(join(folder, 'script.txt'), 'w')
  const started = performance.now()
  spawnSync('perf', ['script', '-i', trace], { stdio: ['ignore', out, 'ignore'] })
  closeSync(out)
  return events / ((performance.now() - started) / 1000) / 1e6
}
