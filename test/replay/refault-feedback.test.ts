import { describe, expect, it } from 'vitest'
import { ANON_TYPE, FILE_TYPE, RefaultFeedback } from '../../src/replay/refault-feedback.ts'

const EVEN = 100

function feedback(counts: {
  readonly anon?: readonly [evicted: number, refaulted: number]
  readonly file?: readonly [evicted: number, refaulted: number]
}): RefaultFeedback {
  const made = new RefaultFeedback()
  for (const [type, given] of [
    [ANON_TYPE, counts.anon],
    [FILE_TYPE, counts.file],
  ] as const) {
    made.evicted(type, given?.[0] ?? 0)
    made.refaulted(type, given?.[1] ?? 0)
  }
  return made
}

describe('the kind of pages that eviction takes', () => {
  it('is files as long as fewer than 64 of them came back', () => {
    expect(feedback({ file: [1000, 63] }).typeToScan(EVEN)).toBe(FILE_TYPE)
    expect(feedback({ file: [1000, 64] }).typeToScan(EVEN)).toBe(ANON_TYPE)
  })

  it('is files again as soon as anonymous pages come back more often in relation', () => {
    // 100 of 10,000 files: the 100th of 9936 + 64 anonymous pages tips it, as one more counts than came back.
    const file = [10_000, 100] as const
    expect(feedback({ file, anon: [9936, 98] }).typeToScan(EVEN)).toBe(ANON_TYPE)
    expect(feedback({ file, anon: [9936, 99] }).typeToScan(EVEN)).toBe(FILE_TYPE)
  })

  it('is weighed by swappiness: at 60 files are taken although they come back twice as often', () => {
    const made = feedback({ file: [10_000, 200], anon: [9936, 99] })
    expect(made.typeToScan(60)).toBe(FILE_TYPE)
    expect(made.typeToScan(EVEN)).toBe(ANON_TYPE)
  })

  it('remembers half of what a generation told when the next one is the oldest', () => {
    const made = feedback({ file: [1000, 128], anon: [1000, 0] })
    made.carryOver(FILE_TYPE)
    expect(made.typeToScan(EVEN)).toBe(ANON_TYPE)
    made.carryOver(FILE_TYPE)
    expect(made.typeToScan(EVEN)).toBe(FILE_TYPE)
    made.refaulted(FILE_TYPE, 32)
    expect(made.typeToScan(EVEN)).toBe(ANON_TYPE)
  })
})
