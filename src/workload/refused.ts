import { pagesOfEvent, type RecordedPlaces, type Recording } from './recording.ts'
import type { Stores, ToldPages } from './stores.ts'

/** How many pages the pool holds as a recording is followed, event by event. */
export class PoolPages {
  stored = 0
  readonly #recording: Recording
  readonly #stores: Stores
  readonly #isOutside: Uint8Array
  /** Entries that hold something, but nothing in the pool. */
  readonly #outside = new Set<number>()
  #next = 0

  constructor(recording: Recording, stores: Stores) {
    this.#recording = recording
    this.#stores = stores
    this.#isOutside = storesOutsidePool(stores)
  }

  /** Pages in swap that take no memory of the pool. */
  get outside(): number {
    return this.#outside.size
  }

  /** Takes the stores up to an event. */
  advance(event: number): void {
    const { length, event: events, entry } = this.#stores
    for (; this.#next < length && (events[this.#next] ?? 0) <= event; this.#next++)
      if (this.#isOutside[this.#next] === 1) this.#outside.add(entry[this.#next] ?? 0)
      else this.stored++
  }

  /** The event reads its entries back. */
  read(event: number): void {
    const first = this.#recording.a[event] ?? 0
    const last = first + pagesOfEvent(this.#recording, event)
    for (let entry = first; entry < last; entry++) if (!this.#outside.delete(entry)) this.stored--
  }
}

/** 1 at the stores that took no memory of the pool: zero and same-filled pages, and those that zswap refused. */
export function storesOutsidePool({ isSame, isRefused }: Stores): Uint8Array {
  return isSame.map((same, k) => same | (isRefused[k] ?? 0))
}

/** What zswap's probes tell of each page. */
export function toldPages(
  recording: Pick<Recording, 'ns' | 'refusals' | 'zeroPages'>,
  stores: Pick<Stores, 'length' | 'event' | 'entry'>,
): ToldPages {
  const { refusals, zeroPages } = recording
  return {
    isZero: zeroPages && storesIn(zeroPages, recording, stores),
    isRefused:
      refusals === undefined
        ? new Uint8Array(stores.length)
        : storesIn(refusals, recording, stores),
  }
}

/** 1 at the stores of pages that went to the place. */
function storesIn(
  place: RecordedPlaces,
  recording: Pick<Recording, 'ns'>,
  stores: Pick<Stores, 'length' | 'event' | 'entry'>,
): Uint8Array {
  const found = new Uint8Array(stores.length)
  let next = 0
  for (let k = 0; k < stores.length; k++) {
    const ns = recording.ns[stores.event[k] ?? 0] ?? 0
    while ((place.ns[next] ?? Number.POSITIVE_INFINITY) < ns) next++
    for (let row = next; place.ns[row] === ns; row++)
      if (place.entry[row] === stores.entry[k]) found[k] = 1
  }
  return found
}
