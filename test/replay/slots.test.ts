import { describe, expect, it } from 'vitest'
import { PlainSlots } from '../../src/replay/slots.ts'

function freeAll(slots: PlainSlots, freed: readonly number[]): void {
  for (const slot of freed) slots.free(slot, 1)
}

function released(batch: number, free: (slots: PlainSlots) => void): number[] {
  const slots = new PlainSlots(undefined, batch)
  const all: number[] = []
  slots.onRelease = (slot) => all.push(slot)
  for (let page = 0; page < 200; page++) slots.allocate(page)
  free(slots)
  return all
}

describe('plain swap slots', () => {
  it('are released one by one where no CPU keeps them', () => {
    expect(released(0, (slots) => freeAll(slots, [5, 3]))).toEqual([5, 3])
  })

  it('are released together when a CPU frees one more than it keeps', () => {
    const freed = Array.from({ length: 65 }, (_, index) => index)
    expect(released(64, (slots) => freeAll(slots, freed.slice(0, 64)))).toEqual([])
    expect(released(64, (slots) => freeAll(slots, freed))).toEqual(freed.slice(0, 64))
  })

  it('of a large folio are released at once, or kept like others where the kernel does not tell it apart', () => {
    const folio = (wholeOrder: number): number[] => {
      const slots = new PlainSlots(undefined, 64, wholeOrder)
      const all: number[] = []
      slots.onRelease = (slot) => all.push(slot)
      slots.freeFolio(slots.allocate(0, 2), 2)
      slots.freeFolio(slots.allocate(1), 0)
      return all
    }
    expect(folio(1)).toEqual([0, 1, 2, 3])
    expect(folio(9)).toEqual([])
  })

  it('are kept by each CPU for itself, and not given out again meanwhile', () => {
    const slots = new PlainSlots(4, 2)
    for (let page = 0; page < 4; page++) slots.allocate(page)
    slots.free(0, 0)
    slots.free(1, 1)
    slots.free(2, 0)
    expect([slots.left, slots.allocate(4)]).toEqual([0, -1])
    slots.free(3, 0)
    expect([slots.left, slots.allocate(5)]).toEqual([2, 2])
  })
})
