import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { type BenchRow, pairedRow } from './row.ts'
import { runTimed } from './timed.ts'

const ROUNDS = 3
const EVENTS = 3_000_000
const fixture = fileURLToPath(new URL('../../fixtures/text/trace-6.12.txt', import.meta.url))

/** Text to columns, whole processes: ours, which reads it twice, beside readline with regular expressions. */
export async function bench(): Promise<readonly BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'pstrace-bench-'))
  const program = (name: string) => join(folder, `${name}.mjs`)
  try {
    const trace = join(folder, 'trace.txt')
    const events = writeRepeated(trace)
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
          name: 'ftrace text, 3 M events, decode all fields',
          peerName: 'readline + regular expressions',
          unit: 'M events/s of cpu time',
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

/** A recording's text again and again, each time later; returns the number of events. */
function writeRepeated(path: string): number {
  const lines = readFileSync(fixture, 'utf8').split('\n')
  const events = lines.filter((line) => line.includes('] ') && !line.startsWith('#'))
  const parts = events.map((line) => {
    const [, head, seconds, rest] = /^(.*\] \S+ +)(\d+)(\..*)$/.exec(line) ?? []
    return { head: head?.trimEnd() ?? '', seconds: Number(seconds), rest: rest ?? '' }
  })
  const descriptor = openSync(path, 'w')
  let written = 0
  for (let round = 0; written < EVENTS; round++) {
    let text = ''
    for (const { head, seconds, rest } of parts)
      text += `${head} ${String(seconds + round * 40).padStart(5)}${rest}\n`
    writeSync(descriptor, text)
    written += parts.length
  }
  closeSync(descriptor)
  return written
}

function run(program: string, trace: string, events: number): { rate: number; peakMiB: number } {
  const { stdout, cpuSeconds } = runTimed([process.execPath, program, trace])
  const result = JSON.parse(stdout) as { events: number; peakMiB: number }
  if (result.events !== events) throw new Error(`${result.events} events, ${events} were written`)
  return { rate: events / cpuSeconds / 1e6, peakMiB: Math.round(result.peakMiB) }
}
