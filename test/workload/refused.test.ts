import { expect, it } from 'vitest'
import { EVENT, type RecordedPlaces, RecordingBuilder } from '../../src/workload/recording.ts'
import { storesOutsidePool, toldPages } from '../../src/workload/refused.ts'
import { classifyStores } from '../../src/workload/stores.ts'
import { KSWAPD, madeRecording } from './made-recording.ts'

/** Pages handed to swap, two at each moment, each with an entry of its own; the first of all is a zero page. */
function outside(pages: number, refusals: RecordedPlaces | undefined): number[] {
  const builder = new RecordingBuilder()
  for (let page = 0; page < pages; page++)
    builder.add(page, EVENT.gate, 100 * (page >> 1), 0, KSWAPD, 1000 + page, 0, 0, 0)
  const recording = madeRecording(builder, {
    endNs: 100 * pages,
    ...(refusals === undefined ? {} : { refusals }),
  })
  const { stores } = classifyStores(
    Array.from({ length: pages }, (_, page) => ({
      event: page,
      entry: 1000 + page,
      cpuNs: page === 0 ? 10 : 1000,
      isKernel: true,
      isBeyondGate: false,
      flushes: 0,
      switches: 0,
      switchShare: 0,
      stoodStill: false,
    })),
    { sameShare: 1 / pages, zeroMap: true },
    (stores) => toldPages(recording, stores),
  )
  const found = storesOutsidePool(stores)
  return Array.from(found).flatMap((isOutside, page) => (isOutside === 1 ? [page] : []))
}

it('what zswap refused takes no memory of the pool, and neither does a zero page', () => {
  const refused = [3, 4, 5, 21, 30]
  const refusals = {
    ns: Float64Array.from(refused, (page) => 100 * (page >> 1)),
    entry: Float64Array.from(refused, (page) => 1000 + page),
  }
  expect(outside(40, refusals)).toEqual([0, ...refused])
  expect(outside(40, undefined)).toEqual([0])
})

it('an entry used again is refused only when it was', () => {
  const refusals = { ns: Float64Array.of(100), entry: Float64Array.of(1010) }
  expect(outside(40, refusals)).toEqual([0])
})
