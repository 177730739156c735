import type { WorkloadZone } from '../workload/types.ts'

export type Mark = 'min' | 'low' | 'high'

interface Zone {
  readonly managed: number
  readonly min: number
  readonly low: number
  readonly high: number
  /** lowmem_reserve against allocations that could have used the first zone of the list. */
  readonly reserve: number
  free: number
  boost: number
  /** Frames that are due to it of those that came free. */
  credit: number
}

/**
 * The zones of one node in the order in which allocations try them (mm/page_alloc.c get_page_from_freelist): movable pages may come from any.
 * Reclaim takes from lists of the node, on which pages of all zones are mixed, so frames come free from each as it has them in use.
 */
export class ZoneList {
  readonly #zones: readonly Zone[]
  /** The zone of the latest page. */
  #latest: Zone

  /** `scale` stretches the gaps min..low and min..high. */
  constructor(zones: readonly WorkloadZone[], scale: number) {
    this.#zones = zones.map(({ managed, min, low, high, reserve, freeAtStart }) => ({
      managed,
      min,
      low: min + Math.round((low - min) * scale),
      high: min + Math.round((high - min) * scale),
      reserve: reserve ?? 0,
      free: freeAtStart ?? 0,
      boost: 0,
      credit: 0,
    }))
    this.#latest = this.#zones[0] as Zone
  }

  get free(): number {
    return this.#zones.reduce((sum, { free }) => sum + free, 0)
  }

  get boost(): number {
    return this.#zones.reduce((sum, { boost }) => sum + boost, 0)
  }

  /** Pages that kswapd asks for (kswapd_shrink_node). */
  target(least: number): number {
    return this.#zones.reduce((sum, { high, boost }) => sum + Math.max(high + boost, least), 0)
  }

  /** Has any zone so many pages above its mark and its reserve (zone_watermark_ok, pgdat_balanced)? */
  passes(mark: Mark, pages: number): boolean {
    return this.#zones.some((zone) => passes(zone, mark, pages))
  }

  /** Have all of them? */
  allPass(mark: Mark, pages: number): boolean {
    return this.#zones.every((zone) => passes(zone, mark, pages))
  }

  /** Free pages of the zone that the next page comes from; the one below all marks that has most, for those who may use it. */
  get available(): number {
    return this.#next().free
  }

  /** That many are taken from there. */
  take(pages: number): void {
    this.#latest = this.#next()
    this.#latest.free -= pages
  }

  /** That many came free. */
  give(pages: number): void {
    for (let page = 0; page < pages; page++) {
      const used = this.#zones.reduce((sum, zone) => sum + inUse(zone), 0)
      let due = this.#zones[0] as Zone
      for (const zone of this.#zones) {
        if (used > 0) zone.credit += inUse(zone) / used
        if (zone.credit > due.credit) due = zone
      }
      due.credit -= 1
      due.free++
    }
  }

  /** The zone that the latest page came from lacks movable ones. */
  raise(step: number, most: number): void {
    this.#latest.boost = Math.min(this.#latest.boost + step, most)
  }

  /** kswapd has answered for so much of the boosts. */
  lower(pages: number): void {
    let left = pages
    for (const zone of this.#zones) {
      const part = Math.min(zone.boost, left)
      zone.boost -= part
      left -= part
    }
  }

  #next(): Zone {
    const zones = this.#zones
    return (
      zones.find((zone) => passes(zone, 'low', 0)) ??
      zones.find((zone) => passes(zone, 'min', 0)) ??
      zones.reduce((most, zone) => (zone.free > most.free ? zone : most))
    )
  }
}

function passes(zone: Zone, mark: Mark, pages: number): boolean {
  return zone.free - pages > zone[mark] + zone.boost + zone.reserve
}

function inUse({ managed, free }: Zone): number {
  return Math.max(0, managed - free)
}
