import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isInstalled } from '../shared/installed.ts'
import { Programs } from './programs.ts'
import { type RateRow, rateRow } from './rates.ts'
import type { BenchRow } from './row.ts'
import { writeSyntheticTrace } from './synthetic-trace.ts'

const ROUNDS = 5
const EVENTS = 4_000_000
const fixture = fileURLToPath(new URL('../../fixtures/zram-lz4-6.1/trace.dat', import.meta.url))
const peerName = 'trace-cmd report'

/** trace.dat to columns, whole processes: ours beside `trace-cmd report`. */
export async function bench(): Promise<readonly BenchRow[]> {
  if (!isInstalled('trace-cmd')) {
    console.log('trace-dat: skipped, trace-cmd is not installed')
    return []
  }
  return Programs.with(['decode-trace'], async (programs) => {
    const large = join(programs.folder, 'large.dat')
    await writeSyntheticTrace(large, EVENTS)
    const ofLarge = { name: 'trace.dat v6, 4 M events, decode all fields', peerName, goal: 10 }
    const ofFixture = { name: 'trace.dat v7 zstd, 0.28 M events, decode all fields', peerName }
    return [measure(programs, large, ofLarge), measure(programs, fixture, ofFixture)]
  })
}

function measure(programs: Programs, trace: string, row: RateRow): BenchRow {
  const rounds = Array.from({ length: ROUNDS }, () => ({
    ours: programs.run('decode-trace', trace),
    peer: programs.read('trace-cmd', 'report', trace),
  }))
  return rateRow(
    row,
    'wallSeconds',
    rounds.map(({ ours }) => ours),
    rounds.map(({ peer }) => peer),
  )
}
