import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CounterDeltas } from '../../src/replay/counter-deltas.ts'

/** Of a recorded machine with two CPUs: its zoneinfo says "vm stats threshold: 12" while kswapd sleeps. */
const zone = { managed: 79_984, min: 556, low: 695 }
/** Of another one, whose zoneinfo says 66 while kswapd is up. */
const pressed = { managed: 74_505, min: 531, low: 663 }

/** The most that one CPU keeps to itself. */
function mostKept(cpus: number, of: typeof zone, isUp: boolean): number {
  const deltas = new CounterDeltas(cpus, of)
  deltas.setPressure(isUp)
  let most = 0
  for (let page = 0; page < 1000; page++) {
    deltas.add(0, 1)
    most = Math.max(most, deltas.lag)
  }
  return most
}

describe('what a zone counter lacks', () => {
  it('is up to the threshold that zoneinfo tells, which is another one while kswapd is up', () => {
    expect(mostKept(2, zone, false)).toBe(12)
    expect(mostKept(2, pressed, true)).toBe(66)
  })

  it('is no more under pressure where there is one CPU: the zone has no drift mark', () => {
    expect(mostKept(1, zone, true)).toBe(mostKept(1, zone, false))
  })

  it('is nothing in a kernel that is built for one CPU', () => {
    const deltas = new CounterDeltas(1, zone, false)
    deltas.setPressure(true)
    deltas.add(0, -5)
    expect(deltas.lag).toBe(0)
  })

  it('never is more than a byte holds, and never nothing', () => {
    expect(mostKept(2, { managed: 1 << 26, min: 1000, low: 9000 }, true)).toBe(125)
    expect(mostKept(8, { managed: 4096, min: 10, low: 12 }, true)).toBe(1)
  })

  it('is kept by each CPU, until it becomes idle', () => {
    const deltas = new CounterDeltas(2, zone)
    deltas.add(0, 7)
    deltas.add(1, -9)
    expect(deltas.lag).toBe(-2)
    deltas.fold(1)
    expect(deltas.lag).toBe(7)
    deltas.fold(0)
    expect(deltas.lag).toBe(0)
  })

  it('goes to the counter with the next page where the threshold fell below it', () => {
    const deltas = new CounterDeltas(2, zone)
    deltas.setPressure(true)
    deltas.add(0, 60)
    deltas.setPressure(false)
    expect(deltas.lag).toBe(60)
    deltas.add(0, 1)
    expect(deltas.lag).toBe(0)
  })

  it('of many pages at once is what __mod_zone_page_state keeps of them one by one', () => {
    const changes = fc.array(fc.tuple(fc.integer({ min: -300, max: 300 }), fc.boolean()))
    fc.assert(
      fc.property(changes, (all) => {
        const deltas = new CounterDeltas(2, zone)
        let kept = 0
        for (const [pages, isUp] of all) {
          deltas.setPressure(isUp)
          deltas.add(0, pages)
          for (let page = 0; page < Math.abs(pages); page++) {
            kept += Math.sign(pages)
            if (Math.abs(kept) > (isUp ? 69 : 12)) kept = 0
          }
          expect(deltas.lag).toBe(kept)
        }
      }),
    )
  })
})
