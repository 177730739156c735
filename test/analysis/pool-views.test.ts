import { afterEach, describe, expect, it } from 'vitest'
import { readFigures } from '../../src/analysis/figures.ts'
import type { Database } from '../../src/database/database.ts'
import { openViews } from './hand-made.ts'

// Hand-made: only runs sample their pool and its size classes.
let database: Database | undefined
afterEach(() => {
  database?.close()
  database = undefined
})

const sample = (at: number, name: string, value: number) => ({ ts_ns: at, name, value })

async function rowsOf(view: string, samples: readonly ReturnType<typeof sample>[]) {
  database = await openViews([{ tables: {}, runs: [{ policy: 'kswapd', tables: { samples } }] }])
  return await database.query(`SELECT * FROM ${view}`)
}

describe('the view pool_classes', () => {
  it('says how full the pages of each class were when last sampled', async () => {
    const rows = await rowsOf('pool_classes', [
      sample(10, 'class_objects.1024', 9),
      sample(10, 'class_pages.1024', 9),
      sample(10, 'class_stored.1024', 9),
      sample(20, 'class_objects.1024', 6),
      sample(20, 'class_pages.1024', 2),
      sample(20, 'class_stored.1024', 4096),
    ])
    expect(rows).toMatchObject([
      { size_class: 1024, objects: 6, pages: 2, stored_bytes: 4096, density_share: 0.5 },
    ])
    // Two pages hold eight objects of 1024 bytes; six are there.
    expect(rows[0]?.['free_share']).toBeCloseTo(2 / 8)
  })
})

describe('the view pool_samples', () => {
  it('has the first, largest and last value of what was sampled of the pool, and nothing else', async () => {
    const rows = await rowsOf('pool_samples', [
      sample(30, 'pool_pages', 4),
      sample(10, 'pool_pages', 2),
      sample(20, 'pool_pages', 9),
      sample(20, 'free_pages', 100),
    ])
    expect(rows).toMatchObject([
      { name: 'pool_pages', samples: 3, first_value: 2, max_value: 9, last_value: 4 },
    ])
    expect(rows).toHaveLength(1)
  })
})

describe('the peak of the pool', () => {
  it.each([
    ['zram', 700],
    ['disk', null],
  ])(
    'is that of the zram that is swapped to, and of no other: swap on %s',
    async (kind, expected) => {
      const samples = [
        sample(10, 'mm_stat.compr_data_size', 700),
        sample(20, 'mm_stat.compr_data_size', 0),
      ]
      const swap_devices = [{ swap_type: 0, device: '/dev/any', kind }]
      database = await openViews([{ tables: { samples, swap_devices } }])
      const [recording] = await readFigures(database.connection)
      const peak = recording?.figures.find(({ metric }) => metric === 'pool_peak_bytes')
      expect(peak?.value ?? null).toBe(expected)
    },
  )
})
