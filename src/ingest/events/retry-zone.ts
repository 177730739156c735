import { type EventHandler, handle, type IngestContext } from '../context.ts'
import { NumberField } from '../fields.ts'

/** include/trace/events/oom.h: reclaim_retry_zone: available counts the reclaimable pages too, so free memory is exact. */
export function retryZone(context: IngestContext): EventHandler {
  const node = new NumberField(['node'])
  const zone = new NumberField(['zone_idx', 'zone'])
  const reclaimable = new NumberField(['reclaimable'])
  const available = new NumberField(['available'])
  const min = new NumberField(['min_wmark'])
  const rows = context.tables.buffers.samples
  return handle([node, zone, reclaimable, available, min], (row) => {
    const ts = context.clock.now
    const index = Number.isNaN(zone.get(row)) ? '' : `${zone.get(row)}`
    const add = (name: string, value: number): void => {
      const added = rows.add()
      rows.number(added, 'ts_ns', ts)
      rows.number(added, 'node', node.get(row))
      rows.text(added, 'name', name)
      rows.number(added, 'value', value)
    }
    add(`free_pages.zone${index}`, available.get(row) - reclaimable.get(row))
    add(`wmark_min.zone${index}`, min.get(row))
  })
}
