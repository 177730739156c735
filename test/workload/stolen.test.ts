import { describe, expect, it } from 'vitest'
import { EVENT, type Recording, RecordingBuilder, STATE } from '../../src/workload/recording.ts'
import { findStolen } from '../../src/workload/stolen.ts'
import { WorkTimes } from '../../src/workload/work-share.ts'
import { APP, KSWAPD, madeRecording, measureMade } from './made-recording.ts'

const STORE_NS = 60_000
const UNMAP_NS = 30_000

interface Written {
  readonly tid?: number
  readonly hasGate?: boolean
  readonly unmapNs?: (page: number) => number
}

/** A thread writes `pages` pages in batches of 32; the store of each page lasts what `storeNs` says. */
function writing(
  pages: number,
  storeNs: (page: number) => number,
  { tid = KSWAPD, hasGate = true, unmapNs = () => UNMAP_NS }: Written = {},
): Recording {
  const builder = new RecordingBuilder()
  let rank = 0
  let ns = 0
  const add = (kind: (typeof EVENT)[keyof typeof EVENT], a = 0, b = 0, c = 0): void =>
    builder.add(rank++, kind, ns, 0, tid, a, b, c, 0)
  builder.add(rank++, EVENT.switch, 0, 0, 0, 0, STATE.runnable, tid, 0)
  for (let page = 0; page < pages; page++) {
    if (page % 32 === 0) add(EVENT.isolate, 32, 32, 32)
    ns += unmapNs(page)
    if (hasGate) add(EVENT.gate, page)
    ns += storeNs(page)
    add(EVENT.written, page, 1)
    if (page % 32 === 31) add(EVENT.batchEnd, 32, 32, 1)
  }
  return madeRecording(builder, { endNs: ns })
}

/** The work is done evenly over the recording. */
function find(recording: Recording) {
  const { endNs } = recording
  const tenths = Float64Array.from({ length: 10 }, (_, part) => (endNs * part) / 10)
  const work = new WorkTimes(tenths, [], {
    total: 0,
    ns: new Float64Array(),
    pages: new Float64Array(),
  })
  const { ofStep, kernel, direct } = findStolen(recording, new Set(), 0, endNs)
  return { ofStep, kernel: kernel.byWork(work), direct: direct.byWork(work) }
}

function costsOf(recording: Recording) {
  const { ofStep } = find(recording)
  return measureMade(recording, { owners: [], stolenOfStep: ofStep }).costs
}

describe('CPU time that the machine did not have', () => {
  const host = 4_000_000
  const struck = (page: number): number => STORE_NS + (page % 100 === 50 ? host : 0)
  const shared = writing(640, struck)

  it('is what steps of reclaim that stood still lasted beyond their usual time, at the work done by then', () => {
    const { kernel } = find(shared)
    expect(Array.from(kernel.atWork)).toEqual([0.2, 0.3, 0.5, 0.6, 0.8, 1])
    expect(Array.from(kernel.pages)).toEqual([51, 100, 100, 100, 100, 100])
    expect(Array.from(kernel.ns)).toEqual(new Array(6).fill(host))
  })

  it('is told apart by who lost it', () => {
    const { kernel, direct } = find(writing(640, struck, { tid: APP }))
    expect(kernel).toEqual({
      atWork: new Float64Array(),
      pages: new Float64Array(),
      ns: new Float64Array(),
    })
    expect(direct).toEqual(find(shared).kernel)
  })

  it('is seen between two writes where no probe tells when one began', () => {
    expect(find(writing(640, struck, { hasGate: false })).kernel).toEqual(find(shared).kernel)
  })

  it.each([true, false])(
    'is not in the costs, nor are the steps that it struck: they would have taken nobody knows how long (gate told: %s)',
    (hasGate) => {
      const recording = writing(640, struck, { hasGate })
      const { store, unmap } = costsOf(recording)
      expect(new Set(store.samples)).toEqual(new Set([hasGate ? STORE_NS : STORE_NS + UNMAP_NS]))
      expect(store.n).toBe(640 - 6)
      if (hasGate) expect(unmap.n).toBe(640 - 20)
    },
  )

  it('is not in what unmapping costs', () => {
    const unmapNs = (page: number): number => struck(page) - STORE_NS + UNMAP_NS
    const { store, unmap } = costsOf(writing(640, () => STORE_NS, { unmapNs }))
    expect(store.n).toBe(640)
    expect(unmap.n).toBe(640 - 20 - 6)
  })

  it('is none on a machine whose steps are slow or spread, without any that stood still', () => {
    expect(find(writing(640, () => 50 * STORE_NS)).kernel.ns.length).toBe(0)
    expect(find(writing(640, (page) => STORE_NS * (1 + (page % 10)))).kernel.ns.length).toBe(0)
  })

  it('is none where too few steps tell the usual time', () => {
    expect(find(writing(64, (page) => STORE_NS + (page === 40 ? host : 0))).kernel.ns.length).toBe(
      0,
    )
  })
})
