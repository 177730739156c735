import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { type BenchRow, pairedRow } from './row.ts'
import { writeSyntheticTrace } from './synthetic-trace.ts'

const ROUNDS = 5
const EVENTS = 4_000_000
const fixture = fileURLToPath(new URL('../../fixtures/zram-lz4-6.1/trace.dat', import.meta.url))

/** trace.dat to columns, whole processes: ours beside `trace-cmd report`. */
export async function bench(): Promise<readonly BenchRow[]> {
  if (spawnSync('trace-cmd', ['--version']).error !== undefined) {
    console.log('trace-dat: skipped, trace-cmd is not installed')
    return []
  }
  const folder = mkdtempSync(join(tmpdir(), 'pstrace-bench-'))
  try {
    const large = join(folder, 'large.dat')
    await writeSyntheticTrace(large, EVENTS)
    await build({
      entryPoints: [fileURLToPath(new URL('./decode-trace.ts', import.meta.url))],
      outdir: folder,
      outExtension: { '.js': '.mjs' },
      bundle: true,
      splitting: true,
      platform: 'node',
      format: 'esm',
    })
    const program = join(folder, 'decode-trace.mjs')
    return [
      {
        ...measure(folder, program, large, 'trace.dat v6, 4 M events, decode all fields'),
        goal: 10,
      },
      measure(folder, program, fixture, 'trace.dat v7 zstd, 0.28 M events, decode all fields'),
    ]
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function measure(folder: string, program: string, trace: string, name: string): BenchRow {
  const ours: number[] = []
  const peer: number[] = []
  let peakMiB = 0
  for (let round = 0; round < ROUNDS; round++) {
    const started = performance.now()
    const run = spawnSync(process.execPath, [program, trace], { encoding: 'utf8' })
    const seconds = (performance.now() - started) / 1000
    const result: unknown = JSON.parse(run.stdout)
    const { events, peakMiB: peak } = result as { events: number; peakMiB: number }
    peakMiB = Math.max(peakMiB, peak)
    ours.push(events / seconds / 1e6)
    peer.push(events / secondsOfReport(folder, trace) / 1e6)
  }
  const row = {
    name,
    peerName: 'trace-cmd report',
    unit: 'M events/s',
    better: 'higher',
    peakMiB,
  } as const
  return pairedRow(row, ours, peer)
}

function secondsOfReport(folder: string, trace: string): number {
  const out = openSync(join(folder, 'report.txt'), 'w')
  const started = performance.now()
  spawnSync('trace-cmd', ['report', trace], { stdio: ['ignore', out, 'ignore'] })
  closeSync(out)
  return (performance.now() - started) / 1000
}
