import { RECLAIM_WB_ANON } from '../../model/lru.ts'
import type { RowBuffer } from '../../model/rows.ts'
import { swapKey, swapOffset, swapType } from '../../model/swap-entry.ts'
import { FIELDS } from '../aliases.ts'
import { numbersOf, textsOf } from '../cells.ts'
import { type EventHandler, handle, type IngestContext } from '../context.ts'
import { NumberField, TextField, WideField } from '../fields.ts'
import { STORE, UNMAP, UNMAP_AND_STORE } from '../parts.ts'
import type { OpenRead, Task } from '../tasks.ts'

const PAGE_BYTES = 4096

/** Probe at the entry of swap_writepage / swap_writeout. */
export function gate(context: IngestContext): EventHandler {
  const entry = new WideField(FIELDS.entry)
  const order = new NumberField(FIELDS.folioOrder)
  return handle([entry, order], (row, ts, cpu, task) => {
    context.timeline.label(task, ts, UNMAP)
    if (!entry.there) {
      context.swapouts.submitUnknown(task, ts, cpu, order.get(row))
      return
    }
    const hi = entry.hi(row)
    const offset = swapOffset(entry.lo(row), hi)
    context.swapouts.submit(task, ts, cpu, swapType(hi), offset, order.get(row))
  })
}

/** Probe at the return of swap_writepage. */
export function gateEnd(context: IngestContext): EventHandler {
  return handle([], (_row, ts, _cpu, task) => {
    context.timeline.label(task, ts, STORE)
    context.swapouts.gateEnd(task, ts)
  })
}

/** include/trace/events/vmscan.h: mm_vmscan_write_folio, after ->writepage() returned (mm/vmscan.c pageout()). */
export function writeFolio(context: IngestContext): EventHandler {
  const pfn = new NumberField(FIELDS.pfn)
  const flags = new NumberField(FIELDS.flags)
  const flagText = new TextField(FIELDS.flags)
  return handle([pfn, flags, flagText], (row, ts, cpu, task) => {
    context.timeline.label(task, ts, task.gate === undefined ? UNMAP_AND_STORE : STORE)
    const anonymous = flagText.there
      ? flagText.get(row).includes('ANON')
      : (flags.get(row) & RECLAIM_WB_ANON) !== 0
    context.swapouts.written(task, ts, cpu, pfn.get(row), anonymous)
  })
}

/** Probe at the begin of the actual store of an asynchronous policy. */
export function store(context: IngestContext): EventHandler {
  const entry = new WideField(FIELDS.entry)
  return handle([entry], (row, ts, _cpu, task) => {
    context.timeline.label(task, ts, STORE)
    if (!entry.there) return
    const hi = entry.hi(row)
    context.swapouts.storeBegin(task, ts, swapType(hi), swapOffset(entry.lo(row), hi))
  })
}

/** Probe at the end of the actual store of an asynchronous policy. */
export function storeEnd(context: IngestContext): EventHandler {
  return handle([], (_row, ts, _cpu, task) => {
    context.timeline.label(task, ts, STORE)
    context.swapouts.storeEnd(task, ts)
  })
}

/** Probe at the return of zswap_store: nonzero = taken. */
export function zswapStoreEnd(context: IngestContext): EventHandler {
  const ret = new NumberField(FIELDS.ret)
  const moves = context.tables.buffers.pool_moves
  return handle([ret], (row, ts, _cpu, task) => {
    // A bool is returned in the low byte; the rest of the register is undefined.
    const taken = (ret.get(row) & 0xff) !== 0
    const swapout = task.gate
    context.swapouts.zswapStoreEnd(task, taken)
    if (taken || swapout === undefined) return
    const added = moves.add()
    moves.number(added, 'ts_ns', ts)
    moves.number(added, 'page_id', swapout.pageId)
    moves.text(added, 'from_place', 'zswap')
    moves.text(added, 'to_place', 'disk')
    moves.text(added, 'reason', 'reject')
  })
}

/** Probe at zswap_writeback_entry. */
export function zswapWriteback(context: IngestContext): EventHandler {
  const entry = new WideField(FIELDS.entry)
  const moves = context.tables.buffers.pool_moves
  return handle([entry], (row, ts) => {
    const hi = entry.hi(row)
    const key = swapKey(swapType(hi), swapOffset(entry.lo(row), hi))
    const added = moves.add()
    moves.number(added, 'ts_ns', ts)
    const page = entry.there ? context.identities.pageOf(key) : undefined
    moves.number(added, 'page_id', page ?? Number.NaN)
    moves.text(added, 'from_place', 'zswap')
    moves.text(added, 'to_place', 'disk')
    moves.text(added, 'reason', 'writeback')
  })
}

/** Probe at zram_slot_free_notify: index = page index on the device = swap offset. */
export function slotFree(context: IngestContext): EventHandler {
  const index = new NumberField(FIELDS.slotIndex)
  const moves = context.tables.buffers.pool_moves
  const times = numbersOf(moves, 'ts_ns')
  const pages = numbersOf(moves, 'page_id')
  const places = textsOf(moves, 'from_place')
  const reasons = textsOf(moves, 'reason')
  const zram = moves.code('from_place', 'zram')
  const invalidate = moves.code('reason', 'invalidate')
  return handle([index], (row, ts, _cpu, task) => {
    if (!index.there) return
    const key = swapKey(context.zramType, index.get(row))
    if (task.reads.length > 0) resolveRead(context, task, key)
    const page = context.identities.pageOf(key)
    if (page !== undefined) {
      const added = moves.add()
      times.values[added] = ts
      pages.values[added] = page
      places.codes[added] = zram
      reasons.codes[added] = invalidate
    }
    context.identities.freed(key)
  })
}

/** include/trace/events/kmem.h: mm_page_free, mm_page_free_batched. */
export function pageFree(context: IngestContext): EventHandler {
  const pfn = new NumberField(FIELDS.pfn)
  return handle([pfn], (row, ts) => context.swapouts.pageFreed(pfn.get(row), ts))
}

/** Probe at the entry of do_swap_page. */
export function fault(context: IngestContext): EventHandler {
  const address = new NumberField(FIELDS.address)
  return handle([address], (row, ts, _cpu, task) => {
    finishReads(context, task, Number.NaN)
    task.faultNs = ts
    task.faultAddress = address.get(row)
  })
}

/** Probe at the return of the fault handler: what the fault read is complete. */
export function faultEnd(context: IngestContext): EventHandler {
  return handle([], (_row, ts, _cpu, task) => {
    finishReads(context, task, ts)
    task.faultNs = Number.NaN
    task.faultAddress = Number.NaN
  })
}

/** Probe at the entry of swap_readpage / swap_read_folio. */
export function swapRead(context: IngestContext): EventHandler {
  const entry = new WideField(FIELDS.entry)
  return handle([entry], (row, ts, cpu, task) => {
    const inFault = !Number.isNaN(task.faultNs)
    if (!inFault) finishReads(context, task, Number.NaN)
    const hi = entry.hi(row)
    const read = {
      ts,
      cpu,
      type: entry.there ? swapType(hi) : Number.NaN,
      offset: entry.there ? swapOffset(entry.lo(row), hi) : Number.NaN,
      loaded: Number.NaN,
      page: 0,
      swapoutId: 0,
    }
    task.reads.push(read)
    if (!inFault && !context.zswapLoadsRecorded) finishReads(context, task, Number.NaN)
  })
}

/** Probe at the return of zswap_load: nonzero = it was in the pool. */
export function zswapLoadEnd(): EventHandler {
  const ret = new NumberField(FIELDS.ret)
  return handle([ret], (row, _ts, _cpu, task) => {
    const read = task.reads.at(-1)
    if (read !== undefined) read.loaded = (ret.get(row) & 0xff) !== 0 ? 1 : 0
  })
}

/** Completes the task's open reads; `end` NaN = the end of the fault was not seen. */
export function finishReads(context: IngestContext, task: Task, end: number): void {
  const { reads } = task
  if (reads.length === 0) return
  // With several reads in one fault it is not known which page was wanted and which came along.
  const single = reads.length === 1 && !Number.isNaN(task.faultNs)
  const place = placeOf(task)
  for (const read of reads) emitRead(context, task, read, { end, single, place })
  // V8 sets `length` by a call out of optimized code.
  while (reads.length > 0) reads.pop()
}

/** The page's number in its address space if the task's fault reads one page and its address is known; else NaN. */
function placeOf({ reads, faultNs, faultAddress }: Task): number {
  return reads.length === 1 && !Number.isNaN(faultNs)
    ? Math.floor(faultAddress / PAGE_BYTES)
    : Number.NaN
}

/** A fault gives its entry back before it ends (do_swap_page): what the entry held is known only until then. */
function resolveRead(context: IngestContext, task: Task, key: number): void {
  for (const read of task.reads) {
    if (read.page !== 0 || swapKey(read.type, read.offset) !== key) continue
    read.swapoutId = context.identities.swapoutOf(key) ?? 0
    read.page = context.identities.read(key, spaceOf(task), placeOf(task))
  }
}

/** The address space, as far as it is known: without thread groups every thread is taken to have its own. */
function spaceOf({ id, tgid }: Task): number {
  return Number.isNaN(tgid) ? -id : tgid
}

function emitRead(
  context: IngestContext,
  task: Task,
  read: OpenRead,
  fault: { end: number; single: boolean; place: number },
): void {
  const { identities, swapouts } = context
  const key = swapKey(read.type, read.offset)
  const isResolved = read.page !== 0
  // A probe without the swap entry tells of a read, not of which page.
  const isKnown = !Number.isNaN(read.offset)
  const entryHolds = isKnown ? identities.swapoutOf(key) : undefined
  const swapoutId = isResolved ? read.swapoutId || undefined : entryHolds
  let { page } = read
  if (!isResolved) page = isKnown ? identities.read(key, spaceOf(task), fault.place) : Number.NaN
  const cells = context.swapinCells
  const { rows } = cells
  const row = rows.add()
  const start = Number.isNaN(task.faultNs) ? read.ts : task.faultNs
  cells.page.values[row] = page
  cells.swapout.values[row] = swapoutId ?? Number.NaN
  cells.ts.values[row] = start
  cells.end.values[row] = fault.end
  cells.task.values[row] = task.id
  cells.tid.values[row] = task.tid
  cells.cpu.values[row] = read.cpu
  cells.type.values[row] = read.type
  cells.offset.values[row] = read.offset
  rows.text(row, 'met', metOf(context, read))
  cells.wait.values[row] = fault.end - start
  if (fault.single) rows.number(row, 'readahead', 0)
  if (swapoutId !== undefined) cells.distance.values[row] = swapouts.submitted - swapoutId
}

/** Columns of swap-ins that every row sets. */
export function swapinCellsOf(rows: RowBuffer) {
  return {
    rows,
    page: numbersOf(rows, 'page_id'),
    swapout: numbersOf(rows, 'swapout_id'),
    ts: numbersOf(rows, 'ts_ns'),
    end: numbersOf(rows, 'end_ns'),
    task: numbersOf(rows, 'task_id'),
    tid: numbersOf(rows, 'tid'),
    cpu: numbersOf(rows, 'cpu'),
    type: numbersOf(rows, 'swap_type'),
    offset: numbersOf(rows, 'swap_offset'),
    wait: numbersOf(rows, 'wait_ns'),
    distance: numbersOf(rows, 'refault_distance'),
  }
}

function metOf(context: IngestContext, read: OpenRead): string | undefined {
  if (!context.zswapLoadsRecorded) return context.deviceMet
  if (Number.isNaN(read.loaded)) return undefined
  return read.loaded === 1 ? 'pool' : 'disk'
}
