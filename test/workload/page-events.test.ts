import { expect, it } from 'vitest'
import { RECLAIM_WB_ANON } from '../../src/model/lru.ts'
import { TaskClock } from '../../src/workload/clocks.ts'
import { listStores, listTouches } from '../../src/workload/page-events.ts'
import { EVENT, RecordingBuilder } from '../../src/workload/recording.ts'
import { APP, KSWAPD, madeRecording } from './made-recording.ts'

it("a page's node is that of its own frame, whoever else is writing pages of another meanwhile", () => {
  const builder = new RecordingBuilder()
  const events = [
    { tid: KSWAPD, kind: EVENT.gate, a: 10, order: 1 },
    { tid: APP, kind: EVENT.gate, a: 20, order: 0 },
    { tid: KSWAPD, kind: EVENT.written, a: 1000, order: 0 },
    { tid: APP, kind: EVENT.written, a: 1, order: 0 },
  ]
  events.forEach(({ tid, kind, a, order }, i) => {
    builder.add(i, kind, i * 1000, 0, tid, a, kind === EVENT.gate ? order : 0, 0, 0)
  })
  const recording = madeRecording(builder, { endNs: 4000 })
  const none = {
    length: 0,
    event: new Uint32Array(0),
    entry: new Float64Array(0),
    isSame: new Uint8Array(0),
  }
  const { list } = listStores(recording, none, 0, (_event, pfn) => (pfn >= 1000 ? 1 : 0))
  expect(list.map(({ entry, node }) => [entry, node])).toEqual([
    [10, 1],
    [11, 1],
    [20, 0],
  ])
})

it('a page is zero or same-filled by how long it took, whether a probe on the gate tells when that began or not', () => {
  const fills = [true, false].map((hasGate) => {
    const builder = new RecordingBuilder()
    const given = hasGate ? EVENT.gate : EVENT.written
    for (let page = 0; page < 3; page++)
      builder.add(page, given, page * 1000, 0, KSWAPD, page, hasGate ? 0 : RECLAIM_WB_ANON, 0, 0)
    const stores = {
      length: 3,
      event: Uint32Array.of(0, 1, 2),
      entry: Float64Array.of(0, 1, 2),
      isSame: Uint8Array.of(0, 1, 0),
    }
    const recording = madeRecording(builder, { endNs: 4000 })
    return listStores(recording, stores, 0, () => 0).list.map(({ isSame }) => isSame)
  })
  expect(fills).toEqual([
    [false, true, false],
    [false, true, false],
  ])
})

it('a swap-in of a large folio is a touch of each of its pages, at its own entry', () => {
  const builder = new RecordingBuilder()
  builder.add(0, EVENT.read, 1000, 0, APP, 8, 2, 0, 0)
  builder.add(1, EVENT.read, 2000, 0, APP, 30, 0, 0, 0)
  const recording = madeRecording(builder, { endNs: 3000 })
  const touches = listTouches(recording, new Map(), new Map([[APP, 0]]), 0)
  expect(touches.map(({ ns, entry, task }) => [ns, entry, task])).toEqual([
    [1000, 8, 0],
    [1000, 9, 0],
    [1000, 10, 0],
    [1000, 11, 0],
    [2000, 30, 0],
  ])
})

it('of faults that read nothing it is told which gave their slots back, where frees of slots are recorded', () => {
  const touchesOf = (isTold: boolean) => {
    const builder = new RecordingBuilder()
    const kinds = [EVENT.fault, EVENT.faultReturn, EVENT.fault, EVENT.slotFree, EVENT.faultReturn]
    kinds.forEach((kind, n) => {
      if (isTold || kind !== EVENT.slotFree) builder.add(n, kind, 1000 * n, 0, APP, 40 + n, 0, 0, 0)
    })
    const clock = new TaskClock(APP)
    return listTouches(
      madeRecording(builder, { endNs: 9000 }),
      new Map([[APP, clock]]),
      new Map([[APP, 0]]),
      0,
    ).map(({ address, entry, givesSlot }) => [address, entry, givesSlot])
  }
  expect(touchesOf(true)).toEqual([
    [40, -1, false],
    [42, -1, true],
  ])
  expect(touchesOf(false)).toEqual([
    [40, -1, undefined],
    [42, -1, undefined],
  ])
})
