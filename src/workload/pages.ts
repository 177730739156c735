import type { Allocations } from './demand.ts'

/** A store, as far as identity goes. Times in wall order. */
export interface StoredPage {
  readonly ns: number
  readonly entry: number
  readonly isSame: boolean
  readonly node: number
}

/** A swap-in, or with entry -1 a fault that found its page still in memory. `address` is its page's identity within `space`, -1 where no fault probe told it. */
export interface TouchedPage {
  readonly ns: number
  readonly entry: number
  readonly space: number
  readonly address: number
  /** Row of the task, -1 = not one of the demand. */
  readonly task: number
  readonly node: number
}

export interface Identities {
  /** All pages: resident at the start, then allocations in time order, then those already in swap at the start. */
  readonly length: number
  readonly resident: number
  readonly inSwap: number
  /** Page of each store and of each touch. */
  readonly ofStore: Int32Array
  readonly ofTouch: Int32Array
  /** Stores that no swap-in followed. */
  readonly neverBack: number
  /** Stores that reclaim must have taken out of order: no page was left to be met. */
  readonly unmatched: number
  /** Pages that came back and were stored again; and those that came back twice without a store between. */
  readonly storedAgain: number
  readonly cleanAgain: number
}

/** Indices of one queue of pages that wait to be met by reclaim, by the time they entered the LRU. */
class Waiting {
  readonly #page: number[] = []
  readonly #ns: number[] = []
  #head = 0

  push(page: number, ns: number): void {
    this.#page.push(page)
    this.#ns.push(ns)
  }

  firstNs(): number {
    return this.#ns[this.#head] ?? Number.POSITIVE_INFINITY
  }

  take(): number {
    return this.#page[this.#head++] ?? -1
  }
}

/**
 * Follows pages over out and in by their swap entries. A swap-in names the page that its store wrote; what no swap-in names was met
 * in the order in which pages entered the LRU, which is how reclaim meets them (inactive list, oldest first).
 */
export function followPages(
  stores: readonly StoredPage[],
  touches: readonly TouchedPage[],
  allocations: Allocations,
  resident: number,
): Identities {
  const nextTouch = new Int32Array(stores.length).fill(-1)
  const storeOfTouch = new Int32Array(touches.length).fill(-1)
  const open = new Map<number, number>()
  forEachInTime(
    stores,
    touches,
    (store) => open.set(stores[store]?.entry ?? 0, store),
    (touch) => {
      const entry = touches[touch]?.entry ?? 0
      const store = entry < 0 ? undefined : open.get(entry)
      if (store === undefined) return
      nextTouch[store] = touch
      storeOfTouch[touch] = store
      open.delete(entry)
    },
  )

  const keyOf = (touch: number): string | undefined => {
    const { address, space } = touches[touch] ?? { address: -1, space: 0 }
    return address < 0 ? undefined : `${space}:${address}`
  }
  const pageOfKey = new Map<string, number>()
  /** Pages that came in by a touch and wait to be met, known by address: not for unnamed stores when a later store names them. */
  const willBeNamed = new Uint8Array(touches.length)
  const lastTouchOfKey = new Map<string, number>()
  for (let touch = 0; touch < touches.length; touch++) {
    const key = keyOf(touch)
    if (key === undefined || (touches[touch]?.entry ?? 0) < 0) continue
    const before = lastTouchOfKey.get(key)
    if (before !== undefined && (storeOfTouch[touch] ?? -1) >= 0) willBeNamed[before] = 1
    lastTouchOfKey.set(key, touch)
  }

  let tasks = 1
  for (const { task } of touches) tasks = Math.max(tasks, task + 1)
  for (let n = 0; n < allocations.length; n++)
    tasks = Math.max(tasks, (allocations.task[n] ?? 0) + 1)
  const start = new Waiting()
  for (let page = 0; page < resident; page++) start.push(page, Number.NEGATIVE_INFINITY)
  const allocated = Array.from({ length: tasks }, () => new Waiting())
  for (let n = 0; n < allocations.length; n++)
    allocated[allocations.task[n] ?? 0]?.push(resident + n, allocations.ns[n] ?? 0)
  const returned = new Waiting()

  const ofStore = new Int32Array(stores.length).fill(-1)
  const ofTouch = new Int32Array(touches.length).fill(-1)
  let length = resident + allocations.length
  let inSwap = 0
  let unmatched = 0
  let storedAgain = 0
  let neverBack = 0

  /** The page that entered first of those that a store at `ns` may have met. */
  const meet = (owner: number, ns: number, isNamed: number): number => {
    let best: Waiting = start
    const consider = (queue: Waiting): void => {
      if (queue.firstNs() < best.firstNs()) best = queue
    }
    if (owner >= 0) {
      const queue = allocated[owner]
      if (queue !== undefined) consider(queue)
    } else for (const queue of allocated) consider(queue)
    // A page first named now has not come back before.
    if (isNamed === 0) consider(returned)
    if (best.firstNs() > ns) {
      if (best.firstNs() === Number.POSITIVE_INFINITY) return -1
      unmatched++
    }
    return best.take()
  }

  forEachInTime(
    stores,
    touches,
    (store) => {
      const ns = stores[store]?.ns ?? 0
      const touch = nextTouch[store] ?? -1
      const key = touch < 0 ? undefined : keyOf(touch)
      if (touch < 0) neverBack++
      const known = key === undefined ? undefined : pageOfKey.get(key)
      if (known !== undefined) {
        ofStore[store] = known
        storedAgain++
        return
      }
      const page = meet(
        touch < 0 ? -1 : (touches[touch]?.task ?? -1),
        ns,
        key === undefined ? 0 : 1,
      )
      if (page < 0) {
        unmatched++
        return
      }
      ofStore[store] = page
      if (key !== undefined) pageOfKey.set(key, page)
    },
    (touch) => {
      const key = keyOf(touch)
      if ((touches[touch]?.entry ?? 0) < 0) {
        ofTouch[touch] = key === undefined ? -1 : (pageOfKey.get(key) ?? -1)
        return
      }
      const store = storeOfTouch[touch] ?? -1
      let page =
        store >= 0 ? (ofStore[store] ?? -1) : key === undefined ? -1 : (pageOfKey.get(key) ?? -1)
      if (page < 0) {
        page = length++
        inSwap++
        if (key !== undefined) pageOfKey.set(key, page)
      }
      ofTouch[touch] = page
      if (willBeNamed[touch] === 0) returned.push(page, touches[touch]?.ns ?? 0)
    },
  )

  let cleanAgain = 0
  const lastSeen = new Map<number, 'store' | 'touch'>()
  forEachInTime(
    stores,
    touches,
    (store) => {
      const page = ofStore[store] ?? -1
      if (page >= 0) lastSeen.set(page, 'store')
    },
    (touch) => {
      const page = ofTouch[touch] ?? -1
      if (page < 0 || (touches[touch]?.entry ?? 0) < 0) return
      if (lastSeen.get(page) === 'touch') cleanAgain++
      lastSeen.set(page, 'touch')
    },
  )
  return {
    length,
    resident,
    inSwap,
    ofStore,
    ofTouch,
    neverBack,
    unmatched,
    storedAgain,
    cleanAgain,
  }
}

function forEachInTime(
  stores: readonly StoredPage[],
  touches: readonly TouchedPage[],
  onStore: (store: number) => void,
  onTouch: (touch: number) => void,
): void {
  let store = 0
  let touch = 0
  while (store < stores.length || touch < touches.length) {
    const storeNs = stores[store]?.ns ?? Number.POSITIVE_INFINITY
    const touchNs = touches[touch]?.ns ?? Number.POSITIVE_INFINITY
    if (storeNs <= touchNs) onStore(store++)
    else onTouch(touch++)
  }
}
