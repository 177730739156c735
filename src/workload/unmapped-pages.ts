import { Numbers } from './numbers.ts'
import type { Gap } from './unmap-costs.ts'

/** Fewer are no kind of their own. */
const MIN_SHORT = 50
/** Of the limit: what lies between that and it is neither. */
const WELL_BELOW = 0.75
const MOST_BETWEEN = 2

/** By event of the gate, of the pages of which it is told: 1 = no task maps the page. */
export type ToldUnmapped = ReadonlyMap<number, number>

/** Who waits for an answer to a flush: a reclaimer while another CPU runs an owner of memory, or an owner while one has its page tables loaded. */
const WAITING: readonly ((gap: Gap) => boolean)[] = [
  ({ isOwner, isRemote }) => isOwner && isRemote,
  ({ isOwner, isRemote }) => !isOwner && isRemote,
  ({ isOwner, isRemote, isHeld, isSure }) => isOwner && !isRemote && isHeld && isSure,
]

/**
 * Unmapping waits for an answer to the flush. Pages in no page table (shared memory of files: the root file system in memory) need none, and the
 * ways to them are a kind of their own: 6 to 8 us beside 20 to 40, and as many pages as nr_shmem falls by (0.5 to 0.9 of that are told, in recordings of
 * 1,200 to 16,000).
 */
export function tellUnmapped(gaps: readonly Gap[]): ToldUnmapped {
  const told = new Map<number, number>()
  for (const waits of WAITING) {
    const waiting = gaps.filter(waits)
    const below = limitOfShort(waiting)
    if (below === 0) continue
    for (const { event, ns } of waiting) told.set(event, ns < below ? 1 : 0)
  }
  return told
}

/** Below what a way is one to a page that no task maps: half of the median, if next to none lie just below it; 0 = they are of one kind. */
function limitOfShort(waiting: readonly Gap[]): number {
  const ways = new Numbers()
  for (const { ns } of waiting) ways.push(ns)
  const below = ways.median() / 2
  let short = 0
  let between = 0
  for (const { ns } of waiting)
    if (ns < below * WELL_BELOW) short++
    else if (ns < below) between++
  return short >= MIN_SHORT && between * MOST_BETWEEN < short ? below : 0
}

/** Stores that lie apart by more say nothing of each other. */
const REACH = 32

/**
 * 1 at the pages that no task maps. Of a store whose way tells nothing, the nearest one that tells does: the LRU has files of shared memory in one
 * piece. A page that a task faulted back is its own.
 */
export function findUnmapped(
  stores: readonly { readonly event: number }[],
  isUnmapped: ToldUnmapped,
  {
    length,
    ofStore,
    ofTouch,
  }: {
    readonly length: number
    readonly ofStore: Int32Array
    readonly ofTouch: Int32Array
  },
): Uint8Array {
  const isTouched = new Uint8Array(length)
  for (const page of ofTouch) if (page >= 0) isTouched[page] = 1
  const told = Int8Array.from(stores, ({ event }, store) =>
    isTouched[ofStore[store] ?? -1] === 1 ? -1 : (isUnmapped.get(event) ?? -1),
  )
  const found = new Uint8Array(length)
  ofStore.forEach((page, store) => {
    if (page < 0 || isTouched[page] === 1) return
    if (nearestTold(told, store) === 1) found[page] = 1
  })
  return found
}

function nearestTold(told: Int8Array, store: number): number {
  for (let away = 0; away <= REACH; away++) {
    const before = told[store - away] ?? -1
    if (before >= 0) return before
    const after = told[store + away] ?? -1
    if (after >= 0) return after
  }
  return -1
}
