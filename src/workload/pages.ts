import type { Allocations } from './demand.ts'

/** A store, as far as identity goes. Times in wall order. */
export interface StoredPage {
  readonly ns: number
  readonly entry: number
  readonly isSame: boolean
  readonly node: number
  /** Thread that reclaimed it for its memory cgroup; absent = memory as a whole was short. */
  readonly forMemcgOf?: number
  /** Its place in the folio in which it went out, and how many pages that has; its other parts stand beside it. Absent = it was none. */
  readonly part?: number
  readonly folioPages?: number
}

/**
 * A swap-in, or a fault that found its page still in memory, with entry -1 where that is not known. `address` is its page's identity within `space`,
 * -1 where no fault probe told it.
 */
export interface TouchedPage {
  readonly ns: number
  readonly entry: number
  readonly space: number
  readonly address: number
  /** Row of the task, -1 = not one of the demand. */
  readonly task: number
  readonly node: number
  /** Of a page in memory: its slot was given back, as by a fault that writes; if not, it leaves again without a store. Absent = it was read, or not told. */
  readonly givesSlot?: boolean
}

export interface Identities {
  /** All pages: resident at the start, then allocations in time order, then those already in swap at the start. */
  readonly length: number
  readonly resident: number
  /** Of the pages resident at the start. */
  readonly nodeAtStart: Uint8Array
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
  /** By page: the one with which the folio begins as a part of which it went out first, -1 = none; undefined = there was no folio. */
  readonly folio: Int32Array | undefined
}

/**
 * Follows pages over out and in by their swap entries. A swap-in names the page that its store wrote; what no swap-in names was met
 * in the order in which pages entered the LRU, which is how reclaim meets them (inactive list, oldest first). Each node has its own
 * lists: a store met what was there at the start on its node.
 */
export function followPages(
  stores: readonly StoredPage[],
  touches: readonly TouchedPage[],
  allocations: Allocations,
  nodeAtStart: Uint8Array,
): Identities {
  const follower = new Follower(stores, touches, allocations, nodeAtStart)
  const resident = nodeAtStart.length
  forEachInTime(
    stores,
    touches,
    (store) => follower.store(store),
    (touch) => follower.touch(touch),
  )
  const { ofStore, ofTouch } = follower
  return {
    length: follower.length,
    resident,
    nodeAtStart,
    inSwap: follower.inSwap,
    ofStore,
    ofTouch,
    neverBack: follower.neverBack,
    unmatched: follower.unmatched,
    storedAgain: follower.storedAgain,
    cleanAgain: countCleanAgain(stores, touches, ofStore, ofTouch),
    folio: groupFolios(stores, ofStore, {
      length: follower.length,
      known: resident + allocations.length,
    }),
  }
}

/** Pages that went out for the first time, all of one folio: only such were one before. What has come back once is single pages. */
function groupFolios(
  stores: readonly StoredPage[],
  ofStore: Int32Array,
  pages: { readonly length: number; readonly known: number },
): Int32Array | undefined {
  if (!stores.some(({ folioPages }) => folioPages !== undefined)) return undefined
  const folio = new Int32Array(pages.length).fill(-1)
  // What was in swap at the start comes back page by page.
  const seen = new Uint8Array(pages.length).fill(1, pages.known)
  stores.forEach(({ part, folioPages = 1 }, store) => {
    const parts = ofStore.subarray(store, store + folioPages)
    if (part === 0 && parts.every((page) => page >= 0 && seen[page] === 0))
      for (const page of parts) folio[page] = parts[0] ?? -1
    const page = ofStore[store] ?? -1
    if (page >= 0) seen[page] = 1
  })
  return folio
}

/** Gives each store and each touch its page, one after the other in time. */
class Follower {
  readonly ofStore: Int32Array
  readonly ofTouch: Int32Array
  length: number
  inSwap = 0
  neverBack = 0
  unmatched = 0
  storedAgain = 0
  readonly #stores: readonly StoredPage[]
  readonly #touches: readonly TouchedPage[]
  readonly #pairs: Pairs
  readonly #names: Names
  readonly #waiting: WaitingPages
  readonly #pageOfName = new Map<string, number>()
  /** Where the first page of the folio under way was met: the others wait there too. */
  #folioQueue: Waiting | undefined

  constructor(
    stores: readonly StoredPage[],
    touches: readonly TouchedPage[],
    allocations: Allocations,
    nodeAtStart: Uint8Array,
  ) {
    this.#stores = stores
    this.#touches = touches
    this.#pairs = pairUp(stores, touches)
    this.#names = nameTouches(touches, this.#pairs)
    this.#waiting = new WaitingPages(touches, allocations, nodeAtStart)
    this.ofStore = new Int32Array(stores.length).fill(-1)
    this.ofTouch = new Int32Array(touches.length).fill(-1)
    this.length = nodeAtStart.length + allocations.length
  }

  store(store: number): void {
    const touch = this.#pairs.touchOfStore[store] ?? -1
    const name = this.#names.ofTouch[touch]
    if (touch < 0) this.neverBack++
    const known = this.#pageNamed(name)
    if (known >= 0) {
      this.ofStore[store] = known
      this.storedAgain++
      return
    }
    const page = this.#meet(store, touch, name !== undefined)
    if (page < 0) return
    this.ofStore[store] = page
    if (name !== undefined) this.#pageOfName.set(name, page)
  }

  /** The page that a store met which no page is known for yet; -1 = none was left. */
  #meet(store: number, touch: number, isNamed: boolean): number {
    const { ns = 0, part, node = 0 } = this.#stores[store] ?? {}
    const isPart = part !== undefined
    const owner = isPart ? this.#ownerOfFolio(store - part) : (this.#touches[touch]?.task ?? -1)
    const queue =
      isPart && part > 0 && this.#folioQueue !== undefined
        ? this.#folioQueue
        : this.#waiting.queueOf(node, owner, isNamed || isPart)
    this.#folioQueue = isPart ? queue : undefined
    const enteredNs = queue.firstNs()
    const page = queue.take()
    if (page < 0 || enteredNs > ns) this.unmatched++
    return page
  }

  /** The task that faulted one of its pages back; -1 = none did. */
  #ownerOfFolio(first: number): number {
    const last = first + (this.#stores[first]?.folioPages ?? 1)
    for (let store = first; store < last; store++) {
      const touch = this.#pairs.touchOfStore[store] ?? -1
      const owner = this.#touches[touch]?.task ?? -1
      if (owner >= 0) return owner
    }
    return -1
  }

  touch(touch: number): void {
    const name = this.#names.ofTouch[touch]
    if ((this.#touches[touch]?.entry ?? 0) < 0) {
      this.ofTouch[touch] = this.#pageNamed(name)
      return
    }
    const store = this.#pairs.storeOfTouch[touch] ?? -1
    let page = store >= 0 ? (this.ofStore[store] ?? -1) : this.#pageNamed(name)
    if (page < 0) {
      page = this.length++
      this.inSwap++
      if (name !== undefined) this.#pageOfName.set(name, page)
    }
    this.ofTouch[touch] = page
    if (this.#names.isNamedLater[touch] === 0 && this.#touches[touch]?.givesSlot !== false)
      this.#waiting.returned.push(page, this.#touches[touch]?.ns ?? 0)
  }

  #pageNamed(name: string | undefined): number {
    return name === undefined ? -1 : (this.#pageOfName.get(name) ?? -1)
  }
}

/** Which touch brought back what a store wrote; -1 = none. */
export interface Pairs {
  readonly touchOfStore: Int32Array
  readonly storeOfTouch: Int32Array
}

export function pairUp(stores: readonly StoredPage[], touches: readonly TouchedPage[]): Pairs {
  const touchOfStore = new Int32Array(stores.length).fill(-1)
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
      touchOfStore[store] = touch
      storeOfTouch[touch] = store
      open.delete(entry)
    },
  )
  return { touchOfStore, storeOfTouch }
}

interface Names {
  /** The page's address in its space; undefined = no fault probe told it. */
  readonly ofTouch: readonly (string | undefined)[]
  /** 1 = came in by this touch, and a later store of the page will be known by its address: no unnamed store meets it. */
  readonly isNamedLater: Uint8Array
}

function nameTouches(touches: readonly TouchedPage[], { storeOfTouch }: Pairs): Names {
  const ofTouch = touches.map(({ address, space }) =>
    address < 0 ? undefined : `${space}:${address}`,
  )
  const isNamedLater = new Uint8Array(touches.length)
  const lastOfName = new Map<string, number>()
  for (const [touch, name] of ofTouch.entries()) {
    if (name === undefined || (touches[touch]?.entry ?? 0) < 0) continue
    const before = lastOfName.get(name)
    if (before !== undefined && (storeOfTouch[touch] ?? -1) >= 0) isNamedLater[before] = 1
    lastOfName.set(name, touch)
  }
  return { ofTouch, isNamedLater }
}

/** Pages that wait to be met by reclaim, in queues by where they came from. */
class WaitingPages {
  /** What came back by a touch. */
  readonly returned = new Waiting()
  readonly #none = new Waiting()
  /** By node. */
  readonly #start = new Map<number, Waiting>()
  readonly #allocated: readonly Waiting[]

  constructor(touches: readonly TouchedPage[], allocations: Allocations, nodeAtStart: Uint8Array) {
    let tasks = 1
    for (const { task } of touches) tasks = Math.max(tasks, task + 1)
    for (let n = 0; n < allocations.length; n++)
      tasks = Math.max(tasks, (allocations.task[n] ?? 0) + 1)
    nodeAtStart.forEach((node, page) => {
      const queue = this.#start.get(node) ?? new Waiting()
      this.#start.set(node, queue)
      queue.push(page, Number.NEGATIVE_INFINITY)
    })
    this.#allocated = Array.from({ length: tasks }, () => new Waiting())
    for (let n = 0; n < allocations.length; n++)
      this.#allocated[allocations.task[n] ?? 0]?.push(
        nodeAtStart.length + n,
        allocations.ns[n] ?? 0,
      )
  }

  /** Where the page waits that entered first of those that a store on the node may have met. `owner` -1 = any task's. */
  queueOf(node: number, owner: number, isNamed: boolean): Waiting {
    let best = this.#start.get(node) ?? this.#none
    const consider = (queue: Waiting | undefined): void => {
      if (queue !== undefined && queue.firstNs() < best.firstNs()) best = queue
    }
    if (owner >= 0) consider(this.#allocated[owner])
    else for (const queue of this.#allocated) consider(queue)
    // A page first named now has not come back before, nor has one in a folio.
    if (!isNamed) consider(this.returned)
    return best
  }
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

/** Pages that came back twice without a store between. */
function countCleanAgain(
  stores: readonly StoredPage[],
  touches: readonly TouchedPage[],
  ofStore: Int32Array,
  ofTouch: Int32Array,
): number {
  let count = 0
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
      if (lastSeen.get(page) === 'touch') count++
      lastSeen.set(page, 'touch')
    },
  )
  return count
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
