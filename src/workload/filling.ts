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
  /** In the last sample before; undefined = there was none. */
  readonly freeBefore: number | undefined
}

/**
 * Tasks that only allocate have their CPU's list refilled with ever more pages (nr_pcp_alloc): free memory falls in steps of the largest
 * refill. The boost came with the first one that movable pages did not reach for, so that a sample after it lacks that one; but each page that
 * kswapd has freed by then had the list give back a batch (nr_pcp_free), so that whole refills from the sample before tell what was free.
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
  const nearest = nearestSample(samples, startNs)
  if (nearest === undefined) return undefined
  const rate = fallen / fellNs
  const freeBefore = samples.findLast(({ ns }) => ns < startNs)?.value
  const free =
    nearest.ns < startNs
      ? nearest.value - refill * Math.floor((rate * (startNs - nearest.ns)) / refill)
      : inSteps(freeBefore, nearest.value + refill, refill)
  return { refill, falls, rate, free, freeBefore }
}

function nearestSample(samples: readonly Sample[], startNs: number): Sample | undefined {
  let nearest: Sample | undefined
  let nearestNs = AT_START_NS
  for (const sample of samples) {
    const awayNs = Math.abs(sample.ns - startNs)
    if (awayNs > nearestNs) continue
    nearestNs = awayNs
    nearest = sample
  }
  return nearest
}

/** What whole refills leave, as near as can be to so many pages. */
function inSteps(before: number | undefined, pages: number, refill: number): number {
  return before === undefined ? pages : before - Math.round((before - pages) / refill) * refill
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
