import { describe, expect, it } from 'vitest'
import { policies } from '../../src/policies/index.ts'
import { kcompressd } from '../../src/policies/kcompressd.ts'
import { kcompressdV1 } from '../../src/policies/kcompressd-v1.ts'
import { kswapd } from '../../src/policies/kswapd.ts'
import { parallel } from '../../src/policies/parallel.ts'
import { Flights } from '../../src/replay/flights.ts'
import { type ReplayOptions, replay } from '../../src/replay/replay.ts'
import { CountingBackend, plainContents } from './build.ts'
import { RowCollector } from './rows.ts'
import { pressure } from './scenarios.ts'

const WORKLOAD = pressure({ pages: 1500, touches: 500, tasks: 2 })

function run(
  policy: ReplayOptions['policy'],
  costScale: ReplayOptions['costScale'] = {},
  seed = 1,
) {
  const rows = new RowCollector()
  // What kswapd has given to the policy since its last batch ended: no scan has come by again.
  const given = new Set<number>()
  let freedAtOnce = 0
  const { summary } = replay(WORKLOAD, {
    policy,
    costScale,
    seed,
    backend: new CountingBackend(3),
    contents: plainContents,
    sink: rows.sink,
    log: ({ event, page, thread }) => {
      if (event === 'push') given.add(page)
      else if (event === 'batch' && thread.startsWith('kswapd')) given.clear()
      else if (event === 'freed' && given.has(page)) freedAtOnce++
    },
  })
  const { freedAtNextScan, freedAtSecondScan, freedAtThirdScan, freedAtLaterScan } = summary
  const kept = rows
    .of('swapouts')
    .filter(
      ({ path, freed_ns: freed }) => (path === 'queued' || path === 'displaced') && freed !== null,
    )
  return {
    kept: kept.length,
    freed: [freedAtNextScan, freedAtSecondScan, freedAtThirdScan, freedAtLaterScan],
    freedAtOnce,
    most: summary.mostScansAgain,
  }
}

describe('scans of a folio between its hand-over and its end', () => {
  it.each(policies.map((policy) => [policy.name, policy] as const))(
    '%s: each folio that waited in a queue is freed by one of them, or was stored before its batch ended, and no other',
    (_name, policy) => {
      const { kept, freed, freedAtOnce } = run(policy)
      expect(freed.reduce((sum, count) => sum + count) + freedAtOnce).toBe(kept)
      expect(kept > 0).toBe(policy.name !== 'kswapd')
    },
  )

  it('are none where who queued a folio lost its CPU until it was stored', () => {
    expect(run(parallel).freedAtOnce).toBeGreaterThan(10)
    expect(run(kswapd).freedAtOnce).toBe(0)
  })

  it('are more where stores take longer', () => {
    // A single folio may wait for long in any run.
    const middle = (values: readonly number[]): number => values.toSorted((x, y) => x - y)[1] ?? -1
    for (const policy of [kcompressdV1, kcompressd]) {
      const [short = [], long = []] = [0.2, 4].map((store) =>
        [1, 2, 3].map((seed) => run(policy, { store }, seed)),
      )
      const share = ({ freed: [next = 0], kept }: ReturnType<typeof run>): number => next / kept
      expect(middle(long.map(share)), policy.name).toBeLessThan(middle(short.map(share)))
      const most = ({ most: scans }: ReturnType<typeof run>): number => scans
      expect(middle(long.map(most)), policy.name).toBeGreaterThan(middle(short.map(most)))
    }
  })

  it('are counted by swap-out, up to 255', () => {
    const flights = new Flights({ keepsDetails: false })
    const [first, other] = [flights.open(0), flights.open(0)]
    for (let scan = 0; scan < 3; scan++) flights.scanAgain(first)
    for (let scan = 0; scan < 300; scan++) flights.scanAgain(other)
    for (let count = 0; count < 2000; count++) flights.open(0)
    expect([first, other].map((flight) => flights.scansAgain(flight))).toEqual([3, 255])
    flights.close(first)
    expect(flights.scansAgain(flights.open(0))).toBe(0)
  })
})
