import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Allocations } from '../../src/workload/demand.ts'
import { followPages, type StoredPage, type TouchedPage } from '../../src/workload/pages.ts'

const store = (ns: number, entry: number): StoredPage => ({ ns, entry, isSame: false, node: 0 })
const touch = (ns: number, entry: number, address = -1, task = 0): TouchedPage => ({
  ns,
  entry,
  address,
  space: 1,
  task,
  node: 0,
})

/** Pages resident at the start, all on one node. */
const resident = (pages: number): Uint8Array => new Uint8Array(pages)

function allocated(...at: readonly (readonly [ns: number, task: number])[]): Allocations {
  return {
    length: at.length,
    task: Int32Array.from(at, ([, task]) => task),
    own: Float64Array.from(at, ([ns]) => ns),
    ns: Float64Array.from(at, ([ns]) => ns),
  }
}

describe('pages followed by their swap entries', () => {
  it('are met in the order in which they entered memory', () => {
    const found = followPages(
      [store(10, 7), store(11, 8), store(12, 9)],
      [],
      allocated([5, 0]),
      resident(2),
    )
    expect(Array.from(found.ofStore)).toEqual([0, 1, 2])
    expect(found.neverBack).toBe(3)
  })

  it('are met on the node where they are, and then in the order in which they entered', () => {
    const onNode = (ns: number, node: number): StoredPage => ({ ...store(ns, ns), node })
    const stores = [onNode(11, 1), onNode(12, 1), onNode(13, 1), onNode(14, 0), onNode(15, 0)]
    const found = followPages(stores, [], allocated([5, 0], [6, 0]), Uint8Array.of(0, 1, 0, 1))
    expect(Array.from(found.ofStore)).toEqual([1, 3, 4, 0, 2])
  })

  it('keep their identity over out and in, though the entry is used again by another page', () => {
    const found = followPages(
      [store(1, 7), store(2, 8), store(6, 7)],
      [touch(4, 7), touch(9, 7)],
      allocated(),
      resident(3),
    )
    expect(Array.from(found.ofTouch)).toEqual([0, 2])
  })

  it('are told by the faulting address when they go out again under another entry', () => {
    const found = followPages(
      [store(1, 7), store(2, 8), store(6, 99)],
      [touch(4, 7, 0x1000), touch(9, 99, 0x1000)],
      allocated(),
      resident(5),
    )
    expect(found.ofTouch[0]).toBe(0)
    expect(found.ofTouch[1]).toBe(0)
    expect(found.ofStore[2]).toBe(0)
    expect(found.storedAgain).toBe(1)
  })

  it('of a folio are met together, where the task allocates that faults one of them in', () => {
    const parts = (ns: number, entry: number): StoredPage[] =>
      [0, 1].map((part) => ({ ...store(ns, entry + part), part, folioPages: 2 }))
    const found = followPages(
      [...parts(10, 8), store(11, 20), ...parts(12, 30)],
      [touch(20, 9, 0x1001, 1), touch(21, 20, 0x2000, 0)],
      allocated([1, 0], [2, 1], [3, 1], [4, 0], [5, 0]),
      resident(0),
    )
    expect(Array.from(found.ofStore)).toEqual([1, 2, 0, 3, 4])
    expect(Array.from(found.ofTouch)).toEqual([2, 0])
    expect(Array.from(found.folio ?? [])).toEqual([-1, 1, 1, 3, 3])
    expect(found.neverBack).toBe(3)
  })

  it('are no folio any more once one of them has come back', () => {
    const parts = [0, 1].map((part) => ({ ...store(10, 8 + part), part, folioPages: 2 }))
    const again = [0, 1].map((part) => ({ ...store(30, 40 + part), part, folioPages: 2 }))
    const found = followPages(
      [...parts, ...again],
      [touch(20, 8, 0x1000), touch(21, 9, 0x1001), touch(40, 40, 0x1000), touch(41, 41, 0x1001)],
      allocated(),
      resident(4),
    )
    expect(Array.from(found.ofStore)).toEqual([0, 1, 0, 1])
    expect(Array.from(found.folio ?? [])).toEqual([0, 0, -1, -1])
    expect(followPages([store(10, 8)], [], allocated(), resident(1)).folio).toBeUndefined()
  })

  it('belong to the task that faults them in', () => {
    const found = followPages(
      [store(10, 7), store(11, 8)],
      [touch(20, 7, 0x1000, 1), touch(21, 8, 0x2000, 0)],
      allocated([1, 0], [2, 1]),
      resident(0),
    )
    expect(Array.from(found.ofTouch)).toEqual([1, 0])
  })

  it('were in swap when the workload began if they come in before any store of theirs', () => {
    const found = followPages([store(5, 7)], [touch(3, 42), touch(8, 7)], allocated(), resident(1))
    expect(found.inSwap).toBe(1)
    expect(Array.from(found.ofTouch)).toEqual([1, 0])
    expect(found.length).toBe(2)
  })

  it('are named by address when a fault found them still in memory', () => {
    const found = followPages(
      [store(1, 7), store(6, 9)],
      [touch(4, 7, 0x1000), touch(8, -1, 0x1000), touch(9, -1, 0x5000)],
      allocated(),
      resident(3),
    )
    expect(Array.from(found.ofTouch)).toEqual([0, 0, -1])
  })

  it('wait to be met again when a fault found them in memory, unless their copies stay good', () => {
    const followed = (givesSlot: boolean) => {
      const met = { ...touch(4, 7, 0x1000), givesSlot }
      const stores = [store(1, 7), store(6, 8), store(7, 9)]
      return Array.from(followPages(stores, [met], allocated([3, 0], [5, 0]), resident(1)).ofStore)
    }
    expect(followed(true)).toEqual([0, 1, 0])
    expect(followed(false)).toEqual([0, 1, 2])
  })

  it('always leave each store and each swap-in with a page that exists', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 20 }),
        fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 12 })), { maxLength: 80 }),
        (resident, moves) => {
          const stores: StoredPage[] = []
          const touches: TouchedPage[] = []
          moves.forEach(([out, entry], ns) => {
            if (out) stores.push(store(ns, entry))
            else touches.push(touch(ns, entry))
          })
          const found = followPages(
            stores,
            touches,
            allocated([3, 0], [9, 0]),
            new Uint8Array(resident),
          )
          expect(found.length).toBe(resident + 2 + found.inSwap)
          for (const page of found.ofTouch) expect(page >= 0 && page < found.length).toBe(true)
          const named = found.ofStore.filter((page) => page >= 0)
          expect(named.every((page) => page < found.length)).toBe(true)
        },
      ),
    )
  })
})
