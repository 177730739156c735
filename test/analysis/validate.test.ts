import { describe, expect, it } from 'vitest'
import { type Replayer, validateHalves } from '../../src/analysis/validate.ts'
import { recordedFigures } from '../../src/analysis/validate-figures.ts'
import { validatePolicy } from '../../src/analysis/validate-policy.ts'
import { rowKinds } from '../../src/database/schema.ts'
import { RowBuffer } from '../../src/model/rows.ts'
import type { RunResult } from '../../src/replay/replay.ts'
import type { RunSummary } from '../../src/replay/summary.ts'
import type { Extraction } from '../../src/workload/extract.ts'
import {
  EVENT,
  type EventKind,
  type Recording,
  RecordingBuilder,
  STATE,
} from '../../src/workload/recording.ts'
import { plan } from '../replay/build.ts'
import { APP, KSWAPD, madeRecording } from '../workload/made-recording.ts'

const SECOND = 1e9

interface Happening {
  readonly ns: number
  readonly kind: EventKind
  readonly tid: number
  readonly values?: readonly number[]
}

function record(happenings: readonly Happening[], endNs: number): Recording {
  const builder = new RecordingBuilder()
  happenings.forEach(({ ns, kind, tid, values = [] }, rank) => {
    const [a = 0, b = 0, c = 0, d = 0] = values
    builder.add(rank, kind, ns, 0, tid, a, b, c, d)
  })
  return madeRecording(builder, { endNs, swapKinds: [] })
}

/** `stalls` direct reclaims of 10 ms each, spread over [from, to), with `outs` swap-outs. */
function activity(from: number, to: number, stalls: number, outs: number): Happening[] {
  const list: Happening[] = []
  for (let k = 0; k < stalls; k++) {
    const ns = from + ((to - from) * (k + 0.25)) / stalls
    list.push({ ns, kind: EVENT.directBegin, tid: APP })
    list.push({ ns: ns + 1e7, kind: EVENT.directEnd, tid: APP })
  }
  for (let k = 0; k < outs; k++)
    list.push({ ns: from + ((to - from) * (k + 0.5)) / outs, kind: EVENT.gate, tid: KSWAPD })
  return list
}

function extraction(recording: Recording, halfNs: number): Extraction {
  const workload = plan({
    free: 10,
    min: 1,
    low: 2,
    high: 3,
    pages: 4,
    tasks: [
      {
        rows: [
          { op: 'mark', arg: 0 },
          { op: 'alloc', cpuNs: 5e8, arg: 0 },
          { op: 'mark', arg: 1 },
          { op: 'alloc', cpuNs: 5e8, arg: 1 },
        ],
      },
    ],
  })
  return {
    workload,
    recording,
    wholeCosts: workload.costs,
    stolenHalvesNs: [3e9, 5e8],
    startNs: 0,
    endNs: recording.endNs,
    halfNs,
    anonPages: 2,
    filePages: 0,
    touches: 0,
    poolPeak: 0,
    allocNs: new Float64Array(0),
  }
}

/** A run with a given length in which the application stalls so often, for 10 ms each, after half of its work. */
function runOf(given: { seconds: number; stalls: number; outs: number }): Replayer {
  return ({ sink }) => {
    const halfNs = given.seconds * SECOND * 0.5
    const spans = new RowBuffer('reclaim_spans', rowKinds('reclaim_spans'))
    for (let k = 0; k < given.stalls; k++) {
      const row = spans.add()
      spans.text(row, 'kind', 'direct')
      spans.number(row, 'task_id', 1)
      spans.number(row, 'start_ns', halfNs + k * 1e7)
      spans.number(row, 'end_ns', halfNs + (k + 1) * 1e7)
    }
    sink(spans)
    const outs = new RowBuffer('swapouts', rowKinds('swapouts'))
    for (let k = 0; k < given.outs; k++) outs.number(outs.add(), 'submit_ns', halfNs + k)
    sink(outs)
    return {
      endNs: given.seconds * SECOND,
      tasks: [],
      progress: [{ taskId: 1, kind: 'user' }],
      halfNs,
      summary: { poolPeakPages: 0, kswapdStealShare: 1 } as RunSummary,
      tunables: {},
      exhausted: false,
      contents: '',
    } as unknown as RunResult
  }
}

describe('figures of a recording', () => {
  it('count what happened between two moments, and kswapd only while it ran there', () => {
    const recording = record(
      [
        { ns: 0, kind: EVENT.switch, tid: 0, values: [0, STATE.runnable, KSWAPD] },
        ...activity(0, 2 * SECOND, 4, 10),
        { ns: 1.5 * SECOND, kind: EVENT.switch, tid: KSWAPD, values: [KSWAPD, STATE.sleeping, 0] },
      ].sort((x, y) => x.ns - y.ns),
      2 * SECOND,
    )
    const figures = recordedFigures(recording, new Set([APP]), SECOND, 2 * SECOND)
    expect(figures.swapouts_per_s).toBe(5)
    expect(figures.allocstalls).toBe(2)
    expect(figures.stall_total).toBeCloseTo(0.02)
    expect(figures.stall_p50).toBeCloseTo(10)
    expect(figures.kswapd_busy).toBeCloseTo(0.5)
    expect(figures.work).toBe(1)
  })

  it('leave out stalls of tasks outside the demand', () => {
    const recording = record(activity(0, SECOND, 3, 1), SECOND)
    expect(recordedFigures(recording, new Set([KSWAPD]), 0, SECOND).allocstalls).toBe(0)
  })
})

describe('the second half of a recording', () => {
  const recording = record(
    [...activity(0, SECOND, 40, 100), ...activity(SECOND, 2 * SECOND, 20, 100)].sort(
      (x, y) => x.ns - y.ns,
    ),
    2 * SECOND,
  )
  it('is compared with the part of a run after half of its work, and with two null models', async () => {
    const rows = await validateHalves(
      extraction(recording, SECOND),
      runOf({ seconds: 2, stalls: 22, outs: 95 }),
      [1, 2],
    )
    const row = rows.find(({ metric }) => metric === 'allocstalls')
    expect(row).toMatchObject({
      recorded: 20,
      replayed: 22,
      nothing_changes: 40,
      open_loop: 40,
      within: true,
      better_than_both: true,
    })
    expect(row?.error).toBeCloseTo(0.1)
    expect(row?.tolerance).toBeCloseTo(3 / Math.sqrt(20))
    const rate = rows.find(({ metric }) => metric === 'swapouts_per_s')
    expect(rate).toMatchObject({
      recorded: 100,
      replayed: 95,
      within: true,
      better_than_both: false,
    })
  })

  it('is missed when a run is off by more than the tolerance', async () => {
    const rows = await validateHalves(
      extraction(recording, SECOND),
      runOf({ seconds: 2, stalls: 40, outs: 80 }),
      [1],
    )
    expect(rows.filter(({ within }) => within === false).map(({ metric }) => metric)).toEqual([
      'swapouts_per_s',
      'allocstalls',
      'stall_total',
    ])
  })
})

describe('a second half that differs from the first', () => {
  const happenings = [
    ...activity(0, SECOND, 40, 100),
    ...activity(SECOND, 2 * SECOND, 20, 100),
  ].sort((x, y) => x.ns - y.ns)
  const stalls = (count: number) => [
    { ns: 0, value: 5 },
    { ns: 2 * SECOND, value: 5 + count },
  ]

  it('may have had the stalls that were lost in it, as far as counters tell of more than were seen', async () => {
    const gaps = [
      { cpu: 0, startNs: 0.2 * SECOND, endNs: 0.4 * SECOND, events: 10 },
      { cpu: 0, startNs: 1.5 * SECOND, endNs: 1.6 * SECOND, events: 30 },
    ]
    const recording: Recording = {
      ...record(happenings, 2 * SECOND),
      gaps,
      // 8 more than were seen; three quarters of what was lost was lost in the second half.
      samples: new Map([['vmstat.allocstall_movable', stalls(68)]]),
    }
    const rowOf = async (count: number) => {
      const run = runOf({ seconds: 2, stalls: count, outs: 100 })
      const rows = await validateHalves(extraction(recording, SECOND), run, [1])
      return rows.find(({ metric }) => metric === 'allocstalls')
    }
    expect(await rowOf(25)).toMatchObject({ recorded: 20, recorded_hi: 26, error: 0 })
    expect((await rowOf(39))?.error).toBeCloseTo(0.5)
    expect((await rowOf(10))?.error).toBeCloseTo(-0.5)
  })

  it('may have had as many stalls in a gap that tells no number as its CPU had events before or after it, and says that it is a guess', async () => {
    const gap = { startNs: 1.5 * SECOND, endNs: 1.6 * SECOND, events: undefined }
    const rowOf = async (cpu: number) => {
      const recording: Recording = { ...record(happenings, 2 * SECOND), gaps: [{ cpu, ...gap }] }
      const run = runOf({ seconds: 2, stalls: 20, outs: 100 })
      const rows = await validateHalves(extraction(recording, SECOND), run, [1])
      return rows.find(({ metric }) => metric === 'allocstalls')
    }
    const inTenth = (from: number) =>
      happenings.filter(({ ns }) => ns >= from * SECOND && ns < (from + 0.1) * SECOND).length
    const most = Math.max(inTenth(1.4), inTenth(1.6))
    const row = await rowOf(0)
    expect(row?.recorded_hi).toBe(20 + most)
    expect(row?.basis).toContain(
      `${most} lost events guessed for gaps that tell no number (1), by the events of their CPUs around them: no bound`,
    )
    expect((await rowOf(1))?.recorded_hi).toBe(20)
  })

  it('is told with what was stolen from the machine in each half', async () => {
    const run = runOf({ seconds: 2, stalls: 20, outs: 100 })
    const recording = record(happenings, 2 * SECOND)
    const [row] = await validateHalves(extraction(recording, SECOND), run, [1])
    expect(row).toMatchObject({ stolen_first_s: 3, stolen_second_s: 0.5 })
    expect(row?.basis).toContain('3.0 and 0.5 s of CPU time stolen from the recorded machine')
  })
})

describe('a prediction against recordings under the predicted policy', () => {
  const of = (stalls: number, outs: number) =>
    extraction(
      record(
        activity(0, SECOND, stalls, outs).sort((x, y) => x.ns - y.ns),
        SECOND,
      ),
      SECOND / 2,
    )
  const a = [of(10, 100), of(12, 100), of(11, 100)]
  const b = [of(20, 100), of(22, 100), of(24, 100)]
  const replayer =
    (other: number): Replayer =>
    (run) =>
      runOf({ seconds: 1, stalls: run.policy === undefined ? 11 : other, outs: 100 })(run)

  it('has the right sign and size where it moves as the recordings did', async () => {
    const rows = await validatePolicy({ a, b, policy: 'parallel', seeds: [1] }, replayer(22))
    const row = rows.find(({ metric }) => metric === 'allocstalls')
    expect(row?.ratio).toBe(2)
    // Ratios of all pairs lie between 20/12 and 24/10.
    expect(row?.spread).toBeCloseTo((24 / 10 - 20 / 12) / 2)
    expect(row).toMatchObject({
      predicted: 2,
      sign: 'right',
      size: 'right',
      predicted_better: true,
      trusted: true,
    })
  })

  it('has the wrong sign where it moves the other way', async () => {
    const rows = await validatePolicy({ a, b, policy: 'parallel', seeds: [1] }, replayer(8))
    expect(rows.find(({ metric }) => metric === 'allocstalls')).toMatchObject({
      sign: 'wrong',
      size: 'wrong',
      predicted_better: false,
    })
  })

  it('is not trusted where the self-replay misses the recording by more than the spread', async () => {
    const wild: Replayer = (run) =>
      runOf({ seconds: 1, stalls: run.policy === undefined ? 30 : 60, outs: 100 })(run)
    const rows = await validatePolicy({ a, b, policy: 'parallel', seeds: [1] }, wild)
    expect(rows.find(({ metric }) => metric === 'allocstalls')).toMatchObject({
      predicted: 2,
      trusted: false,
    })
  })

  it('asks for the demand as recorded, a tenth less and a tenth more, for both policies', async () => {
    const asked = new Set<string>()
    await validatePolicy({ a, b, policy: 'parallel', seeds: [1, 2] }, (run) => {
      asked.add(`${run.policy ?? 'own'} ${run.demandScale} ${run.seed}`)
      return runOf({ seconds: 1, stalls: 5, outs: 10 })(run)
    })
    expect([...asked].sort()).toEqual(
      ['own', 'parallel'].flatMap((policy) =>
        [0.9, 1, 1.1].flatMap((scale) => [1, 2].map((seed) => `${policy} ${scale} ${seed}`)),
      ),
    )
  })
})
