import { expect, it } from 'vitest'
import { classifyStores, type StoreSample } from '../../src/workload/stores.ts'

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
