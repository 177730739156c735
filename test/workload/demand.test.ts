import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TaskClock } from '../../src/workload/clocks.ts'
import { fitDemand, spreadAllocations } from '../../src/workload/demand.ts'

/** A task on a CPU all the time from `from` on. */
function clockFrom(tid: number, from: number, to: number): TaskClock {
  const clock = new TaskClock(tid)
  clock.wall.push(from)
  clock.own.push(0)
  clock.wall.push(to)
  clock.own.push(to - from)
  return clock
}

const anchor = (ns: number, pages: number, radius = 50, isExact = true) => ({
  ns,
  pages,
  radius,
  isExact,
})

describe('the demand between anchors', () => {
  it('is one straight piece where every anchor lies on a line within its radius', () => {
    const anchors = Array.from({ length: 50 }, (_, i) => anchor(i * 1e6, i * 100 + (i % 2) * 20))
    const knots = fitDemand(anchors, (ns) => ns)
    expect(knots).toHaveLength(2)
    expect(knots[1]).toEqual({ ns: 49e6, pages: 4920 })
  })

  it('has a corner where a task stops asking for memory', () => {
    const anchors = Array.from({ length: 100 }, (_, i) => anchor(i * 1e6, Math.min(i, 40) * 100))
    const knots = fitDemand(anchors, (ns) => ns)
    expect(knots.map(({ pages }) => Math.round(pages))).toEqual([0, 4000, 4000])
    expect(knots[1]?.ns).toBe(40e6)
  })

  it('does not follow a sample near an exact anchor that contradicts it', () => {
    const anchors = [
      anchor(0, 0),
      anchor(1e9, 1000),
      anchor(1.1e9, 5000, 300, false),
      anchor(2e9, 2000),
    ]
    expect(fitDemand(anchors, (ns) => ns).at(-1)?.pages).toBe(2000)
    expect(Math.max(...fitDemand(anchors, (ns) => ns).map(({ pages }) => pages))).toBe(2000)
  })

  it('never falls, whatever the anchors say', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: -500, max: 9000 })), {
          minLength: 1,
          maxLength: 60,
        }),
        (steps) => {
          let ns = 0
          const anchors = steps.map(([gap, pages]) => {
            ns += gap
            return anchor(ns, pages)
          })
          const knots = fitDemand(anchors, (at) => at)
          for (let k = 1; k < knots.length; k++) {
            const before = knots[k - 1]
            const after = knots[k]
            if (before === undefined || after === undefined) throw new Error('no knot')
            if (after.pages < before.pages - 1e-6 || after.ns <= before.ns) return false
          }
          return true
        },
      ),
    )
  })

  it('is shared out by time on the tasks own clocks, to the page', () => {
    const early = clockFrom(1, 0, 1000)
    const late = clockFrom(2, 500, 1000)
    const knots = [
      { ns: 0, pages: 0 },
      { ns: 500, pages: 100 },
      { ns: 1000, pages: 300 },
    ]
    const allocations = spreadAllocations(knots, [
      { clock: early, weight: 1 },
      { clock: late, weight: 1 },
    ])
    expect(allocations.length).toBe(300)
    const count = (task: number, from: number, to: number): number =>
      allocations.task.filter((of, n) => {
        const ns = allocations.ns[n] ?? 0
        return of === task && ns >= from && ns < to
      }).length
    expect([count(0, 0, 500), count(0, 500, 1001), count(1, 0, 500), count(1, 500, 1001)]).toEqual([
      100, 100, 0, 100,
    ])
    expect(Array.from(allocations.ns)).toEqual([...allocations.ns].sort((x, y) => x - y))
  })
})
