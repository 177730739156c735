import { describe, expect, it } from 'vitest'
import { readBackground } from '../../src/workload/background.ts'
import { EVENT, RecordingBuilder, STATE } from '../../src/workload/recording.ts'
import { buildLoad } from '../../src/workload/tasks.ts'
import { APP, madeRecording } from './made-recording.ts'

const MS = 1e6

/** The application runs between these times and sleeps otherwise. */
function running(...stretches: readonly (readonly [fromMs: number, toMs: number])[]) {
  const builder = new RecordingBuilder()
  let rank = 0
  for (const [from, to] of stretches) {
    builder.add(rank++, EVENT.switch, from * MS, 0, 0, 0, STATE.runnable, APP, 0)
    builder.add(rank++, EVENT.switch, to * MS, 0, APP, APP, STATE.sleeping, 0, 0)
  }
  return madeRecording(builder, { endNs: 10 * MS })
}

function loadsOf(recording: ReturnType<typeof running>, demandEndsNs: number, switchNs = 0) {
  return readBackground(recording, new Set([APP]), {
    startEvent: 0,
    endNs: 10 * MS,
    switchCost: { usualNs: switchNs, anyRunNs: 0 },
    demandEndsNs: (tid) => (tid === APP ? demandEndsNs : -1),
  }).loads
}

describe('what a task of the demand runs', () => {
  it('is load once it has done what it was asked, from then on', () => {
    const recording = running([1, 2], [3, 4], [6, 8])
    expect(loadsOf(recording, 2.5 * MS)).toEqual([
      {
        tid: APP,
        startNs: 1.5 * MS,
        sleepNs: Float64Array.of(0.5 * MS, 2 * MS),
        cpuNs: Float64Array.of(MS, 2 * MS),
        cpus: [],
      },
    ])
  })

  it('is no load where its demand lasts to its end, and the whole of it where it is none of the demand', () => {
    const recording = running([1, 2], [3, 4], [6, 8])
    expect(loadsOf(recording, 8 * MS)).toEqual([])
    expect(loadsOf(recording, -1)[0]?.cpuNs).toEqual(Float64Array.of(MS, MS, 2 * MS))
  })

  it('becomes a task of its own beside the one of the demand', () => {
    const recording = running([1, 2], [3, 4])
    const [load] = loadsOf(recording, 2.5 * MS)
    if (load === undefined) throw new Error('no load')
    const task = buildLoad(recording, load, new Set([1, 7]))
    expect(task).toMatchObject({ taskId: 8, tid: APP, kind: 'background', startNs: 1.5 * MS })
    expect(buildLoad(recording, load, new Set([7])).taskId).toBe(1)
  })
})

describe('a burst of background load', () => {
  const OTHER = 101

  /** Who leaves the CPU in which state for whom, by ms. */
  function switching(
    ...switches: readonly (readonly [ms: number, from: number, state: number, to: number])[]
  ) {
    const builder = new RecordingBuilder()
    switches.forEach(([ms, from, state, to], rank) => {
      builder.add(rank, EVENT.switch, ms * MS, 0, from, from, state, to, 0)
    })
    return madeRecording(builder, { endNs: 10 * MS })
  }

  const { runnable, sleeping } = STATE

  it('holds what the switch to it costs, though that be more than others pay', () => {
    const recording = switching(
      [0, 0, runnable, OTHER],
      [1, OTHER, runnable, APP],
      [1.25, APP, sleeping, OTHER],
      [4, OTHER, runnable, APP],
      [5, APP, sleeping, OTHER],
    )
    expect(loadsOf(recording, -1, 0.5 * MS)[0]?.cpuNs).toEqual(Float64Array.of(0.25 * MS, MS))
  })

  it('does not hold what the switches cost that are due to its preemption', () => {
    const recording = switching(
      [0, 0, runnable, OTHER],
      [1, OTHER, runnable, APP],
      [2, APP, runnable, OTHER],
      [3, OTHER, runnable, APP],
      [5, APP, sleeping, OTHER],
    )
    expect(loadsOf(recording, -1, 0.5 * MS)[0]?.cpuNs).toEqual(Float64Array.of(2.5 * MS))
  })
})
