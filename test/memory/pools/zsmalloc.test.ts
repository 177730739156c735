import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ZsmallocPool } from '../../../src/memory/pools/zsmalloc.ts'
import { SlowZsmalloc } from './slow-zsmalloc.ts'

type Step =
  | { readonly do: 'alloc'; readonly size: number }
  | { readonly do: 'free'; readonly pick: number }
  | { readonly do: 'compact' }

/** Few different sizes, so that zspages fill, empty and need compaction. */
const sizes = fc.oneof(
  fc.constantFrom(24, 700, 1352, 1500, 2040, 3000, 3256, 3500, 4096),
  fc.integer({ min: 1, max: 4096 }),
)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: sizes.map((size) => ({ do: 'alloc' as const, size })) },
  { weight: 4, arbitrary: fc.nat().map((pick) => ({ do: 'free' as const, pick })) },
  { weight: 1, arbitrary: fc.constant({ do: 'compact' as const }) },
)

describe('zsmalloc pool', () => {
  it.each([4, 5, 6, 7, 8])(
    'takes, gives back and compacts the pages of the slow model with a chain of %i',
    (chain) => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 400, size: 'max' }), (steps) => {
          const pool = new ZsmallocPool({ chain })
          const slow = new SlowZsmalloc(chain)
          const live: { handle: number; id: number; size: number }[] = []
          for (const each of steps) {
            const before = pool.pages
            if (each.do === 'alloc') {
              const expected = pool.pagesFor(each.size)
              live.push({
                handle: pool.alloc(each.size),
                id: slow.alloc(each.size),
                size: each.size,
              })
              expect(pool.pages - before).toBe(expected)
            } else if (each.do === 'free') {
              const [gone] = live.splice(each.pick % Math.max(live.length, 1), 1)
              if (gone === undefined) continue
              expect(pool.sizeOf(gone.handle)).toBe(gone.size)
              expect(pool.free(gone.handle)).toBe(before - pool.pages)
              slow.free(gone.id)
            } else {
              const promised = pool.compactable
              const freed = pool.compact()
              expect(freed).toBe(slow.compact())
              expect(freed).toBeLessThanOrEqual(promised)
            }
            expect(pool.pages).toBe(slow.pages)
          }
          pool.check()
          expect(pool.bytes).toBe(live.reduce((sum, { size }) => sum + size, 0))
          for (const { handle } of live) pool.free(handle)
          expect([pool.pages, pool.bytes, pool.objects]).toEqual([0, 0, 0])
        }),
        { numRuns: 25 },
      )
    },
  )

  it('reports classes whose pages and objects add up to the pool', () => {
    const pool = new ZsmallocPool({ chain: 8 })
    for (let i = 0; i < 3000; i++) pool.alloc(1 + ((i * 7919) % 4096))
    const rows = pool.stats()
    expect(rows.reduce((sum, row) => sum + row.pages, 0)).toBe(pool.pages)
    expect(rows.reduce((sum, row) => sum + row.objects, 0)).toBe(3000)
    expect(rows.reduce((sum, row) => sum + row.wastedBytes, 0)).toBe(pool.pages * 4096 - pool.bytes)
  })

  it('packs 23 objects of 1360 bytes into one chain of 8 pages and the 24th into another', () => {
    const pool = new ZsmallocPool({ chain: 8 })
    for (let i = 0; i < 23; i++) pool.alloc(1360)
    expect(pool.pages).toBe(8)
    pool.alloc(1360)
    expect(pool.pages).toBe(16)
  })

  it('refuses nothing and more than a page', () => {
    const pool = new ZsmallocPool()
    expect([pool.alloc(0), pool.alloc(4097), pool.pages]).toEqual([-1, -1, 0])
  })

  it('names a handle that is not allocated', () => {
    const pool = new ZsmallocPool()
    const handle = pool.alloc(100)
    pool.free(handle)
    expect(() => pool.free(handle)).toThrow(/handle 0 is not allocated/)
  })
})
