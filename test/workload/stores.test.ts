import { describe, expect, it } from 'vitest'
import { Random } from '../../src/replay/random.ts'
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
    const { store, storeSame } = storeCosts(stores, { isWholeGap: false, refillNs: 0 })
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

describe('pages that are unmapped elsewhere at moments that no store decides', () => {
  const STORES = 6000
  const MEAN_APART_NS = 200_000

  /** Stores of 80 to 320 us by a task, one after another, each page unmapped elsewhere meanwhile adds so much. */
  const readAt = (flushNs: number): StoreSample[] => {
    const [kernel] = samples as [StoreSample]
    const read: StoreSample[] = []
    for (let event = 0; event < 100; event++)
      read.push({ ...kernel, event, entry: event, cpuNs: QUEUED_NS, isBeyondGate: false })
    const random = new Random(1, 0)
    const apart = (): number => -Math.log(random.next() / 2 ** 32) * MEAN_APART_NS
    let untilNext = apart()
    for (let k = 0; k < STORES; k++) {
      let cpuNs = 80_000 + random.below(240) * 1000
      let flushes = 0
      while (untilNext < cpuNs) {
        flushes++
        cpuNs += flushNs
        untilNext += apart()
      }
      untilNext -= cpuNs
      const event = 100 + k
      const store = { event, entry: event, cpuNs, flushes, isKernel: false, isBeyondGate: false }
      read.push({ ...kernel, ...store })
    }
    return read
  }
  const toldBy = (read: readonly StoreSample[]) => {
    const { stores } = classifyStores(read, { sameShare: 0, zeroMap: false })
    return storeCosts(stores, { isWholeGap: false, refillNs: 0 })
  }

  it.each([0, 20_000])('cost what they add, though long stores meet more of them (%i ns)', (ns) => {
    expect(Math.abs(toldBy(readAt(ns)).flushInStore.fixedNs - ns)).toBeLessThan(6000)
  })

  it('take of the stores in sum what they cost in sum', () => {
    const read = readAt(20_000)
    const { flushInStore, storeDirect } = toldBy(read)
    const direct = read.filter(({ isKernel }) => !isKernel)
    const sum = (of: (store: StoreSample) => number): number =>
      direct.reduce((total, store) => total + of(store), 0)
    const left = sum(({ cpuNs }) => cpuNs) - sum(({ flushes }) => flushes) * flushInStore.fixedNs
    expect(storeDirect.n).toBe(STORES)
    expect(storeDirect.fixedNs).toBeCloseTo(left / STORES, 1)
  })
})
