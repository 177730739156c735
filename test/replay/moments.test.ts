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
    const standstill = new Standstill([awake, threadOn(0, [1])], () => true)
    const run = (steps: number, now: number): void => {
      for (let step = 0; step < steps; step++) standstill.step(now)
    }
    run(1_000_000, 1)
    run(1_000_001, 2)
    expect(() => standstill.step(2)).toThrow(/time stands still at 2 ns: app go on/)
  })

  it('is seen in a run that goes on in time while no task of the demand gets further', () => {
    const awake = threadOn(0, [1])
    awake.state = RUNNING
    let now = 0
    const run = (steps: number, isFurther: () => boolean): void => {
      const standstill = new Standstill([awake], isFurther)
      for (let step = 0; step < steps; step++) standstill.step(++now)
    }
    let looks = 0
    run(200_000_000, () => ++looks === 199)
    expect(looks).toBe(200)
    expect(() => run(200_000_000, () => false)).toThrow(
      /no task of the demand has got further in the 200 million steps up to 400000000 ns of virtual time: awake are app;/,
    )
  }, 60_000)

  it('has another reason where times are too long to tell a ns from the next', () => {
    const standstill = new Standstill([], () => true)
    expect(() => {
      for (let step = 0; step < 1_000_002; step++) standstill.step(2 ** 54)
    }).toThrow(/within 2\^53 ns of virtual time \(104 days\)/)
  })
})
