import { type EventHandler, handle, type IngestContext } from '../context.ts'
import { NumberField, TextField } from '../fields.ts'

const MOST_OPEN_IOS = 65_536

/** include/trace/events/block.h: requests from issue (or, for bio devices, queueing) to completion, by device and sector. */
export function blockIos(context: IngestContext): {
  issue(): EventHandler
  complete(): EventHandler
} {
  const ios = new OpenIos(context)
  return { issue: () => issue(context, ios), complete: () => complete(context, ios) }
}

function issue(context: IngestContext, ios: OpenIos): EventHandler {
  const device = new DeviceField()
  const sector = new NumberField(['sector'])
  const sectors = new NumberField(['nr_sector'])
  const op = new TextField(['rwbs'])
  return handle([...device.fields, sector, sectors, op], (row, _cpu, task) => {
    ios.begin({
      device: device.get(row),
      sector: sector.get(row),
      sectors: sectors.get(row),
      op: op.get(row),
      ts: context.clock.now,
      taskId: task.id,
    })
  })
}

function complete(context: IngestContext, ios: OpenIos): EventHandler {
  const device = new DeviceField()
  const sector = new NumberField(['sector'])
  return handle([...device.fields, sector], (row) => {
    ios.end(device.get(row), sector.get(row), context.clock.now)
  })
}

/** A device as `major:minor`, however the format holds it. */
class DeviceField {
  readonly #number = new NumberField(['dev'])
  readonly #text = new TextField(['dev'])
  readonly fields = [this.#number, this.#text]

  get(row: number): string {
    if (this.#text.there) return this.#text.get(row).replace(',', ':')
    const number = this.#number.get(row)
    // dev_t: major << 20 | minor (include/linux/kdev_t.h).
    return `${Math.floor(number / 1048576)}:${number % 1048576}`
  }
}

interface OpenIo {
  readonly device: string
  readonly sector: number
  readonly sectors: number
  readonly op: string
  readonly ts: number
  readonly taskId: number
}

/** Requests under way. One that is never seen to complete becomes a row when too many others have come. */
class OpenIos {
  readonly #open = new Map<string, OpenIo>()
  readonly #rows: IngestContext['tables']['buffers']['block_ios']

  constructor({ tables }: IngestContext) {
    this.#rows = tables.buffers.block_ios
  }

  begin(io: OpenIo): void {
    const open = this.#open
    const key = keyOf(io.device, io.sector)
    open.delete(key)
    open.set(key, io)
    if (open.size <= MOST_OPEN_IOS) return
    const [oldest] = open
    if (oldest === undefined) return
    open.delete(oldest[0])
    this.#add(oldest[1], Number.NaN)
  }

  end(device: string, sector: number, ns: number): void {
    const key = keyOf(device, sector)
    const io = this.#open.get(key)
    if (io === undefined) return
    this.#open.delete(key)
    this.#add(io, ns)
  }

  #add(io: OpenIo, completeNs: number): void {
    const rows = this.#rows
    const row = rows.add()
    rows.text(row, 'device', io.device)
    rows.number(row, 'sector', io.sector)
    rows.number(row, 'sectors', io.sectors)
    rows.text(row, 'op', io.op)
    rows.number(row, 'issue_ns', io.ts)
    rows.number(row, 'complete_ns', completeNs)
    rows.number(row, 'task_id', io.taskId)
  }
}

function keyOf(device: string, sector: number): string {
  return `${device}+${sector}`
}
