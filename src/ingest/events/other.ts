import { type EventHandler, handle, type IngestContext } from '../context.ts'
import { NumberField, TextField } from '../fields.ts'

const MOST_OPEN_IOS = 65_536

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

interface OpenIo {
  readonly device: string
  readonly sector: number
  readonly sectors: number
  readonly op: string
  readonly ts: number
  readonly taskId: number
}

/** include/trace/events/block.h: requests from issue (or, for bio devices, queueing) to completion, by device and sector. */
export function blockIos(context: IngestContext): {
  issue(): EventHandler
  complete(): EventHandler
} {
  const open = new Map<string, OpenIo>()
  const rows = context.tables.buffers.block_ios
  const emit = (io: OpenIo, complete: number): void => {
    const row = rows.add()
    rows.text(row, 'device', io.device)
    rows.number(row, 'sector', io.sector)
    rows.number(row, 'sectors', io.sectors)
    rows.text(row, 'op', io.op)
    rows.number(row, 'issue_ns', io.ts)
    rows.number(row, 'complete_ns', complete)
    rows.number(row, 'task_id', io.taskId)
  }
  const deviceOf = (dev: NumberField, text: TextField, row: number): string => {
    if (text.there) return text.get(row).replace(',', ':')
    const number = dev.get(row)
    // dev_t: major << 20 | minor (include/linux/kdev_t.h).
    return `${Math.floor(number / 1048576)}:${number % 1048576}`
  }
  return {
    issue() {
      const dev = new NumberField(['dev'])
      const devText = new TextField(['dev'])
      const sector = new NumberField(['sector'])
      const sectors = new NumberField(['nr_sector'])
      const op = new TextField(['rwbs'])
      return handle([dev, devText, sector, sectors, op], (row, _cpu, task) => {
        const device = deviceOf(dev, devText, row)
        const key = `${device}+${sector.get(row)}`
        const io = {
          device,
          sector: sector.get(row),
          sectors: sectors.get(row),
          op: op.get(row),
          ts: context.clock.now,
          taskId: task.id,
        }
        open.delete(key)
        open.set(key, io)
        if (open.size <= MOST_OPEN_IOS) return
        const [oldest] = open
        if (oldest === undefined) return
        open.delete(oldest[0])
        emit(oldest[1], Number.NaN)
      })
    },
    complete() {
      const dev = new NumberField(['dev'])
      const devText = new TextField(['dev'])
      const sector = new NumberField(['sector'])
      return handle([dev, devText, sector], (row) => {
        const key = `${deviceOf(dev, devText, row)}+${sector.get(row)}`
        const io = open.get(key)
        if (io === undefined) return
        open.delete(key)
        emit(io, context.clock.now)
      })
    },
  }
}
