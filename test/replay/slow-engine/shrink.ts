import type { Program, Thread } from './clock.ts'
import { evict, type Folio, unlock } from './folio.ts'
import { pagesOn } from './lists.ts'
import type { Machine } from './machine.ts'
import { swapOut } from './swap-out.ts'

/** SWAP_CLUSTER_MAX. */
export const CLUSTER = 32

/** One walk over the lists, by kswapd or by a thread that needs memory (struct scan_control). */
export interface Scan {
  readonly thread: Thread
  readonly context: 'kswapd' | 'direct'
  readonly mayWrite: boolean
  priority: number
  target: number
  reclaimed: number
  scanned: number
  mayDeactivate: boolean
  force: boolean
}

export function newScan(thread: Thread, of: Pick<Scan, 'context' | 'mayWrite'>): Scan {
  return {
    ...of,
    thread,
    priority: 12,
    target: CLUSTER,
    reclaimed: 0,
    scanned: 0,
    mayDeactivate: true,
    force: false,
  }
}

export function* shrinkNode(machine: Machine, scan: Scan): Program {
  const { costs, kswapd, lists } = machine
  const before = scan.reclaimed
  scan.mayDeactivate =
    scan.force || lists.activations !== lists.seenActivations || lists.isInactiveLow
  const share = 2 ** scan.priority
  let inactiveQuota = Math.floor(pagesOn(lists.inactive) / share)
  let activeQuota = Math.floor(pagesOn(lists.active) / share)
  const wholeQuota = scan.context === 'direct' && scan.priority === 12
  while (inactiveQuota > 0) {
    const count = Math.min(inactiveQuota, CLUSTER)
    inactiveQuota -= count
    yield* shrinkInactive(machine, scan, count)
    if (activeQuota > 0) {
      const some = Math.min(activeQuota, CLUSTER)
      activeQuota -= some
      if (scan.mayDeactivate) yield* shrinkActive(machine, some)
    }
    if (scan.reclaimed - before >= scan.target && !wholeQuota) break
  }
  if (lists.isInactiveLow) yield* shrinkActive(machine, CLUSTER)
  const slab = costs.slab.draw()
  yield { spend: scan.mayWrite ? slab : Math.floor(slab / 8) }
  if (scan.reclaimed > before) kswapd.failures = 0
}

export function* shrinkActive({ clock, costs, lists }: Machine, count: number): Program {
  const batch = lists.isolate(lists.active, count, clock.cpu)
  for (const folio of batch) {
    folio.accessed = false
    folio.active = false
    yield { spend: costs.scanKept.draw() }
  }
  for (const folio of batch) lists.add(folio)
}

function* shrinkInactive(machine: Machine, scan: Scan, count: number): Program {
  const { clock, costs, frames, lists } = machine
  const batch = lists.isolate(lists.inactive, count, clock.cpu)
  if (batch.length === 0) return
  const own = costs.batch.draw()
  const isolating = Math.floor(own * 0.2)
  // What is freed here may be single pages by the end.
  const taken = pagesOn(batch)
  yield { spend: isolating }
  const kept: Folio[] = []
  for (const folio of batch) if (!(yield* shrinkFolio(machine, scan, folio))) kept.push(folio)
  for (const folio of kept) lists.add(folio)
  const freed = taken - pagesOn(kept)
  if (freed > 0) yield { spend: own - isolating }
  frames.give(freed)
  scan.reclaimed += freed
  scan.scanned += taken
}

/** True: freed. */
function* shrinkFolio(machine: Machine, scan: Scan, folio: Folio): Program<boolean> {
  const { costs } = machine
  if (folio.locked || isKept(machine, folio)) {
    yield { spend: costs.scanKept.draw() }
    return false
  }
  if (folio.state === 'stored' || folio.cleanCopy) {
    folio.locked = true
    yield { spend: costs.freeClean.draw() }
    evict(machine, folio)
    unlock(machine, folio)
    return true
  }
  if (!scan.mayWrite) {
    yield { spend: costs.scanKept.draw() }
    return false
  }
  return yield* swapOut(machine, scan, folio)
}

/** Under writeback, or used since the last look: the second time it becomes active. */
function isKept({ lists }: Machine, folio: Folio): boolean {
  if (folio.writeback) {
    folio.active = true
    folio.metByReclaim = true
    return true
  }
  if (!folio.accessed) return false
  folio.accessed = false
  if (folio.referenced) {
    folio.active = true
    lists.activations++
    lists.age += folio.pages
  } else folio.referenced = true
  return true
}
