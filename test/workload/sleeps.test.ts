import { describe, expect, it } from 'vitest'
import { readBackground } from '../../src/workload/background.ts'
import { readClocks } from '../../src/workload/clock-reader.ts'
import { EVENT, IDLE_TID, RecordingBuilder, STATE } from '../../src/workload/recording.ts'
import { Sleeps } from '../../src/workload/sleeps.ts'
import { APP, madeRecording } from './made-recording.ts'

const MS = 1e6
const OTHER = 77

function sleepsOf(told: readonly number[], untold: readonly number[]): number[] {
  const sleeps = new Sleeps()
  for (const ns of untold) sleeps.add(ns, { isTold: false })
  for (const ns of told) sleeps.add(ns, { isTold: true })
  return [...sleeps.lengths()]
}

describe('sleeps whose end is not known', () => {
  const told = [1, 2, 3, 4, 5, 6, 7, 8]

  it('are as long as those whose end is known, rank by rank', () => {
    expect(sleepsOf(told, [90, 20, 70, 30]).slice(0, 4)).toEqual([8, 2, 6, 4])
  })

  it('are no longer than the task was away', () => {
    expect(sleepsOf(told, [1, 2, 9])).toEqual([1, 2, 7, ...told])
  })

  it('stay as they are where few tell how long it sleeps', () => {
    expect(sleepsOf(told.slice(1), [90, 20])).toEqual([90, 20, ...told.slice(1)])
  })
})

describe('a recording without wake-ups', () => {
  /** The application sleeps for 2 ms, ten times; then it is away for 5 ms, of which another task runs when it comes back. */
  function recordingOf() {
    const builder = new RecordingBuilder()
    let rank = 0
    const at = (ms: number, from: number, state: number, to: number) =>
      builder.add(rank++, EVENT.switch, ms * MS, 0, from, from, state, to, 0)
    let ms = 0
    at(ms, IDLE_TID, STATE.runnable, APP)
    for (let sleep = 0; sleep < 10; sleep++) {
      at(ms + 1, APP, STATE.sleeping, IDLE_TID)
      ms += 3
      at(ms, IDLE_TID, STATE.runnable, APP)
    }
    at(ms + 1, APP, STATE.sleeping, OTHER)
    at(ms + 6, OTHER, STATE.sleeping, APP)
    at(ms + 7, APP, STATE.sleeping, IDLE_TID)
    return madeRecording(builder, { endNs: 50 * MS })
  }
  const like = new Array<number>(10).fill(2 * MS)

  it('has a task of the demand sleep as long as when its CPU was idle: the rest is its wait for a CPU', () => {
    const clock = readClocks(recordingOf(), new Set([APP]), {
      ...{ startEvent: 0, flushNs: 0, switchCost: { usualNs: 0, anyRunNs: 0 }, hasWaking: false },
      wanted: (tid) => tid === APP,
    }).get(APP)
    expect([...(clock?.sleeps.lengths() ?? [])]).toEqual([...like, 2 * MS])
  })

  it('has a load sleep likewise', () => {
    const { loads } = readBackground(recordingOf(), new Set(), {
      ...{ startEvent: 0, endNs: 50 * MS, switchCost: { usualNs: 0, anyRunNs: 0 } },
      demandEndsNs: () => -1,
    })
    const load = loads.find(({ tid }) => tid === APP)
    expect([...(load?.sleepNs ?? [])].slice(1)).toEqual([...like, 2 * MS])
  })
})
