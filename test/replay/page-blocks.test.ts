import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  blockOfBorrowed,
  borrowedOf,
  countOfBorrowed,
  MOVABLE,
  PageBlocks,
  PLACES,
  RECLAIMABLE,
  REST,
  UNMOVABLE,
} from '../../src/replay/page-blocks.ts'

/** The first blocks are the unmovable pages', the next the reclaimable ones'. */
const FIRST = 0
const SECOND = 1

function blocksOf(unmovable: number, reclaimable: number, movable: number, size = 1024) {
  const all = unmovable + reclaimable + movable
  return new PageBlocks(size, { unmovable, reclaimable, all })
}

function taken(blocks: PageBlocks, type: number, pages: number, order = 0): Int32Array {
  const given = new Int32Array(PLACES)
  blocks.take(type, order, pages >> order, given, 0)
  return given
}

/** So many movable pages are taken and come into use. */
function used(blocks: PageBlocks, pages: number): void {
  taken(blocks, MOVABLE, pages).forEach((count, place) => {
    for (let page = 0; page < count; page++) blocks.use(place)
  })
}

describe('free pages by mobility type', () => {
  it('give movable pages first, without a fallback', () => {
    const blocks = blocksOf(300, 600, 50)
    expect(taken(blocks, MOVABLE, 50)[REST]).toBe(50)
    expect(blocks.fallbacks).toBe(0)
    expect(blocks.freeOf(RECLAIMABLE)).toBe(600)
  })

  it('change hands by block where half of it is free: the next movable page is no fallback', () => {
    const blocks = blocksOf(300, 600, 0)
    taken(blocks, MOVABLE, 1)
    expect(blocks.fallbacks).toBe(1)
    expect(blocks.freeOf(RECLAIMABLE)).toBe(0)
    expect(blocks.freeOf(MOVABLE)).toBe(599)
    taken(blocks, MOVABLE, 500)
    expect(blocks.fallbacks).toBe(1)
  })

  it('come back to the block that they were taken from, whose type it is now', () => {
    const blocks = blocksOf(0, 700, 0)
    // The first block is the reclaimable pages' where no unmovable ones are free.
    expect(taken(blocks, MOVABLE, 100)[FIRST]).toBe(100)
    taken(blocks, RECLAIMABLE, 2, 1)
    expect(blocks.fallbacks).toBe(2)
    expect(blocks.unuse(FIRST)).toBe(RECLAIMABLE)
    blocks.give(FIRST, 100)
    expect(blocks.freeOf(RECLAIMABLE)).toBe(698)
    expect(blocks.freeOf(MOVABLE)).toBe(0)
  })

  it('are taken singly where less than half of the block is free, after a try for each of its larger chunks', () => {
    // 300 = 256 + 32 + 8 + 4; movable pages try chunks of 32 pages and more.
    const blocks = blocksOf(0, 300, 0)
    expect(taken(blocks, MOVABLE, 10)[FIRST]).toBe(10)
    expect(blocks.fallbacks).toBe(2)
    expect(blocks.freeOf(RECLAIMABLE)).toBe(290)
  })

  it('change hands without a boost when a whole block is free', () => {
    const blocks = blocksOf(0, 512 + 180, 0, 512)
    taken(blocks, MOVABLE, 1)
    expect(blocks.fallbacks).toBe(0)
    expect(blocks.freeOf(RECLAIMABLE)).toBe(180)
  })

  it('go to unmovable pages from reclaimable blocks before movable ones, where both have a chunk of the order', () => {
    const blocks = blocksOf(600, 600, 0)
    // Takes the reclaimable block.
    taken(blocks, MOVABLE, 1)
    // Reclaimable pages prefer the unmovable block, and unmovable ones take it back.
    taken(blocks, RECLAIMABLE, 2, 1)
    expect(blocks.freeOf(UNMOVABLE)).toBe(0)
    expect(blocks.freeOf(RECLAIMABLE)).toBe(598)
    taken(blocks, UNMOVABLE, 1)
    expect(blocks.freeOf(RECLAIMABLE)).toBe(0)
    expect(blocks.freeOf(UNMOVABLE)).toBe(597)
    expect(blocks.fallbacks).toBe(3)
  })

  it('count what the kernel holds of a movable block as alike', () => {
    const blocks = blocksOf(0, 600, 0)
    // 424 pages of the block are the kernel's, 400 become movable ones, 200 are free: it is claimed back.
    used(blocks, 400)
    taken(blocks, RECLAIMABLE, 2, 1)
    expect(blocks.freeOf(RECLAIMABLE)).toBe(198)
    expect(blocks.freeOf(MOVABLE)).toBe(0)
  })

  it('count as alike for the kernel while they wait on a list, and as movable ones from their use on', () => {
    const onLists = blocksOf(0, 600, 0)
    taken(onLists, MOVABLE, 560)
    taken(onLists, RECLAIMABLE, 2, 1)
    expect(onLists.freeOf(RECLAIMABLE)).toBe(38)
    const inUse = blocksOf(0, 600, 0)
    used(inUse, 560)
    taken(inUse, RECLAIMABLE, 2, 1)
    // 40 free and 424 of the kernel's are less than half of 1024.
    expect(inUse.freeOf(RECLAIMABLE)).toBe(0)
  })

  it('open a new block of the kernel’s where memory is plentiful, without a boost', () => {
    const blocks = blocksOf(0, 0, 5000)
    expect(taken(blocks, UNMOVABLE, 100)[FIRST]).toBe(100)
    expect(taken(blocks, RECLAIMABLE, 2, 1)[SECOND]).toBe(2)
    expect(blocks.fallbacks).toBe(0)
    expect(blocks.freeOf(UNMOVABLE)).toBe(924)
    expect(blocks.freeOf(MOVABLE)).toBe(5000 - 2048)
  })

  it('are fragments of the movable blocks once memory has been short', () => {
    const blocks = blocksOf(0, 0, 3000)
    taken(blocks, MOVABLE, 3000)
    blocks.give(REST, 3000)
    expect(taken(blocks, UNMOVABLE, 10)[REST]).toBe(10)
    // Chunks of 32, 16, 8, 4, 2 pages and one.
    expect(blocks.fallbacks).toBe(6)
  })

  it('are never more or fewer than came and went', () => {
    const step = fc.record({
      type: fc.constantFrom(UNMOVABLE, MOVABLE, RECLAIMABLE),
      pages: fc.integer({ min: 1, max: 300 }),
      gives: fc.boolean(),
    })
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.constantFrom(512, 1024),
        fc.tuple(fc.nat(1500), fc.nat(1500), fc.nat(5000)),
        (steps, size, [unmovable, reclaimable, movable]) => {
          const blocks = blocksOf(unmovable, reclaimable, movable, size)
          let out = 0
          for (const { type, pages, gives } of steps) {
            const given = taken(blocks, type, pages)
            const got = given.reduce((sum, count) => sum + count, 0)
            out += got
            if (!gives) continue
            for (let place = 0; place < PLACES; place++) blocks.give(place, given[place] ?? 0)
            out -= got
          }
          const free = [UNMOVABLE, MOVABLE, RECLAIMABLE].map((type) => blocks.freeOf(type))
          expect(free.every((count) => count >= 0)).toBe(true)
          expect(free.reduce((sum, count) => sum + count, out)).toBe(
            unmovable + reclaimable + movable,
          )
        },
      ),
    )
  })
})

it('a folio’s frames in a told block are one number', () => {
  fc.assert(
    fc.property(fc.nat(62), fc.integer({ min: 1, max: 512 }), (block, count) => {
      const borrowed = borrowedOf(block, count)
      expect(borrowed).toBeLessThan(65_536)
      expect([blockOfBorrowed(borrowed), countOfBorrowed(borrowed)]).toEqual([block, count])
    }),
  )
})
