import { describe, expect, it } from 'vitest'
import { RECLAIM_WB_ANON } from '../../src/model/lru.ts'
import { EVENT, type Recording, RecordingBuilder, STATE } from '../../src/workload/recording.ts'
import { APP, KSWAPD, madeRecording, measureMade } from './made-recording.ts'

const STORE_NS = 100_000
const FLUSH_NS = 40_000
const CALM_NS = 15_000
const COLD_NS = 27_000
const HELD_NS = 30_000
const FAULT_NS = 80_000
const FLUSHED_FAULT_NS = 70_000
const PAGES = 400

type Kind = (typeof EVENT)[keyof typeof EVENT]

class Script {
  readonly #builder = new RecordingBuilder()
  ns = 1000
  #rank = 0
  #pages = 0

  add(kind: Kind, cpu: number, tid: number, fields: readonly number[] = []): void {
    const [a = 0, b = kind === EVENT.written ? RECLAIM_WB_ANON : 0, c = 0] = fields
    this.#builder.add(this.#rank++, kind, this.ns, cpu, tid, a, b, c, 0)
  }

  switchTo(cpu: number, from: number, to: number): void {
    this.add(EVENT.switch, cpu, 0, [from, STATE.sleeping, to])
  }

  /** kswapd on CPU 0 writes pages while nobody else runs. */
  kswapdWrites(pages: number): void {
    this.switchTo(0, 0, KSWAPD)
    for (let page = 0; page < pages; page++) {
      this.ns += CALM_NS
      this.add(EVENT.gate, 0, KSWAPD, [this.#pages++])
      this.ns += STORE_NS
      this.add(EVENT.written, 0, KSWAPD)
    }
  }

  /** The application on CPU 1 writes its own pages; where kswapd unmaps one during a store, store and next step are longer. */
  appWrites(
    pages: number,
    times: { readonly step: number; readonly flushEvery: number; readonly cold?: number },
  ): void {
    this.add(EVENT.directBegin, 1, APP)
    this.add(EVENT.isolate, 1, APP, [pages, pages, pages])
    let step = times.step
    for (let page = 0; page < pages; page++) {
      this.ns += step
      step = times.step
      this.add(EVENT.gate, 1, APP, [this.#pages++])
      this.ns += STORE_NS / 2
      if (times.flushEvery > 0 && page % times.flushEvery === 0) {
        this.add(EVENT.gate, 0, KSWAPD, [this.#pages++])
        this.ns += FLUSH_NS
        step = times.cold ?? COLD_NS
      }
      this.ns += STORE_NS / 2
      this.add(EVENT.written, 1, APP)
    }
    this.add(EVENT.batchEnd, 1, APP, [pages, pages])
    this.add(EVENT.directEnd, 1, APP, [pages])
  }

  /** The application on CPU 1 swaps pages in, one of which takes longer; where kswapd runs, it unmaps a page during every other fault. */
  appFaults(faults: number, of: { readonly isBesideKswapd: boolean }): void {
    for (let fault = 0; fault < faults; fault++) {
      this.ns += 1000
      this.add(EVENT.fault, 1, APP)
      this.add(EVENT.read, 1, APP, [fault])
      this.ns += FAULT_NS / 2
      if (of.isBesideKswapd && fault % 2 === 0) {
        this.add(EVENT.gate, 0, KSWAPD, [this.#pages++])
        this.ns += FLUSHED_FAULT_NS
        this.add(EVENT.written, 0, KSWAPD)
      }
      this.ns += FAULT_NS / 2
      this.add(EVENT.faultReturn, 1, APP)
    }
  }

  finish(): Recording {
    return madeRecording(this.#builder, { cpus: 2, endNs: this.ns + 1 })
  }
}

/** The application runs on CPU 0 for a while and comes back: its page tables are loaded there from then on. */
function goElsewhere(script: Script): void {
  script.switchTo(1, APP, 0)
  script.switchTo(0, KSWAPD, APP)
  script.ns += 1000
  script.switchTo(0, APP, KSWAPD)
  script.switchTo(1, 0, APP)
}

function costsOf(play: (script: Script) => void) {
  const script = new Script()
  script.kswapdWrites(PAGES)
  script.switchTo(1, 0, APP)
  play(script)
  const recording = script.finish()
  return measureMade(recording).costs
}

describe('a task that unmaps its own memory', () => {
  it('pays for page tables that another CPU has loaded still', () => {
    const costs = costsOf((script) => {
      script.appWrites(PAGES, { step: CALM_NS, flushEvery: 0 })
      goElsewhere(script)
      script.appWrites(PAGES, { step: HELD_NS, flushEvery: 0 })
    })
    expect(costs.unmapDirect.fixedNs).toBe(CALM_NS)
    expect(costs.unmapDirectHeld.fixedNs).toBe(HELD_NS)
    expect(costs.unmapDirectHeld.n).toBe(PAGES - 1)
  })

  it('is no sample of that where a kernel thread has unmapped since, which may have dropped them', () => {
    const costs = costsOf((script) => {
      script.appWrites(PAGES, { step: CALM_NS, flushEvery: 0 })
      goElsewhere(script)
      script.appWrites(PAGES, { step: HELD_NS, flushEvery: 0 })
      script.add(EVENT.gate, 0, KSWAPD, [10 * PAGES])
      script.appWrites(2 * PAGES, { step: CALM_NS, flushEvery: 0 })
    })
    expect(costs.unmapDirectHeld.fixedNs).toBe(HELD_NS)
    expect(costs.unmapDirectHeld.n).toBe(PAGES - 1)
    expect(costs.unmapDirect.n).toBe(PAGES - 1)
  })

  it('pays as ever where no other CPU has them', () => {
    const costs = costsOf((script) => script.appWrites(PAGES, { step: CALM_NS, flushEvery: 0 }))
    expect(costs.unmapDirectHeld.fixedNs).toBe(0)
    expect(costs.unmapDirectHeld.basis).toBe('inferred')
  })

  it('has a flush that struck during a store told with what it adds to the step after it', () => {
    const costs = costsOf((script) => script.appWrites(PAGES, { step: CALM_NS, flushEvery: 4 }))
    expect(costs.unmapDirect.fixedNs).toBe(CALM_NS)
    expect(costs.flushInReclaim.fixedNs).toBeCloseTo(FLUSH_NS + COLD_NS - CALM_NS, -2)
  })

  it('finds a cold TLB where it flushes what another CPU has loaded, whatever struck the store before', () => {
    const costs = costsOf((script) => {
      script.appWrites(PAGES, { step: CALM_NS, flushEvery: 4 })
      goElsewhere(script)
      // Who flushes may have dropped the page tables: from then on it is not certain that they are there.
      script.appWrites(PAGES, { step: HELD_NS, flushEvery: 0 })
      script.appWrites(PAGES, { step: HELD_NS, flushEvery: 4, cold: HELD_NS })
    })
    expect(costs.unmapDirect.fixedNs).toBe(CALM_NS)
    expect(costs.unmapDirectHeld.fixedNs).toBe(HELD_NS)
    // Half of the flushes are followed by such a way.
    expect(costs.flushInReclaim.fixedNs).toBeCloseTo(FLUSH_NS + (COLD_NS - CALM_NS) / 2, -2)
  })

  it('tells of faults apart what a flush costs them: who runs elsewhere as they begin does not depend on how long they take', () => {
    const costs = costsOf((script) => {
      script.appWrites(PAGES, { step: CALM_NS, flushEvery: 4 })
      script.appFaults(PAGES, { isBesideKswapd: true })
      script.switchTo(0, KSWAPD, 0)
      script.appFaults(PAGES, { isBesideKswapd: false })
    })
    expect(costs.flushReceived.fixedNs).toBeCloseTo(FLUSHED_FAULT_NS, -2)
    expect(costs.flushInReclaim.fixedNs).toBeCloseTo(FLUSH_NS + COLD_NS - CALM_NS, -2)
    expect(costs.swapIn.n).toBe(2 * PAGES)
    expect(costs.swapIn.fixedNs).toBeCloseTo(FAULT_NS, -2)
    expect(costs.unmapDirect.fixedNs).toBe(CALM_NS)
  })

  it('takes a flush in a fault for so many times as dear as in a store where too few faults tell it', () => {
    const costs = costsOf((script) => {
      script.appWrites(PAGES, { step: CALM_NS, flushEvery: 4 })
      script.appFaults(PAGES, { isBesideKswapd: true })
    })
    expect(costs.flushInReclaim.fixedNs).toBeCloseTo(FLUSH_NS + COLD_NS - CALM_NS, -2)
    expect(costs.flushReceived.fixedNs).toBeCloseTo(2.2 * costs.flushInReclaim.fixedNs, 3)
    expect(costs.flushReceived.basis).toBe('inferred')
    expect(costs.swapIn.n).toBe(PAGES)
    expect(costs.swapIn.fixedNs).toBeCloseTo(
      FAULT_NS + (FLUSHED_FAULT_NS - costs.flushReceived.fixedNs) / 2,
      -2,
    )
  })
})
