import type { BackendOptions, BackendParameter, DeviceQueue } from './backend.ts'
import { Parameters } from './parameters.ts'
import { type RecordedRequests, ServiceTimes } from './service-times.ts'

export const DEVICE_PARAMETERS: readonly BackendParameter[] = [
  {
    name: 'disk_latency_us',
    fallback: 500,
    summary: 'time from issue to completion of one page, transfer apart',
  },
  { name: 'disk_bandwidth_mb', fallback: 200, summary: 'MB/s (10^6) that all requests share' },
  { name: 'disk_queue_depth', fallback: 32, summary: 'requests the device works on at once' },
  {
    name: 'disk_iops',
    fallback: 0,
    summary: 'requests/s let through, as cloud disks do it; 0 = no limit',
  },
  {
    name: 'disk_requests',
    fallback: 128,
    summary: 'requests under way from which on submitters wait (nr_requests); 0 = no limit',
  },
  { name: 'disk_request_us', fallback: 0, summary: 'CPU time of submitting a request' },
  {
    name: 'disk_request_kb',
    fallback: 0,
    summary:
      'to what the I/O scheduler lets a waiting write grow by its neighbours (mq-deadline: max_sectors_kb, 128 segments); 0 = no scheduler, none are merged',
  },
]

/** A write that no place of the device is free for yet: the I/O scheduler still has it. */
interface WaitingWrite {
  first: number
  pages: number
  doneNs: number
  readonly place: number
  readonly dispatchNs: number
}

/** From here on, writes that were dispatched are forgotten. */
const MANY_WAITING = 1024

/**
 * A block device: `depth` requests at once, each with a fixed latency, over one shared transfer path. Reads and writes have the same
 * priority, so page-ins wait behind writeback.
 *
 *   submit -> [limit of requests/s] -> [one of `depth` places] -> latency -> [transfer, one at a time] -> complete
 */
export class BlockDevice implements DeviceQueue {
  readonly #latencyNs: number
  readonly #pageNs: number
  readonly #gapNs: number
  readonly #placeFreeNs: Float64Array
  readonly #recorded: ServiceTimes | undefined
  readonly #most: number
  readonly #largestPages: number
  /** By the slots next to them, where a page is merged (elv_rqhash, and mq-deadline's front merges). */
  readonly #waiting = new Map<number, WaitingWrite>()
  readonly requestNs: number
  /** Completion times, ascending; those before #openFrom are past. */
  readonly #open: number[] = []
  #openFrom = 0
  #gateNs = 0
  #pathNs = 0
  #reads = 0
  #writes = 0
  #pagesRead = 0
  #pagesWritten = 0
  #writeMerges = 0
  #readNs = 0
  #writeNs = 0

  /** `recorded` stands in place of latency, bandwidth and depth. */
  constructor(options: BackendOptions, recorded?: RecordedRequests) {
    const parameters = new Parameters('disk', DEVICE_PARAMETERS, options)
    const pageSize = options.pageSize ?? 4096
    this.#latencyNs = Math.floor(parameters.number('disk_latency_us', 0, 1e9) * 1000)
    this.#pageNs = Math.floor(
      (pageSize * 1000) / parameters.number('disk_bandwidth_mb', 0.001, 1e6),
    )
    const depth = recorded?.depth ?? parameters.number('disk_queue_depth', 1, 65536)
    this.#placeFreeNs = new Float64Array(Math.max(1, Math.floor(depth)))
    const iops = parameters.number('disk_iops', 0, 1e9)
    this.#gapNs = iops === 0 ? 0 : Math.floor(1e9 / iops)
    const most = parameters.number('disk_requests', 0, 65536)
    this.#most = most === 0 ? Number.POSITIVE_INFINITY : most
    this.requestNs = Math.floor(parameters.number('disk_request_us', 0, 1e6) * 1000)
    this.#largestPages = Math.floor(
      (parameters.number('disk_request_kb', 0, 1e6) * 1024) / pageSize,
    )
    this.#recorded = recorded === undefined ? undefined : new ServiceTimes(recorded)
  }

  submit(op: 'read' | 'write', nowNs: number, pages = 1, slot = -1): number {
    const gate = Math.max(nowNs, this.#gateNs)
    this.#gateNs = gate + this.#gapNs
    const place = this.#earliestPlace()
    const dispatchNs = Math.max(nowNs, this.#placeFreeNs[place] ?? 0)
    const done = this.#complete(op, Math.max(gate, dispatchNs), pages)
    this.#placeFreeNs[place] = done
    this.#remember(done)
    if (op === 'write' && slot >= 0 && dispatchNs > nowNs)
      this.#await({ first: slot, pages, doneNs: done, place, dispatchNs }, nowNs)
    if (op === 'read') {
      this.#reads++
      this.#pagesRead += pages
      this.#readNs += done - nowNs
    } else {
      this.#writes++
      this.#pagesWritten += pages
      this.#writeNs += done - nowNs
    }
    return done
  }

  merge(slot: number, nowNs: number): number {
    const write = this.#waiting.get(slot)
    if (write === undefined) return -1
    this.#waiting.delete(slot)
    const { first, place, dispatchNs } = write
    if (dispatchNs <= nowNs || write.pages >= this.#largestPages) return -1
    if (slot < first) write.first = slot
    write.pages++
    this.#waiting.set(slot < first ? slot - 1 : slot + 1, write)
    // The request takes longer, and so do those that are yet to come.
    this.#pathNs += this.#pageNs
    this.#forget(write.doneNs)
    write.doneNs += this.#pageNs
    this.#remember(write.doneNs)
    this.#placeFreeNs[place] = Math.max(this.#placeFreeNs[place] ?? 0, write.doneNs)
    this.#pagesWritten++
    this.#writeMerges++
    return write.doneNs
  }

  inFlight(nowNs: number): number {
    while ((this.#open[this.#openFrom] ?? nowNs + 1) <= nowNs) this.#openFrom++
    return this.#open.length - this.#openFrom
  }

  isBusy(nowNs: number): boolean {
    return this.inFlight(nowNs) >= this.#most
  }

  nextDoneNs(nowNs: number): number {
    return this.inFlight(nowNs) === 0 ? nowNs + 1 : (this.#open[this.#openFrom] ?? nowNs + 1)
  }

  /** pswpin and pswpout are pages; the others are requests and their summed times from submit to completion. */
  counters(): Readonly<Record<string, number>> {
    return {
      pswpin: this.#pagesRead,
      pswpout: this.#pagesWritten,
      reads: this.#reads,
      writes: this.#writes,
      read_ns: this.#readNs,
      write_ns: this.#writeNs,
      write_merges: this.#writeMerges,
    }
  }

  #await(write: WaitingWrite, nowNs: number): void {
    if (this.#largestPages < 2) return
    if (this.#waiting.size > MANY_WAITING)
      for (const [slot, { dispatchNs }] of this.#waiting)
        if (dispatchNs <= nowNs) this.#waiting.delete(slot)
    this.#waiting.set(write.first - 1, write)
    this.#waiting.set(write.first + write.pages, write)
  }

  #complete(op: 'read' | 'write', start: number, pages: number): number {
    const recordedNs = this.#recorded?.take(op, pages) ?? -1
    if (recordedNs >= 0) return start + recordedNs
    const ready = Math.max(start + this.#latencyNs, this.#pathNs)
    this.#pathNs = ready + pages * this.#pageNs
    return this.#pathNs
  }

  #remember(done: number): void {
    const open = this.#open
    if (this.#openFrom > 4096) {
      open.splice(0, this.#openFrom)
      this.#openFrom = 0
    }
    open.push(done)
    // Recorded service times and merged requests complete out of order.
    for (let i = open.length - 1; i > this.#openFrom && (open[i - 1] ?? 0) > done; i--) {
      open[i] = open[i - 1] ?? 0
      open[i - 1] = done
    }
  }

  #forget(done: number): void {
    const at = this.#open.lastIndexOf(done)
    if (at >= this.#openFrom) this.#open.splice(at, 1)
  }

  #earliestPlace(): number {
    let best = 0
    let earliest = this.#placeFreeNs[0] ?? 0
    for (let place = 1; place < this.#placeFreeNs.length; place++) {
      const free = this.#placeFreeNs[place] ?? 0
      if (free < earliest) {
        earliest = free
        best = place
      }
    }
    return best
  }
}
