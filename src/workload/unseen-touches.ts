import type { Identities, StoredPage, TouchedPage } from './pages.ts'
import { UNSEEN_ENTRIES } from './recording.ts'

type Moved = Pick<StoredPage, 'ns' | 'entry' | 'forMemcgOf'>

/** Touches that left no event: with which seen touch each goes, and its page. */
export interface UnseenTouches {
  readonly length: number
  readonly withTouch: Int32Array
  readonly page: Int32Array
}

/** Who has which page, and since when, as far as the recording tells. */
interface KnownPages
  extends Pick<Identities, 'length' | 'resident' | 'inSwap' | 'ofStore' | 'ofTouch'> {
  /** When those that follow the ones resident at the start were allocated. */
  readonly allocatedNs: Float64Array
}

/**
 * Touches of pages in memory leave no event, though reclaim that meets such a page keeps it. A page that is next to be taken is as likely to be
 * touched as those taken just before it, and of these each touch is a swap-in. So with each return of one of the `recent` pages evicted last, every
 * page in memory is touched with the chance that one of those still out had: 1 by their number.
 *
 * Measured: what was evicted 2,000, 5,000, 10,000 or 20,000 pages ago comes back equally often; in the pairs that is .14 to .27 times as often as
 * all that is out, for the pages used most were filled first and evicted first. What was evicted for a memory cgroup tells of its memory only, for
 * which nothing is drawn.
 */
export function drawTouches(
  stores: readonly Moved[],
  touches: readonly Pick<TouchedPage, 'ns' | 'entry'>[],
  pages: KnownPages,
  recent: number,
): UnseenTouches {
  const evicted = new EvictedLast(stores, recent)
  const memory = new MemoryThen(stores, pages)
  const withTouch: number[] = []
  const drawn: number[] = []
  let owed = 0
  touches.forEach(({ ns, entry }, touch) => {
    const out = evicted.returns(ns, entry)
    memory.readUntil(ns)
    if (out > 0) owed += pages.length / out
    for (; owed >= 1; owed--) {
      const page = memory.draw(ns)
      if (page < 0) continue
      withTouch.push(touch)
      drawn.push(page)
    }
    memory.returned(touch)
  })
  const length = drawn.length
  return { length, withTouch: Int32Array.from(withTouch), page: Int32Array.from(drawn) }
}

/** The stores made last, and which of their pages are still out. */
class EvictedLast {
  readonly #stores: readonly Moved[]
  readonly #recent: number
  readonly #isOut: Uint8Array
  readonly #storeOfEntry = new Map<number, number>()
  #next = 0
  #out = 0
  #evicted = 0

  constructor(stores: readonly Moved[], recent: number) {
    this.#stores = stores
    this.#recent = recent
    this.#isOut = new Uint8Array(stores.length)
  }

  /** A page comes back: how many of those evicted last were out just before, itself included; 0 = it was none of them, or they are too few to tell. */
  returns(ns: number, entry: number): number {
    this.#readUntil(ns)
    // An entry that was drawn tells nothing of when its page was evicted.
    const store = entry >= UNSEEN_ENTRIES ? undefined : this.#storeOfEntry.get(entry)
    if (store === undefined) return 0
    this.#storeOfEntry.delete(entry)
    this.#isOut[store] = 0
    if (store < this.#next - this.#recent) return 0
    const out = this.#out--
    return this.#evicted < this.#recent ? 0 : out
  }

  #readUntil(ns: number): void {
    for (; (this.#stores[this.#next]?.ns ?? Number.POSITIVE_INFINITY) <= ns; this.#next++) {
      const { entry = 0, forMemcgOf } = this.#stores[this.#next] ?? {}
      if (forMemcgOf === undefined) {
        this.#storeOfEntry.set(entry, this.#next)
        this.#isOut[this.#next] = 1
        this.#out++
        this.#evicted++
      }
      this.#out -= this.#isOut[this.#next - this.#recent] ?? 0
    }
  }
}

/** Which of the known pages are in memory. */
class MemoryThen {
  readonly #stores: readonly Moved[]
  readonly #pages: KnownPages
  readonly #isOut: Uint8Array
  #next = 0
  #drawn = 1

  constructor(stores: readonly Moved[], pages: KnownPages) {
    this.#stores = stores
    this.#pages = pages
    this.#isOut = new Uint8Array(pages.length).fill(1, pages.length - pages.inSwap)
  }

  readUntil(ns: number): void {
    for (; (this.#stores[this.#next]?.ns ?? Number.POSITIVE_INFINITY) <= ns; this.#next++) {
      const page = this.#pages.ofStore[this.#next] ?? -1
      if (page >= 0) this.#isOut[page] = 1
    }
  }

  returned(touch: number): void {
    const page = this.#pages.ofTouch[touch] ?? -1
    if (page >= 0) this.#isOut[page] = 0
  }

  /** One of all pages by chance; -1 = that one is not in memory. */
  draw(ns: number): number {
    // Constants of Numerical Recipes; the high bits are the random ones.
    this.#drawn = (Math.imul(this.#drawn, 1664525) + 1013904223) >>> 0
    const { allocatedNs, length, resident } = this.#pages
    const page = Math.floor((this.#drawn / 2 ** 32) * length)
    const since = page < resident ? Number.NEGATIVE_INFINITY : (allocatedNs[page - resident] ?? 0)
    return this.#isOut[page] === 0 && since <= ns ? page : -1
  }
}
