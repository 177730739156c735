import { describe, expect, it } from 'vitest'
import { Stolen } from '../../src/replay/stolen.ts'

const time = {
  atWork: Float64Array.of(0.1, 0.3, 0.3),
  pages: Float64Array.of(1, 2, 3),
  ns: Float64Array.of(10, 20, 30),
}
const none = { atWork: new Float64Array(), pages: new Float64Array(), ns: new Float64Array() }

function lost(stolen: Stolen, shares: readonly number[], isDirect = false): number[] {
  return shares.map((share) => stolen.nextPage(isDirect, share))
}

describe('stolen CPU time in a replay', () => {
  it('strikes once, when as much of the work is done as when it was recorded', () => {
    const pages = lost(new Stolen(time, none), [0, 0.09, 0.1, 0.1, 0.29, 0.3, 0.3, 0.3, 0.3, 1])
    expect(pages).toEqual([0, 0, 10, 0, 0, 20, 0, 0, 30, 0])
  })

  it('strikes the sooner after another the more work is done since it was due', () => {
    const soon = 0.3 + 0.5 / 32
    expect(lost(new Stolen(time, none), [0.3, 0.3, soon, soon, soon])).toEqual([0, 20, 0, 30, 0])
  })

  it('strikes nobody where no page is written for long afterwards', () => {
    expect(lost(new Stolen(time, none), [0.2, 0.32, 0.5, 0.5])).toEqual([0, 20, 0, 0])
  })

  it('is none without a record of it', () => {
    expect(lost(new Stolen(undefined, undefined), [0, 0.5, 1])).toEqual([0, 0, 0])
  })

  it('strikes kernel threads and direct reclaimers apart, and all alike where they are not told apart', () => {
    const direct = {
      atWork: Float64Array.of(0.1),
      pages: Float64Array.of(1),
      ns: Float64Array.of(7),
    }
    const apart = new Stolen(time, direct)
    expect(lost(apart, [0.1, 0.1], true)).toEqual([7, 0])
    expect(lost(apart, [0.1, 0.1])).toEqual([10, 0])
    const alike = new Stolen(time, undefined)
    expect(lost(alike, [0.1], true)).toEqual([10])
    expect(lost(alike, [0.1])).toEqual([0])
  })
})
