import type { RowBuffer } from '../model/rows.ts'
import { CPU_LAST_NS, CPU_MOMENTS, CPUS } from './assembly/_layout.ts'
import type { Following } from './follow-kernel.ts'

/** Moments kept per CPU; with more events every other one is dropped. */
const MOST_POINTS = 4096

interface Moments {
  /** Events between two kept moments, a power of two. */
  stride: number
  /** Time of every `stride`-th event, from the first on. */
  times: number[]
}

/**
 * How many events each CPU had recorded at moments spread over its events: what a gap of so many events may have held. Events are counted
 * by WebAssembly (assembly/_moments.ts).
 */
export class EventCounts {
  readonly #following: Following
  readonly #cpus: Moments[] = []
  /** By CPU: events until the next kept moment, and the time of the last event. */
  #left: Int32Array = new Int32Array(0)
  #lastNs: Float64Array = new Float64Array(0)

  constructor(following: Following) {
    this.#following = following
  }

  /** Time of the CPU's last event; NaN = it has none. */
  lastNs(cpu: number): number {
    return this.#lastNs[cpu] ?? Number.NaN
  }

  /** Keeps the moment; returns how many events follow before the next. */
  keep(cpu: number, ts: number): number {
    const moments = this.#cpus[cpu] ?? { stride: 1, times: [] }
    this.#cpus[cpu] = moments
    moments.times.push(ts)
    if (moments.times.length > MOST_POINTS) {
      moments.times = moments.times.filter((_, i) => (i & 1) === 0)
      moments.stride *= 2
    }
    return moments.stride - 1
  }

  /** Makes room for the counts of a CPU that there was none for. */
  reserve(cpu: number): void {
    const following = this.#following
    const length = cpu * 2 + 8
    const left = following.integers(following.room(4 * length), length)
    const lastNs = following.floats(following.room(8 * length), length).fill(Number.NaN)
    left.set(this.#left)
    lastNs.set(this.#lastNs)
    this.#left = left
    this.#lastNs = lastNs
    following.words[CPUS / 4] = length
    following.words[CPU_MOMENTS / 4] = left.byteOffset
    following.words[CPU_LAST_NS / 4] = lastNs.byteOffset
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
