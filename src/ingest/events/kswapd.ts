import { FIELDS } from '../aliases.ts'
import { type EventHandler, handle, type IngestContext } from '../context.ts'
import { NumberField } from '../fields.ts'
import type { KswapdSpans } from '../kswapd.ts'
import { OTHER, SCAN } from '../parts.ts'

/** include/trace/events/vmscan.h: mm_vmscan_kswapd_wake. */
export function kswapdWake(context: IngestContext, kswapd: KswapdSpans): EventHandler {
  const node = new NumberField(FIELDS.nid)
  const order = new NumberField(FIELDS.order)
  return handle([node, order], (row, _cpu, task) => {
    context.timeline.label(task, OTHER)
    task.node = node.get(row)
    kswapd.wake(task, node.get(row), order.get(row), context.clock.now)
  })
}

/** include/trace/events/vmscan.h: mm_vmscan_kswapd_sleep, before the full sleep only, not before naps. */
export function kswapdSleep(context: IngestContext, kswapd: KswapdSpans): EventHandler {
  const node = new NumberField(FIELDS.nid)
  return handle([node], (row, cpu, task) => {
    context.timeline.label(task, Number.isNaN(task.isolateNs) ? OTHER : SCAN)
    task.isolateNs = Number.NaN
    task.node = node.get(row)
    kswapd.sleep(task, node.get(row), context.clock.now, context.blindUntil(cpu))
  })
}

/** include/trace/events/vmscan.h: mm_vmscan_wakeup_kswapd, in the waker's context. */
export function wakeupKswapd(context: IngestContext, kswapd: KswapdSpans): EventHandler {
  const node = new NumberField(FIELDS.nid)
  return handle([node], (row, _cpu, task) => kswapd.wakeup(task, node.get(row), context.clock.now))
}
