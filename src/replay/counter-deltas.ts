/** vm_stat_diff holds bytes. */
const MOST = 125
/** calculate_normal_threshold counts memory in units of so many pages of 4 KiB. */
const MEMORY_UNIT = 1 << 15

function bitsOf(value: number): number {
  return 32 - Math.clz32(value)
}

/**
 * What each CPU has not yet added to a zone's counter of free pages (mm/vmstat.c): its changes reach the counter together once they are
 * beyond a threshold. Watermarks are compared with the counter. While kswapd is up the threshold is another one, which on machines of few
 * CPUs is larger (calculate_pressure_threshold).
 */
export class CounterDeltas {
  /** Pages that are free and not in the counter; negative: in it and no longer free. */
  lag = 0
  readonly #deltas: Int32Array
  readonly #normal: number
  readonly #pressure: number
  #threshold: number
  readonly #lags: boolean

  constructor(
    cpus: number,
    zone: { readonly managed: number; readonly min: number; readonly low: number },
    /** A kernel for one CPU (without CONFIG_SMP) changes the counter itself. */
    lags = true,
  ) {
    this.#lags = lags
    this.#deltas = new Int32Array(cpus)
    const memory = Math.floor(zone.managed / MEMORY_UNIT)
    this.#normal = Math.min(MOST, 2 * bitsOf(cpus) * (1 + bitsOf(memory)))
    // A zone's drift mark is set, at boot, where there is a second CPU: without one the threshold stays (set_pgdat_percpu_threshold).
    this.#pressure =
      cpus === 1
        ? this.#normal
        : Math.min(MOST, Math.max(1, Math.floor((zone.low - zone.min) / cpus)))
    this.#threshold = this.#normal
  }

  /** kswapd is up, or sleeps. */
  setPressure(isUp: boolean): void {
    this.#threshold = isUp ? this.#pressure : this.#normal
  }

  /** The CPU gave or took so many pages, one after the other (__mod_zone_page_state). */
  add(cpu: number, pages: number): void {
    if (!this.#lags) return
    const before = this.#deltas[cpu] as number
    const after = pages < 0 ? -this.#after(-before, -pages) : this.#after(before, pages)
    this.#deltas[cpu] = after
    this.lag += after - before
  }

  /** With more pages; the threshold may have fallen below what was kept, on either side. */
  #after(before: number, pages: number): number {
    const fold = this.#threshold + 1
    const until = before < -fold ? 1 : Math.max(1, fold - before)
    return pages < until ? before + pages : (pages - until) % fold
  }

  /** refresh_cpu_vm_stats: once in a second, and when the CPU becomes idle. */
  fold(cpu: number): void {
    this.lag -= this.#deltas[cpu] as number
    this.#deltas[cpu] = 0
  }
}
