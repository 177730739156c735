import { shareOfColdPass } from '../../../src/model/warmth.ts'
import type { Program, Thread } from './clock.ts'
import { evict, type Folio, unlock } from './folio.ts'
import type { Group } from './groups.ts'
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
  /** Whose subtree is reclaimed because of itself; undefined: memory as a whole is short. */
  readonly group?: Group
  /** memory.low has spared something, and does so no more. */
  sparedLow: boolean
  takesLow: boolean
  priority: number
  target: number
  reclaimed: number
  scanned: number
  mayDeactivate: boolean
  force: boolean
  /** The thread has stored the folio before in the batch itself. */
  isAfterStore: boolean
}

export function newScan(thread: Thread, of: Pick<Scan, 'context' | 'mayWrite' | 'group'>): Scan {
  return {
    ...of,
    thread,
    sparedLow: false,
    takesLow: false,
    priority: 12,
    target: CLUSTER,
    reclaimed: 0,
    scanned: 0,
    mayDeactivate: true,
    force: false,
    isAfterStore: false,
  }
}

export function* shrinkNode(machine: Machine, scan: Scan): Program {
  const { costs, kswapd } = machine
  const before = scan.reclaimed
  const target = targetOf(machine, scan)
  scan.mayDeactivate =
    scan.force || target.activations !== target.seenActivations || target.isInactiveLow
  for (const group of target.subtree)
    if (!isSpared(group, target, scan)) yield* shrinkGroup(machine, scan, group)
  // A group's own objects are none of the model.
  if (target === machine.root) {
    const { clock, lastPasses } = machine
    const { cpu } = scan.thread
    const sinceNs = clock.now - (lastPasses.get(cpu) ?? Number.NEGATIVE_INFINITY)
    yield { spend: costs.slab.drawAt(shareOfColdPass(sinceNs)) }
    lastPasses.set(cpu, clock.now)
  }
  if (scan.reclaimed > before) kswapd.failures = 0
}

/** The group at whose subtree the reclaim is aimed. */
export function targetOf({ root }: Machine, { group }: Scan): Group {
  return group ?? root
}

/** memory.min, and memory.low as long as there is anything else. */
function isSpared(group: Group, target: Group, scan: Scan): boolean {
  if (group === target) return false
  const { usage } = group
  if (usage <= group.protectedBy('min', target)) return true
  if (usage > group.protectedBy('low', target) || scan.takesLow) return false
  scan.sparedLow = true
  return true
}

/** Pages of a list that the scan takes its share of: less by what is protected of the group. */
function exposed(list: readonly Folio[], group: Group, target: Group, scan: Scan): number {
  const size = pagesOn(list)
  const min = group.protectedBy('min', target)
  const low = group.protectedBy('low', target)
  if (min === 0 && low === 0) return size
  const spared = !scan.takesLow && low > min ? low : min
  if (spared > min) scan.sparedLow = true
  const whole = Math.max(group.usage, spared)
  return Math.max(CLUSTER, size - Math.floor((size * spared) / (whole + 1)))
}

function* shrinkGroup(machine: Machine, scan: Scan, group: Group): Program {
  const before = scan.reclaimed
  const target = targetOf(machine, scan)
  const share = 2 ** scan.priority
  // What is spared is noticed whether or not anything may go to swap.
  let inactiveQuota = Math.floor(exposed(group.inactive, group, target, scan) / share)
  let activeQuota = Math.floor(exposed(group.active, group, target, scan) / share)
  if (group.swapLeft <= 0) inactiveQuota = activeQuota = 0
  const wholeQuota = scan.context === 'direct' && scan.group === undefined && scan.priority === 12
  while (inactiveQuota > 0) {
    const count = Math.min(inactiveQuota, CLUSTER)
    inactiveQuota -= count
    yield* shrinkInactive(machine, scan, group, count)
    if (activeQuota > 0) {
      const some = Math.min(activeQuota, CLUSTER)
      activeQuota -= some
      if (scan.mayDeactivate) yield* shrinkActive(machine, group, some)
    }
    if (scan.reclaimed - before >= scan.target && !wholeQuota) break
  }
  if (group.isInactiveLow) yield* shrinkActive(machine, group, CLUSTER)
}

export function* shrinkActive(
  { clock, costs, lists }: Machine,
  group: Group,
  count: number,
): Program {
  const batch = lists.isolate(group.active, count, clock.cpu)
  for (const folio of batch) {
    folio.accessed = false
    folio.active = false
    yield { spend: costs.scanKept.draw() }
  }
  for (const folio of batch) lists.add(folio)
}

function* shrinkInactive(machine: Machine, scan: Scan, group: Group, count: number): Program {
  const { clock, costs, frames, lists } = machine
  const batch = lists.isolate(group.inactive, count, clock.cpu)
  if (batch.length === 0) return
  const own = costs.batch.draw()
  const isolating = costs.isolate.isNone ? Math.floor(own * 0.2) : costs.isolate.draw()
  // What is isolated here may be single pages by the end.
  const taken = pagesOn(batch)
  yield { spend: isolating }
  const kept: Folio[] = []
  let freed = 0
  scan.isAfterStore = false
  for (const folio of batch)
    if (yield* shrinkFolio(machine, scan, folio)) freed += folio.pages
    else kept.push(folio)
  for (const folio of kept) lists.add(folio)
  if (freed > 0) yield { spend: Math.max(0, own - isolating) }
  frames.give(freed)
  scan.reclaimed += freed
  scan.scanned += taken
}

/** True: freed. */
function* shrinkFolio(machine: Machine, scan: Scan, folio: Folio): Program<boolean> {
  const { costs } = machine
  if (folio.locked || isKept(folio)) {
    yield { spend: costs.scanKept.draw() }
    return false
  }
  if (folio.state === 'stored' || folio.cleanCopy) {
    folio.locked = true
    yield { spend: costs.freeClean.draw() }
    evict(machine, targetOf(machine, scan), folio)
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
function isKept(folio: Folio): boolean {
  if (folio.writeback) {
    folio.active = true
    folio.metByReclaim = true
    return true
  }
  if (!folio.accessed) {
    folio.referenced = false
    return false
  }
  folio.accessed = false
  if (folio.referenced) {
    folio.active = true
    folio.group.activated(folio.pages)
  } else folio.referenced = true
  return true
}
