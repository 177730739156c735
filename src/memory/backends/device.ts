import type { BackendOptions, BackendParameter, DeviceQueue } from './backend.ts'
import { Parameters } from './parameters.ts'

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
]

/** Recorded issue-to-complete times of one page, ns, in recorded order; used round and round in place of latency and transfer. */
export interface ServiceTimes {
  readonly read: Float64Array
  readonly write: Float64Array
}

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
  readonly #samples: ServiceTimes | undefined
  readonly #most: number
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
  #readNs = 0
  #writeNs = 0

  constructor(options: BackendOptions, samples?: ServiceTimes) {
    const parameters = new Parameters('disk', DEVICE_PARAMETERS, options)
    const pageSize = options.pageSize ?? 4096
    this.#latencyNs = Math.floor(parameters.number('disk_latency_us', 0, 1e9) * 1000)
    this.#pageNs = Math.floor(
      (pageSize * 1000) / parameters.number('disk_bandwidth_mb', 0.001, 1e6),
    )
    this.#placeFreeNs = new Float64Array(
      Math.floor(parameters.number('disk_queue_depth', 1, 65536)),
    )
    const iops = parameters.number('disk_iops', 0, 1e9)
    this.#gapNs = iops === 0 ? 0 : Math.floor(1e9 / iops)
    const most = parameters.number('disk_requests', 0, 65536)
    this.#most = most === 0 ? Number.POSITIVE_INFINITY : most
    this.requestNs = Math.floor(parameters.number('disk_request_us', 0, 1e6) * 1000)
    this.#samples = samples
  }

  submit(op: 'read' | 'write', nowNs: number, pages = 1): number {
    const gate = Math.max(nowNs, this.#gateNs)
    this.#gateNs = gate + this.#gapNs
    const place = this.#earliestPlace()
    const start = Math.max(gate, this.#placeFreeNs[place] ?? 0)
    const done = this.#complete(op, start, pages)
    this.#placeFreeNs[place] = done
    this.#remember(done)
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
    }
  }

  #complete(op: 'read' | 'write', start: number, pages: number): number {
    const recorded = op === 'read' ? this.#samples?.read : this.#samples?.write
    if (recorded !== undefined && recorded.length > 0) {
      const nth = (op === 'read' ? this.#reads : this.#writes) % recorded.length
      return start + Math.floor(recorded[nth] ?? 0)
    }
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
    // Only recorded service times complete out of order.
    for (let i = open.length - 1; i > this.#openFrom && (open[i - 1] ?? 0) > done; i--) {
      open[i] = open[i - 1] ?? 0
      open[i - 1] = done
    }
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
