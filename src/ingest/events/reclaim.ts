import { FIELDS } from '../aliases.ts'
import { type EventHandler, handle, type IngestContext } from '../context.ts'
import { NumberField } from '../fields.ts'
import { COMPACTION, OTHER, SCAN } from '../parts.ts'
import { NO_DETAILS, type SpanKind } from '../spans.ts'

/** include/trace/events/vmscan.h: mm_vmscan_{direct,memcg,memcg_softlimit,node}_reclaim_begin. */
export function reclaimBegin(context: IngestContext, kind: SpanKind): EventHandler {
  const order = new NumberField(FIELDS.order)
  const gfp = new NumberField(FIELDS.gfp)
  const node = new NumberField(FIELDS.nid)
  return handle([order, gfp, node], (row, cpu, task) => {
    const details = { order: order.get(row), gfp: gfp.get(row), node: node.get(row) }
    context.spans.begin(task, kind, cpu, details)
  })
}

/** include/trace/events/vmscan.h: ..._reclaim_end. */
export function reclaimEnd(context: IngestContext, kind: SpanKind): EventHandler {
  const reclaimed = new NumberField(['nr_reclaimed'])
  return handle([reclaimed], (row, cpu, task) => {
    const part = Number.isNaN(task.isolateNs) ? OTHER : SCAN
    task.isolateNs = Number.NaN
    context.spans.end(task, kind, cpu, part, reclaimed.get(row))
  })
}

/** include/trace/events/vmscan.h: mm_vmscan_throttled, emitted after the sleep; usec_delayed is rounded to jiffies. */
export function throttled(context: IngestContext): EventHandler {
  const delayed = new NumberField(FIELDS.delayed)
  const node = new NumberField(FIELDS.nid)
  return handle([delayed, node], (row, cpu, task) => {
    const ns = delayed.get(row) * 1000
    context.spans.throttled(task, cpu, Number.isNaN(ns) ? 0 : ns, node.get(row))
  })
}

/** include/trace/events/compaction.h: mm_compaction_begin. */
export function compactionBegin(context: IngestContext): EventHandler {
  return handle([], (_row, cpu, task) => {
    context.spans.begin(task, 'compaction', cpu, NO_DETAILS)
  })
}

/** include/trace/events/compaction.h: mm_compaction_end. */
export function compactionEnd(context: IngestContext): EventHandler {
  return handle([], (_row, cpu, task) => {
    context.spans.end(task, 'compaction', cpu, COMPACTION, Number.NaN)
  })
}
