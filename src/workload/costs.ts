import { CostSamples } from './cost-samples.ts'
import { fixed, measured } from './cost-shapes.ts'
import { Numbers } from './numbers.ts'
import type { Recording } from './recording.ts'
import { toldPages } from './refused.ts'
import { type ClassifiedStores, classifyStores, storeCosts } from './stores.ts'
import type { SwitchCost } from './threads.ts'
import type { Cost, CostName } from './types.ts'
import { isUndisturbed, refillAfterFlush, unmapCosts } from './unmap-costs.ts'
import { type ToldUnmapped, tellUnmapped } from './unmapped-pages.ts'

export interface MeasuredCosts extends ClassifiedStores {
  readonly costs: Readonly<Record<CostName, Cost>>
  readonly isUnmapped: ToldUnmapped
}

export interface CostOptions {
  /** Share of zero and same-filled pages among the stores, from counters; undefined = from the distribution's shape. */
  readonly sameShare: number | undefined
  /** The gate looks for zero pages. */
  readonly zeroMap: boolean
  /** Pages that no task maps; absent = as the samples tell. */
  readonly isUnmapped?: ToldUnmapped
  /** Only events before this one give samples. */
  readonly untilEvent: number
  /** By event: CPU time of the step that ends there which the machine did not have. */
  readonly stolenOfStep: Float64Array
}

/** Measures what each step of reclaim costs, in CPU time of the thread that does it. */
export function measureCosts(
  recording: Recording,
  owners: ReadonlySet<number>,
  options: CostOptions,
): MeasuredCosts {
  const samples = new CostSamples(recording, owners, options)
  const classified = classifyStores(samples.stores, options, (stores) =>
    toldPages(recording, stores),
  )
  const isUnmapped = options.isUnmapped ?? tellUnmapped(samples.gaps.filter(isUndisturbed))
  const unmapped = new Numbers()
  const mapped = samples.gaps.filter((gap) => {
    const isMapped = isUnmapped.get(gap.event) !== 1
    if (!isMapped && isUndisturbed(gap)) unmapped.push(gap.ns)
    return isMapped
  })
  const refill = refillAfterFlush(mapped, classified.sameBelowNs)
  const { storeSame, switchCost, flushInStore, ...ofStores } = storeCosts(classified.stores, {
    isWholeGap: !samples.hasGate,
    refillNs: refill.storeNs,
  })
  const { removalNs, ...unmapping } = unmapCosts(mapped, classified.sameBelowNs, {
    flushNs: flushInStore.fixedNs,
    switchCost,
    refillNs: refill.stepNs,
  })
  const flushReceived = flushCost(flushInStore, samples.swapInBeside, switchCost)
  const kept = measured(samples.scanKept, 'batches of which every page was kept', 0)
  const costs: Record<CostName, Cost> = {
    ...ofStores,
    flushReceived,
    flushInReclaim: flushInStore,
    ...unmapping,
    unmapShared: measured(
      unmapped,
      'end of one write to the next of a page in no page table, while an owner of memory runs elsewhere',
      0,
      'as of any page',
    ),
    storeSame,
    scanKept: kept,
    freeClean: measured(
      samples.freeClean,
      'batches freed without a write',
      kept.fixedNs + removalNs,
      '1 x a kept page and the removal of its slot',
    ),
    batch: batchCost(samples.batch, samples.batchAny),
    isolate: isolateCost(samples.isolate),
    skip: measured(
      samples.skip,
      'scans that took nothing, of who may not write',
      0,
      'a third of a kept page',
    ),
    slab: coldCost(
      samples.slab,
      samples.slabAny.length >= MIN_COLD ? samples.slabAny : samples.slabOthers,
      'one pass over the shrinkers, from the step before it to the one after,',
    ),
    directEntry: coldCost(
      samples.directEntry,
      samples.directEntryAny,
      'direct reclaim outside batches and shrinkers',
    ),
    swapIn: swapInCost(
      samples.swapIn.bare({ flushNs: flushReceived.fixedNs, switchCost }),
      samples.hasFaults,
      ofStores.store,
    ),
    fault: fixed(0, 'inferred', "contained in the task's own clock"),
    push:
      samples.push.length >= 50
        ? measured(samples.push, 'gate to return without a store', 0)
        : shortStep(PUSH, storeSame, kept),
    wake: shortStep(WAKE, storeSame, kept),
    wakeLatency: measured(samples.wakeLatency, 'waking to running on an idle CPU', 0),
    memcgEntry: measured(samples.memcgEntry, 'reclaim for a memory cgroup outside batches', 0),
    switchAnyRun: ofStores.switchAnyRun,
    switch:
      ofStores.switch ??
      fixed(ofStores.store.fixedNs * SWITCH_IN_STORE, 'default', `${SWITCH_IN_STORE} x a store`),
  }
  return { costs, isUnmapped, ...classified }
}

/** Fewer batches say less of what one costs that is freed whole than those do of which pages were kept, and put back. */
const MIN_FREED = 20

function batchCost(freed: Numbers, any: Numbers): Cost {
  const way = 'from the last write of a batch to the next isolation'
  const isTold = freed.length >= MIN_FREED || any.length === 0
  const cost = measured(isTold ? freed : any, `${way}, for such as follow another`, 0)
  return isTold ? cost : { ...cost, basis: 'inferred', from: `${cost.from}; pages were kept` }
}

/** Steps between kept batches that tell what they cost. */
const MIN_VAIN = 20
/** Of the median; what took longer was an aging that walked page tables (up to 8 ms, where nine in ten take 48 to 90 us), which costs apart. */
const MOST_ISOLATING = 4

function isolateCost(samples: Numbers): Cost {
  const most = MOST_ISOLATING * samples.median()
  const isolating = new Numbers()
  for (const ns of samples.copyValues()) if (ns <= most) isolating.push(ns)
  if (isolating.length >= MIN_VAIN)
    return measured(isolating, 'end of a batch that kept every page to the next isolation', 0)
  const few = `fewer than ${MIN_VAIN} batches kept every page`
  return fixed(0, 'default', `0: a share of \`batch\`; ${few}`)
}

/** Fewer samples of a cold step say less than those of all such steps, brought up to cold ones by the time since the one before. */
const MIN_COLD = 20

function coldCost(cold: Numbers, any: Numbers, step: string): Cost {
  return cold.length >= MIN_COLD
    ? measured(cold, `${step} on a CPU that made none lately`, 0)
    : measured(any, `${step}, by how lately the CPU made one`, 0)
}

/** Fewer swap-ins beside kernel threads that unmap, or beside nobody who does, do not tell what a flush costs. */
const MIN_BESIDE = 200
/** Of the cost: its standard error. */
const MOST_ERROR = 0.2

/** A flush that user code or a fault receives over one that a store does: 1.8 to 3.7 in recordings that tell both, 2.2 in their middle. */
const FLUSH_IN_STORES = 2.2

/**
 * What a flush costs who runs user code or a fault: what swap-ins beside a kernel thread that unmaps take more than those beside nobody who does, for each
 * page unmapped more. By who runs elsewhere, since what takes long meets many flushes whatever these cost; beside a worker that only stores, a
 * task and nobody they take the same (99, 98 and 110 us; 179 beside kswapd). It is 70 to 100 us where a store, which needs few pages, loses 25 to 45.
 */
function flushCost(
  inStore: Cost,
  beside: CostSamples['swapInBeside'],
  switchCost: SwitchCost | undefined,
): Cost {
  if (inStore.basis !== 'event') return inStore
  const kernel = beside.kernel.means(switchCost)
  const none = beside.none.means(switchCost)
  const flushes = kernel.flushes - none.flushes
  const ns = (kernel.ns - none.ns) / flushes
  const error = Math.sqrt(kernel.variance + none.variance) / flushes
  const isTold = Math.min(kernel.count, none.count) >= MIN_BESIDE && flushes > 0
  if (!isTold || !(error <= MOST_ERROR * ns))
    return fixed(
      inStore.fixedNs * FLUSH_IN_STORES,
      'inferred',
      `${FLUSH_IN_STORES} x a flush in a store`,
    )
  return fixed(
    ns,
    'event',
    'swap-ins beside a kernel thread that unmaps less those beside nobody who does, over the pages unmapped meanwhile',
    kernel.count,
  )
}

/** A switch over a store, where no store was switched away from: 1.2 to 1.6 in recordings with zstd. */
const SWITCH_IN_STORE = 1.4

/** A swap-in over a store, by mean: 0.55 to 0.96 in recordings of zram with zstd that have both, 0.75 in their middle. */
const SWAPIN_IN_STORE = 0.75
/** Fewer swap-ins are mostly those of a quiet process meeting a disturbed system, and say little of the rest. */
const MIN_SWAPINS = 200

function swapInCost(bare: Numbers, hasFaults: boolean, store: Cost): Cost {
  if (!hasFaults) return fixed(0, 'inferred', "contained in the task's own clock")
  if (bare.length >= MIN_SWAPINS)
    return measured(
      bare,
      'swap-in faults without reclaim, apart from flushes received and switches',
      0,
    )
  return fixed(store.fixedNs * SWAPIN_IN_STORE, 'default', `${SWAPIN_IN_STORE} x a store`)
}

/**
 * Costs that a synchronous trace does not show, as multiples of one that it does: the store of a zero page, or else a page examined
 * and kept. All are short walks through kernel lists, so they scale with the machine. The push was 0.7 to 0.9 zero-page stores in
 * recordings that have both.
 */
interface ShortStep {
  readonly ofSame: number
  readonly ofKept: number
}
const MIN_SAME = 50
const PUSH: ShortStep = { ofSame: 0.75, ofKept: 5 }
const WAKE: ShortStep = { ofSame: 1, ofKept: 6 }

function shortStep(step: ShortStep, storeSame: Cost, kept: Cost): Cost {
  if (storeSame.n < MIN_SAME)
    return fixed(kept.fixedNs * step.ofKept, 'default', `${step.ofKept} x a kept page`)
  const sorted = storeSame.samples.slice().sort()
  return fixed(
    (sorted[sorted.length >> 1] ?? 0) * step.ofSame,
    'default',
    `${step.ofSame} x the store of a zero page`,
  )
}
