import { describe, expect, it } from 'vitest'
import { Database } from '../../src/database/database.ts'
import { RECLAIM_WB_ANON } from '../../src/model/lru.ts'
import { CostSamples } from '../../src/workload/cost-samples.ts'
import { findCpuSpeeds } from '../../src/workload/cpu-speeds.ts'
import { loadRecording } from '../../src/workload/load.ts'
import { EVENT, type Recording, RecordingBuilder, STATE } from '../../src/workload/recording.ts'
import { ingestBytes } from '../generate/domain-rows.ts'
import { APP, KSWAPD, madeRecording } from './made-recording.ts'

const US = 1000
const WORKER = 77
const STORES = 60

/** [tid, CPU, time of a store, us]: each runs there for so many stores. */
type Turn = readonly [tid: number, cpu: number, us: number]

function recordingOf(turns: readonly Turn[], facts: Partial<Recording> = {}): Recording {
  const builder = new RecordingBuilder()
  let ns = 0
  let rank = 0
  let entry = 0
  for (const [tid, cpu, us] of turns) {
    builder.add(rank++, EVENT.switch, ns, cpu, 0, 0, STATE.runnable, tid, 0)
    for (let store = 0; store < STORES; store++) {
      ns += 10 * US
      builder.add(rank++, EVENT.gate, ns, cpu, tid, entry, 0, 0, 0)
      builder.add(rank++, EVENT.store, ns, cpu, tid, entry, 0, 0, 0)
      ns += us * US
      builder.add(rank++, EVENT.storeReturn, ns, cpu, tid, entry, 0, 0, 0)
      builder.add(rank++, EVENT.written, ns, cpu, tid, entry++, RECLAIM_WB_ANON, 0, 0)
    }
    builder.add(rank++, EVENT.switch, ns, cpu, tid, tid, STATE.sleeping, 0, 0)
  }
  return madeRecording(builder, { cpus: 2, endNs: ns, ...facts })
}

const capacity = (values: readonly number[]) => ({
  cpu_capacity: values
    .map((value, cpu) => `/sys/devices/system/cpu/cpu${cpu}/cpu_capacity:${value}\n`)
    .join(''),
})

describe('speeds of the recorded CPUs', () => {
  it('are read off their stores, whatever the kernel says', () => {
    const turns: readonly Turn[] = [
      [KSWAPD, 0, 100],
      [KSWAPD, 1, 250],
    ]
    expect(findCpuSpeeds(recordingOf(turns, { snapshot: capacity([512, 1024]) }))).toEqual({
      value: [1, 0.4],
      basis: 'event',
      n: 2 * STORES,
      from: 'median store by CPU',
    })
  })

  it('are equal where stores differ by less than equal CPUs do', () => {
    const turns: readonly Turn[] = [
      [KSWAPD, 0, 100],
      [KSWAPD, 1, 120],
    ]
    expect(findCpuSpeeds(recordingOf(turns)).value).toEqual([1, 1])
  })

  it('are not those of who stores: a task takes longer than kswapd on the same CPU', () => {
    const turns: readonly Turn[] = [
      [KSWAPD, 0, 100],
      [APP, 0, 150],
      [APP, 1, 150],
    ]
    expect(findCpuSpeeds(recordingOf(turns)).value).toEqual([1, 1])
  })

  it('are not told by pages that kswapd only queues', () => {
    const builder = new RecordingBuilder()
    let rank = 0
    const store = (ns: number, cpu: number, tid: number, entry: number, us: number) => {
      builder.add(rank++, EVENT.store, ns, cpu, tid, entry, 0, 0, 0)
      builder.add(rank++, EVENT.storeReturn, ns + us * US, cpu, tid, entry, 0, 0, 0)
    }
    for (let page = 0; page < 2 * STORES; page++) {
      const ns = page * 1000 * US
      builder.add(rank++, EVENT.gate, ns, 0, KSWAPD, page, 0, 0, 0)
      builder.add(rank++, EVENT.written, ns + 7 * US, 0, KSWAPD, page, RECLAIM_WB_ANON, 0, 0)
      // Every other one it stores itself, as the queue is full.
      if (page % 2 === 0) store(ns + 10 * US, 0, KSWAPD, page, 100)
      store(ns + 200 * US, 1, WORKER, page, 110)
    }
    const recording = madeRecording(builder, { cpus: 2, endNs: 2 * STORES * 1000 * US })
    expect(findCpuSpeeds(recording)).toMatchObject({ value: [1, 1], basis: 'event' })
  })

  it('are equal where one CPU met more zero pages, or where each store takes another time', () => {
    const zero: readonly Turn[] = [
      [KSWAPD, 0, 100],
      [KSWAPD, 0, 100],
      [KSWAPD, 0, 100],
      [KSWAPD, 1, 7],
      [KSWAPD, 1, 7],
      [KSWAPD, 1, 100],
    ]
    const scattered: readonly Turn[] = [60, 80, 100, 120, 300].flatMap((us) => [
      [KSWAPD, 0, us],
      [KSWAPD, 1, us * 1.3],
    ])
    for (const turns of [zero, scattered])
      expect(findCpuSpeeds(recordingOf(turns))).toMatchObject({ value: [1, 1], basis: 'event' })
  })

  it('are not read off pages that pass the gate, where stores have no probes: they may be queued', () => {
    const recording = recordingOf([
      [KSWAPD, 0, 7],
      [KSWAPD, 1, 100],
    ])
    const isProbe = (kind: number): boolean => kind === EVENT.store || kind === EVENT.storeReturn
    const kind = recording.kind.map((of) => (isProbe(of) ? EVENT.slabEnd : of))
    expect(findCpuSpeeds({ ...recording, kind })).toMatchObject({ value: [1, 1], basis: 'default' })
  })

  it('are the capacities where a CPU stored nothing, else the frequencies, else taken to be equal', () => {
    const turns: readonly Turn[] = [[KSWAPD, 0, 100]]
    const frequencies = [600_000, 2_000_000]
    const told = findCpuSpeeds(recordingOf(turns, { snapshot: capacity([462, 1024]), frequencies }))
    expect(told).toMatchObject({ value: [0.45, 1], basis: 'snapshot', from: 'cpu_capacity' })
    expect(findCpuSpeeds(recordingOf(turns, { frequencies }))).toMatchObject({
      value: [0.3, 1],
      basis: 'event',
    })
    expect(findCpuSpeeds(recordingOf(turns))).toEqual({
      value: [1, 1],
      basis: 'default',
      from: 'no stores with begin and end, capacities or frequencies of every CPU',
    })
  })

  it('are taken out of costs: a store costs the same on either', () => {
    const recording = recordingOf([
      [KSWAPD, 0, 100],
      [KSWAPD, 1, 250],
    ])
    const sampled = (given: Recording) => {
      const stolenOfStep = new Float64Array(given.length)
      const options = { untilEvent: given.length, stolenOfStep }
      const spent = new CostSamples(given, new Set(), options).stores.map(({ cpuNs }) => cpuNs)
      return [...new Set(spent.map((ns) => Math.round(ns)))]
    }
    expect(sampled(recording)).toEqual([100 * US, 250 * US])
    expect(sampled({ ...recording, cpuSpeeds: findCpuSpeeds(recording) })).toEqual([100 * US])
  })

  it('rest on mean frequencies, weighted by how long they held', async () => {
    const text = [
      '  kswapd0-51 [000] d..2.     1.000000: mm_vmscan_direct_reclaim_begin: order=0 gfp_flags=GFP_KERNEL',
      '  <idle>-0   [000] d..2.     1.000000: cpu_frequency: state=1000000 cpu_id=0',
      '  <idle>-0   [001] d..2.     1.000000: cpu_frequency: state=3000000 cpu_id=1',
      '  <idle>-0   [001] d..2.     1.300000: cpu_frequency: state=1000000 cpu_id=1',
      '  kswapd1-52 [001] d..2.     1.300000: mm_vmscan_kswapd_wake: nid=1 order=0',
      '  kswapd0-51 [000] d..2.     1.400000: mm_vmscan_direct_reclaim_end: nr_reclaimed=1',
    ].join('\n')
    const database = await Database.open(':memory:', { mode: 'write' })
    try {
      const bytes = new TextEncoder().encode(`${text}\n`)
      const traceId = await ingestBytes(database, bytes, { raw: 'all' })
      const { frequencies, cpuSpeeds } = await loadRecording(database, traceId)
      expect(frequencies).toEqual([1_000_000, 2_500_000])
      expect(cpuSpeeds?.value).toEqual([0.4, 1])
    } finally {
      database.close()
    }
  })
})
