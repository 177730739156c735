import { describe, expect, it } from 'vitest'
import { RECLAIM_WB_ANON } from '../../src/model/lru.ts'
import { EVENT, type Recording, RecordingBuilder, STATE } from '../../src/workload/recording.ts'
import { findSameThreshold } from '../../src/workload/stores.ts'
import { APP, KSWAPD, madeRecording, measureMade } from './made-recording.ts'

/** Deterministic spread around a centre, ns. */
function around(centre: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => centre * (0.7 + 0.6 * ((i * 0.618034) % 1)))
}

describe('stores of zero pages', () => {
  it('are told from compressed ones by the valley between two modes', () => {
    const same = around(7_000, 70)
    const data = around(120_000, 930)
    const { below } = findSameThreshold(Float64Array.from([...data, ...same]), undefined)
    expect(same.every((ns) => ns < below)).toBe(true)
    expect(data.every((ns) => ns > below)).toBe(true)
  })

  it('are not found where there is one mode only', () => {
    expect(findSameThreshold(Float64Array.from(around(120_000, 1000)), undefined).below).toBe(0)
  })

  it('have the share that the counters give, where they give one', () => {
    const all = Float64Array.from([...around(100_000, 900), ...around(90_000, 100)])
    const { below, basis } = findSameThreshold(all, 0.1)
    expect(all.filter((ns) => ns < below).length).toBe(100)
    expect(basis).toBe('snapshot')
  })
})

/** An application and kswapd write pages on two CPUs at the same time; every page kswapd unmaps interrupts the application for `flush`; after each it rests. */
function bothWriting(
  pages: number,
  times: {
    kernel: number
    direct: number
    flush: number
    rest?: number
    /** Of so many direct stores one takes twice as long. */
    slowEvery?: number
  },
): Recording {
  const events: { ns: number; cpu: number; tid: number; kind: number; a: number }[] = []
  const unmapNs = 30_000
  const gates: number[] = []
  let ns = 0
  for (let page = 0; page < pages; page++) {
    ns += unmapNs
    gates.push(ns)
    events.push({ ns, cpu: 0, tid: KSWAPD, kind: EVENT.gate, a: page })
    ns += times.kernel
    events.push({ ns, cpu: 0, tid: KSWAPD, kind: EVENT.written, a: page })
    ns += times.rest ?? 0
  }
  const endNs = ns
  ns = 7
  for (let page = pages; ns < endNs; page++) {
    ns += unmapNs
    const begin = ns
    const isSlow = times.slowEvery !== undefined && page % times.slowEvery === 0
    let end = begin + times.direct * (isSlow ? 2 : 1)
    for (const gate of gates) if (gate > begin && gate < end) end += times.flush
    events.push({ ns: begin, cpu: 1, tid: APP, kind: EVENT.gate, a: page })
    events.push({ ns: end, cpu: 1, tid: APP, kind: EVENT.written, a: page })
    ns = end
  }
  events.sort((x, y) => x.ns - y.ns)
  const builder = new RecordingBuilder()
  let rank = 0
  for (const [cpu, tid] of [KSWAPD, APP].entries())
    builder.add(rank++, EVENT.switch, 0, cpu, 0, 0, STATE.runnable, tid, 0)
  builder.add(rank++, EVENT.directBegin, 1, 1, APP, 0, 0, 0, 0)
  for (const event of events)
    builder.add(
      rank++,
      event.kind as 3,
      event.ns,
      event.cpu,
      event.tid,
      event.a,
      event.kind === EVENT.written ? RECLAIM_WB_ANON : 0,
      0,
      0,
    )
  return madeRecording(builder, { cpus: 2, endNs: ns })
}

describe('stores of direct reclaimers', () => {
  it.each([
    { pages: 2000, rest: 0 },
    { pages: 140, rest: 15_000_000 },
  ])(
    'have their own time, and what interruptions add is told from it, be they rare ($pages, each $rest ns)',
    ({ pages, rest }) => {
      const recording = bothWriting(pages, {
        kernel: 100_000,
        direct: 120_000,
        flush: 40_000,
        rest,
      })
      const { costs } = measureMade(recording)
      expect(costs.store.fixedNs).toBeCloseTo(100_000, -2)
      expect(costs.storeDirect.fixedNs).toBeCloseTo(120_000, -2)
      expect(costs.flushInReclaim.fixedNs).toBeCloseTo(40_000, -3)
    },
  )

  it('do not make flushes dear by slow ones, which they strike oftener, and take as long in all as they did', () => {
    const recording = bothWriting(2000, {
      kernel: 190_000,
      direct: 120_000,
      flush: 40_000,
      slowEvery: 3,
    })
    const { costs } = measureMade(recording)
    expect(costs.flushInReclaim.fixedNs).toBeCloseTo(40_000, -3)
    expect(costs.storeDirect.fixedNs).toBeCloseTo((120_000 + 120_000 + 240_000) / 3, -3)
  })
})

function costsOf(times: readonly { tid: number; slab: number; own: number }[]) {
  const recording = shrinking(200, times)
  return measureMade(recording)
}

/** Direct reclaims of one thread after another on one CPU, each of `own` ns and then a pass over the shrinkers, of `slab` ns with the way out. */
function shrinking(rounds: number, times: readonly { tid: number; slab: number; own: number }[]) {
  const builder = new RecordingBuilder()
  let rank = 0
  let ns = 0
  let running = 0
  const add = (kind: (typeof EVENT)[keyof typeof EVENT], tid: number): void => {
    builder.add(rank++, kind, ns, 0, tid, 0, 0, 0, 0)
  }
  for (let round = 0; round < rounds; round++)
    for (const { tid, slab, own } of times) {
      builder.add(rank++, EVENT.switch, ns, 0, running, running, STATE.runnable, tid, 0)
      running = tid
      ns += 1000
      add(EVENT.directBegin, tid)
      ns += own
      add(EVENT.slabBegin, tid)
      ns += slab - 1000
      add(EVENT.slabEnd, tid)
      ns += 1000
      add(EVENT.directEnd, tid)
      ns += 1000
    }
  return madeRecording(builder, { endNs: ns })
}

it('the entry of direct reclaim is told by users, as what it costs a CPU that made none lately', () => {
  // 2 us lie between two of them, where one costs 0.06 of a cold one; a kernel thread's would be told as 17 us.
  const { costs } = costsOf([
    { tid: APP, slab: 58_000, own: 6000 },
    { tid: KSWAPD, slab: 58_000, own: 1000 },
  ])
  const [cold, ...warm] = costs.directEntry.samples
  expect(cold).toBe(6000)
  expect(warm.length).toBe(199)
  for (const sample of warm) expect(sample).toBeCloseTo(100_000, -2)
})

it.each([
  { disturbed: 2, told: [20_000] },
  { disturbed: 30, told: [20_000, 90_000] },
])(
  'entries of direct reclaim that a switch made longer are left out where there are enough others (one in $disturbed is whole)',
  ({ disturbed, told }) => {
    const builder = new RecordingBuilder()
    let ns = 0
    let rank = 0
    const add = (kind: (typeof EVENT)[keyof typeof EVENT], after: number): void => {
      ns += after
      builder.add(rank++, kind, ns, 0, APP, 0, 0, 0, 0)
    }
    const switchTo = (from: number, to: number, after: number): void => {
      ns += after
      builder.add(rank++, EVENT.switch, ns, 0, from, from, STATE.runnable, to, 0)
    }
    switchTo(0, APP, 0)
    for (let round = 0; round < 120; round++) {
      add(EVENT.directBegin, 5_000_000)
      if (round % disturbed !== 0) {
        switchTo(APP, KSWAPD, 5000)
        switchTo(KSWAPD, APP, 1_000_000)
        ns += 70_000
      }
      add(EVENT.directEnd, round % disturbed === 0 ? 20_000 : 15_000)
    }
    const recording = madeRecording(builder, { endNs: ns })
    const { costs } = measureMade(recording)
    expect([...new Set(costs.directEntry.samples)].sort()).toEqual(told)
  },
)

it('a pass over the shrinkers is told by those of a CPU that made none lately', () => {
  // 40 ms lie before the first, 6 us between the others.
  const { costs } = costsOf([
    { tid: APP, slab: 60_000, own: 40_000_000 },
    { tid: KSWAPD, slab: 60_000, own: 4000 },
    { tid: KSWAPD + 1, slab: 12_000, own: 4000 },
  ])
  expect(costs.slab.n).toBe(200)
  for (const sample of costs.slab.samples) expect(sample).toBeCloseTo(60_000, -2)
})

/** A thread that has a CPU for itself: each event comes so long after the one before. */
function alone(tid: number) {
  const builder = new RecordingBuilder()
  let ns = 0
  let rank = 0
  builder.add(rank++, EVENT.switch, ns, 0, 0, 0, STATE.runnable, tid, 0)
  return {
    add(
      kind: (typeof EVENT)[keyof typeof EVENT],
      after: number,
      [a = 0, b = 0, c = 0]: readonly number[] = [],
    ): void {
      ns += after
      builder.add(rank++, kind, ns, 0, tid, a, b, c, 0)
    },
    recorded: (): Recording => madeRecording(builder, { endNs: ns }),
  }
}

/** Direct reclaims of one batch each that frees all; a pass of 100 us follows, in which a shrinker makes events from `from` to `to` ns. */
function reclaims(from: number, to: number): Recording {
  const { add, recorded } = alone(APP)
  for (let round = 0; round < 60; round++) {
    add(EVENT.directBegin, 40_000_000)
    add(EVENT.isolate, 20_000, [32, 32, 32])
    add(EVENT.batchEnd, 30_000, [32, 32, 0])
    add(EVENT.slabBegin, from)
    add(EVENT.slabEnd, to - from)
    add(EVENT.directEnd, 100_000 - to)
  }
  return recorded()
}

it.each([
  [2000, 99_000],
  [40_000, 45_000],
])(
  'a pass over the shrinkers is all between the steps around it, though only those from %i to %i ns of it make events',
  (from, to) => {
    const { costs } = measureMade(reclaims(from, to))
    expect(new Set(costs.slab.samples)).toEqual(new Set([100_000]))
    expect(new Set(costs.directEntry.samples)).toEqual(new Set([20_000]))
  },
)

describe('the own part of a batch', () => {
  /** Batches of 32 pages right after each other, in turn with so many of them freed and so long a way to their ends; each third follows a pass. */
  function batches(kinds: readonly { freed: number; tail: number }[]) {
    const { add, recorded } = alone(KSWAPD)
    for (let batch = 0; batch < 240; batch++) {
      const { freed, tail } = kinds[batch % kinds.length] ?? { freed: 0, tail: 0 }
      add(EVENT.isolate, 4000, [32, 32, 32])
      for (let page = 0; page < 32; page++) {
        add(EVENT.gate, 7000, [batch * 32 + page, 0, 0])
        add(EVENT.written, 100_000, [batch * 32 + page, RECLAIM_WB_ANON, 0])
      }
      add(EVENT.batchEnd, tail, [32, freed, 0])
      if (batch % 3 > 0) continue
      add(EVENT.slabBegin, 20_000)
      add(EVENT.slabEnd, 30_000)
    }
    return measureMade(recorded()).costs.batch
  }

  it('is told by those that were freed whole', () => {
    const { samples, basis } = batches([
      { freed: 32, tail: 16_000 },
      { freed: 3, tail: 46_000 },
    ])
    expect(basis).toBe('event')
    expect(new Set(samples)).toEqual(new Set([20_000]))
  })

  it('is inferred from those of which pages were kept where there are few others', () => {
    const { samples, basis, from } = batches([{ freed: 3, tail: 46_000 }])
    expect(basis).toBe('inferred')
    expect(from).toMatch(/kept/)
    expect(new Set(samples)).toEqual(new Set([50_000]))
  })
})

it('a pass in which a shrinker gave something back is no sample of one', () => {
  const { add, recorded } = alone(KSWAPD)
  for (let pass = 0; pass < 60; pass++) {
    const frees = pass % 3 === 0
    add(EVENT.slabBegin, 40_000_000)
    add(EVENT.slabEnd, frees ? 2_500_000 : 30_000, [frees ? 92 : 0])
    add(EVENT.slabBegin, 1000)
    add(EVENT.slabEnd, 29_000)
    // Ends the pass: what follows is no shrinker of it.
    add(EVENT.kswapdSleep, 1000)
  }
  const { costs } = measureMade(recorded())
  expect(costs.slab.n).toBe(40)
  for (const sample of costs.slab.samples) expect(sample).toBeCloseTo(60_000, -2)
})

it('passes over the shrinkers right after another tell it where there are no others', () => {
  const { costs } = costsOf([{ tid: KSWAPD, slab: 9000, own: 4000 }])
  const [cold, ...warm] = costs.slab.samples
  expect(cold).toBe(9000)
  expect(warm.length).toBe(199)
  for (const sample of warm) expect(sample).toBeCloseTo(60_000, -2)
})

it('the entry of reclaim for a memory cgroup is told apart from that of direct reclaim', () => {
  const { add, recorded } = alone(APP)
  for (let round = 0; round < 100; round++) {
    add(EVENT.directBegin, 2_000_000)
    add(EVENT.directEnd, 20_000)
    add(EVENT.memcgBegin, 1000)
    add(EVENT.memcgEnd, 300)
  }
  const { costs } = measureMade(recorded())
  expect(new Set(costs.directEntry.samples)).toEqual(new Set([20_000]))
  expect(new Set(costs.memcgEntry.samples)).toEqual(new Set([300]))
})

describe('isolation of a batch', () => {
  /** kswapd looks at batches of 64 pages, of which every `writesEvery`th is written as a whole; with `slabs` it goes to the shrinkers after each. */
  function isolation(
    batches: number,
    given: { writesEvery?: number; slabs?: boolean; passedOver?: number; agesEvery?: number } = {},
  ) {
    const { add, recorded } = alone(KSWAPD)
    for (let batch = 0; batch < batches; batch++) {
      const isWritten = (batch + 1) % (given.writesEvery ?? batches + 1) === 0
      // The empty list of the other kind is looked at first.
      add(EVENT.isolate, 2000, [0, 0, 0])
      const isAged = (batch + 1) % (given.agesEvery ?? batches + 1) === 0
      add(EVENT.isolate, isAged ? 8_000_000 : 3000, [64, 64 + (given.passedOver ?? 0), 64])
      for (let page = 0; isWritten && page < 64; page++) {
        add(EVENT.gate, 700, [batch * 64 + page, 0, 0])
        add(EVENT.written, 9000, [batch * 64 + page, RECLAIM_WB_ANON, 0])
      }
      add(EVENT.batchEnd, isWritten ? 800 : 1920, [64, isWritten ? 64 : 0, 0])
      if (given.slabs !== true) continue
      add(EVENT.slabBegin, 400)
      add(EVENT.slabEnd, 600)
    }
    const recording = recorded()
    return measureMade(recording, { owners: [] }).costs
  }

  it('is what lies between batches of which every page is kept', () => {
    const { isolate, scanKept } = isolation(100, { writesEvery: 10 })
    // Of 99 steps nine follow a batch that was written, and tell nothing.
    expect([isolate.n, new Set(isolate.samples)]).toEqual([90, new Set([5000])])
    expect(scanKept.fixedNs).toBe(30)
  })

  it('has no aging in it, and nothing of what isolation passes over, which cost apart', () => {
    const { isolate } = isolation(100, { agesEvery: 50 })
    expect([isolate.n, isolate.fixedNs]).toEqual([97, 5000])
    expect(isolation(100, { passedOver: 1 }).isolate).toMatchObject({ n: 0, basis: 'default' })
  })

  it('is not told by what follows the shrinkers, nor by a few batches', () => {
    expect(isolation(100, { slabs: true }).isolate).toMatchObject({ n: 0, basis: 'default' })
    expect(isolation(20).isolate).toMatchObject({ n: 0, basis: 'default', fixedNs: 0 })
    expect(isolation(21).isolate).toMatchObject({ n: 20, basis: 'event', fixedNs: 5000 })
  })
})

describe('a page that isolation passes over', () => {
  const WORKER = 60

  /** Calls that take nothing of two lists, of 64 pages each; with `slabs` they go to the shrinkers between the two. */
  function inVain(
    tid: number,
    given: { slabs?: boolean; looked?: number; taken?: number; begins?: boolean } = {},
  ) {
    const { slabs = false, looked = 64, taken = 0, begins = true } = given
    const { add, recorded } = alone(tid)
    for (let call = 0; call < 10; call++) {
      if (begins) add(EVENT.directBegin, 500)
      add(EVENT.isolate, 9000, [64, looked, taken])
      if (slabs) {
        add(EVENT.slabBegin, 1000)
        add(EVENT.slabEnd, 1000)
      }
      add(EVENT.isolate, 6400, [64, looked, taken])
      add(EVENT.directEnd, 900)
    }
    return measureMade(recorded(), { owners: [] }).costs.skip
  }

  it('is told by scans that took nothing, of a kernel thread that reclaims for itself', () => {
    const skip = inVain(WORKER)
    expect([skip.n, skip.basis, new Set(skip.samples)]).toEqual([10, 'event', new Set([100])])
  })

  it.each([
    ['after the shrinkers', WORKER, { slabs: true }],
    ['of a few pages', WORKER, { looked: 31 }],
    ['that took something', WORKER, { taken: 1 }],
    ['of who may write', APP, {}],
    ['of kswapd', WORKER, { begins: false }],
  ])('is not told by scans %s', (_, tid, given) => {
    expect(inVain(tid, given)).toMatchObject({ n: 0, basis: 'default', fixedNs: 0 })
  })
})
