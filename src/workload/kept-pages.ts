import { partitionPoint } from '../model/partition-point.ts'
import { RECLAIM_FILE } from './page-cache.ts'
import type { ListedStore, Touch } from './page-events.ts'
import { type Pairs, pairUp } from './pages.ts'
import { EVENT, type Recording } from './recording.ts'

/** Multiples of it, less their whole part, fill the unit interval evenly. */
const GOLDEN_RATIO = 0.6180339887498949

/**
 * A fault that reads nothing meets a page which is queued, or stored and not freed yet: under parallel one in ten does. No event tells its entry, and
 * its address only where the page is read from swap at another time. It is one of those that wait to be freed: as many of those given to swap last as
 * were not freed by then, without those that come back by a read. Of these it is the one beside the stores of pages at addresses beside its own, for
 * they were filled, met and stored one after the other; where these do not wait, it is drawn.
 */
export function placeKept(
  recording: Recording,
  stores: readonly ListedStore[],
  touches: readonly Touch[],
  startEvent: number,
): readonly Touch[] {
  if (!touches.some(({ entry }) => entry < 0)) return touches
  const pairs = pairUp(stores, touches)
  const waiting = new WaitingStores(recording, stores, pairs, startEvent)
  const beside = new Neighbours(touches, pairs)
  let drawn = 0
  return touches.map((touch) => {
    if (touch.entry >= 0 || beside.isNamed(touch)) return touch
    waiting.readUntil(touch.ns)
    const wanted = beside.storesOf(touch).find((store) => waiting.has(store))
    const store =
      wanted === undefined ? waiting.drawn((++drawn * GOLDEN_RATIO) % 1) : waiting.nearest(wanted)
    const entry = stores[store]?.entry
    if (entry === undefined) return touch
    beside.name(touch)
    return { ...touch, entry }
  })
}

/** Which stores wrote the pages whose addresses are known. */
class Neighbours {
  readonly #named = new Set<string>()
  /** By space, in the order of their addresses. */
  readonly #known = new Map<number, { readonly address: number; readonly store: number }[]>()

  constructor(touches: readonly Touch[], { storeOfTouch }: Pairs) {
    touches.forEach((touch, index) => {
      const { address, entry, space } = touch
      const store = storeOfTouch[index] ?? -1
      if (entry < 0 || address < 0) return
      this.name(touch)
      if (store < 0) return
      const known = this.#known.get(space) ?? []
      this.#known.set(space, known)
      known.push({ address, store })
    })
    for (const known of this.#known.values()) known.sort((x, y) => x.address - y.address)
  }

  isNamed({ address, space }: Touch): boolean {
    return this.#named.has(`${space}:${address}`)
  }

  name({ address, space }: Touch): void {
    this.#named.add(`${space}:${address}`)
  }

  /** Where its own store must be by those beside it, the nearer one first. */
  storesOf({ address, space }: Touch): number[] {
    const known = this.#known.get(space) ?? []
    const next = partitionPoint(known.length, (place) => (known[place]?.address ?? 0) < address)
    return [known[next - 1], known[next]]
      .filter((page) => page !== undefined)
      .map((page) => ({
        away: Math.abs(address - page.address),
        at: page.store + address - page.address,
      }))
      .sort((x, y) => x.away - y.away)
      .map(({ at }) => at)
  }
}

/** The stores whose pages wait to be freed at a moment. */
class WaitingStores {
  readonly #stores: readonly ListedStore[]
  /** All that were not made by who gave the page to swap, which frees it at once. */
  readonly #later: Int32Array
  /** What they wrote comes back by a touch. */
  readonly #isBack: Uint8Array
  readonly #freedNs: number[] = []
  readonly #freed: number[] = []
  #nextStore = 0
  #nextFreed = 0
  /** Given to swap and not freed. */
  #unfreed = 0
  /** Those that wait, as places in `later`. */
  #from = 0
  #to = 0

  constructor(
    recording: Recording,
    stores: readonly ListedStore[],
    { touchOfStore }: Pairs,
    startEvent: number,
  ) {
    this.#stores = stores
    this.#isBack = Uint8Array.from(touchOfStore, (touch) => (touch >= 0 ? 1 : 0))
    const freedAtOnce = this.#readEvents(recording, startEvent)
    const later: number[] = []
    stores.forEach(({ event, isSame }, store) => {
      if (!isSame && !freedAtOnce.has(event)) later.push(store)
    })
    this.#later = Int32Array.from(later)
  }

  /** Returns the gates within which their own pages were stored. */
  #readEvents({ a, b, c, kind, length, ns, tid }: Recording, startEvent: number): Set<number> {
    const freedAtOnce = new Set<number>()
    const gates = new Map<number, number>()
    for (let i = startEvent; i < length; i++) {
      const task = tid[i] ?? 0
      if (kind[i] === EVENT.gate) gates.set(task, i)
      else if (kind[i] === EVENT.gateReturn) gates.delete(task)
      else if (kind[i] === EVENT.store) {
        const gate = gates.get(task)
        if (gate !== undefined && a[gate] === a[i]) freedAtOnce.add(gate)
      } else if (kind[i] === EVENT.batchEnd && ((c[i] ?? 0) & RECLAIM_FILE) === 0) {
        this.#freedNs.push(ns[i] ?? 0)
        this.#freed.push(b[i] ?? 0)
      }
    }
    return freedAtOnce
  }

  readUntil(ns: number): void {
    const until = (at: number | undefined): boolean => (at ?? Number.POSITIVE_INFINITY) <= ns
    for (; until(this.#stores[this.#nextStore]?.ns); this.#nextStore++) this.#unfreed++
    for (; until(this.#freedNs[this.#nextFreed]); this.#nextFreed++)
      this.#unfreed -= this.#freed[this.#nextFreed] ?? 0
    this.#to = this.#placeOf(this.#nextStore)
    this.#from = Math.max(0, this.#to - Math.max(0, this.#unfreed))
  }

  /** Of the first that is not before a store. */
  #placeOf(store: number): number {
    return partitionPoint(this.#later.length, (place) => (this.#later[place] ?? 0) < store)
  }

  has(store: number): boolean {
    const place = this.#placeOf(store)
    return place >= this.#from && place < this.#to
  }

  /** One that comes back by no other touch, by its place among those that wait; -1 = there is none. */
  drawn(share: number): number {
    return this.#takeNear(this.#from + Math.floor(share * (this.#to - this.#from)))
  }

  nearest(store: number): number {
    return this.#takeNear(this.#placeOf(store))
  }

  #takeNear(place: number): number {
    const most = this.#to - this.#from
    for (let away = 0; away < most; away++)
      for (const at of [place + away, place - away]) {
        const store = this.#later[at] ?? -1
        if (at < this.#from || at >= this.#to || this.#isBack[store] === 1) continue
        this.#isBack[store] = 1
        return store
      }
    return -1
  }
}
