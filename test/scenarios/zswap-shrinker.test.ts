import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { BlockDevice } from '../../src/memory/backends/device.ts'
import { openBackend } from '../../src/memory/backends/index.ts'
import type { Codec } from '../../src/memory/codecs/codec.ts'
import { openCodec } from '../../src/memory/codecs/index.ts'
import { openPool } from '../../src/memory/pools/index.ts'
import {
  columnShares,
  compareWithPublished,
  runConfiguration,
  SCENARIOS,
  type Scenario,
  type ScenarioParts,
  sweepScenario,
} from '../../src/scenarios/zswap-shrinker.ts'
import { readWorkload } from '../../src/workload/store.ts'
import type { Workload } from '../../src/workload/types.ts'

const fixtures = fileURLToPath(new URL('../../fixtures/scenarios', import.meta.url))

/** The middle and a corner of what is assumed; the whole of it takes a minute. */
const MACHINES = [
  { diskLatencyUs: [2000], diskBandwidthMb: [100], idleCpu: [0.6] },
  { diskLatencyUs: [4000], diskBandwidthMb: [200], idleCpu: [1] },
]

let codec: Codec
beforeAll(async () => {
  codec = await openCodec('lz4')
})

function parts(): ScenarioParts {
  return {
    openZswap: (options) => openBackend('zswap', { codec, openPool, ...options }),
    openDisk: (options) => openBackend('disk', { codec, openPool, ...options }),
    openDevice: (parameters) => new BlockDevice({ codec, openPool, parameters }),
  }
}

function readFixture(scenario: Scenario): Promise<Workload> {
  const path = join(fixtures, scenario.name)
  return readWorkload({
    path,
    has: (name) => existsSync(join(path, name)),
    readText: (name) => readFileSync(join(path, name), 'utf8'),
    writeText: () => {
      throw new Error('a fixture is not written')
    },
  })
}

describe('the published zswap shrinker tests', () => {
  it.each(SCENARIOS)(
    '$name: the committed workload is the one that the code writes',
    async (scenario) => {
      const [fixture] = (await readFixture(scenario)).tasks
      const [written] = scenario.workload().tasks
      // Compared as buffers: a deep comparison of half a million numbers takes seconds.
      for (const column of ['op', 'arg', 'cpuNs'] as const) {
        const found = fixture?.[column]
        const expected = written?.[column]
        expect(found?.length).toBe(expected?.length)
        expect(found?.every((value, row) => value === expected?.[row])).toBe(true)
      }
    },
  )

  it.each(SCENARIOS)(
    '$name: every published column has its order in the middle and at a corner of the assumed range',
    (scenario) => {
      const rows = MACHINES.flatMap((machine) => sweepScenario(scenario, parts(), machine))
      for (const row of compareWithPublished(scenario, rows))
        process.stdout.write(
          `${row.scenario} ${row.configuration} ${row.column}: published ${row.published}, replayed ${row.low.toFixed(3)} .. ${row.median.toFixed(3)} .. ${row.high.toFixed(3)}, order held in ${row.orderShare.toFixed(2)}\n`,
        )
      for (const [column, share] of Object.entries(columnShares(scenario, rows)))
        expect({ column, share }).toEqual({ column, share: 1 })
    },
    60_000,
  )

  it('seed-003-a: patches 1-3 are slower than no zswap only on a disk that limits requests', () => {
    const [a] = SCENARIOS
    if (a === undefined) throw new Error('there is no scenario')
    const workload = a.workload()
    const machine = { diskLatencyUs: 2000, diskBandwidthMb: 100, idleCpu: 0.6 }
    const elapsed = (requestsPerMb: number) => {
      const [early, , off] = a.configurations.map((configuration) =>
        runConfiguration(a, configuration, machine, parts(), workload, requestsPerMb),
      )
      return (early?.elapsed ?? 0) / (off?.elapsed ?? 1)
    }
    expect(elapsed(5)).toBeGreaterThan(1.05)
    expect(elapsed(0)).toBeLessThan(1)
  }, 60_000)
})
