import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type ProgramRun, Programs } from './programs.ts'
import { rateRow } from './rates.ts'
import type { BenchRow } from './row.ts'

const ROUNDS = 3
const EVENTS = 3_000_000
const fixture = fileURLToPath(new URL('../../fixtures/text/trace-6.12.txt', import.meta.url))

/** Text to columns, whole processes: ours, which reads it twice, beside readline with regular expressions. */
export async function bench(): Promise<readonly BenchRow[]> {
  return Programs.with(['decode-trace', 'readline-text'], (programs) => {
    const trace = join(programs.folder, 'trace.txt')
    const events = writeRepeated(trace)
    const read = (program: string): ProgramRun => {
      const run = programs.run(program, trace)
      if (run.events !== events) throw new Error(`${run.events} events, ${events} were written`)
      return run
    }
    const rounds = Array.from({ length: ROUNDS }, () => ({
      ours: read('decode-trace'),
      peer: read('readline-text'),
    }))
    const row = {
      name: 'ftrace text, 3 M events, decode all fields',
      peerName: 'readline + regular expressions',
      goal: 5,
    }
    return [
      rateRow(
        row,
        'cpuSeconds',
        rounds.map(({ ours }) => ours),
        rounds.map(({ peer }) => peer),
      ),
    ]
  })
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
