import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Lane } from '../../src/replay/ranks.ts'

/** The same by definition: a list of the ranks that wait. */
class SlowWaiting {
  readonly waiting: number[] = []
  overtaken = 0

  take(place: number): number {
    const [rank = 0] = this.waiting.splice(place, 1)
    this.overtaken += place
    return rank
  }
}

test('inversions are the pages submitted before and still waiting, for windows of any width', () => {
  const moves = fc.array(fc.tuple(fc.nat(3), fc.nat(1_000_000)), {
    minLength: 200,
    maxLength: 3000,
  })
  fc.assert(
    fc.property(fc.constantFrom(1, 5, 70, 900, 5000), moves, (backlog, steps) => {
      const lane = new Lane()
      const starts = new SlowWaiting()
      const ends = new SlowWaiting()
      const submit = (): void => {
        const rank = lane.submit()
        starts.waiting.push(rank)
        ends.waiting.push(rank)
      }
      for (let page = 0; page < backlog; page++) submit()
      for (const [kind, draw] of steps) {
        // Mostly the oldest goes first, as in a queue; some overtake.
        const place = (length: number): number => (draw % 4 === 0 ? draw % length : 0)
        if (kind === 0) submit()
        else if (kind === 1 && starts.waiting.length > 0)
          lane.start(starts.take(place(starts.waiting.length)))
        else if (kind === 2 && ends.waiting.length > 0)
          lane.finish(ends.take(place(ends.waiting.length)))
        else lane.withdraw(lane.submit())
      }
      expect(lane.startInversions).toBe(starts.overtaken)
      expect(lane.doneInversions).toBe(ends.overtaken)
    }),
    { numRuns: 60 },
  )
})

test('a page that is withdrawn after a later one was submitted gives its rank to nobody', () => {
  const lane = new Lane()
  const [first, second, third] = [lane.submit(), lane.submit(), lane.submit()]
  lane.withdraw(second)
  expect(lane.submit()).toBe(4)
  lane.start(4)
  // Two wait before it: the first and the third.
  expect([lane.submitted, lane.startInversions]).toEqual([3, 2])
  lane.start(first)
  lane.start(third)
  expect(lane.startInversions).toBe(2)
})

test('a page that overtakes from much further behind than any before it is counted as the others are', () => {
  const OLDEST = 5461
  const lane = new Lane()
  for (let page = 0; page < 25_000; page++) lane.submit()
  // The first queue waits, the second one is drained.
  for (let rank = OLDEST + 1; rank <= 2 * OLDEST; rank++) lane.start(rank)
  expect(lane.startInversions).toBe(OLDEST * OLDEST)
  lane.start(23_000)
  expect(lane.startInversions - OLDEST * OLDEST).toBe(23_000 - 1 - OLDEST)
})
