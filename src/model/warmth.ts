/**
 * What a rare step of reclaim costs depends on how lately its CPU made one: what it walks through falls out of the caches. Pairs of ns since
 * the CPU's last one ended, longest first, and the share of a cold step's CPU time from there on.
 */
type Shares = readonly (readonly [fromNs: number, share: number])[]

/**
 * A pass over the slab shrinkers, from the step of reclaim before it to the one after: medians over 47 recordings of 6.1 and 6.12, most of which
 * lie near them (0.18 to 0.34 after 30 us, 0.64 to 1.01 after 3 ms). kswapd, direct reclaimers and workers share them.
 */
const PASS: Shares = [
  [30_000_000, 1],
  [10_000_000, 0.9],
  [3_000_000, 0.8],
  [1_000_000, 0.55],
  [300_000, 0.4],
  [100_000, 0.26],
  [30_000, 0.22],
  [0, 0.15],
]

/**
 * Entry and exit of a direct reclaim by a task: medians over 47 recordings of 6.1 and 6.12 (10th to 90th percentile of them: 0.06 to 0.08 right after
 * another, 0.18 to 0.49 after 30 us, 0.3 to 0.79 after 100 us, 0.84 to 1.22 after 1 ms).
 */
const ENTRY: Shares = [
  [1_000_000, 1],
  [300_000, 0.81],
  [100_000, 0.53],
  [30_000, 0.32],
  [0, 0.06],
]

/**
 * The same by a worker that may not start I/O, in cold entries of a task: less is to be looked at, and nothing but stores lies between two of
 * them. Medians over 18 recordings with such workers (0.03 to 0.06 right after another, 0.13 to 0.28 after 1 ms, 0.51 to 0.69 after 30 ms).
 */
const ENTRY_WITHOUT_IO: Shares = [
  [10_000_000, 0.57],
  [3_000_000, 0.43],
  [1_000_000, 0.23],
  [100_000, 0.14],
  [30_000, 0.07],
  [0, 0.03],
]

/** A step is cold where it costs at least so much of one on a CPU that made none for long. */
export const COLD_SHARE = 0.9

/**
 * A switch back to a task, by how long it had run before it was switched away: caches that it had not filled anew yet are not lost once more.
 * Medians over kswapd, workers and direct reclaimers of 44 recordings of 6.1 and 6.12 (10th to 90th percentile of them: -0.27 to 0.36 from 0.1 ms on,
 * 0.02 to 0.64 from 0.15 ms, 0.27 to 1.05 from 0.2 ms, 0.46 to 1.64 from 0.35 ms, 0.99 to 1.76 from 10 ms). How long it was away tells no more.
 */
const SWITCH: Shares = [
  [10_000_000, 1.3],
  [400_000, 1],
  [350_000, 0.74],
  [200_000, 0.5],
  [150_000, 0.28],
  [100_000, 0.11],
  [0, 0],
]

function shareOf(shares: Shares, sinceNs: number): number {
  for (const [fromNs, share] of shares) if (sinceNs >= fromNs) return share
  return 1
}

/** Share of a cold pass's CPU time that one costs `sinceNs` after the CPU's last pass. */
export function shareOfColdPass(sinceNs: number): number {
  return shareOf(PASS, sinceNs)
}

/** Share of the CPU time of a task's cold entry that one costs `sinceNs` after the CPU's last direct reclaim ended. */
export function shareOfColdEntry(sinceNs: number): number {
  return shareOf(ENTRY, sinceNs)
}

/** The same of an entry by a worker that may not start I/O. */
export function shareOfWorkersEntry(sinceNs: number): number {
  return shareOf(ENTRY_WITHOUT_IO, sinceNs)
}

/** What a switch back to a task costs that had run for `ranNs` before it was switched away, of one after 0.4 to 10 ms; 1 where that is not known. */
export function shareOfSwitch(ranNs: number): number {
  return shareOf(SWITCH, ranNs)
}

/** No recording's switch costs more, ns. */
const DEAREST_SWITCH_NS = 200_000

/**
 * A switch's cost after a run of `ranNs` on a CPU of that speed: what a run has lost it has filled before, beside its work. Without that bound two
 * tasks to which a switch is as dear as a tick is long would only ever fill caches. Costs are told at speed 1.
 */
export function switchNsAfter(ranNs: number, costNs: number, speed: number): number {
  if (Number.isNaN(ranNs)) return costNs
  const mostNs = Math.max(DEAREST_SWITCH_NS, Math.floor(ranNs / 2))
  return Math.min(costNs, speed < 1 ? Math.floor(mostNs * speed) : mostNs)
}

/** When the last step of one kind ended on each CPU, and what the next one there costs for it. */
export class Warmth {
  readonly #shareOf: (sinceNs: number) => number
  /** By CPU. */
  readonly #endNs: Float64Array

  constructor(shareOf: (sinceNs: number) => number, cpus: number) {
    this.#shareOf = shareOf
    this.#endNs = new Float64Array(cpus).fill(Number.NEGATIVE_INFINITY)
  }

  /** Share of a cold step's CPU time that one costs which begins now; 1 on a CPU that is not known (negative). */
  shareAt(cpu: number, ns: number): number {
    return this.#shareOf(this.sinceNs(cpu, ns))
  }

  sinceNs(cpu: number, ns: number): number {
    return ns - (this.#endNs[cpu] ?? Number.NEGATIVE_INFINITY)
  }

  ended(cpu: number, ns: number): void {
    if (cpu >= 0) this.#endNs[cpu] = ns
  }
}
