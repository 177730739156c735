import { expect, it } from 'vitest'
import { listStores } from '../../src/workload/page-events.ts'
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
