import type { EventWindow } from '../../parsers/batch.ts'
import type { RowBuffer } from '../model/rows.ts'

/** Moments kept per CPU; with more events every other one is dropped. */
const MOST_POINTS = 4096

interface CpuCount {
  events: number
  /** Events between two kept moments, a power of two. */
  stride: number
  /** Time of every `stride`-th event, from the first on. */
  times: number[]
  lastNs: number
}

/** How many events each CPU had recorded at moments spread over its events: what a gap of so many events may have held. */
export class EventCounts {
  readonly #cpus: CpuCount[] = []

  add({ batches, batch: batchOf, row: rowOf, length }: EventWindow): void {
    for (let k = 0; k < length; k++) {
      const batch = batches[batchOf[k] ?? 0]
      const row = rowOf[k] ?? 0
      const cpu = batch?.cpu[row] ?? -1
      if (cpu < 0) continue
      let count = this.#cpus[cpu]
      if (count === undefined) {
        count = { events: 0, stride: 1, times: [], lastNs: Number.NaN }
        this.#cpus[cpu] = count
      }
      const ts = batch?.ts[row] ?? 0
      count.lastNs = ts
      if ((count.events++ & (count.stride - 1)) !== 0) continue
      if (count.times.length === MOST_POINTS) {
        count.times = count.times.filter((_, i) => (i & 1) === 0)
        count.stride *= 2
      }
      count.times.push(ts)
    }
  }

  /** Time of the CPU's last event; NaN = it has none. */
  lastNs(cpu: number): number {
    return this.#cpus[cpu]?.lastNs ?? Number.NaN
  }

  /** Writes `recorded.cpuN`: the CPU's events before each moment kept. */
  write(samples: RowBuffer): void {
    for (const [cpu, count] of this.#cpus.entries())
      for (const [i, ts] of (count?.times ?? []).entries()) {
        const row = samples.add()
        samples.number(row, 'ts_ns', ts)
        samples.text(row, 'name', `recorded.cpu${cpu}`)
        samples.number(row, 'value', i * (count?.stride ?? 1))
      }
  }
}
