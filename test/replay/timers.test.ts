import { describe, expect, it } from 'vitest'
import { SLEEPING, type Thread } from '../../src/replay/thread.ts'
import { Timers } from '../../src/replay/timers.ts'

const MS = 1_000_000

/** How long a sleep of so many jiffies lasts that begins at `now`. */
function lasts(now: number, jiffies: number, tickNs: number): number {
  let until = Number.NaN
  const sleepUntil = (_: Thread, time: number) => {
    until = time
  }
  new Timers({ now, sleepUntil }, tickNs).sleep({} as Thread, jiffies, SLEEPING)
  return until - now
}

describe('a sleep of jiffies', () => {
  it('of one ends at the second tick from its begin', () => {
    expect(lasts(0, 1, MS)).toBe(2 * MS)
    expect(lasts(1, 1, MS)).toBe(2 * MS - 1)
    expect(lasts(MS - 1, 1, MS)).toBe(MS + 1)
    expect(lasts(10 * MS, 1, 10 * MS)).toBe(20 * MS)
    expect(lasts(11 * MS, 1, 4 * MS)).toBe(5 * MS)
  })

  it('of HZ/10 is kswapd’s nap: 100 to 104 ms where HZ is 250, 100 to 108 where it is 1000', () => {
    const begins = Array.from({ length: 1000 }, (_, at) => at * 77_777)
    const shortest = (tickNs: number) =>
      Math.min(...begins.map((now) => lasts(now, 100_000_000 / tickNs, tickNs)))
    const longest = (tickNs: number) =>
      Math.max(...begins.map((now) => lasts(now, 100_000_000 / tickNs, tickNs)))
    for (const [tickNs, most] of [
      [MS, 108],
      [4 * MS, 104],
      [10 * MS, 110],
    ] as const) {
      expect(shortest(tickNs)).toBeGreaterThan(100 * MS)
      expect(shortest(tickNs)).toBeLessThan(100.2 * MS)
      expect(longest(tickNs)).toBeLessThanOrEqual(most * MS)
      expect(longest(tickNs)).toBeGreaterThan((most - 0.2) * MS)
    }
  })

  it('is kept by the clock of eight ticks from 63 on, and of 64 from 504 on', () => {
    expect(lasts(0, 62, MS)).toBe(63 * MS)
    expect(lasts(0, 63, MS)).toBe(64 * MS)
    expect(lasts(0, 64, MS)).toBe(72 * MS)
    expect(lasts(0, 503, MS)).toBe(504 * MS)
    expect(lasts(0, 504, MS)).toBe(512 * MS)
    expect(lasts(MS, 576, MS)).toBe(639 * MS)
  })
})
