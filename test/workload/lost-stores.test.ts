import { describe, expect, it } from 'vitest'
import type { Losses } from '../../src/model/losses.ts'
import { withLostStores } from '../../src/workload/lost-stores.ts'
import {
  EVENT,
  type EventKind,
  LOST_TID,
  type RecordedGap,
  RecordingBuilder,
  UNSEEN_ENTRIES,
} from '../../src/workload/recording.ts'
import { KSWAPD, madeRecording } from './made-recording.ts'

const SEEN = 100
const END_NS = 10_000_000
/** Entry of a page that comes back without having been seen to go out. */
const UNSTORED = 7777

/** kswapd writes and frees pages all the time; the counters beside the trace rose by so much. */
function recordingOf(
  counters: Readonly<Record<string, number>>,
  gaps: readonly RecordedGap[] | undefined,
) {
  const builder = new RecordingBuilder()
  let rank = 0
  const add = (kind: EventKind, ns: number, a = 0, b = 0, c = 0): void =>
    builder.add(rank++, kind, ns, 0, KSWAPD, a, b, c, 0)
  for (let page = 0; page < SEEN; page++) {
    const ns = (page * END_NS) / SEEN
    add(EVENT.gate, ns, page)
    add(EVENT.written, ns + 10, page, 1)
    add(EVENT.batchEnd, ns + 20, 1, 1, 1)
  }
  add(EVENT.read, END_NS - 1, UNSTORED)
  const samples = new Map(
    Object.entries(counters).map(([name, rise]) => [
      `vmstat.${name}`,
      [
        { ns: 0, value: 3 },
        { ns: END_NS, value: 3 + rise },
      ],
    ]),
  )
  return {
    ...madeRecording(builder, { endNs: END_NS, ...(gaps === undefined ? {} : { gaps }) }),
    samples,
  }
}

const gap = (startNs: number, endNs: number, events: number): RecordedGap => ({
  cpu: 0,
  startNs,
  endNs,
  events,
})
const GAPS = [gap(2_000_000, 3_000_000, 300), gap(5_000_000, 6_000_000, 100)]
const SHORT_BY_FORTY = { pswpout: 130, swpout_zero: 10, pgsteal_anon: 140, pgsteal_file: 8 }

function lostOf(recording: ReturnType<typeof recordingOf>, losses: Losses = 'counted') {
  const { recording: complete, lost } = withLostStores(recording, losses)
  const rows = Array.from({ length: complete.length }, (_, i) => i).filter(
    (i) => complete.tid[i] === LOST_TID,
  )
  const of = (kind: EventKind) => rows.filter((i) => complete.kind[i] === kind)
  return { complete, lost, of }
}

describe('swap-outs among lost events', () => {
  it('are as many as the counters tell, in the gaps by the events that these lost', () => {
    const { complete, lost, of } = lostOf(recordingOf(SHORT_BY_FORTY, GAPS))
    expect(lost).toBe(40)
    expect(of(EVENT.gate)).toHaveLength(40)
    expect(of(EVENT.written)).toHaveLength(40)
    const times = of(EVENT.gate).map((i) => complete.ns[i] ?? 0)
    expect(times.filter((ns) => ns >= 2e6 && ns <= 3e6)).toHaveLength(30)
    expect(times.filter((ns) => ns >= 5e6 && ns <= 6e6)).toHaveLength(10)
    for (let i = 1; i < complete.length; i++)
      expect(complete.ns[i]).toBeGreaterThanOrEqual(complete.ns[i - 1] ?? 0)
  })

  it('free the pages that the counters have and the batches have not', () => {
    const { complete, of } = lostOf(recordingOf(SHORT_BY_FORTY, GAPS))
    const freed = (flags: number): number =>
      of(EVENT.batchEnd)
        .filter((i) => complete.c[i] === flags)
        .reduce((sum, i) => sum + (complete.b[i] ?? 0), 0)
    expect(freed(1)).toBe(40)
    expect(freed(2)).toBe(8)
  })

  it('are none at the least, and at the most one for every two lost events, each of which freed its page', () => {
    expect(lostOf(recordingOf(SHORT_BY_FORTY, GAPS), 'least').lost).toBe(0)
    for (const counters of [SHORT_BY_FORTY, {}]) {
      const { complete, lost, of } = lostOf(recordingOf(counters, GAPS), 'most')
      expect(lost).toBe(200)
      expect(of(EVENT.written)).toHaveLength(200)
      const freed = of(EVENT.batchEnd).reduce((sum, i) => sum + (complete.b[i] ?? 0), 0)
      expect(freed).toBe(200)
    }
    expect(lostOf(recordingOf({}, undefined), 'most').lost).toBe(0)
  })

  it('are those of pages that came back unseen before, and else of nobody', () => {
    const { complete, of } = lostOf(recordingOf(SHORT_BY_FORTY, GAPS))
    const entries = of(EVENT.gate).map((i) => complete.a[i] ?? 0)
    expect(entries[0]).toBe(UNSTORED)
    expect(entries.slice(1).every((entry) => entry >= UNSEEN_ENTRIES)).toBe(true)
    expect(new Set(entries).size).toBe(40)
  })

  it('are no more than the gaps may hold', () => {
    expect(lostOf(recordingOf(SHORT_BY_FORTY, [gap(2e6, 3e6, 20)])).lost).toBe(10)
  })

  it('are none without gaps, or without counters', () => {
    const whole = recordingOf(SHORT_BY_FORTY, undefined)
    expect(withLostStores(whole)).toEqual({ recording: whole, lost: 0 })
    const untold = recordingOf({}, GAPS)
    expect(withLostStores(untold)).toEqual({ recording: untold, lost: 0 })
  })
})
