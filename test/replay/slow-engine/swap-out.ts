import type { SlowSwapout } from './case.ts'
import type { Program, Thread } from './clock.ts'
import { drawEach, evict, type Folio, unlock } from './folio.ts'
import type { Machine } from './machine.ts'
import type { Policy } from './policies/index.ts'
import { type Scan, targetOf } from './shrink.ts'
import { store } from './store.ts'

/** Unmaps a folio and stores it, or hands it to the policy. True: freed. */
export function* swapOut(machine: Machine, scan: Scan, folio: Folio): Program<boolean> {
  const { clock, log, policy } = machine
  const { thread } = scan
  let slot = takeSlots(machine, folio)
  if (slot < 0 && folio.pages > 1) {
    machine.splitOnList(folio)
    slot = takeSlots(machine, folio)
  }
  if (slot < 0) {
    folio.active = true
    yield { spend: machine.costs.scanKept.draw() }
    return false
  }
  folio.locked = true
  folio.slot = slot
  yield* unmap(machine, scan, folio)
  scan.isAfterStore = false
  const row = log.swapOut({
    page: folio.id + 1,
    slot,
    by: thread.name,
    context: scan.group === undefined ? scan.context : 'memcg',
    submit: clock.now,
  })
  folio.swapout = row
  if (scan.context === 'kswapd') {
    log.submit(row)
    if (policy !== undefined && (yield* handOver(machine, policy, thread, folio, row)))
      return isDoneAlready(machine, scan, folio, row)
    row.path = 'inline'
  }
  return yield* storeHere(machine, scan, folio, row)
}

/** As many in a row as it has pages, if its group may have them in swap; -1: it may not. */
function takeSlots({ slots }: Machine, { group, pages }: Folio): number {
  const slot = slots.take(pages)
  if (group.swapLeft >= pages) return slot
  slots.drop(slot, pages)
  return -1
}

/** Other CPUs with an address space are interrupted: they flush at once, the sender waits for it. */
function* unmap(
  { clock, costs, reclaiming }: Machine,
  { thread, isAfterStore }: Scan,
  folio: Folio,
): Program {
  const isRemote = clock.othersWithMemory(thread).length > 0
  const local = isAfterStore ? costs.unmapAfterStore : costs.unmap
  const remote = isAfterStore ? costs.unmapRemoteAfterStore : costs.unmapRemote
  yield { spend: drawEach(folio.pages, isRemote ? remote : local) }
  if (!isRemote) return
  for (const other of clock.othersWithMemory(thread)) {
    const isReclaiming = reclaiming.has(other) && !costs.flushInReclaim.isNone
    const ns = (isReclaiming ? costs.flushInReclaim : costs.flushReceived).draw()
    if (other.at !== undefined) other.at += ns
  }
}

/** False: the policy leaves it to the caller. */
function* handOver(
  machine: Machine,
  policy: Policy,
  thread: Thread,
  folio: Folio,
  row: SlowSwapout,
): Program<boolean> {
  row.path = 'queued'
  folio.state = 'queued'
  if (policy.queuesUnderWriteback) {
    folio.writeback = true
    unlock(machine, folio)
  }
  if (yield* policy.submit(thread, folio)) {
    if (folio.swapout === row && row.handed === null) row.handed = machine.clock.now
    return true
  }
  folio.state = 'resident'
  folio.writeback = false
  folio.locked = true
  return false
}

/** Stored while it was handed over, it is freed as any clean folio; being stored just now, it is rotated at the end. */
function isDoneAlready(machine: Machine, scan: Scan, folio: Folio, row: SlowSwapout): boolean {
  if (folio.swapout !== row) return false
  if (folio.writeback) folio.metByReclaim = true
  if (folio.writeback || folio.locked || folio.state !== 'stored') return false
  evict(machine, targetOf(machine, scan), folio)
  return true
}

/** Who reclaims stores it. True: freed. */
function* storeHere(
  machine: Machine,
  scan: Scan,
  folio: Folio,
  row: SlowSwapout,
): Program<boolean> {
  machine.log.takeUp(row)
  yield* store(machine, scan.thread, folio)
  row.handed = machine.clock.now
  const isStored = folio.state === 'stored'
  scan.isAfterStore = true
  if (isStored) evict(machine, targetOf(machine, scan), folio)
  unlock(machine, folio)
  return isStored
}
