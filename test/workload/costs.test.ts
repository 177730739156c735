import { describe, expect, it } from 'vitest'
import { RECLAIM_WB_ANON } from '../../src/model/lru.ts'
import { measureCosts } from '../../src/workload/costs.ts'
import { EVENT, type Recording, RecordingBuilder, STATE } from '../../src/workload/recording.ts'
import { findSameThreshold } from '../../src/workload/stores.ts'
import { APP, KSWAPD, madeRecording } from './made-recording.ts'

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

/** An application and kswapd write pages on two CPUs at the same time; every page kswapd unmaps interrupts the application for `flushNs`. */
function bothWriting(
  pages: number,
  times: { kernel: number; direct: number; flush: number; directWay?: number },
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
  }
  const endNs = ns
  ns = 7
  for (let page = pages; ns < endNs; page++) {
    ns += times.directWay ?? unmapNs
    const begin = ns
    let end = begin + times.direct
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

/** CPU time of the application's stores over all, and the interruptions in them, per store. */
function direct(recording: Recording): { readonly meanNs: number; readonly flushes: number } {
  const gates: number[] = []
  let begin = -1
  let sum = 0
  let stores = 0
  let flushes = 0
  for (let i = 0; i < recording.length; i++) {
    const ns = recording.ns[i] ?? 0
    const isApp = recording.tid[i] === APP
    if (recording.kind[i] === EVENT.gate && isApp) begin = ns
    else if (recording.kind[i] === EVENT.gate) gates.push(ns)
    else if (recording.kind[i] === EVENT.written && isApp) {
      stores++
      sum += ns - begin
      while ((gates[0] ?? Number.POSITIVE_INFINITY) <= begin) gates.shift()
      while ((gates[0] ?? Number.POSITIVE_INFINITY) < ns) {
        gates.shift()
        flushes++
      }
    }
  }
  return { meanNs: sum / stores, flushes: flushes / stores }
}

function costsOf(recording: Recording) {
  return measureCosts(recording, new Set([APP]), {
    sameShare: 0,
    untilEvent: recording.length,
    stolenOfStep: new Float64Array(recording.length),
  }).costs
}

describe('stores of direct reclaimers', () => {
  it('tell by those of kernel threads what an interruption adds', () => {
    const times = { kernel: 100_000, direct: 100_000, flush: 40_000, directWay: 47_000 }
    const costs = costsOf(bothWriting(2000, times))
    expect(costs.store.fixedNs).toBeCloseTo(100_000, -2)
    expect(costs.storeDirect.fixedNs).toBeCloseTo(100_000, -2)
    expect(costs.flushReceived.fixedNs).toBeCloseTo(40_000, -3)
  })

  it('take with their interruptions as long in all as they did, where they are longer than others too', () => {
    const recording = bothWriting(2000, { kernel: 100_000, direct: 120_000, flush: 40_000 })
    const { storeDirect, flushReceived } = costsOf(recording)
    const { meanNs, flushes } = direct(recording)
    expect(storeDirect.fixedNs + flushes * flushReceived.fixedNs).toBeCloseTo(meanNs, -3)
  })
})

const OTHER = 77
const WAY_NS = 14_000
const EMPTY_TLB_NS = 13_000

/** An application reclaims its own memory in batches of ten on CPU 1, while CPU 0 runs `other`; the way to a page is longer after `isFlushed` ones. */
function ownReclaim(
  pages: number,
  options: {
    readonly before?: number
    readonly isFlushed: (page: number) => boolean
    readonly wayNs: (page: number) => number
  },
): Recording {
  const builder = new RecordingBuilder()
  let rank = 0
  let ns = 1000
  const add = (kind: number, cpu: number, tid: number, a = 0, b = 1, c = 0): void =>
    builder.add(rank++, kind as 3, ns, cpu, tid, a, b, c, 0)
  if (options.before !== undefined) add(EVENT.switch, 0, 0, 0, STATE.runnable, options.before)
  add(EVENT.switch, 0, 0, options.before ?? 0, STATE.sleeping, KSWAPD)
  add(EVENT.switch, 1, 0, 0, STATE.runnable, APP)
  add(EVENT.directBegin, 1, APP)
  for (let page = 0; page < pages; page++) {
    if (page % 10 === 0) add(EVENT.isolate, 1, APP, 10, 10, 10)
    ns += page % 10 === 0 ? WAY_NS : options.wayNs(page)
    add(EVENT.gate, 1, APP, page, 0)
    ns += 50_000
    if (options.isFlushed(page)) add(EVENT.gate, 0, KSWAPD, 100_000 + page, 0)
    ns += 50_000
    add(EVENT.written, 1, APP)
    if (page % 10 === 9) add(EVENT.batchEnd, 1, APP, 10, 10)
  }
  return madeRecording(builder, { cpus: 2, endNs: ns + 1 })
}

describe('unmapping by a task that reclaims its own memory', () => {
  it('is told apart from what it takes after a store that a flush interrupted', () => {
    const isFlushed = (page: number): boolean => page % 3 === 0
    const wayNs = (page: number): number => WAY_NS + (isFlushed(page - 1) ? EMPTY_TLB_NS : 0)
    const costs = costsOf(ownReclaim(2000, { isFlushed, wayNs }))
    expect(costs.unmapDirect.fixedNs).toBeCloseTo(WAY_NS, -2)
    expect(costs.unmapDirectCold.fixedNs).toBeCloseTo(WAY_NS + EMPTY_TLB_NS, -2)
  })

  it('is the cold one while another CPU holds its address space', () => {
    const plan = { isFlushed: () => false, wayNs: () => WAY_NS + EMPTY_TLB_NS }
    const held = costsOf(ownReclaim(1000, { ...plan, before: APP }))
    expect(held.unmapDirectCold.n).toBe(900)
    expect(costsOf(ownReclaim(1000, { ...plan, before: OTHER })).unmapDirectCold.n).toBe(0)
  })
})
