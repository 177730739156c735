import { describe, expect, it } from 'vitest'
import { policies } from '../../src/policies/index.ts'
import { kcompressd } from '../../src/policies/kcompressd.ts'
import { kcompressdV1 } from '../../src/policies/kcompressd-v1.ts'
import { kswapd } from '../../src/policies/kswapd.ts'
import { parallel } from '../../src/policies/parallel.ts'
import type { Policy, TunableValues } from '../../src/policies/policy.ts'
import type { ReplayLogEvent } from '../../src/replay/log-events.ts'
import type { RowSink } from '../../src/replay/recorder.ts'
import { replay } from '../../src/replay/replay.ts'
import { based, CountingBackend, plainContents } from './build.ts'
import { type PlainRow, RowCollector, RowDigest } from './rows.ts'
import { pressure } from './scenarios.ts'

const QUEUEING = policies.filter(({ name }) => name !== 'kswapd')
const WORKLOAD = pressure({ pages: 1500, touches: 500, tasks: 2 })

class NamedBackend extends CountingBackend {
  override readonly name: 'zram'

  constructor(name: string) {
    super(3)
    // Whatever it is called, it stores as the counting one does.
    this.name = name as 'zram'
  }
}

function run(
  policy: Policy,
  tunables: TunableValues,
  backend: string,
  sink: RowSink,
  workload = WORKLOAD,
): void {
  replay(workload, {
    policy,
    tunables,
    backend: new NamedBackend(backend),
    contents: plainContents,
    checkEveryNs: 10_000_000,
    sink,
  })
}

/** Folios that direct reclaimers queued. */
function queuedDirectly(policy: Policy, tunables: TunableValues): readonly PlainRow[] {
  const rows = new RowCollector()
  run(policy, tunables, 'zram', rows.sink)
  return rows
    .of('swapouts')
    .filter((row) => row['context'] === 'direct' && row['path'] === 'queued')
}

/** Faults that met a folio between its submission and the end of its store: did they go on before that end? */
function faultsDuringStores(backend: string): readonly boolean[] {
  const rows = new RowCollector()
  run(kcompressd, {}, backend, rows.sink, pressure({ pages: 1500, touches: 9000, tasks: 2 }))
  const outs = rows.of('swapouts')
  return rows
    .of('swapins')
    .filter(({ met }) => met === 'queued' || met === 'storing')
    .flatMap((fault) => {
      const isMet = (out: PlainRow): boolean =>
        out['page_id'] === fault['page_id'] &&
        Number(out['submit_ns']) <= Number(fault['ts_ns']) &&
        Number(out['stored_ns']) >= Number(fault['ts_ns'])
      return outs.filter(isMet).map((out) => Number(fault['end_ns']) < Number(out['stored_ns']))
    })
}

it('a fault on a queued folio goes on once zram has begun its store, and waits for the end of it on zswap', () => {
  expect(faultsDuringStores('zram')).toContain(true)
  const waits = faultsDuringStores('zswap')
  expect(waits.length).toBeGreaterThan(0)
  expect(waits).not.toContain(true)
})

describe.each(QUEUEING.map((policy) => [policy.name, policy] as const))('%s', (_name, policy) => {
  it('takes folios of direct reclaimers only with pstrace.direct, in a lane of their own', () => {
    expect(queuedDirectly(policy, {})).toHaveLength(0)
    const outs = queuedDirectly(policy, { 'pstrace.direct': 1 })
    expect(outs.length).toBeGreaterThan(20)
    for (const row of outs) expect(row['lane']).toMatch(/direct$/)
  })

  it.each(['zswap', 'disk'])('is kswapd to the last row on %s, if it has no gate there', (name) => {
    const hex = (runs: Policy): string => {
      const digest = new RowDigest()
      run(runs, {}, name, digest.sink)
      return digest.hex
    }
    const isCovered = policy.covers.some((covered) => covered === name)
    expect(hex(policy) === hex(kswapd)).toBe(!isCovered)
  })
})

it('v1 as a vendor ships it lets direct reclaimers queue', () => {
  expect(queuedDirectly(kcompressdV1, { 'pstrace.vendor': 3 }).length).toBeGreaterThan(20)
})

it('parallel leaves folios waiting where a worker serves the node of its CPU, as in the patch', () => {
  const workload = pressure({ pages: 1500, touches: 2000, tasks: 2, cpus: 4, nodes: 2 })
  const waitsOf = (tunables: TunableValues, seed: number): number[] => {
    const rows = new RowCollector()
    replay(workload, {
      policy: parallel,
      tunables,
      backend: new CountingBackend(3),
      contents: plainContents,
      checkEveryNs: 10_000_000,
      seed,
      sink: rows.sink,
    })
    const queued = rows.of('swapouts').filter(({ path }) => path === 'queued')
    const lastNs = Math.max(...queued.map((row) => Number(row['stored_ns'] ?? row['submit_ns'])))
    // Folios that nobody had begun to store at the end waited until then: those left for good are the ones looked for.
    return queued.map((row) => Number(row['start_ns'] ?? lastNs) - Number(row['submit_ns']))
  }
  // CPUs seldom take a thread from another node, so that not every run has a worker there.
  const longestWait = (tunables: TunableValues): number =>
    Math.max(...[1, 2, 3].flatMap((seed) => waitsOf(tunables, seed)))
  // Workers that never reclaim for themselves: nothing else makes a folio wait.
  const served = longestWait({ 'pstrace.memalloc': 1 })
  const stranded = longestWait({ 'pstrace.memalloc': 1, 'pstrace.cpu_node': 1 })
  expect(stranded / served).toBeGreaterThan(5)
})

it('only who hands a folio over pays for the way through a gate that looks for zero pages', () => {
  const storeNs = 100_000
  const zeroNs = 8000
  const cost = (fixedNs: number) => ({
    ...WORKLOAD.costs.store,
    samples: new Float64Array(),
    fixedNs,
  })
  const shortest = (policy: Policy, path: string, zeroMap: boolean): number => {
    const rows = new RowCollector()
    const { machine } = WORKLOAD
    run(policy, policy === kswapd ? {} : { 'pstrace.memalloc': 1 }, 'zram', rows.sink, {
      ...WORKLOAD,
      machine: { ...machine, zeroMap: based(zeroMap) },
      costs: { ...WORKLOAD.costs, store: cost(storeNs), storeSame: cost(zeroNs) },
    })
    const outs = rows
      .of('swapouts')
      .filter((row) => row['path'] === path && row['stored_ns'] !== null)
    return Math.min(...outs.map((row) => Number(row['stored_ns']) - Number(row['start_ns'])))
  }
  expect(shortest(kcompressd, 'queued', true)).toBe(storeNs - zeroNs)
  expect(shortest(parallel, 'displaced', true)).toBe(storeNs - zeroNs)
  expect(shortest(kswapd, 'inline', true)).toBe(storeNs)
  expect(shortest(kcompressd, 'queued', false)).toBe(storeNs)
})

it('a worker whose work is queued under a mutex runs when that has been given back', () => {
  const queueing: Policy = {
    ...parallel,
    // There is one CPU for both, as there never is in the patch.
    layout: (node, tunables) => ({
      ...parallel.layout({ ...node, cpus: 2 }, tunables),
      keepsOrder: false,
    }),
    *submit(folio, node) {
      if (!node.lock(0)) yield
      if (node.length(0) >= 6 || (node.read(1) === 0 && !node.allocItem())) {
        node.unlock(0)
        return 'inline'
      }
      if (!node.push(0, folio)) yield
      if (node.read(1) === 0) {
        if (!node.queueWork(0)) yield
        node.add(1, 1)
      }
      node.unlock(0)
      return 'queued'
    },
  }
  const log: ReplayLogEvent[] = []
  replay(pressure({ pages: 1500, touches: 3000, tasks: 2, cpus: 1 }), {
    policy: queueing,
    tunables: { 'pstrace.memalloc': 1 },
    backend: new CountingBackend(3),
    contents: plainContents,
    log: (event) => log.push(event),
  })
  const ofWorker = (name: string) =>
    log.filter(({ event, thread }) => event === name && thread?.includes('swapout')).length
  expect(ofWorker('wake')).toBeGreaterThan(200)
  expect(ofWorker('lock-wait')).toBeLessThan(ofWorker('wake') / 20)
})
