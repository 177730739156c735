import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { runScenario } from '../../src/cli/scenario-runs.ts'
import {
  columnShares,
  compareWithPublished,
  SCENARIOS,
  type Scenario,
  sweepScenario,
} from '../../src/scenarios/zswap-shrinker.ts'
import { readWorkload } from '../../src/workload/store.ts'
import type { Workload } from '../../src/workload/types.ts'

const fixtures = fileURLToPath(new URL('../../fixtures/scenarios', import.meta.url))

/**
 * Some points of what is assumed; the whole of it takes minutes (`pstrace questions --id C10 --scenarios`). The machine has nothing else to do: beside
 * a load that takes two fifths of it single runs scatter by 3 %, and the last two configurations of test A are 2 % apart (published, of ten runs: 5 %).
 */
const MACHINE = { diskLatencyUs: [1000, 2000], diskBandwidthMb: [60, 100], idleCpu: [1] }

function readFixture(scenario: Scenario): Promise<Workload> {
  const path = join(fixtures, scenario.name)
  return readWorkload({
    path,
    has: (name) => existsSync(join(path, name)),
    readText: (name) => readFileSync(join(path, name), 'utf8'),
  })
}

describe('the published zswap shrinker tests', () => {
  it.each(SCENARIOS)(
    '$name: the committed workload is the one that the code writes',
    async (scenario) => {
      const fixture = await readFixture(scenario)
      const written = scenario.workload()
      expect(fixture.machine).toEqual(written.machine)
      const [found] = fixture.tasks
      const [expected] = written.tasks
      // Compared as buffers: a deep comparison of half a million numbers takes seconds.
      for (const column of ['op', 'arg', 'cpuNs'] as const) {
        expect(found?.[column].length).toBe(expected?.[column].length)
        expect(found?.[column].every((value, row) => value === expected?.[column][row])).toBe(true)
      }
    },
  )

  it.each(SCENARIOS)(
    '$name: columns have their published order on the engine',
    async (scenario) => {
      const rows = await sweepScenario(scenario, runScenario, MACHINE)
      for (const row of compareWithPublished(scenario, rows))
        process.stdout.write(
          `${row.scenario} ${row.configuration} ${row.column}: published ${row.published}, replayed ${row.median.toFixed(3)}, order held: ${row.orderShare === 1}\n`,
        )
      const held = Object.entries(columnShares(scenario, rows))
        .filter(([, share]) => share === 1)
        .map(([column]) => column)
      expect(held).toEqual(Object.keys(scenario.configurations[0]?.published ?? {}))
    },
    300_000,
  )

  it('seed-003-a: patches 1-3 are slower than no zswap only on a disk that limits requests', async () => {
    const [a] = SCENARIOS
    if (a === undefined) throw new Error('there is no scenario')
    const workload = a.workload()
    const machine = { diskLatencyUs: 2000, diskBandwidthMb: 100, idleCpu: 0.6 }
    const elapsed = async (requestsPerMb: number) => {
      const [early, , off] = a.configurations
      if (early === undefined || off === undefined) throw new Error('a configuration is missing')
      const first = await runScenario(a, early, machine, workload, requestsPerMb)
      const second = await runScenario(a, off, machine, workload, requestsPerMb)
      return first.elapsed / second.elapsed
    }
    expect(await elapsed(a.requestsPerMb)).toBeGreaterThan(1.05)
    expect(await elapsed(0)).toBeLessThan(1)
  })
})
