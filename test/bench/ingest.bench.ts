import { join } from 'node:path'
import { isInstalled } from '../shared/installed.ts'
import { Programs } from './programs.ts'
import { rateRows } from './rates.ts'
import { writeRepeatedTrace } from './repeated-trace.ts'
import { type BenchRow, pairedRow } from './row.ts'

const ROUNDS = 5
/** Starting and compiling take about a second of CPU time at any size: of 4 M events they are a quarter of the whole. */
const EVENTS = 8_000_000
const GOALS = { all: 4, none: 6 } as const
/** Bound on the peak memory of twice the events: what is kept (tasks, swap slots, shapes) is as much in both. */
const MOST_GROWTH = 1.25

type Raw = keyof typeof GOALS

/** trace.dat into a database file, whole processes: ours beside `trace-cmd report`, and beside itself with twice the events. */
export async function bench(): Promise<readonly BenchRow[]> {
  if (!isInstalled('trace-cmd')) {
    console.log('ingest: skipped, trace-cmd is not installed')
    return []
  }
  return Programs.with(['ingest-trace'], (programs) => {
    const trace = join(programs.folder, 'large.dat')
    const long = join(programs.folder, 'long.dat')
    writeRepeatedTrace(trace, EVENTS)
    writeRepeatedTrace(long, 2 * EVENTS)
    return [
      ...measure(programs, trace, 'all'),
      ...measure(programs, trace, 'none'),
      measureMemory(programs, { trace, long, raw: 'all' }),
      measureMemory(programs, { trace, long, raw: 'none' }),
    ]
  })
}

function measure(programs: Programs, trace: string, raw: Raw): readonly BenchRow[] {
  const rounds = Array.from({ length: ROUNDS }, () => ({
    ours: programs.ingest(trace, raw),
    peer: programs.read('trace-cmd', 'report', trace),
  }))
  return rateRows(
    {
      name: `ingest into DuckDB, --raw ${raw}, 8 M events`,
      peerName: 'trace-cmd report',
      goal: GOALS[raw],
    },
    rounds.map(({ ours }) => ours),
    rounds.map(({ peer }) => peer),
  )
}

function measureMemory(
  programs: Programs,
  { trace, long, raw }: { trace: string; long: string; raw: Raw },
): BenchRow {
  const row = {
    name: `peak memory of ingest, --raw ${raw}, 16 M events`,
    peerName: 'the same of 8 M events',
    unit: 'MiB',
    better: 'lower',
    goal: MOST_GROWTH,
  } as const
  const peak = (path: string): number => programs.ingest(path, raw).peakMiB
  return pairedRow(row, [peak(long)], [peak(trace)])
}
