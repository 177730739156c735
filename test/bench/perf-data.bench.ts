import { join } from 'node:path'
import { isInstalled } from '../shared/installed.ts'
import { writeGeneratedFile } from './generated-file.ts'
import { Programs } from './programs.ts'
import { type RateRow, rateRow, rateRows } from './rates.ts'
import { writeRepeatedPerf } from './repeated-perf.ts'
import type { BenchRow } from './row.ts'

const ROUNDS = 5
const GOAL = 10

interface BenchFile {
  readonly name: string
  readonly events: number
  /** Returns how many events the file has. */
  readonly write: (path: string, events: number) => Promise<number> | number
  /** Of the database's rows without raw events. */
  readonly goal?: number
}

const FILES: readonly BenchFile[] = [
  {
    name: 'recorded',
    // As in the ingest bench: starting takes as long at any size.
    events: 8_000_000,
    write: async (path, events) => (await writeRepeatedPerf(path, events)).events,
    goal: GOAL,
  },
  // Many short records.
  {
    name: 'generated',
    events: 3_000_000,
    write: (path, events) => writeGeneratedFile(path, 'perf', events),
  },
]

/** perf.data to columns, and into a database, whole processes: ours beside `perf script`. */
export async function bench(): Promise<readonly BenchRow[]> {
  if (!isInstalled('perf')) {
    console.log('perf-data: skipped, perf is not installed')
    return []
  }
  return Programs.with(['decode-trace', 'ingest-trace'], async (programs) => {
    const rows: BenchRow[] = []
    for (const file of FILES) rows.push(...(await measure(programs, file)))
    return rows
  })
}

async function measure(programs: Programs, file: BenchFile): Promise<readonly BenchRow[]> {
  const trace = join(programs.folder, 'perf.data')
  const written = await file.write(trace, file.events)
  const rounds = Array.from({ length: ROUNDS }, () => ({
    decode: programs.run('decode-trace', trace),
    script: programs.read('perf', 'script', '-i', trace),
    none: programs.ingest(trace, 'none'),
    all: programs.ingest(trace, 'all'),
  }))
  const { events } = rounds[0]?.decode ?? {}
  if (events !== written) throw new Error(`${events} events, ${written} were written`)
  const of = <Key extends keyof (typeof rounds)[number]>(key: Key) => rounds.map((run) => run[key])
  const row = (what: string, goal?: number): RateRow => ({
    name: `perf.data, ${file.name}, ${file.events / 1e6} M events, ${what}`,
    peerName: 'perf script',
    ...(goal === undefined ? {} : { goal }),
  })
  return [
    rateRow(row('decode all fields'), 'cpuSeconds', of('decode'), of('script')),
    ...rateRows(row('into DuckDB, --raw none', file.goal), of('none'), of('script')),
    ...rateRows(row('into DuckDB, --raw all'), of('all'), of('script')),
  ]
}
