import type { EventBatch } from '../../../parsers/batch.ts'
import { swapKey, swapOffset, swapType } from '../../model/swap-entry.ts'
import { FIELDS } from '../aliases.ts'
import {
  GATE_END_EVENT,
  GATE_EVENT,
  SLOT_FREE_EVENT,
  SWAP_READ_EVENT,
  WRITE_EVENT,
} from '../assembly/_layout.ts'
import { type EventHandler, handle, type IngestContext } from '../context.ts'
import { NumberField, WideField } from '../fields.ts'
import { KernelEvent } from '../kernel-event.ts'
import { STORE } from '../parts.ts'
import { flagsOfText } from './shrink.ts'

/** Probe at the entry of swap_writepage / swap_writeout. */
export function gate({ following }: IngestContext): KernelEvent {
  return new KernelEvent(following, GATE_EVENT, [
    { names: FIELDS.entry, isWide: true },
    { names: FIELDS.folioOrder },
  ])
}

/** Probe at the return of swap_writepage. */
export function gateEnd({ following }: IngestContext): KernelEvent {
  return new KernelEvent(following, GATE_END_EVENT, [])
}

/** include/trace/events/vmscan.h: mm_vmscan_write_folio, after ->writepage() returned (mm/vmscan.c pageout()). */
export function writeFolio(
  { following }: IngestContext,
  note: (batch: EventBatch) => void,
): KernelEvent {
  const fields = [{ names: FIELDS.pfn }, { names: FIELDS.flags, numberOf: flagsOfText }]
  return new KernelEvent(following, WRITE_EVENT, fields, note)
}

/** Probe at the begin of the actual store of an asynchronous policy. */
export function store(context: IngestContext): EventHandler {
  const entry = new WideField(FIELDS.entry)
  return handle([entry], (row, _cpu, task) => {
    context.timeline.label(task, STORE)
    if (!entry.there) return
    const hi = entry.hi(row)
    context.swapouts.storeBegin(task, swapType(hi), swapOffset(entry.lo(row), hi))
  })
}

/** Probe at the end of the actual store of an asynchronous policy. */
export function storeEnd(context: IngestContext): EventHandler {
  return handle([], (_row, _cpu, task) => {
    context.timeline.label(task, STORE)
    context.swapouts.storeEnd(task)
  })
}

/** Probe at the return of zswap_store: nonzero = taken. */
export function zswapStoreEnd(context: IngestContext): EventHandler {
  const ret = new NumberField(FIELDS.ret)
  return handle([ret], (row, _cpu, task) => {
    // A bool is returned in the low byte; the rest of the register is undefined.
    const taken = (ret.get(row) & 0xff) !== 0
    const swapout = context.swapouts.gateOf(task)
    if (swapout === undefined) return
    const { devicePlace, hasZswap } = context.swapouts
    swapout.stored = taken ? 'zswap' : devicePlace
    if (taken || !hasZswap) return
    const moves = context.tables.poolMoves.take()
    const added = moves.add()
    moves.number(added, 'ts_ns', context.clock.now)
    moves.number(added, 'page_id', swapout.pageId)
    moves.text(added, 'from_place', 'zswap')
    moves.text(added, 'to_place', devicePlace)
    moves.text(added, 'reason', 'reject')
  })
}

/** Probe at zswap_writeback_entry. */
export function zswapWriteback(context: IngestContext): EventHandler {
  const entry = new WideField(FIELDS.entry)
  return handle([entry], (row) => {
    const hi = entry.hi(row)
    const key = swapKey(swapType(hi), swapOffset(entry.lo(row), hi))
    const moves = context.tables.poolMoves.take()
    const added = moves.add()
    moves.number(added, 'ts_ns', context.clock.now)
    const page = entry.there ? context.identities.pageOf(key) : undefined
    moves.number(added, 'page_id', page ?? Number.NaN)
    moves.text(added, 'from_place', 'zswap')
    moves.text(added, 'to_place', 'disk')
    moves.text(added, 'reason', 'writeback')
  })
}

/** Probe at zram_slot_free_notify: index = page index on the device = swap offset. */
export function slotFree({ following }: IngestContext): KernelEvent {
  return new KernelEvent(following, SLOT_FREE_EVENT, [{ names: FIELDS.slotIndex }])
}

/** include/trace/events/kmem.h: mm_page_free, mm_page_free_batched. */
export function pageFree(context: IngestContext): EventHandler {
  const pfn = new NumberField(FIELDS.pfn)
  return handle([pfn], (row) => context.swapouts.pageFreed(pfn.get(row)))
}

/** Probe at the entry of do_swap_page. */
export function fault({ swapins }: IngestContext): EventHandler {
  const address = new NumberField(FIELDS.address)
  return handle([address], (row, _cpu, task) => swapins.fault(task, address.get(row)))
}

/** Probe at the return of the fault handler. */
export function faultEnd({ swapins }: IngestContext): EventHandler {
  return handle([], (_row, _cpu, task) => swapins.faultEnd(task))
}

/** Probe at the entry of swap_readpage / swap_read_folio. */
export function swapRead({ following }: IngestContext): KernelEvent {
  return new KernelEvent(following, SWAP_READ_EVENT, [{ names: FIELDS.entry, isWide: true }])
}

/** Probe at the return of zswap_load: nonzero = it was in the pool. */
export function zswapLoadEnd({ swapins }: IngestContext): EventHandler {
  const ret = new NumberField(FIELDS.ret)
  return handle([ret], (row, _cpu, task) => swapins.loaded(task, (ret.get(row) & 0xff) !== 0))
}
