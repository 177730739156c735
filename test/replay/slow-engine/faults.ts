import type { Program, Thread } from './clock.ts'
import { allocate } from './direct-reclaim.ts'
import { drawEach, dropSlot, type Folio, unlock, waitUntilUnlocked } from './folio.ts'
import type { Machine } from './machine.ts'

/** First use of a folio of the workload; without one, of a page that nobody names again. */
export function* faultNew(machine: Machine, thread: Thread, wanted: Folio | undefined): Program {
  const count = wanted?.pages ?? 1
  const group = machine.groupOf(thread)
  yield* allocate(machine, thread, group, count)
  yield { spend: drawEach(count, machine.costs.fault) }
  const folio = wanted ?? machine.addFolio(0)
  folio.group = group
  machine.makeResident(folio)
}

/** A task uses a page wherever its folio is now: in memory, on its way out of it, or in the pool. */
export function* touch(machine: Machine, thread: Thread, page: number): Program {
  let folio = machine.folioOf(page)
  if (folio === undefined || folio.state === 'free') return
  const { clock, log } = machine
  const from = clock.now
  let met: string | undefined
  while (folio.locked) {
    if (isOnItsWay(folio)) met ??= folio.state
    yield* waitUntilUnlocked(thread, folio)
    folio = machine.folioOf(page) ?? folio
  }
  const found = yield* bringBack(machine, thread, folio)
  met ??= found
  if (met !== undefined) log.swapins.push({ page: folio.id + 1, met, from, to: clock.now })
}

function isOnItsWay({ state }: Folio): boolean {
  return state === 'queued' || state === 'storing'
}

/** Where it was found; undefined: mapped. */
function* bringBack(machine: Machine, thread: Thread, folio: Folio): Program<string | undefined> {
  const found = folio.state
  if (found === 'swapped') {
    yield* swapIn(machine, thread, folio)
    return 'pool'
  }
  folio.accessed = true
  if (found === 'resident') return undefined
  if (isOnItsWay(folio)) {
    if (machine.refaultsWrite) folio.stale = true
    return found
  }
  folio.swapout = undefined
  folio.state = 'resident'
  if (machine.refaultsWrite || folio.group.isSwapHalfFull) dropSlot(machine, folio)
  else folio.cleanCopy = true
  return found
}

function* swapIn(machine: Machine, thread: Thread, folio: Folio): Program {
  const { costs } = machine
  folio.locked = true
  yield* allocate(machine, thread, folio.group, folio.pages)
  yield { spend: drawEach(folio.pages, costs.swapIn) }
  dropSlot(machine, folio)
  // workingset_refault: what the active list could have held was thrown out too early.
  const { evictedBy } = folio
  const reach = evictedBy.swapLeft > 0 ? evictedBy.activePages : 0
  if (evictedBy.age - folio.evictedAt <= reach) {
    folio.active = true
    folio.group.activated(folio.pages)
  }
  machine.makeResident(folio)
  unlock(machine, folio)
}
