import { expect, it } from 'vitest'
import { EVENT, type EventKind, RecordingBuilder, STATE } from '../../src/workload/recording.ts'
import { withUnseenSwapIns } from '../../src/workload/unseen-swap-ins.ts'
import { APP, KSWAPD, madeRecording } from './made-recording.ts'

/** GFP_HIGHUSER_MOVABLE with and without __GFP_ZERO. */
const NEW_PAGE = 0x140dca
const SWAPPED_PAGE = 0x140cca

/** The application runs from 0 on, writes 20 pages while it reclaims, and has asked for swapped pages since 1 ms. */
function recordingOf(counters: Readonly<Record<string, number>>, extra?: EventKind) {
  const builder = new RecordingBuilder()
  let rank = 0
  const add = (kind: EventKind, ns: number, tid: number, a = 0, b = 0, c = 0) =>
    builder.add(rank++, kind, ns, 0, tid, a, b, c, 0)
  add(EVENT.switch, 0, 0, 0, STATE.sleeping, APP)
  for (let call = 0; call < 5; call++) {
    const ns = 100_000 + call * 400_000
    add(EVENT.directBegin, ns, APP, 0, ns < 1_000_000 ? NEW_PAGE : SWAPPED_PAGE)
    for (let page = 0; page < 4; page++) add(EVENT.written, ns + page * 1000, APP, page, 1)
    // It loses its CPU meanwhile, and gets it back.
    add(EVENT.switch, ns + 10_000, 0, APP, STATE.runnable, KSWAPD)
    add(EVENT.switch, ns + 20_000, 0, KSWAPD, STATE.runnable, APP)
    add(EVENT.directEnd, ns + 100_000, APP)
  }
  if (extra !== undefined) add(extra, 2_500_000, APP, 1)
  add(EVENT.switch, 3_000_000, 0, APP, STATE.sleeping, KSWAPD)
  const samples = new Map(
    Object.entries(counters).map(([name, rise]) => [
      `vmstat.${name}`,
      [
        { ns: 0, value: 7 },
        { ns: 3_000_000, value: 7 + rise },
      ],
    ]),
  )
  return { ...madeRecording(builder, { endNs: 3_000_000 }), samples }
}

it('as many swap-ins are added as the counters tell, after the task has asked for swapped pages, outside its reclaim', () => {
  const recording = recordingOf({ pswpin: 6, swpin_zero: 2 })
  const { recording: seen, unseen } = withUnseenSwapIns(recording)
  expect(unseen).toBe(8)
  expect(seen.length).toBe(recording.length + 8)
  let reclaims = false
  const entries = new Set<number>()
  for (let i = 0; i < seen.length; i++) {
    expect(seen.ns[i]).toBeGreaterThanOrEqual(seen.ns[i - 1] ?? 0)
    if (seen.kind[i] === EVENT.directBegin) reclaims = true
    if (seen.kind[i] === EVENT.directEnd) reclaims = false
    if (seen.kind[i] !== EVENT.read) continue
    expect([seen.tid[i], reclaims]).toEqual([APP, false])
    expect(seen.ns[i]).toBeGreaterThan(1_200_000)
    entries.add(seen.a[i] ?? 0)
    const writes = Array.from(seen.c.subarray(0, i)).filter(
      (_, k) => seen.kind[k] === EVENT.written,
    )
    expect(writes).toContain(seen.a[i])
  }
  expect(entries.size).toBe(8)
})

it('a recording with events of swap-ins, or without counters of them, stays as it is', () => {
  const probed = recordingOf({ pswpin: 6 }, EVENT.read)
  expect(withUnseenSwapIns(probed)).toEqual({ recording: probed, unseen: 0 })
  const unknown = recordingOf({})
  expect(withUnseenSwapIns(unknown)).toEqual({ recording: unknown, unseen: 0 })
})
