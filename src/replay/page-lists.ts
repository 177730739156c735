import { listBatch, SCALE_MAX } from '../model/list-batch.ts'

/**
 * Per-CPU lists of free pages of one node (mm/page_alloc.c, 6.12): pages leave and enter the zone in bursts, so the zone's own free count,
 * which every watermark is compared with, runs up to a few hundred pages below what is really free.
 */
export class PageLists {
  /** Pages on each CPU's lists. */
  readonly counts: Int32Array
  /** Of those, pages for the kernel's own use: of other mobility types than movable. */
  readonly kernelCounts: Int32Array
  /** kswapd is at work: lists are kept short. */
  isReclaimActive = false
  /** The zone was seen below high: lists do not grow. */
  isBelowHigh: boolean
  readonly #batch: number
  readonly #highMin: number
  readonly #highMax: number
  readonly #high: Int32Array
  readonly #allocFactor: Uint8Array
  readonly #freeCount: Int32Array
  /** Since 6.7 a list that only gives refills in growing bursts. */
  readonly #tunes: boolean
  /** A kernel for one CPU has no work for its counters, which would shorten the list. */
  readonly #decays: boolean

  constructor(
    cpus: number,
    zone: { readonly managed: number; readonly low: number; readonly cpusOfNode: number },
    options: {
      readonly tunes: boolean
      readonly decays?: boolean
      /** Memory above high was filled up to now: each list has given so long that its refills are the largest, and has grown to its most. */
      readonly areFilling?: boolean
    },
  ) {
    this.counts = new Int32Array(cpus)
    this.kernelCounts = new Int32Array(cpus)
    this.#allocFactor = new Uint8Array(cpus)
    this.#freeCount = new Int32Array(cpus)
    this.#batch = listBatch(zone.managed)
    const nodeCpus = Math.max(1, zone.cpusOfNode)
    this.#highMin = Math.max(Math.floor(zone.low / nodeCpus), this.#batch * 4)
    this.#highMax = options.tunes
      ? Math.max(this.#highMin, Math.floor(zone.managed / 8 / nodeCpus))
      : this.#highMin
    const areFilling = options.areFilling === true
    if (areFilling) this.#allocFactor.fill(SCALE_MAX)
    this.isBelowHigh = !areFilling
    this.#high = new Int32Array(cpus).fill(areFilling ? this.#highMax : this.#highMin)
    this.#tunes = options.tunes
    this.#decays = options.tunes && (options.decays ?? true)
  }

  /** Pages on all lists. */
  get total(): number {
    let total = 0
    for (const count of this.counts) total += count
    return total
  }

  /** Movable pages on the CPU's list. */
  movable(cpu: number): number {
    return (this.counts[cpu] as number) - (this.kernelCounts[cpu] as number)
  }

  /** Takes one movable page from the CPU's list; returns how many of the `available` pages the zone gave for a refill, 0 for none. */
  take(cpu: number, available: number): number {
    let refill = 0
    if (this.movable(cpu) === 0) {
      // The reserves' last page is lent: callers look before they take.
      refill = Math.max(1, Math.min(this.#refill(cpu), available))
      this.counts[cpu] = (this.counts[cpu] as number) + refill
    }
    this.counts[cpu] = (this.counts[cpu] as number) - 1
    this.#freeCount[cpu] = (this.#freeCount[cpu] as number) >> 1
    return refill
  }

  /** Chunks of the order that a refill of a list of the kernel's own pages asks for (nr_pcp_alloc). */
  kernelRefill(cpu: number, order: number): number {
    if (order === 0) return this.#refill(cpu)
    const batch = this.#batch
    if (this.#tunes && !this.isBelowHigh)
      this.#high[cpu] = Math.min((this.#high[cpu] as number) + batch, this.#highMax)
    return batch > 1 ? Math.max(batch >> order, 2) : 1
  }

  /** A list of the kernel's own pages got so many, or gave them. */
  addKernel(cpu: number, pages: number): void {
    this.counts[cpu] = (this.counts[cpu] as number) + pages
    this.kernelCounts[cpu] = (this.kernelCounts[cpu] as number) + pages
    if (pages < 0) this.#freeCount[cpu] = (this.#freeCount[cpu] as number) >> 1
  }

  /** Puts one page on the CPU's lists (free_unref_page_commit); returns how many pages the zone gets back. Those of other types than movable stay counted in `kernelCounts`. */
  give(cpu: number): number {
    const batch = this.#batch
    const count = (this.counts[cpu] as number) + 1
    this.counts[cpu] = count
    const freed = this.#freeCount[cpu] as number
    this.#allocFactor[cpu] = (this.#allocFactor[cpu] as number) >> 1
    if (freed < batch << SCALE_MAX) this.#freeCount[cpu] = freed + 1
    const high = this.#highOf(cpu)
    if (count < high) return 0
    const most = Math.max(batch, high - batch)
    const back = Math.min(count, Math.max(batch, Math.min(this.#freeCount[cpu] as number, most)))
    this.counts[cpu] = count - back
    return back
  }

  /** decay_pcp_high, which the CPU's work for its counters calls once in a second, so many times; returns how many pages the zone gets back. */
  decay(cpu: number, times: number): number {
    if (!this.#decays) return 0
    const count = this.counts[cpu] as number
    const least = Math.max(count - (this.#batch << SCALE_MAX), this.#highMin)
    let high = this.#high[cpu] as number
    for (let time = 0; time < times && high > least; time++)
      high = Math.max(least, high - (high >> 3))
    this.#high[cpu] = high
    const back = Math.max(0, count - high)
    this.counts[cpu] = count - back
    return back
  }

  /** drain_all_pages: returns what the zone gets back. */
  drain(): number {
    const total = this.total
    this.counts.fill(0)
    this.kernelCounts.fill(0)
    return total
  }

  /** nr_pcp_alloc. */
  #refill(cpu: number): number {
    const batch = this.#batch
    if (!this.#tunes) return batch
    const factor = this.#allocFactor[cpu] as number
    let wanted = batch << factor
    if (!this.isBelowHigh)
      this.#high[cpu] = Math.min((this.#high[cpu] as number) + wanted, this.#highMax)
    const room = (this.#high[cpu] as number) - (this.counts[cpu] as number) - batch
    const most = Math.max(room, batch)
    if (wanted <= most && factor < SCALE_MAX) this.#allocFactor[cpu] = factor + 1
    wanted = Math.min(wanted, most)
    return wanted
  }

  /** nr_pcp_high. */
  #highOf(cpu: number): number {
    const batch = this.#batch
    const high = this.#high[cpu] as number
    const freed = Math.max(this.#freeCount[cpu] as number, batch)
    if (this.isReclaimActive) {
      this.#high[cpu] = Math.max(high - freed, this.#highMin)
      return Math.min(batch << 2, this.#high[cpu] as number)
    }
    if (!this.#tunes) return high
    if (this.isBelowHigh) {
      this.#high[cpu] = Math.max(high - freed, this.#highMin)
      return Math.max(this.counts[cpu] as number, this.#highMin)
    }
    if ((this.counts[cpu] as number) >= high) {
      const need = freed + batch
      if (high < need) this.#high[cpu] = Math.min(Math.max(need, this.#highMin), this.#highMax)
    }
    return high
  }
}
