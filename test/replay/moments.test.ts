import { describe, expect, it } from 'vitest'
import { Moments } from '../../src/replay/moments.ts'
import { Standstill } from '../../src/replay/standstill.ts'
import { RUNNING } from '../../src/replay/thread.ts'
import { threadOn } from './cpus.ts'

describe('moments', () => {
  it('come in order of time, those of one time in the order in which they were asked for', () => {
    const moments = new Moments()
    for (const [value, time] of [30, 10, 20, 10].entries()) moments.add(time, value)
    expect(moments.next).toBe(10)
    const taken: (number | undefined)[] = []
    for (let round = 0; round < 4; round++) taken.push(moments.take(20))
    expect(taken).toEqual([1, 3, 2, undefined])
    expect(moments.next).toBe(30)
  })
})

describe('a standstill', () => {
  it('is seen after a million steps without time, and names who is awake', () => {
    const awake = threadOn(0, [1])
    awake.state = RUNNING
    const standstill = new Standstill([awake, threadOn(0, [1])])
    const run = (steps: number, now: number): void => {
      for (let step = 0; step < steps; step++) standstill.step(now)
    }
    run(1_000_000, 1)
    run(1_000_001, 2)
    expect(() => standstill.step(2)).toThrow(/time stands still at 2 ns: app go on/)
  })
})
