import { toByteSource } from '../../parsers/cursor.ts'
import { openPerfetto } from '../../parsers/perfetto/reader.ts'
import { BYTES, FieldWalker } from '../../parsers/perfetto/wire.ts'
import { generated, scenarioNamed } from '../generate/file.ts'
import { type BenchRow, pairedRow } from './row.ts'

const ROUNDS = 5
const EVENTS = 3_000_000

/** TracePacket, FtraceEventBundle, FtraceEvent and its message: what a reader of ftrace events must at least step through. */
const LEVELS = [1, 1, 2] as const

/** Steps over every field of every ftrace event, keeping nothing but a count. */
function walk(bytes: Uint8Array): number {
  const walkers = Array.from({ length: 6 }, () => new FieldWalker())
  let fields = 0
  const visit = (start: number, end: number, level: number): void => {
    const walker = walkers[level]
    if (walker === undefined) return
    walker.begin(bytes, start, end)
    while (walker.next()) {
      fields++
      if (walker.wire !== BYTES) continue
      if (level < LEVELS.length ? walker.field === LEVELS[level] : level < 5)
        visit(walker.start, walker.end, level + 1)
    }
  }
  visit(0, bytes.length, 0)
  return fields
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

async function decode(bytes: Uint8Array): Promise<number> {
  const reader = await openPerfetto(toByteSource('bench', bytes))
  let events = 0
  for (let window = reader.read(); window !== undefined; window = reader.read())
    events += window.length
  reader.close()
  return events
}

/** Perfetto traces to columns, beside a bare walk over the same fields of the same bytes. */
export async function bench(): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = []
  for (const format of ['perfetto', 'perfetto-dense'] as const) {
    const { bytes } = generated({
      scenario: scenarioNamed('phone'),
      events: EVENTS,
      format,
      wantRows: false,
      clock: 'boot',
    })
    const ours: number[] = []
    const peer: number[] = []
    let events = 0
    for (let round = -1; round < ROUNDS; round++) {
      const started = cpuMs()
      events = await decode(bytes)
      const middle = cpuMs()
      walk(bytes)
      const ended = cpuMs()
      // The first round warms up.
      if (round < 0) continue
      ours.push((middle - started) / events)
      peer.push((ended - middle) / events)
    }
    const scaled = (values: readonly number[]) => values.map((value) => value * 1e6)
    rows.push({
      ...pairedRow(
        {
          name: `${format}, ${(events / 1e6).toFixed(1)} M events in ${(bytes.length / 1e6).toFixed(0)} MB, decode all fields`,
          peerName: 'walk of the same fields',
          unit: 'ns/event of cpu time',
          better: 'lower',
        },
        scaled(ours),
        scaled(peer),
      ),
      goal: 6,
    })
  }
  return rows
}
