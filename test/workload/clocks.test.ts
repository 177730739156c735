import { expect, it } from 'vitest'
import { readClocks } from '../../src/workload/clock-reader.ts'
import { EVENT, RecordingBuilder, STATE } from '../../src/workload/recording.ts'
import { APP, KSWAPD, madeRecording } from './made-recording.ts'

it('reclaim for a memory cgroup is what a task asked for, and its time is not the task its own', () => {
  const builder = new RecordingBuilder()
  let rank = 0
  const add = (kind: (typeof EVENT)[keyof typeof EVENT], ns: number, a = 0, b = 0, c = 0) =>
    builder.add(rank++, kind, ns, 0, APP, a, b, c, 0)
  add(EVENT.switch, 0, KSWAPD, STATE.sleeping, APP)
  add(EVENT.memcgBegin, 1000)
  add(EVENT.memcgEnd, 5000, 64)
  add(EVENT.memcgBegin, 7000)
  add(EVENT.memcgEnd, 7500, 32)
  add(EVENT.switch, 9000, APP, STATE.sleeping, KSWAPD)
  const options = {
    startEvent: 0,
    flushNs: 0,
    switchNs: 0,
    wanted: (tid: number) => tid === APP,
    hasWaking: true,
  }
  const clock = readClocks(madeRecording(builder, { endNs: 10_000 }), new Set([APP]), options).get(
    APP,
  )
  expect(clock?.ownNs).toBe(1000 + 2000 + 1500)
  expect(clock?.reclaimCpuNs).toBe(4000 + 500)
  expect([clock?.memcgPages.at(0), clock?.memcgPages.at(1)]).toEqual([64, 32])
  expect([clock?.memcgOwn.at(0), clock?.memcgOwn.at(1)]).toEqual([1000, 3000])
})
