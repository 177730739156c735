import { describe, expect, it } from 'vitest'
import { Stolen } from '../../src/replay/stolen.ts'

const time = { atPage: Float64Array.of(1, 3, 3), ns: Float64Array.of(10, 20, 30), pages: 4 }
const lost = (stolen: Stolen, pages: number): number[] =>
  Array.from({ length: pages }, () => stolen.nextPage(false))

describe('stolen CPU time in a replay', () => {
  it('strikes at the pages at which it was recorded, and goes back from the last of them', () => {
    const once = [10, 0, 50, 0]
    const back = [0, 50, 0, 10]
    expect(lost(new Stolen(time, undefined), 12)).toEqual([...once, ...back, ...once])
  })

  it('is none without a record of it', () => {
    expect(lost(new Stolen(undefined, undefined), 3)).toEqual([0, 0, 0])
    expect(lost(new Stolen({ ...time, pages: 0 }, undefined), 3)).toEqual([0, 0, 0])
  })

  it('strikes kernel threads and direct reclaimers by the pages of their own', () => {
    const direct = { atPage: Float64Array.of(2), ns: Float64Array.of(7), pages: 2 }
    const stolen = new Stolen(time, direct)
    const pages = [false, true, true, false, false].map((isDirect) => stolen.nextPage(isDirect))
    expect(pages).toEqual([10, 0, 7, 0, 50])
    const mixed = new Stolen(time, undefined)
    expect([mixed.nextPage(true), mixed.nextPage(false), mixed.nextPage(true)]).toEqual([10, 0, 50])
  })
})
