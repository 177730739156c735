import { LRU_LISTS } from '../../model/lru.ts'
import { FIELDS } from '../aliases.ts'
import { type EventHandler, handle, type IngestContext } from '../context.ts'
import { NumberField, TextField, WideField } from '../fields.ts'
import type { KswapdSpans } from '../kswapd.ts'
import { OTHER, SCAN, SLAB } from '../parts.ts'
import type { Task } from '../tasks.ts'

function emitIsolation(context: IngestContext, task: Task): number {
  const rows = context.tables.buffers.shrink_batches
  const row = rows.add()
  rows.number(row, 'ts_ns', task.isolateNs)
  rows.number(row, 'start_ns', task.isolateNs)
  rows.number(row, 'task_id', task.id)
  rows.text(row, 'lru', LRU_LISTS[task.isolateLru])
  rows.number(row, 'nr_scanned', task.isolateScanned)
  rows.number(row, 'nr_taken', task.isolateTaken)
  return row
}

/** include/trace/events/vmscan.h: mm_vmscan_lru_isolate, at the end of the isolation. */
export function isolate(context: IngestContext, kswapd: KswapdSpans): EventHandler {
  const scanned = new NumberField(['nr_scanned'])
  const taken = new NumberField(['nr_taken'])
  const lru = new NumberField(['lru'])
  const lruName = new TextField(['lru'])
  const file = new NumberField(['file'])
  return handle([scanned, taken, lru, lruName, file], (row, ts, cpu, task) => {
    if (task.isolateTaken > 0) emitIsolation(context, task)
    if (task.kind === 'kswapd') kswapd.active(task, task.node, context.blindUntil(cpu))
    context.timeline.label(task, ts, SCAN)
    task.isolateNs = ts
    task.isolateScanned = scanned.get(row)
    task.isolateTaken = taken.get(row)
    task.isolateLru = lruName.there
      ? (LRU_LISTS as readonly string[]).indexOf(lruName.get(row))
      : lru.there
        ? lru.get(row)
        : 2 * file.get(row)
  })
}

/** include/trace/events/vmscan.h: mm_vmscan_lru_shrink_inactive, at the end of the batch. */
export function shrinkInactive(context: IngestContext): EventHandler {
  const node = new NumberField(FIELDS.nid)
  const scanned = new NumberField(['nr_scanned'])
  const reclaimed = new NumberField(['nr_reclaimed'])
  const dirty = new NumberField(['nr_dirty'])
  const writeback = new NumberField(['nr_writeback'])
  const activate0 = new NumberField(FIELDS.activate0)
  const activate1 = new NumberField(FIELDS.activate1)
  const priority = new NumberField(FIELDS.priority)
  const fields = [node, scanned, reclaimed, dirty, writeback, activate0, activate1, priority]
  const rows = context.tables.buffers.shrink_batches
  return handle(fields, (row, ts, _cpu, task) => {
    context.timeline.label(task, ts, SCAN)
    const added = emitIsolation(context, task)
    rows.number(added, 'ts_ns', ts)
    rows.number(added, 'node', node.get(row))
    rows.number(added, 'nr_scanned', scanned.get(row))
    rows.number(added, 'nr_reclaimed', reclaimed.get(row))
    rows.number(added, 'nr_dirty', dirty.get(row))
    rows.number(added, 'nr_writeback', writeback.get(row))
    const second = activate1.there ? activate1.get(row) : 0
    rows.number(added, 'nr_activate', activate0.get(row) + second)
    rows.number(added, 'priority', priority.get(row))
    forgetIsolation(task)
  })
}

/** include/trace/events/vmscan.h: mm_vmscan_lru_shrink_active, at the end of the batch. */
export function shrinkActive(context: IngestContext): EventHandler {
  const node = new NumberField(FIELDS.nid)
  const taken = new NumberField(['nr_taken'])
  const active = new NumberField(['nr_active'])
  const priority = new NumberField(FIELDS.priority)
  const rows = context.tables.buffers.shrink_batches
  return handle([node, taken, active, priority], (row, ts, _cpu, task) => {
    context.timeline.label(task, ts, SCAN)
    const added = emitIsolation(context, task)
    rows.number(added, 'ts_ns', ts)
    rows.number(added, 'node', node.get(row))
    rows.number(added, 'nr_taken', taken.get(row))
    rows.number(added, 'nr_activate', active.get(row))
    rows.number(added, 'priority', priority.get(row))
    forgetIsolation(task)
  })
}

/** A batch that ended keeps marking the task as scanning; only its numbers are used up. */
function forgetIsolation(task: Task): void {
  task.isolateLru = Number.NaN
  task.isolateScanned = Number.NaN
  task.isolateTaken = Number.NaN
}

/** include/trace/events/vmscan.h: mm_shrink_slab_start. */
export function slabBegin(context: IngestContext): EventHandler {
  const node = new NumberField(FIELDS.nid)
  const total = new NumberField(['total_scan'])
  const symbol = new TextField(['shrink', 'shrinker'])
  return handle([node, total, symbol], (row, ts, _cpu, task) => {
    context.timeline.label(task, ts, Number.isNaN(task.isolateNs) ? OTHER : SCAN)
    task.isolateNs = Number.NaN
    task.slabStartNs = ts
    task.slabNode = node.get(row)
    task.slabScanned = total.get(row)
    task.slabName = symbol.there ? symbol.get(row) : undefined
  })
}

/** include/trace/events/vmscan.h: mm_shrink_slab_end; retval = objects freed. */
export function slabEnd(context: IngestContext): EventHandler {
  const shrink = new WideField(['shrink'])
  const node = new NumberField(FIELDS.nid)
  const freed = new NumberField(['retval'])
  const left = new NumberField(['total_scan'])
  const rows = context.tables.buffers.slab_shrinks
  return handle([node, freed, left, shrink], (row, ts, cpu, task) => {
    context.timeline.label(task, ts, SLAB)
    const added = rows.add()
    const begun = !Number.isNaN(task.slabStartNs)
    rows.number(added, 'start_ns', begun ? task.slabStartNs : Math.min(ts, context.blindUntil(cpu)))
    rows.number(added, 'end_ns', ts)
    rows.number(added, 'task_id', task.id)
    rows.number(added, 'node', node.get(row))
    const address = shrink.there ? toHex(shrink.lo(row), shrink.hi(row)) : undefined
    rows.text(added, 'shrinker', task.slabName ?? address)
    rows.number(added, 'nr_scanned', task.slabScanned - left.get(row))
    rows.number(added, 'nr_freed', freed.get(row))
    task.slabStartNs = Number.NaN
    task.slabName = undefined
  })
}

function toHex(lo: number, hi: number): string {
  return `0x${hi.toString(16)}${lo.toString(16).padStart(8, '0')}`
}
