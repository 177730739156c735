import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { writeGeneratedFile } from './generated-file.ts'
import { type BenchRow, pairedRow } from './row.ts'

const ROUNDS = 5
const EVENTS = 1_000_000

/** Text to columns, whole processes: ours, which reads it twice, beside readline with regular expressions. */
export async function bench(): Promise<readonly BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'pstrace-bench-'))
  const program = (name: string) => join(folder, `${name}.mjs`)
  try {
    const trace = join(folder, 'trace.txt')
    const events = writeGeneratedFile(trace, 'text', EVENTS)
    await build({
      entryPoints: ['decode-trace', 'readline-text'].map((name) =>
        fileURLToPath(new URL(`./${name}.ts`, import.meta.url)),
      ),
      outdir: folder,
      outExtension: { '.js': '.mjs' },
      bundle: true,
      platform: 'node',
      format: 'esm',
    })
    const ours: number[] = []
    const peer: number[] = []
    let peakMiB = 0
    for (let round = 0; round < ROUNDS; round++) {
      const mine = run(program('decode-trace'), trace, events)
      peakMiB = Math.max(peakMiB, mine.peakMiB)
      ours.push(mine.rate)
      peer.push(run(program('readline-text'), trace, events).rate)
    }
    return [
      pairedRow(
        {
          name: 'ftrace text, 1 M events, decode all fields',
          peerName: 'readline + regular expressions',
          unit: 'M events/s',
          better: 'higher',
          goal: 5,
          peakMiB,
        },
        ours,
        peer,
      ),
    ]
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function run(program: string, trace: string, events: number): { rate: number; peakMiB: number } {
  const started = performance.now()
  const { stdout } = spawnSync(process.execPath, [program, trace], { encoding: 'utf8' })
  const seconds = (performance.now() - started) / 1000
  const result = JSON.parse(stdout) as { events: number; peakMiB: number }
  if (result.events !== events) throw new Error(`${result.events} events, ${events} were written`)
  return { rate: events / seconds / 1e6, peakMiB: Math.round(result.peakMiB) }
}
