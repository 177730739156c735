import { expect, it } from 'vitest'
import { balanceMemory } from '../../src/workload/balance.ts'
import { EVENT, type RecordedZone, RecordingBuilder } from '../../src/workload/recording.ts'
import { classifyStores } from '../../src/workload/stores.ts'
import { APP, KSWAPD, madeRecording } from './made-recording.ts'

const STORES = 40
const WATERMARKS = { min: 10, low: 20, high: 30 }

function zone(node: number, managed: number): RecordedZone {
  const place = { node, name: 'Normal', startPfn: 10000 * node, spanned: managed, managed }
  return { ...place, ...WATERMARKS, basis: 'snapshot' }
}

/** Free, LRU and pool together, where a retry on node 0 reports 600 pages after 40 stores of half a page each. */
function totalOf(zones: readonly RecordedZone[]): number {
  const builder = new RecordingBuilder()
  for (let page = 0; page < STORES; page++)
    builder.add(page, EVENT.written, 100 * page, 0, KSWAPD, page, 1, 0, 0)
  builder.add(STORES, EVENT.retry, 100 * STORES, 0, APP, 550, 600, 10, 2)
  const recording = madeRecording(builder, { endNs: 100 * STORES, zones })
  const { stores } = classifyStores(
    Array.from({ length: STORES }, (_, event) => {
      const store = { event, entry: event, cpuNs: 1000, flushes: 0, switches: 0, switchShare: 0 }
      return { ...store, isKernel: true, isBeyondGate: false, stoodStill: false }
    }),
    { sameShare: undefined, zeroMap: false },
  )
  return balanceMemory(recording, stores, {
    ...WATERMARKS,
    ...{ startEvent: 0, endNs: recording.endNs, managed: 1000 },
    ...{ poolCounted: undefined, poolSnapshot: 0.5, totalSnapshot: undefined },
  }).totalPages.value
}

it('a retry counts the memory of its node; the pool is the whole machine’s', () => {
  expect(totalOf([zone(0, 1000)])).toBe(600 + 20)
  expect(totalOf([zone(0, 1000), zone(1, 3000)])).toBe(4 * 600 + 20)
})

it('a boost’s wake-up tells of one node, so that on several it is no anchor', () => {
  const anchorsOf = (zones: readonly RecordedZone[], gfp: number): number => {
    const builder = new RecordingBuilder()
    builder.add(0, EVENT.wakeKswapd, 0, 0, APP, 0, gfp, 1, 0)
    const recording = madeRecording(builder, { endNs: 100, zones })
    return balanceMemory(
      recording,
      classifyStores([], { sameShare: undefined, zeroMap: false }).stores,
      {
        ...WATERMARKS,
        ...{ startEvent: 0, endNs: recording.endNs, managed: 1000 },
        ...{ poolCounted: undefined, poolSnapshot: 0.5, totalSnapshot: undefined },
      },
    ).anchors.length
  }
  expect(anchorsOf([zone(0, 1000)], 0)).toBe(1)
  expect(anchorsOf([zone(0, 1000), zone(1, 3000)], 0)).toBe(0)
  expect(anchorsOf([zone(0, 1000), zone(1, 3000)], 0xcc0)).toBe(1)
})
