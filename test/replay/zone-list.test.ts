import { describe, expect, it } from 'vitest'
import { policies } from '../../src/policies/index.ts'
import type { ReplayLogEvent } from '../../src/replay/log-events.ts'
import { replay } from '../../src/replay/replay.ts'
import { ZoneList } from '../../src/replay/zone-list.ts'
import type { WorkloadZone } from '../../src/workload/types.ts'
import { allocations, CountingBackend, plainContents, plan } from './build.ts'

const NORMAL: WorkloadZone = {
  node: 0,
  name: 'Normal',
  managed: 1000,
  min: 20,
  low: 30,
  high: 40,
  freeAtStart: 200,
  basis: 'default',
}
const DMA32: WorkloadZone = {
  node: 0,
  name: 'DMA32',
  managed: 3000,
  min: 40,
  low: 60,
  high: 80,
  freeAtStart: 400,
  reserve: 100,
  basis: 'default',
}

describe('zones of a node', () => {
  it('are tried in order: the next one when the first is at low, and that only down to its reserve', () => {
    const zones = new ZoneList([NORMAL, DMA32], 1)
    // Above low by 170 and, less the reserve, by 240.
    for (let page = 0; page < 170; page++) zones.take(1)
    expect(zones.available).toBe(400)
    for (let page = 0; page < 240; page++) zones.take(1)
    expect(zones.passes('low', 0)).toBe(false)
    // From here on down to min, the first zone again.
    expect(zones.available).toBe(30)
    for (let page = 0; page < 10; page++) zones.take(1)
    expect(zones.available).toBe(160)
    for (let page = 0; page < 20; page++) zones.take(1)
    expect(zones.passes('min', 0)).toBe(false)
    // Who may use the reserves takes where most is.
    expect(zones.available).toBe(140)
    expect(zones.free).toBe(160)
  })

  it('are balanced when one of them is', () => {
    const zones = new ZoneList(
      [
        { ...NORMAL, freeAtStart: 0 },
        { ...DMA32, freeAtStart: 181 },
      ],
      1,
    )
    expect(zones.passes('high', 0)).toBe(true)
    zones.take(1)
    expect(zones.passes('high', 0)).toBe(false)
  })

  it('are safe when each of them is: then kswapd ends its pass', () => {
    const zones = new ZoneList(
      [
        { ...NORMAL, freeAtStart: 106 },
        { ...DMA32, freeAtStart: 80 + 100 + 65 },
      ],
      1,
    )
    expect(zones.allPass('high', 64)).toBe(true)
    expect(zones.allPass('high', 65)).toBe(false)
    zones.take(2)
    expect([zones.passes('high', 64), zones.allPass('high', 64)]).toEqual([true, false])
  })

  it('have each its own boost, which goes as kswapd answers for it', () => {
    const zones = new ZoneList([NORMAL, DMA32], 1)
    zones.take(1)
    zones.raise(50, 60)
    zones.raise(50, 60)
    expect(zones.boost).toBe(60)
    // 199 free against 30 and the boost: the first zone passes, with 109 to spare.
    expect(zones.passes('low', 108)).toBe(true)
    expect(zones.target(32)).toBe(40 + 60 + 80)
    zones.lower(45)
    expect(zones.boost).toBe(15)
  })

  it('get back what comes free as they have it in use', () => {
    const zones = new ZoneList([NORMAL, { ...DMA32, reserve: 0 }], 1)
    // 800 and 2600 in use.
    zones.give(340)
    expect(zones.free).toBe(940)
    for (let page = 0; page < 200 + 80 - 30; page++) zones.take(1)
    expect(Math.abs(zones.available - (400 + 260))).toBeLessThanOrEqual(2)
  })
})

describe('a pass of kswapd over generations', () => {
  const RESIDENT = 80_000
  const [MIN, LOW, HIGH] = [200, 850, 900]
  const ONE: WorkloadZone = { ...NORMAL, managed: 100_000, min: MIN, low: LOW, high: HIGH }

  /** Pages that come free while a task that woke kswapd sleeps. */
  function freedBy(...below: readonly WorkloadZone[]): number {
    const zones = [ONE, ...below].map(({ freeAtStart: _free, ...zone }) => zone)
    let freed = 0
    replay(
      plan({
        free: 1000,
        ...{ min: MIN, low: LOW, high: HIGH, zones, lru: 'mglru', resident: RESIDENT },
        tasks: [{ rows: [...allocations(170, 1000), { op: 'sleep', arg: 1e9 }] }],
        costs: { store: 30_000, unmap: 3000, scanKept: 300, batch: 1000 },
      }),
      {
        policy: policies[0] as (typeof policies)[number],
        backend: new CountingBackend(3),
        contents: plainContents,
        log: ({ event, value }) => {
          expect(event).not.toBe('direct-begin')
          if (event === 'batch') freed += value
        },
      },
    )
    return freed
  }

  it('ends above high by a batch, but takes what was asked for where a lower zone is held down to its reserve', () => {
    const low: WorkloadZone = { ...DMA32, managed: 200, min: 1, low: 2, high: 3, reserve: 10 }
    expect(freedBy()).toBeLessThan(HIGH)
    expect(freedBy({ ...low, reserve: 0 })).toBeLessThan(HIGH)
    expect(freedBy(low)).toBeGreaterThanOrEqual(HIGH)
  })
})

describe('a pass over the classic lists', () => {
  /** Pages of the first batch: 96,000 of them are inactive, and it looks at one in 4096. */
  function firstBatch(reserve: number): number {
    const taken: number[] = []
    const below: WorkloadZone = { ...DMA32, managed: 200, min: 1, low: 2, high: 3, reserve }
    const zones = [{ ...NORMAL, managed: 100_000, min: 200, low: 850, high: 900 }, below].map(
      ({ freeAtStart: _free, ...zone }) => zone,
    )
    replay(
      plan({
        ...{ free: 1000, min: 0, low: 0, high: 0, zones, resident: 96_000 },
        tasks: [{ rows: [...allocations(170, 1000), { op: 'sleep', arg: 1e8 }] }],
        costs: { store: 30_000, unmap: 3000, scanKept: 300, batch: 1000 },
      }),
      {
        policy: policies[0] as (typeof policies)[number],
        backend: new CountingBackend(3),
        contents: plainContents,
        log: ({ event, value }) => {
          if (event === 'isolate') taken.push(value)
        },
      },
    )
    return taken[0] ?? Number.NaN
  }

  it('counts what lower zones keep as free: file pages are not too few for memory that is not short', () => {
    expect(firstBatch(10)).toBe(Math.floor(96_000 / 4096))
    // Then both kinds have their share: at swappiness 100 and no refaults a half.
    expect(firstBatch(400)).toBe(Math.floor(96_000 / 4096 / 2))
  })
})

describe('a machine with two zones', () => {
  const logOf = (zones: readonly WorkloadZone[], policy = policies[0]): ReplayLogEvent[] => {
    const log: ReplayLogEvent[] = []
    if (policy === undefined) throw new Error('no policy')
    const { summary } = replay(
      plan({
        cpus: 2,
        free: 600,
        min: 0,
        low: 0,
        high: 0,
        zones,
        // Lists of the CPUs that do not grow: free pages are where the zones see them.
        zeroMap: false,
        tasks: [{ rows: allocations(900, 20_000) }],
        boostStep: 16,
        boostMax: 32,
        boostEvery: 16,
        costs: { store: 30_000, unmap: 3000, scanKept: 300, batch: 1000 },
      }),
      {
        policy,
        backend: new CountingBackend(3),
        contents: plainContents,
        checkEveryNs: 200_000,
        log: (event) => log.push(event),
      },
    )
    expect(summary.workUsed).toBe(1)
    return log
  }
  const firstLow = (log: readonly ReplayLogEvent[]): number =>
    log.find(({ event }) => event === 'low')?.value ?? Number.NaN

  it('wakes kswapd when no zone is above low and its reserve, not when their sum is', () => {
    expect(firstLow(logOf([NORMAL, DMA32]))).toBe(30 + 60 + 100)
    expect(firstLow(logOf([NORMAL, { ...DMA32, reserve: 0 }]))).toBe(30 + 60)
    // Without counts of their own the zones are one.
    const { freeAtStart: _free, ...sum } = NORMAL
    expect(firstLow(logOf([sum, DMA32]))).toBe(90)
  })

  it.each(policies.map((policy) => [policy.name, policy] as const))(
    'keeps its frames under %s',
    (_name, policy) => {
      const freed = logOf([NORMAL, DMA32], policy).filter(({ event }) => event === 'freed')
      expect(freed.length).toBeGreaterThan(100)
    },
  )
})
