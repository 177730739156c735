import { describe, expect, it } from 'vitest'
import { classifyStores, type StoreSample, storeCosts } from '../../src/workload/stores.ts'

const ZEROS = 60
const ZERO_NS = 7000
const QUEUED_NS = 120_000

/** Zero pages at the gate, and after each a page of a queue. */
const samples: readonly StoreSample[] = Array.from({ length: 2 * ZEROS }, (_, event) => ({
  event,
  entry: event,
  cpuNs: event % 2 === 0 ? ZERO_NS : QUEUED_NS,
  isKernel: true,
  isBeyondGate: event % 2 === 1,
  flushes: 0,
  switches: 0,
  switchShare: 0,
  stoodStill: false,
}))

/** CPU times of the zero pages' stores, and of the others. */
function times(read: readonly StoreSample[], zeroMap: boolean): readonly (readonly number[])[] {
  const { stores } = classifyStores(read, { sameShare: 0.5, zeroMap })
  const ofSame = (same: number) => [
    ...new Set(stores.cpuNs.filter((_, store) => stores.isSame[store] === same)),
  ]
  return [ofSame(1), ofSame(0)]
}

it("a queue's stores are as long as from the gate on, where that looks for zero pages", () => {
  expect(times(samples, true)).toEqual([[ZERO_NS], [QUEUED_NS + ZERO_NS]])
  expect(times(samples, false)).toEqual([[ZERO_NS], [QUEUED_NS]])
})

it('few zero pages do not tell how long the way through the gate is', () => {
  expect(times(samples.slice(0, 40), true)).toEqual([[ZERO_NS], [QUEUED_NS]])
})

it('a same-filled page of a queue took no way that a zero page takes', () => {
  const [, queued] = samples
  const same = { ...queued, event: samples.length, cpuNs: 3000 } as StoreSample
  expect(times([...samples, same], true)).toEqual([[ZERO_NS, 3000], [QUEUED_NS + ZERO_NS]])
})

describe('where events tell what became of the pages', () => {
  /** A full pool refuses a page in the time that a zero page takes; every third page is so refused, every third a zero page. */
  const read: readonly StoreSample[] = Array.from({ length: 600 }, (_, event) => ({
    ...(samples[0] as StoreSample),
    ...{ event, entry: event, cpuNs: event % 3 === 2 ? QUEUED_NS : ZERO_NS },
  }))
  const isZero = Uint8Array.from(read, (_, event) => (event % 3 === 0 ? 1 : 0))
  const isRefused = Uint8Array.from(read, (_, event) => (event % 3 === 1 ? 1 : 0))

  it('a refused page is no zero page, however little it took', () => {
    const { stores } = classifyStores(read, { sameShare: 1 / 3, zeroMap: true }, () => ({
      isZero,
      isRefused,
    }))
    expect(stores.isSame).toEqual(isZero)
    const { store, storeSame } = storeCosts(stores, false)
    expect([store.fixedNs, store.n]).toEqual([QUEUED_NS, 200])
    expect([storeSame.fixedNs, storeSame.n]).toEqual([ZERO_NS, 200])
  })

  it('zero pages are told by their time where no event tells them', () => {
    const { stores } = classifyStores(read, { sameShare: 2 / 3, zeroMap: true }, () => ({
      isZero: undefined,
      isRefused: new Uint8Array(read.length),
    }))
    expect(stores.isSame.reduce((sum, is) => sum + is, 0)).toBe(400)
  })
})
