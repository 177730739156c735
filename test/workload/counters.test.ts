import { expect, it } from 'vitest'
import { poolPerPageAtPeak } from '../../src/workload/counters.ts'
import { EVENT, RecordingBuilder } from '../../src/workload/recording.ts'
import { classifyStores } from '../../src/workload/stores.ts'
import { APP, KSWAPD, madeRecording } from './made-recording.ts'

/** `stored` pages one after the other, a tenth of them zero pages, all read back at the end; zram says how many pages of memory it used at most. */
function peakShare(stored: number, mostUsed: number | undefined): number | undefined {
  const builder = new RecordingBuilder()
  for (let page = 0; page < stored; page++)
    builder.add(page, EVENT.gate, 100 * page, 0, KSWAPD, page, 0, 0, 0)
  for (let page = 0; page < stored; page++)
    builder.add(stored + page, EVENT.read, 100 * (stored + page), 0, APP, page, 0, 0, 0)
  const ns = 200 * stored
  const used = mostUsed === undefined ? [] : [{ ns, value: 4096 * mostUsed }]
  const recording = madeRecording(builder, {
    endNs: ns,
    samples: new Map([['mm_stat.mem_used_max', used]]),
  })
  const { stores } = classifyStores(
    Array.from({ length: stored }, (_, page) => ({
      event: page,
      entry: page,
      cpuNs: page % 10 === 0 ? 10 : 1000,
      isKernel: true,
      isBeyondGate: false,
      flushes: 0,
      switches: 0,
      switchShare: 0,
      stoodStill: false,
    })),
    { sameShare: 0.1, zeroMap: true },
  )
  return poolPerPageAtPeak(recording, stores)
}

it("an emptied pool's share of a page is the most memory that zram used over the most pages with data that it held", () => {
  expect(peakShare(2000, 900)).toBeCloseTo(900 / 1800)
})

it('the most memory used tells nothing where it is not known, where few pages were held, or where it is of pages stored before', () => {
  expect(peakShare(2000, undefined)).toBeUndefined()
  expect(peakShare(900, 400)).toBeUndefined()
  expect(peakShare(2000, 5000)).toBeUndefined()
})
