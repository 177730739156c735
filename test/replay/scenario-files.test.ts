import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { policies } from '../../src/policies/index.ts'
import { replay } from '../../src/replay/replay.ts'
import { parseWorkloadJson } from '../../src/workload/json.ts'
import { CountingBackend, plainContents } from './build.ts'
import { RowCollector } from './rows.ts'

function run(scenario: string, policyName: string, tunables: Record<string, number> = {}) {
  const path = new URL(`../../fixtures/scenarios/${scenario}/workload.json`, import.meta.url)
  const workload = parseWorkloadJson(readFileSync(path, 'utf8'), scenario)
  const policy = policies.find(({ name }) => name === policyName)
  if (policy === undefined) throw new Error(`no policy ${policyName}`)
  const rows = new RowCollector()
  const { summary } = replay(workload, {
    policy,
    tunables,
    backend: new CountingBackend(),
    contents: plainContents,
    sink: rows.sink,
  })
  return {
    summary,
    handed: Math.max(...rows.numbers('swapouts', 'ts_ns')),
    stored: Math.max(...rows.numbers('swapouts', 'stored_ns')),
    count: rows.of('swapouts').length,
  }
}

describe('fixtures/scenarios', () => {
  it('toy-des: kswapd is done in the published order of policies', () => {
    const done = Object.fromEntries(
      policies.map(({ name }) => [name, run('toy-des', name).handed / 1e6]),
    )
    const expected: Record<string, number> = {
      kswapd: 15.999,
      'kcompressd-v1': 4,
      kcompressd: 7.612,
      'kcompressd-unofficial': 7.965,
      parallel: 9.563,
    }
    for (const [name, value] of Object.entries(expected))
      expect(Math.abs((done[name] ?? 0) / value - 1), `${name}: ${done[name]} ms`).toBeLessThan(
        0.03,
      )
  })

  it('limits: an unbounded queue with one helper ends at the last store of an unbroken row', () => {
    const { stored, count } = run('limits', 'kcompressd', { 'pstrace.fifo': 4096 })
    // Stores are slower than scans: the worker starts after the first scan and never waits.
    expect(stored).toBe(1013 + count * 3137)
  })

  it('limits: mainline takes every scan and every store', () => {
    const { stored, count, summary } = run('limits', 'kswapd')
    const files = summary.pgstealKswapd - summary.pgstealAnon
    expect(stored).toBeGreaterThanOrEqual(count * (1013 + 3137))
    expect(stored).toBeLessThanOrEqual(count * (1013 + 3137) + files * 377)
  })
})
