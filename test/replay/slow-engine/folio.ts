import type { SlowSwapout } from './case.ts'
import type { Program, Thread } from './clock.ts'
import type { Group } from './groups.ts'
import type { Machine } from './machine.ts'

export interface Folio {
  readonly id: number
  /** Whose charge it is, and on whose behalf it was evicted. */
  group: Group
  evictedBy: Group
  /** Base pages, each with a frame and a slot. */
  pages: number
  state: 'free' | 'resident' | 'queued' | 'storing' | 'stored' | 'swapped'
  accessed: boolean
  referenced: boolean
  active: boolean
  locked: boolean
  writeback: boolean
  /** Reclaim came past while it was under writeback (PG_reclaim). */
  metByReclaim: boolean
  cleanCopy: boolean
  /** Written while a store of it was queued. */
  stale: boolean
  slot: number
  evictedAt: number
  swapout: SlowSwapout | undefined
  waiters: Thread[]
}

export function newFolio(id: number, pages: number, group: Group): Folio {
  return {
    id,
    group,
    evictedBy: group,
    pages,
    state: 'free',
    accessed: false,
    referenced: false,
    active: false,
    locked: false,
    writeback: false,
    metByReclaim: false,
    cleanCopy: false,
    stale: false,
    slot: -1,
    evictedAt: 0,
    swapout: undefined,
    waiters: [],
  }
}

export function* waitUntilUnlocked(thread: Thread, folio: Folio): Program {
  while (folio.locked) {
    folio.waiters.push(thread)
    yield { block: true }
  }
}

export function unlock({ clock }: Machine, folio: Folio): void {
  folio.locked = false
  const waiting = folio.waiters
  folio.waiters = []
  for (const thread of waiting) clock.wake(thread)
}

/** Its frames are free, what is left of it is in the pool. */
export function evict({ clock }: Machine, evictor: Group, folio: Folio): void {
  evictor.grow(folio.pages)
  folio.evictedBy = evictor
  folio.referenced = false
  folio.active = false
  folio.cleanCopy = false
  folio.evictedAt = evictor.age
  folio.state = 'swapped'
  if (folio.swapout !== undefined) folio.swapout.freed = clock.now
  folio.swapout = undefined
}

/** The copy in the pool goes, if there is one. */
export function dropSlot({ slots }: Machine, folio: Folio): void {
  if (folio.slot < 0) return
  slots.drop(folio.slot, folio.pages)
  folio.slot = -1
}

/** The cost of so many pages, each drawn for itself. */
export function drawEach(pages: number, cost: { draw(): number }): number {
  return Array.from({ length: pages }, () => cost.draw()).reduce((all, ns) => all + ns, 0)
}
