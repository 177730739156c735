import type { EventWindow } from '../../parsers/batch.ts'
import type { RowBuffer } from '../model/rows.ts'

/** Moments kept per CPU; with more events every other one is dropped. */
const MOST_POINTS = 4096
/** More than the cpus that a kernel can have (CONFIG_NR_CPUS, 8,192). */
const MOST_CPUS = 1 << 16

interface Moments {
  /** Events between two kept moments, a power of two. */
  stride: number
  /** Time of every `stride`-th event, from the first on. */
  times: number[]
}

/** How many events each CPU had recorded at moments spread over its events: what a gap of so many events may have held. */
export class EventCounts {
  readonly #cpus: Moments[] = []
  /** By CPU: events until the next kept moment, and the time of the last event. */
  #left = new Int32Array(0)
  #lastNs = new Float64Array(0)

  /** Adds a window's events. */
  add({ cpu: cpus, ts, length }: EventWindow): void {
    let left = this.#left
    let lastNs = this.#lastNs
    for (let k = 0; k < length; k++) {
      const cpu = cpus[k] as number
      if (cpu < 0 || cpu >= MOST_CPUS) continue
      if (cpu >= left.length) {
        this.#reserve(cpu)
        left = this.#left
        lastNs = this.#lastNs
      }
      lastNs[cpu] = ts[k] as number
      const rest = (left[cpu] as number) - 1
      left[cpu] = rest < 0 ? this.#keep(cpu, ts[k] as number) : rest
    }
  }

  /** Time of the CPU's last event; NaN = it has none. */
  lastNs(cpu: number): number {
    return this.#lastNs[cpu] ?? Number.NaN
  }

  /** Keeps the moment; returns how many events follow before the next. */
  #keep(cpu: number, ts: number): number {
    const moments = this.#cpus[cpu] ?? { stride: 1, times: [] }
    this.#cpus[cpu] = moments
    moments.times.push(ts)
    if (moments.times.length > MOST_POINTS) {
      moments.times = moments.times.filter((_, i) => (i & 1) === 0)
      moments.stride *= 2
    }
    return moments.stride - 1
  }

  #reserve(cpu: number): void {
    const left = new Int32Array(cpu * 2 + 8)
    const lastNs = new Float64Array(left.length).fill(Number.NaN)
    left.set(this.#left)
    lastNs.set(this.#lastNs)
    this.#left = left
    this.#lastNs = lastNs
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
