import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { describePool } from '../../../src/memory/pools/describe.ts'
import { POOLS } from '../../../src/memory/pools/index.ts'
import { Z3foldPool } from '../../../src/memory/pools/z3fold.ts'
import { ZbudPool } from '../../../src/memory/pools/zbud.ts'

describe('every pool', () => {
  it.each(POOLS)('$name keeps its sums, and holds nothing when everything is freed', (provider) => {
    const op = fc.tuple(
      fc.boolean(),
      fc.oneof(fc.integer({ min: 1, max: 4096 }), fc.integer({ min: 1, max: 1300 })),
    )
    fc.assert(
      fc.property(
        fc.array(op, { maxLength: 300, size: 'max' }),
        fc.constantFrom(4096, 16384),
        (ops, pageSize) => {
          const pool = provider.open({ pageSize })
          const live: { handle: number; size: number }[] = []
          for (const [allocates, number] of ops) {
            const before = pool.pages
            if (allocates || live.length === 0) {
              const expected = number > pool.maxSize ? 0 : pool.pagesFor(number)
              const handle = pool.alloc(number)
              expect(handle < 0).toBe(number > pool.maxSize)
              if (handle >= 0) live.push({ handle, size: number })
              expect(pool.pages - before).toBe(expected)
            } else {
              const [gone] = live.splice(number % live.length, 1)
              if (gone === undefined) continue
              expect(pool.free(gone.handle)).toBe(before - pool.pages)
            }
            expect(new Set(live.map(({ handle }) => handle)).size).toBe(live.length)
          }
          pool.check()
          expect(pool.bytes).toBe(live.reduce((sum, { size }) => sum + size, 0))
          expect(pool.pages * pageSize).toBeGreaterThanOrEqual(pool.bytes)
          for (const { handle, size } of live) {
            expect(pool.sizeOf(handle)).toBe(size)
            pool.free(handle)
          }
          expect([pool.pages, pool.bytes, pool.objects]).toEqual([0, 0, 0])
        },
      ),
      { numRuns: 60 },
    )
  })
})

describe('zbud', () => {
  it('takes 3968 bytes and refuses 3969', () => {
    const pool = new ZbudPool()
    expect([pool.alloc(3968) >= 0, pool.alloc(3969)]).toEqual([true, -1])
  })

  it('never puts three objects into a page, however small', () => {
    expect(describePool('zbud', [10, 10, 10]).pages).toBe(2)
  })

  it('chooses the page with the fewest free chunks that are enough', () => {
    const pool = new ZbudPool()
    const roomy = pool.alloc(64 * 30)
    const tight = pool.alloc(64 * 40)
    const mate = pool.alloc(64 * 23)
    expect([mate >> 1, roomy >> 1, pool.pages]).toEqual([tight >> 1, 0, 2])
  })

  it('evicts the page that was allocated from least recently, and a rotated one last', () => {
    const pool = new ZbudPool()
    const handles = [3000, 3100, 3200].map((size) => pool.alloc(size))
    const out = new Int32Array(3)
    expect([pool.coldest(out), out[0]]).toEqual([1, handles[0]])
    pool.rotate(handles[0] ?? 0)
    expect([pool.coldest(out), out[0]]).toEqual([1, handles[1]])
    // Fits beside the largest best, which makes that page the warmest.
    pool.alloc(64 * 2)
    pool.free(handles[1] ?? 0)
    expect([pool.coldest(out), out[0]]).toEqual([1, handles[0]])
  })
})

describe('z3fold', () => {
  it('fills first, last, then the middle of a page, and gives 62 chunks beside its header', () => {
    expect(describePool('z3fold', [64 * 20, 64 * 20, 64 * 22]).pages).toBe(1)
    expect(describePool('z3fold', [64 * 20, 64 * 20, 64 * 23]).pages).toBe(2)
    expect(describePool('z3fold', [64, 64, 64, 64]).pages).toBe(2)
  })

  it('gives a page of its own to what leaves no chunk beside the header, up to a whole page', () => {
    const pool = new Z3foldPool()
    pool.alloc(3905)
    expect(pool.pagesFor(32)).toBe(1)
    expect(pool.alloc(4096)).toBeGreaterThanOrEqual(0)
    expect(pool.alloc(4097)).toBe(-1)
    expect(pool.pages).toBe(2)
  })

  it('moves a lone object into another page', () => {
    const pool = new Z3foldPool()
    const handles = [1900, 1900, 1900, 1000].map((size) => pool.alloc(size))
    expect(pool.pages).toBe(2)
    pool.free(handles[0] ?? 0)
    expect(pool.pages).toBe(2)
    pool.free(handles[2] ?? 0)
    expect([pool.pages, pool.pagesCompacted]).toEqual([1, 1])
    pool.check()
  })

  it('moves a middle object to the front when both neighbours are gone', () => {
    const pool = new Z3foldPool()
    const [first = 0, last = 0, middle = 0] = [640, 640, 640].map((size) => pool.alloc(size))
    pool.free(first)
    pool.free(last)
    expect(pool.sizeOf(middle)).toBe(640)
    pool.alloc(64 * 50)
    expect(pool.pages).toBe(1)
    pool.check()
  })
})
