import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PageLists } from '../../src/replay/page-lists.ts'

/** A zone of a recorded machine: its zoneinfo shows batch 15 and high 347 (6.12) for managed 79984, low 695, two CPUs. */
const zone = { managed: 79_984, low: 695, cpusOfNode: 2 }

function refills(tunes: boolean, pages: number): number[] {
  const lists = new PageLists(2, zone, { tunes })
  const given: number[] = []
  for (let page = 0; page < pages; page++) {
    const refill = lists.take(0, 100_000)
    if (refill > 0) given.push(refill)
  }
  return given
}

describe('per-CPU page lists', () => {
  it('refill in bursts that double up to high less batch where nothing is freed', () => {
    expect(refills(true, 1200)).toEqual([15, 30, 60, 120, 240, 332, 332, 332])
  })

  it('refill with the most from the start where memory was being filled until then', () => {
    const lists = new PageLists(2, zone, { tunes: true, areFilling: true })
    expect(lists.take(0, 100_000)).toBe(480)
    expect(new PageLists(2, zone, { tunes: false, areFilling: true }).take(0, 100_000)).toBe(15)
  })

  it('refill less after a free', () => {
    for (const frees of [false, true]) {
      const lists = new PageLists(2, zone, { tunes: true })
      for (let page = 0; page < 225; page++) lists.take(0, 100_000)
      if (frees) lists.give(0)
      // 15 + 30 + 60 + 120 pages are gone: the next refill would be of 15 << 4, after a free of 15 << 2.
      if (frees) lists.take(0, 100_000)
      expect(lists.take(0, 100_000)).toBe(frees ? 60 : 240)
    }
  })

  it('fall by an eighth in a second where they have grown, and give what they hold beyond', () => {
    const lists = new PageLists(2, zone, { tunes: true })
    lists.isBelowHigh = false
    // Refills of 15 to 480 pages raise high to 347 + 945 = 1292.
    for (let page = 0; page < 466; page++) lists.take(0, 100_000)
    expect(lists.counts[0]).toBe(479)
    expect(lists.decay(0, 5)).toBe(0)
    expect(lists.decay(0, 100)).toBe(479 - 347)
    expect(lists.counts[0]).toBe(347)
    expect(lists.decay(1, 100)).toBe(0)
    expect(new PageLists(2, zone, { tunes: false }).decay(0, 9)).toBe(0)
  })

  it('are not shortened by a kernel that is built for one CPU', () => {
    const backOf = (decays: boolean): number => {
      const lists = new PageLists(1, zone, { tunes: true, decays })
      lists.isBelowHigh = false
      for (let page = 0; page < 2000; page++) lists.take(0, 100_000)
      return lists.decay(0, 100)
    }
    expect(backOf(true)).toBeGreaterThan(0)
    expect(backOf(false)).toBe(0)
  })

  it('refill batch by batch before 6.7', () => {
    expect(new Set(refills(false, 200))).toEqual(new Set([15]))
  })

  it('hold at most four batches while kswapd is at work', () => {
    const lists = new PageLists(2, zone, { tunes: true })
    lists.isReclaimActive = true
    let back = 0
    for (let page = 0; page < 1000; page++) back += lists.give(1)
    expect(lists.counts[1]).toBeLessThan(60)
    expect(back + lists.total).toBe(1000)
  })

  it('neither make nor lose a page', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { maxLength: 500 }), (steps) => {
        const lists = new PageLists(2, zone, { tunes: true })
        let free = 2000
        let used = 0
        for (const step of steps) {
          const cpu = step & 1
          if (step === 9) free += lists.drain()
          else if (step < 5) {
            free -= lists.take(cpu, free)
            used++
          } else if (used > 0) {
            free += lists.give(cpu)
            used--
          }
          lists.isReclaimActive = step > 6
          expect(free + lists.total + used).toBe(2000)
        }
      }),
    )
  })
})
