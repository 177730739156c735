import { listBatch, SCALE_MAX } from '../model/list-batch.ts'
import type { Sample } from './recording.ts'

/** Falls of free memory between samples that are looked at, and how near to a whole number of refills each is. */
const BEFORE_NS = 500_000_000
const MIN_FALLS = 3
const NEAR = 15
/** A sample further away says nothing of the start. */
const AT_START_NS = 100_000_000

/** How memory was filled up to the moment when movable pages were used up and the first boost woke kswapd. */
export interface Filling {
  /** Pages of a CPU list's refill. */
  readonly refill: number
  readonly falls: number
  /** How much free memory fell per ns. */
  readonly rate: number
  /** Free memory before the refill that boosted. */
  readonly free: number
}

/**
 * Tasks that only allocate have their CPU's list refilled with ever more pages (nr_pcp_alloc): free memory falls in steps of the largest
 * refill. The boost came with the first one that movable pages did not reach for, so that a sample after it lacks that one.
 */
export function findFilling(
  samples: readonly Sample[],
  startNs: number,
  managed: number,
): Filling | undefined {
  const refill = listBatch(managed) << SCALE_MAX
  let falls = 0
  let steps = 0
  let fallen = 0
  let fellNs = 0
  for (let i = 1; i < samples.length; i++) {
    const { ns, value } = samples[i] as Sample
    if (ns < startNs - BEFORE_NS || ns >= startNs) continue
    const before = samples[i - 1] as Sample
    const fall = before.value - value
    fallen += fall
    fellNs += ns - before.ns
    if (fall < refill / 2) continue
    falls++
    if (Math.abs(fall - Math.round(fall / refill) * refill) <= NEAR) steps++
  }
  if (falls < MIN_FALLS || steps * 2 <= falls) return undefined
  const rate = fallen / fellNs
  let free: number | undefined
  let nearestNs = AT_START_NS
  for (const { ns, value } of samples) {
    const awayNs = Math.abs(ns - startNs)
    if (awayNs > nearestNs) continue
    nearestNs = awayNs
    free = value + (ns < startNs ? -refill * Math.floor((rate * awayNs) / refill) : refill)
  }
  return free === undefined ? undefined : { refill, falls, rate, free }
}

/** A sample further away says nothing of a moment. */
const BESIDE_NS = 200_000_000

/** Free memory at a moment, between the samples beside it; undefined = none was taken near it. */
export function freeBetween(samples: readonly Sample[], momentNs: number): number | undefined {
  const next = samples.findIndex(({ ns }) => ns > momentNs)
  const before = samples[next - 1]
  const after = samples[next]
  if (before === undefined || after === undefined) return undefined
  if (momentNs - before.ns > BESIDE_NS || after.ns - momentNs > BESIDE_NS) return undefined
  const share = (momentNs - before.ns) / (after.ns - before.ns)
  return Math.round(before.value + share * (after.value - before.value))
}

/**
 * A boost raises the marks while the refill that met it goes on, and its CPU wakes kswapd after that (rmqueue): another CPU that allocates
 * meanwhile misses the raised low (get_page_from_freelist) and wakes it first, with its own flags, though far more than low is free.
 */
export function missesRaisedLow(
  { free, refill }: Filling,
  { cpus, low }: { readonly cpus: number; readonly low: number },
): boolean {
  return cpus > 1 && free - refill > low
}
