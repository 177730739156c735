import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EventQueue } from '../../src/replay/event-queue.ts'

describe('event queue', () => {
  it('agrees with a sorted list over any sequence of schedules, moves, cancels and pops', () => {
    const step = fc.record({
      act: fc.constantFrom('schedule', 'schedule', 'cancel', 'pop'),
      id: fc.nat(19),
      time: fc.nat(30),
      looks: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const queue = new EventQueue(4)
        queue.reserve(20)
        const pending: { id: number; time: number; sequence: number }[] = []
        let sequence = 0
        const remove = (id: number): void => {
          const place = pending.findIndex((event) => event.id === id)
          if (place >= 0) pending.splice(place, 1)
        }
        for (const { act, id, time, looks } of steps) {
          if (act === 'schedule') {
            remove(id)
            pending.push({ id, time, sequence: sequence++ })
            queue.schedule(id, time)
          } else if (act === 'cancel') {
            remove(id)
            queue.cancel(id)
          } else {
            const first = pending[0]
            expect(queue.pop()).toBe(first?.id ?? -1)
            if (first !== undefined) pending.shift()
          }
          pending.sort((a, b) => a.time - b.time || a.sequence - b.sequence)
          expect(queue.length).toBe(pending.length)
          // The queue puts off work until somebody looks.
          if (looks) expect(queue.nextTime).toBe(pending[0]?.time ?? Number.POSITIVE_INFINITY)
        }
      }),
      { numRuns: 300 },
    )
  })
})
