import { type EventHandler, handle, type IngestContext } from '../context.ts'
import { NumberField, TextField } from '../fields.ts'

const MOST_OPEN_IOS = 65_536
const MOST_OPEN_SLICES = 65_536

/** include/trace/events/oom.h: reclaim_retry_zone: available counts the reclaimable pages too, so free memory is exact. */
export function retryZone(context: IngestContext): EventHandler {
  const node = new NumberField(['node'])
  const zone = new NumberField(['zone_idx', 'zone'])
  const reclaimable = new NumberField(['reclaimable'])
  const available = new NumberField(['available'])
  const min = new NumberField(['min_wmark'])
  const rows = context.tables.buffers.samples
  return handle([node, zone, reclaimable, available, min], (row, ts) => {
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
      return handle([dev, devText, sector, sectors, op], (row, ts, _cpu, task) => {
        const device = deviceOf(dev, devText, row)
        const key = `${device}+${sector.get(row)}`
        const io = {
          device,
          sector: sector.get(row),
          sectors: sectors.get(row),
          op: op.get(row),
          ts,
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
      return handle([dev, devText, sector], (row, ts) => {
        const key = `${deviceOf(dev, devText, row)}+${sector.get(row)}`
        const io = open.get(key)
        if (io === undefined) return
        open.delete(key)
        emit(io, ts)
      })
    },
  }
}

/**
 * ftrace:print (kernel/trace/trace_entries.h): atrace's `B|tgid|name` to `E|tgid` and, across threads, `S|tgid|name|cookie` to
 * `F|tgid|name|cookie` become slices, other text marks.
 */
export function print(context: IngestContext): EventHandler {
  const text = new TextField(['buf'])
  const rows = context.tables.buffers.markers
  const async = new Map<string, number>()
  return handle([text], (row, ts, _cpu, task) => {
    const mark = text.get(row).replace(/\n$/, '')
    let start = ts
    let end = ts
    let name = mark
    const slice = /^([BEICSF])(?:\|\d*(?:\|(.*))?)?$/s.exec(mark)
    if (slice?.[1] === 'B') {
      task.slices.push({ name: slice[2] ?? '', ts })
      return
    }
    if (slice?.[1] === 'E') {
      const open = task.slices.pop()
      if (open === undefined) return
      start = open.ts
      end = ts
      name = open.name
    } else if (slice?.[1] === 'S') {
      if (async.size < MOST_OPEN_SLICES) async.set(mark.slice(1), ts)
      return
    } else if (slice?.[1] === 'F') {
      const begun = async.get(mark.slice(1))
      if (begun === undefined) return
      async.delete(mark.slice(1))
      start = begun
      name = splitLast(slice[2] ?? '')[0]
    } else if (slice?.[1] === 'I') name = slice[2] ?? mark
    else if (slice?.[1] === 'C') {
      const [counter, value] = splitLast(slice[2] ?? '')
      const samples = context.tables.buffers.samples
      const added = samples.add()
      samples.number(added, 'ts_ns', ts)
      samples.text(added, 'name', counter)
      samples.number(added, 'value', value)
      return
    }
    const added = rows.add()
    rows.number(added, 'ts_ns', start)
    rows.number(added, 'end_ns', end)
    rows.number(added, 'task_id', task.id)
    rows.text(added, 'name', name)
  })
}

function splitLast(text: string): [string, number] {
  const at = text.lastIndexOf('|')
  return [text.slice(0, at), Number(text.slice(at + 1))]
}
