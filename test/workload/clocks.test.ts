import { describe, expect, it } from 'vitest'
import { readClocks } from '../../src/workload/clock-reader.ts'
import { EVENT, RecordingBuilder, STATE } from '../../src/workload/recording.ts'
import { APP, KSWAPD, madeRecording } from './made-recording.ts'

type Add = (
  kind: (typeof EVENT)[keyof typeof EVENT],
  ns: number,
  a?: number,
  b?: number,
  c?: number,
) => void

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
    switchCost: { usualNs: 0, anyRunNs: 0 },
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

describe('a task that is known when the workload starts', () => {
  const START = 1000
  const END = 10_000

  /** The clock of APP, whose events `add` takes: before the start, then after it. */
  function clockOf(before: (add: Add) => void, after: (add: Add) => void) {
    const builder = new RecordingBuilder()
    let rank = 0
    const add: Add = (kind, ns, a = 0, b = 0, c = 0) =>
      builder.add(rank++, kind, ns, 0, KSWAPD, a, b, c, 0)
    before(add)
    const startEvent = rank
    add(EVENT.wakeKswapd, START)
    after(add)
    const clock = readClocks(madeRecording(builder, { endNs: END }), new Set([APP]), {
      startEvent,
      flushNs: 0,
      switchCost: { usualNs: 0, anyRunNs: 0 },
      wanted: (tid: number) => tid === APP,
      hasWaking: true,
    }).get(APP)
    return {
      firstNs: clock?.firstNs,
      ownNs: clock?.ownNs,
      slept: [...(clock?.sleeps.lengths() ?? [])],
    }
  }

  it('sleeps the rest of its sleep, once', () => {
    const clock = clockOf(
      (add) => {
        add(EVENT.switch, 100, 0, STATE.runnable, APP)
        add(EVENT.switch, 500, APP, STATE.sleeping, KSWAPD)
      },
      (add) => {
        add(EVENT.waking, 7000, APP)
        add(EVENT.switch, 7100, KSWAPD, STATE.runnable, APP)
        add(EVENT.switch, 8100, APP, STATE.sleeping, KSWAPD)
      },
    )
    expect(clock).toEqual({ firstNs: START, ownNs: 1000, slept: [6000] })
  })

  it('begins at once where it waits for a CPU', () => {
    const clock = clockOf(
      (add) => {
        add(EVENT.switch, 100, 0, STATE.runnable, APP)
        add(EVENT.switch, 500, APP, STATE.runnable, KSWAPD)
      },
      (add) => {
        add(EVENT.switch, 7100, KSWAPD, STATE.runnable, APP)
        add(EVENT.switch, 8100, APP, STATE.sleeping, KSWAPD)
      },
    )
    expect(clock).toEqual({ firstNs: START, ownNs: 1000, slept: [] })
  })

  it('begins at once where it runs, without what it ran before', () => {
    const clock = clockOf(
      (add) => add(EVENT.switch, 100, 0, STATE.runnable, APP),
      (add) => add(EVENT.switch, 8100, APP, STATE.sleeping, KSWAPD),
    )
    expect(clock).toEqual({ firstNs: START, ownNs: 8100 - START, slept: [] })
  })

  it('begins when it is woken where it is blocked', () => {
    const clock = clockOf(
      (add) => {
        add(EVENT.switch, 100, 0, STATE.runnable, APP)
        add(EVENT.switch, 500, APP, STATE.blocked, KSWAPD)
      },
      (add) => {
        add(EVENT.waking, 7000, APP)
        add(EVENT.switch, 7100, KSWAPD, STATE.runnable, APP)
        add(EVENT.switch, 8100, APP, STATE.sleeping, KSWAPD)
      },
    )
    expect(clock).toEqual({ firstNs: 7000, ownNs: 1000, slept: [] })
  })
})
