import { expect, it } from 'vitest'
import { RecordingBuilder, type Sample } from '../../src/workload/recording.ts'
import { readBackendFigures } from '../../src/workload/stored-sizes.ts'
import type { Based } from '../../src/workload/types.ts'
import { madeRecording } from './made-recording.ts'

const OUT = 40_000
const BACK = 15_000

/** Counters of a zram that still holds `held` pages when they are read. */
async function figuresOf(held: number, share: Based<number>) {
  const rises = (to: number): readonly Sample[] => [
    { ns: 0, value: 0 },
    { ns: 1, value: to },
  ]
  const ends = (value: number): readonly Sample[] => [{ ns: 1, value }]
  const recording = madeRecording(new RecordingBuilder(), {
    endNs: 1,
    samples: new Map([
      ['vmstat.pswpout', rises(OUT)],
      ['vmstat.pswpin', rises(BACK)],
      ['mm_stat.orig_data_size', ends(held * 4096)],
      ['mm_stat.compr_data_size', ends(held * 2000)],
      ['mm_stat.huge_pages', ends(held / 50)],
      ['mm_stat.huge_pages_since', ends(4800)],
    ]),
  })
  const figures = await readBackendFigures(
    { queryColumns: () => Promise.reject(new Error('not needed')) },
    1,
    recording,
    {
      backend: { value: 'zram', basis: 'event' },
      backendParameters: { poolPagesPerStoredPage: share },
      recordPagesPerSlot: { value: 0.01, basis: 'default' },
    },
  )
  return Object.fromEntries(Object.entries(figures).map(([name, { value }]) => [name, value]))
}

it("a pool's counters tell its pages' sizes where it holds what went out and did not come back", async () => {
  expect(await figuresOf(OUT - BACK, { value: 0.5, basis: 'snapshot' })).toEqual({
    stored_bytes: 2000,
    huge_share: 0.02,
  })
})

it('those of a pool that was emptied since tell nothing of what had been in it: its share of a page and the huge pages since the start do', async () => {
  expect(await figuresOf(500, { value: 0.5, basis: 'snapshot' })).toEqual({
    pool_share: 0.5,
    huge_share: 0.12,
  })
})

it('the fall of free memory for each page stored is less by what the kernel keeps of a slot', async () => {
  const { pool_share } = await figuresOf(500, { value: 0.5, basis: 'event' })
  expect(pool_share).toBeCloseTo(0.49)
})

it('a share that nothing recorded tells is none', async () => {
  expect(await figuresOf(500, { value: 0.5, basis: 'default' })).toEqual({ huge_share: 0.12 })
})
