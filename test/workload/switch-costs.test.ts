import { describe, expect, it } from 'vitest'
import { RECLAIM_WB_ANON } from '../../src/model/lru.ts'
import { EVENT, type Recording, RecordingBuilder, STATE } from '../../src/workload/recording.ts'
import { APP, KSWAPD, madeRecording, measureMade } from './made-recording.ts'

const STORE_NS = 100_000
const ZERO_NS = 8_000
const UNMAP_NS = 7_000
const REMOVAL_NS = 2_000
const COLD_NS = 4_000
const SWITCH_NS = 150_000
const SHORT_STORE_NS = 10_000
const SHORT_SWITCH_NS = 30_000

/** One event after the other on one CPU; `time` is what passed before it. */
class Script {
  readonly builder = new RecordingBuilder()
  ns = 1000
  #rank = 0

  add(time: number, kind: number, tid: number, fields: readonly number[] = []): void {
    this.ns += time
    const isWrite = kind === EVENT.written
    const [a = 0, b = isWrite ? RECLAIM_WB_ANON : 0, c = 0, d = 0] = fields
    this.builder.add(this.#rank++, kind as 3, this.ns, 0, tid, a, b, c, d)
  }

  switchTo(from: number, to: number): void {
    this.add(0, EVENT.switch, 0, [from, STATE.runnable, to])
  }

  finish(): Recording {
    return madeRecording(this.builder, { endNs: this.ns + 1 })
  }
}

function costsOf(recording: Recording, sameShare = 0) {
  return measureMade(recording, { sameShare }).costs
}

interface PlannedStore {
  readonly ns: number
  /** The application runs in the middle of it. */
  readonly isSwitched: boolean
  /** Absent = SWITCH_NS. */
  readonly switchNs?: number
}

/** kswapd stores pages in batches of ten. */
function storing(plan: readonly PlannedStore[]): Recording {
  const script = new Script()
  script.switchTo(0, KSWAPD)
  plan.forEach(({ ns, isSwitched, switchNs = SWITCH_NS }, page) => {
    if (page % 10 === 0) script.add(0, EVENT.isolate, KSWAPD, [10, 10, 10])
    script.add(UNMAP_NS, EVENT.gate, KSWAPD, [page])
    if (isSwitched) {
      script.add(ns / 2, EVENT.switch, 0, [KSWAPD, STATE.runnable, APP])
      script.add(5_000_000, EVENT.switch, 0, [APP, STATE.sleeping, KSWAPD])
      script.add(ns / 2 + switchNs, EVENT.written, KSWAPD)
    } else script.add(ns, EVENT.written, KSWAPD)
    if (page % 10 === 9) script.add(20_000, EVENT.batchEnd, KSWAPD, [10, 10])
  })
  return script.finish()
}

/** Stores of one length; in every `switchEvery`th the application runs, 0 = in none. */
function alike(stores: number, switchEvery: number): Recording {
  return storing(
    Array.from({ length: stores }, (_, page) => ({
      ns: STORE_NS,
      isSwitched: switchEvery > 0 && page % switchEvery === 0,
    })),
  )
}

/** Of nine stores five take one time, two twice and two three times as long; switches fall as often into a length as it takes of the time. */
function ofThreeLengths(rounds: number): Recording {
  const of = (shares: readonly number[], isSwitched: boolean): PlannedStore[] =>
    shares.flatMap((count, length) =>
      Array.from({ length: count }, () => ({ ns: (length + 1) * STORE_NS, isSwitched })),
    )
  const plain = Array.from({ length: 5 }, () => of([5, 2, 2], false)).flat()
  // Far enough from each other for caches to be filled anew.
  const round = of([5, 4, 6], true).flatMap((switched, third) => [
    ...plain.slice(3 * third, 3 * third + 3),
    switched,
  ])
  return storing(Array.from({ length: rounds }, () => round).flat())
}

/** A switch after runs of 0.7 ms, and in so many of 100 rounds another one less than 0.1 ms after it, which costs that share of the first. */
function withShortRuns(share: number, rounds = 100): Recording {
  const plan = Array.from({ length: 4000 }, (_, page): PlannedStore => {
    const place = page % 40
    const isShort = place === 21 && page < rounds * 40
    const switchNs = isShort ? share * SHORT_SWITCH_NS : SHORT_SWITCH_NS
    return { ns: SHORT_STORE_NS, isSwitched: place === 20 || isShort, switchNs }
  })
  return storing(plan)
}

describe('a switch in the middle of a store', () => {
  it('costs what that store is longer than others', () => {
    const costs = costsOf(alike(2000, 40))
    expect(costs.switch.basis).toBe('event')
    expect(costs.switch.fixedNs).toBeCloseTo(SWITCH_NS, -2)
  })

  it('costs no more for falling into long stores more often than into short ones', () => {
    expect(costsOf(ofThreeLengths(20)).switch.fixedNs).toBeCloseTo(SWITCH_NS, -2)
  })

  it('is told by runs of usual length, and by its share by shorter ones, where caches are not full', () => {
    const plan = Array.from({ length: 4000 }, (_, page): PlannedStore => {
      const place = page % 40
      if (place === 20) return { ns: STORE_NS, isSwitched: true }
      return { ns: STORE_NS, isSwitched: place === 21, switchNs: SWITCH_NS / 2 }
    })
    expect(costsOf(storing(plan)).switch.n).toBe(200)
    expect(costsOf(storing(plan)).switch.fixedNs).toBeCloseTo(SWITCH_NS, -2)
  })

  it('is one after any run where short runs cost as much: by more than in nine of ten recordings', () => {
    const costs = costsOf(withShortRuns(1))
    expect(costs.switchAnyRun).toMatchObject({ basis: 'event', n: 200 })
    expect(costs.switchAnyRun.fixedNs).toBeCloseTo(SHORT_SWITCH_NS, -2)
    expect(costs.switch.fixedNs).toBeCloseTo(0, -2)
    const most = costsOf(withShortRuns(0.75))
    expect(most.switchAnyRun.fixedNs).toBeCloseTo(0.75 * SHORT_SWITCH_NS, -2)
    expect(most.switch.fixedNs).toBeCloseTo(0.25 * SHORT_SWITCH_NS, -2)
  })

  it('goes by the run before it where short ones cost less, or too few of them are seen', () => {
    for (const costs of [costsOf(withShortRuns(0.6)), costsOf(withShortRuns(1, 19))]) {
      expect(costs.switchAnyRun.fixedNs).toBe(0)
      expect(costs.switch.fixedNs).toBeCloseTo(SHORT_SWITCH_NS, -2)
    }
  })

  it('is no part of what a store costs', () => {
    expect(costsOf(alike(2000, 40)).store.fixedNs).toBeCloseTo(STORE_NS, -2)
  })

  it('is a default, told as such, where no store was switched away from', () => {
    expect(costsOf(alike(2000, 0)).switch.basis).toBe('default')
  })
})

/** One page of each batch of ten. */
const ZERO_SHARE = 0.1

/** kswapd hands nine of ten pages of each batch to a queue, from which a worker stores them afterwards. */
function queueing(batches: number): Recording {
  const script = new Script()
  const worker = 60
  for (let batch = 0; batch < batches; batch++) {
    script.switchTo(worker, KSWAPD)
    script.add(0, EVENT.isolate, KSWAPD, [10, 10, 10])
    for (let page = 0; page < 10; page++) {
      const afterZero = page === 1
      script.add(UNMAP_NS + (afterZero ? REMOVAL_NS : 0), EVENT.gate, KSWAPD, [batch * 10 + page])
      script.add(page === 0 ? ZERO_NS : 5_000, EVENT.written, KSWAPD)
    }
    script.add(20_000, EVENT.batchEnd, KSWAPD, [10, 1])
    script.switchTo(KSWAPD, worker)
    for (let page = 1; page < 10; page++) {
      script.add(3_000, EVENT.store, worker, [batch * 10 + page])
      script.add(STORE_NS, EVENT.storeReturn, worker, [batch * 10 + page])
    }
  }
  return script.finish()
}

/** The same pages stored by kswapd itself: what it stored leaves the swap cache before the next is unmapped. */
function storingItself(batches: number, slowed = (_page: number) => 0): Recording {
  const script = new Script()
  script.switchTo(0, KSWAPD)
  for (let batch = 0; batch < batches; batch++) {
    script.add(0, EVENT.isolate, KSWAPD, [10, 10, 10])
    for (let page = 0; page < 10; page++) {
      const afterZero = page === 1
      const before = page === 0 ? 0 : REMOVAL_NS + (afterZero ? 0 : COLD_NS)
      const added = page > 1 ? slowed(page) : 0
      script.add(UNMAP_NS + before + added, EVENT.gate, KSWAPD, [batch * 10 + page])
      script.add(page === 0 ? ZERO_NS : STORE_NS, EVENT.written, KSWAPD)
    }
    script.add(20_000, EVENT.batchEnd, KSWAPD, [10, 10])
  }
  return script.finish()
}

/** Nine of ten pages of each batch go to a full queue: kswapd stores one of an earlier batch for each. */
function makingPlace(batches: number): Recording {
  const script = new Script()
  script.switchTo(0, KSWAPD)
  for (let batch = 0; batch < batches; batch++) {
    script.add(0, EVENT.isolate, KSWAPD, [10, 10, 10])
    for (let page = 0; page < 10; page++) {
      const before = page === 0 ? 0 : page === 1 ? REMOVAL_NS : COLD_NS
      script.add(UNMAP_NS + before, EVENT.gate, KSWAPD, [batch * 10 + page])
      if (page > 0) {
        script.add(3_000, EVENT.store, KSWAPD, [(batch - 1) * 10 + page])
        script.add(STORE_NS, EVENT.storeReturn, KSWAPD, [(batch - 1) * 10 + page])
      }
      script.add(page === 0 ? ZERO_NS : 2_000, EVENT.written, KSWAPD)
    }
    script.add(20_000, EVENT.batchEnd, KSWAPD, [10, 1])
  }
  return script.finish()
}

describe('unmapping', () => {
  it('costs the same whether the page before was queued or stored by the one who unmaps', () => {
    const queued = costsOf(queueing(100), ZERO_SHARE).unmap.fixedNs
    const stored = costsOf(storingItself(100), ZERO_SHARE).unmap.fixedNs
    expect(queued).toBeCloseTo(UNMAP_NS, -2)
    expect(Math.abs(stored / queued - 1)).toBeLessThan(0.15)
  })

  it('after a store takes the whole way from it to the next page, where caches slow the long ways most', () => {
    const slowed = (page: number): number => (page % 4 === 3 ? 3 * COLD_NS : 0)
    const { unmapAfterStore } = costsOf(storingItself(100, slowed), ZERO_SHARE)
    const pages = [2, 3, 4, 5, 6, 7, 8, 9]
    const slowedNs = pages.reduce((sum, page) => sum + slowed(page), 0) / pages.length
    expect(unmapAfterStore.fixedNs).toBeCloseTo(UNMAP_NS + REMOVAL_NS + COLD_NS + slowedNs, -2)
  })

  it('after a store is as long where that was of another page, which left the queue to make place', () => {
    const { unmapAfterStore } = costsOf(makingPlace(100), ZERO_SHARE)
    expect(unmapAfterStore.n).toBe(800)
    expect(unmapAfterStore.fixedNs).toBeCloseTo(UNMAP_NS + REMOVAL_NS + COLD_NS, -2)
  })

  it('after a store is no cost of its own where kernel threads stored nothing themselves', () => {
    const { unmapAfterStore } = costsOf(queueing(100), ZERO_SHARE)
    expect(unmapAfterStore).toMatchObject({ fixedNs: 0, n: 0 })
  })
})
