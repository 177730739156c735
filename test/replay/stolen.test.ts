import { describe, expect, it } from 'vitest'
import { Stolen } from '../../src/replay/stolen.ts'

const time = { atPage: Float64Array.of(1, 3, 3), ns: Float64Array.of(10, 20, 30), pages: 4 }
const lost = (stolen: Stolen, pages: number): number[] =>
  Array.from({ length: pages }, () => stolen.nextPage())

describe('stolen CPU time in a replay', () => {
  it('strikes at the pages at which it was recorded, and begins again after the last of them', () => {
    expect(lost(new Stolen(time), 10)).toEqual([10, 0, 50, 0, 10, 0, 50, 0, 10, 0])
  })

  it('is none without a record of it', () => {
    expect(lost(new Stolen(undefined), 3)).toEqual([0, 0, 0])
    expect(lost(new Stolen({ ...time, pages: 0 }), 3)).toEqual([0, 0, 0])
  })
})
