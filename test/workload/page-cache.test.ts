import { describe, expect, it } from 'vitest'
import { readClocks } from '../../src/workload/clock-reader.ts'
import { RECLAIM_FILE, readPageCache } from '../../src/workload/page-cache.ts'
import { EVENT, type Recording, RecordingBuilder, STATE } from '../../src/workload/recording.ts'
import { findMemoryUsers } from '../../src/workload/threads.ts'
import { KSWAPD, madeRecording, APP as READER } from './made-recording.ts'

const SECOND = 1e9

/** A reader runs for ten seconds, low memory begins after the fifth; reclaim takes page-cache pages as given, by second. */
function reading(takenBySecond: readonly number[], refaults = 0): Recording {
  const builder = new RecordingBuilder()
  let rank = 0
  const add = (
    ns: number,
    kind: (typeof EVENT)[keyof typeof EVENT],
    tid: number,
    a = 0,
    b = 0,
    c = 0,
  ) => builder.add(rank++, kind, ns, 0, tid, a, b, c, 0)
  for (let second = 0; second < 10; second++) {
    if (second === 5) add(5 * SECOND, EVENT.wakeKswapd, READER, 0, 0x140cca)
    add(second * SECOND + 1, EVENT.switch, 0, 0, STATE.runnable, READER)
    add(second * SECOND + 2e8, EVENT.switch, READER, READER, STATE.sleeping, KSWAPD)
    const taken = second < 5 ? 0 : (takenBySecond[second - 5] ?? 0)
    if (taken > 0) add(second * SECOND + 5e8, EVENT.batchEnd, KSWAPD, taken, taken, RECLAIM_FILE)
    add(second * SECOND + 9e8, EVENT.switch, KSWAPD, KSWAPD, STATE.sleeping, 0)
  }
  return madeRecording(builder, {
    endNs: 10 * SECOND,
    events: new Set(['sched_waking']),
    samples: new Map([
      [
        'vmstat.workingset_refault_file',
        [
          { ns: 0, value: 7 },
          { ns: 10 * SECOND, value: 7 + refaults },
        ],
      ],
    ]),
  })
}

function cacheOf(recording: Recording) {
  const startEvent = recording.kind.indexOf(EVENT.wakeKswapd)
  const users = findMemoryUsers(recording)
  const clocks = readClocks(recording, users.owners, {
    startEvent,
    flushNs: 0,
    switchCost: { usualNs: 0, anyRunNs: 0 },
    wanted: (tid) => tid === READER,
    hasWaking: true,
  })
  return readPageCache(recording, [...clocks.values()], users, startEvent)
}

describe('the page cache of a recording', () => {
  it('held at the start what reclaim takes back faster than anybody reads', () => {
    const { atStart, reads } = cacheOf(reading([9000, 0, 0, 0, 1000]))
    // It reads a tenth in each of its ten turns; one since the start when the first 9000 go.
    expect(atStart).toBe(8000)
    expect(atStart + reads.total).toBe(10_000)
    expect(reads.pages.reduce((sum, pages) => sum + pages, 0)).toBe(reads.total)
  })

  it('is what a steady reader read before memory was low, and then its reads', () => {
    const { atStart, reads } = cacheOf(reading([1000, 1000, 1000, 1000, 1000]))
    // It read for five seconds before, and for less than five after.
    expect(atStart / reads.total).toBeGreaterThan(0.9)
    expect(atStart / reads.total).toBeLessThan(1.5)
  })

  it('is read when its reader runs, not when reclaim takes it back', () => {
    const { atStart, reads, readBy } = cacheOf(reading([0, 0, 0, 0, 10_000]))
    expect(atStart).toBe(5000)
    expect(readBy(5.1 * SECOND)).toBeLessThan(1000)
    expect(readBy(8 * SECOND)).toBeCloseTo(3000, -1)
    expect(reads.ns[0]).toBeLessThan(5.1 * SECOND)
    expect(reads.ns.filter((ns) => ns <= 8 * SECOND).length / reads.ns.length).toBeCloseTo(0.6, 1)
    expect(reads.pages.reduce((sum, pages) => sum + pages, 0)).toBe(reads.total)
  })

  it('is what its reader asked for: less by what was evicted and came back, at the same times', () => {
    const taken = [0, 0, 0, 0, 10_000]
    const without = cacheOf(reading(taken))
    const { atStart, reads, readBy } = cacheOf(reading(taken, 1000))
    expect(atStart).toBe(without.atStart)
    expect(reads.total).toBe(without.reads.total - 1000)
    expect(Math.abs((reads.ns.at(-1) ?? 0) - (without.reads.ns.at(-1) ?? 0))).toBeLessThan(
      SECOND / 20,
    )
    // All of them took memory.
    expect(readBy(8 * SECOND)).toBe(without.readBy(8 * SECOND))
  })

  it('is empty without any file page in reclaim', () => {
    expect(cacheOf(reading([]))).toMatchObject({ atStart: 0, reads: { total: 0 } })
  })
})
