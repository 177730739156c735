import { describe, expect, it } from 'vitest'
import { describeEvents, describeLost, describeWholeness } from '../../src/cli/lost-events.ts'

describe('in words', () => {
  it.each([
    [0, 'no tracepoint events'],
    [1, '1 event over 2 us'],
    [1042, '1,042 events over 2 us'],
  ])('%i events are told', (count, told) => {
    expect(describeEvents(count, 2000)).toBe(told)
  })

  it.each([
    [{ gaps: 0, events: 0 }, 'none', 'nothing lost'],
    [{ gaps: 1, events: 1200 }, '1,200 in 1 gap', 'lost 1,200 events in 1 gap'],
    [
      { gaps: 2, events: null },
      'unknown number in 2 gaps',
      'lost an unknown number of events in 2 gaps',
    ],
  ])('losses %o are told as a cell and as a clause', (lost, cell, clause) => {
    expect(describeLost(lost)).toBe(cell)
    expect(describeWholeness(lost, false)).toBe(clause)
  })

  it('a file that was cut off is not said to be whole', () => {
    expect(describeWholeness({ gaps: 0, events: 0 }, true)).toContain('data is missing')
  })
})
