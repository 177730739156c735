import type { Balance } from './balance.ts'
import { type PageCache, RECLAIM_FILE } from './page-cache.ts'
import { EVENT, pagesOfEvent, type Recording } from './recording.ts'
import { PoolPages } from './refused.ts'
import type { Stores } from './stores.ts'

interface BoostParts {
  readonly balance: Balance
  readonly allocNs: Float64Array
  readonly stores: Stores
  readonly startEvent: number
  readonly untilNs: number
  readonly recordPagesPerSlot: number
  readonly cache: Pick<PageCache, 'atStart' | 'readBy'>
}

/** Entries of a page table on 64-bit machines with pages of 4 KiB. */
const TABLE_ENTRIES = 512

/** mm/page_alloc.c rmqueue: woken without allocation flags. */
export function isBoostWake(recording: Recording, event: number): boolean {
  return (
    recording.kind[event] === EVENT.wakeKswapd &&
    recording.b[event] === 0 &&
    recording.a[event] === 0
  )
}

/**
 * Free memory by balance at each wake-up of kswapd that no allocation flag asked for: rmqueue wakes it with gfp 0 after a fallback
 * allocation boosted the watermarks (mm/page_alloc.c, ZONE_BOOSTED_WATERMARK).
 */
export function freeAtBoosts(recording: Recording, parts: BoostParts): number[] {
  const { balance, allocNs, stores } = parts
  const per = balance.poolPerPage.value
  const constant = balance.lruAtStart.value + balance.freeAtStart.value
  const pool = new PoolPages(recording, stores)
  const found: number[] = []
  let allocated = 0
  let reclaimed = 0
  let swappedIn = 0
  let mostStored = 0
  let reclaimedFile = 0
  for (let i = 0; i < recording.length; i++) {
    const ns = recording.ns[i] ?? 0
    pool.advance(i)
    if (i < parts.startEvent) continue
    if (ns > parts.untilNs) break
    while (allocated < allocNs.length && (allocNs[allocated] ?? 0) <= ns) allocated++
    switch (recording.kind[i]) {
      case EVENT.batchEnd:
        if (((recording.c[i] ?? 0) & RECLAIM_FILE) === 0) reclaimed += recording.b[i] ?? 0
        else reclaimedFile += recording.b[i] ?? 0
        break
      case EVENT.read:
        swappedIn += pagesOfEvent(recording, i)
        pool.read(i)
        break
      case EVENT.wakeKswapd:
        // While the first page cache goes, how much was allocated meanwhile is known too coarsely.
        if (isBoostWake(recording, i) && allocated > 0 && reclaimedFile >= parts.cache.atStart) {
          mostStored = Math.max(mostStored, pool.stored + pool.outside)
          found.push(
            constant -
              per * pool.stored -
              (balance.lruAtStart.value + allocated + swappedIn - reclaimed) +
              (reclaimedFile - parts.cache.readBy(ns)) +
              parts.recordPagesPerSlot * mostStored +
              allocated / TABLE_ENTRIES,
          )
        }
        break
      default:
    }
  }
  return found
}
