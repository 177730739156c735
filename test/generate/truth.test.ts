import { afterAll, beforeAll, describe, it } from 'vitest'
import { Database } from '../../src/database/database.ts'
import type { ProbeSet } from '../../src/generate/event-kinds.ts'
import { GENERATED_FORMATS } from '../../src/generate/generate.ts'
import { KERNELS } from '../../src/generate/layouts.ts'
import { expectTruth } from './expect-truth.ts'
import { loadZstdFrames, scenarioNamed } from './file.ts'

let database: Database
beforeAll(async () => {
  await loadZstdFrames()
  database = await Database.open(':memory:', { mode: 'write' })
})
afterAll(() => database.close())

const SCENARIOS = ['phone', 'server', 'late', 'queue', 'laptop'] as const
const PROBES: readonly ProbeSet[] = ['full', 'stock', 'none']
const EVENTS = 800

/**
 * Every format with every kernel, and probe sets, scenarios and files beside the trace in turn, so that each pair of them
 * meets; with PSTRACE_FULL=1 every kernel and probe set.
 */
const casesOf = (f: number) =>
  KERNELS.flatMap((kernel, k) =>
    (process.env['PSTRACE_FULL'] === '1' ? [0, 1, 2] : [(k + f) % 3]).map((p) => ({
      kernel,
      probes: PROBES[p] ?? 'full',
      scenario: SCENARIOS[(Math.floor(k / 3) + f + p) % SCENARIOS.length] ?? 'phone',
      snapshots: (k + f) % 2 === 0,
    })),
  )

for (const [f, format] of GENERATED_FORMATS.entries())
  describe(`a generated trace as ${format}`, () => {
    it.each(casesOf(f))(
      'is read as what happened: $scenario, kernel $kernel, probes $probes, snapshots $snapshots',
      async ({ scenario: name, snapshots, ...choice }) => {
        const scenario = scenarioNamed(name)
        const trace = { ...choice, scenario, format, events: EVENTS }
        await expectTruth(database, trace, { snapshots })
      },
    )
  })

/** A long of 32 bits holds no swap entry as 64-bit kernels lay it out; scheduler and vmscan events it does. */
const MACHINES = [
  ...(['v6', 'v7', 'perf', 'perf-pipe', 'perf-z', 'folder'] as const).map((format) => ({
    format,
    littleEndian: false,
    long: 8 as const,
    probes: 'full' as const,
  })),
  ...(['v6', 'v7', 'perf', 'perf-pipe'] as const).flatMap((format) =>
    [true, false].map((littleEndian) => ({
      format,
      littleEndian,
      long: 4 as const,
      probes: 'stock' as const,
    })),
  ),
]

describe('another machine', () => {
  it.each(MACHINES)(
    'is read as what happened: $format, $long bytes a long, little-endian: $littleEndian',
    async (machine) => {
      const scenario = scenarioNamed('server')
      await expectTruth(database, { ...machine, scenario, events: EVENTS })
    },
  )
})
