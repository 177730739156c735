import { OutsideCase, type SlowSwapout } from './case.ts'
import type { Program, Thread } from './clock.ts'
import { drawEach, dropSlot, type Folio, unlock } from './folio.ts'
import type { Machine } from './machine.ts'

/** Stores a folio; the pool may take the last frames for it (PF_MEMALLOC). */
export function* store(machine: Machine, thread: Thread, folio: Folio): Program {
  const { frames } = machine
  if (frames.free + frames.listed(thread.cpu) <= 0) throw new OutsideCase('no page left')
  const poolPages = beginStore(machine, thread, folio)
  yield { spend: drawEach(folio.pages, machine.costs.store) }
  endStore(
    machine,
    folio,
    poolPages.reduce((all, taken) => all + taken, 0),
  )
}

/** Frames that the pool will take at the end, for each of its pages. */
export function beginStore(machine: Machine, thread: Thread, folio: Folio): readonly number[] {
  if (folio.state !== 'queued' && folio.state !== 'resident')
    throw new Error(`folio ${folio.id} is stored twice`)
  const row = swapoutOf(folio)
  // Handed over locked: the device gets it under writeback.
  if (folio.state === 'queued' && !folio.writeback) {
    folio.writeback = true
    unlock(machine, folio)
  }
  folio.state = 'storing'
  row.start = machine.clock.now
  row.storedBy = thread.name
  return Array.from({ length: folio.pages }, (_, page) => machine.slots.store(folio.slot + page))
}

export function endStore(machine: Machine, folio: Folio, poolPages: number): void {
  const row = swapoutOf(folio)
  row.stored = machine.clock.now
  machine.log.finish(row)
  machine.frames.take(poolPages)
  folio.state = 'stored'
  if (!folio.stale) return
  folio.stale = false
  folio.swapout = undefined
  dropSlot(machine, folio)
  folio.state = 'resident'
}

function swapoutOf({ swapout }: Folio): SlowSwapout {
  if (swapout === undefined) throw new Error('a store without a swap-out')
  return swapout
}
