import { fixed, lessened, measured } from './cost-shapes.ts'
import { type DisturbanceCosts, type Disturbances, DisturbedSteps } from './disturbed-steps.ts'
import { Numbers } from './numbers.ts'
import type { Cost } from './types.ts'

/** `after` of a gap whose page before went to a queue: it was not freed by the one who unmaps. DISPLACED = and another one was stored to make place. */
export const QUEUED = -1
export const DISPLACED = -2

/** From the end of one page's write to the gate of the next, by one thread in one batch. */
export interface Gap {
  /** Event of the gate that ends it. */
  readonly event: number
  readonly ns: number
  readonly disturbances: Disturbances
  /** Its own memory is unmapped: the flush is its own CPU's too. */
  readonly isOwner: boolean
  /** An owner of memory runs on another CPU. */
  readonly isRemote: boolean
  /** Another CPU has the owners' page tables loaded. */
  readonly isHeld: boolean
  /** Whether another has them is certain. */
  readonly isSure: boolean
  /** Flushes received during the store before. */
  readonly flushes: number
  /** CPU time of the store before, by the same thread, of a page that it then freed; QUEUED, DISPLACED = none. */
  readonly after: number
  /** All pages of the batch were written: nothing else was looked at in between. */
  readonly isFull: boolean
}

export function isUndisturbed({ disturbances: { flushes, switches } }: Gap): boolean {
  return flushes + switches === 0
}

export interface UnmapCosts {
  readonly unmap: Cost
  readonly unmapRemote: Cost
  readonly unmapDirect: Cost
  readonly unmapDirectRemote: Cost
  readonly unmapDirectHeld: Cost
  readonly unmapAfterStore: Cost
  readonly unmapRemoteAfterStore: Cost
  /** Removal of a stored page from the swap cache. */
  readonly removalNs: number
}

const MIN_GAPS = 50
/**
 * Of the way from a zero page's store to the next page's gate, the removal of that zero page from the swap cache: the way after a queued page,
 * which stays there, is 0.66 to 0.82 of it in 18 recordings that have both, 0.77 in their middle.
 */
const REMOVAL_IN_ZERO_GAP = 0.23

/**
 * What unmapping costs, and what lies between a store and it: a page that its reclaimer has stored itself is removed from the swap cache before
 * the next is looked at, and finds caches full of the codec's work. A queued page leaves nothing to remove and a zero page fills no caches, so
 * unmapping is read after those, and recordings under both kinds of policy tell the same step. The way after a store is a cost of its own, whole:
 * what it is longer by is a small difference of two larger ones, which repeats of one recording tell 1 to 3 times as long. Direct reclaimers
 * store every page themselves: their way is kept whole, too.
 */
export function unmapCosts(
  gaps: readonly Gap[],
  sameBelowNs: number,
  costs: OwnDisturbanceCosts,
): UnmapCosts {
  const kinds = new GapKinds(gaps, sameBelowNs)
  const afterZero = kinds.of(KERNEL, 'zero').median()
  const afterQueued = kinds.of(KERNEL, 'queued')
  const seesQueue = afterQueued.length >= MIN_GAPS
  const removalNs = Number.isNaN(afterZero)
    ? 0
    : seesQueue
      ? Math.max(0, afterZero - afterQueued.median())
      : afterZero * REMOVAL_IN_ZERO_GAP
  const local = kinds.bare(KERNEL, removalNs)
  const remote = kinds.bare(KERNEL_REMOTE, removalNs)
  const bare =
    'end of one write to the next by kernel threads, where there was nothing to release before it'
  return {
    unmap: measured(
      local.length > 0 ? local : remote,
      `${bare}; no owner of memory running elsewhere`,
      0,
    ),
    unmapRemote: measured(
      remote.length > 0 ? remote : local,
      `${bare}, while an owner of memory runs elsewhere`,
      0,
    ),
    unmapAfterStore: afterStoreCost(
      kinds.afterStore(KERNEL, removalNs),
      'no owner of memory running elsewhere',
    ),
    unmapRemoteAfterStore: afterStoreCost(
      kinds.afterStore(KERNEL_REMOTE, removalNs),
      'an owner of memory running elsewhere',
    ),
    ...ownCosts(kinds, costs),
    removalNs,
  }
}

function afterStoreCost(ways: Numbers, who: string): Cost {
  return ways.length >= MIN_GAPS
    ? measured(ways, `end of one store by a kernel thread to its next write; ${who}`, 0)
    : fixed(0, 'inferred', 'as after any page')
}

/** What a flush received during a store adds to what comes after it. */
export interface Refill {
  /** To a step after such a store, where the TLB is filled anew. */
  readonly stepNs: number
  /** By mean over the stores that a flush struck. */
  readonly storeNs: number
}

/** A cold TLB; who has to flush what another CPU has loaded finds it cold in any case. */
export function refillAfterFlush(gaps: readonly Gap[], sameBelowNs: number): Refill {
  const kinds = new GapKinds(gaps, sameBelowNs)
  const calm = kinds.ownUndisturbed(false)
  const flushed = kinds.ownUndisturbed(true)
  if (Math.min(calm.length, flushed.length) < MIN_GAPS) return { stepNs: 0, storeNs: 0 }
  const stepNs = Math.max(0, flushed.lowerQuartile() - calm.lowerQuartile())
  const after = gaps.filter(({ isOwner, flushes }) => isOwner && flushes > 0)
  return { stepNs, storeNs: (stepNs * after.filter(refills).length) / after.length }
}

function refills({ isHeld, isRemote, flushes }: Gap): boolean {
  return !isHeld && !isRemote && flushes > 0
}

/** What disturbances cost in such a step, and a flush during the store before. */
export interface OwnDisturbanceCosts extends DisturbanceCosts {
  readonly refillNs: number
}

type OwnCosts = Pick<UnmapCosts, 'unmapDirect' | 'unmapDirectRemote' | 'unmapDirectHeld'>

/** By tasks that reclaim for themselves. */
function ownCosts(kinds: GapKinds, costs: OwnDisturbanceCosts): OwnCosts {
  const way =
    'end of one write to the next by a task that reclaims for itself, apart from flushes received and switches'
  const calm = kinds.own({ isRemote: false, isHeld: false }, costs)
  const isTold = calm.length >= MIN_GAPS
  const held = kinds.own({ isRemote: false, isHeld: true }, costs)
  const remote = kinds.own({ isRemote: true, isHeld: true }, costs)
  return {
    unmapDirect: ownCost(
      isTold ? calm : kinds.own({ isRemote: false }, costs),
      isTold ? `${way}, its page tables loaded nowhere else` : way,
    ),
    unmapDirectHeld: heldCost(isTold ? held : new Numbers(), kinds.ownUndisturbed(true), way),
    unmapDirectRemote: ownCost(
      isTold && remote.length >= MIN_GAPS ? remote : kinds.own({ isRemote: true }, costs),
      `${way}, while another runs elsewhere`,
    ),
  }
}

/**
 * Flushing what was put off empties the TLB (arch_tlbbatch_flush: TLB_FLUSH_ALL), as a flush received does: 29 to 32 us for the one and 27 to 31 for
 * the other, beside 14 to 16, in recordings that have both.
 */
function heldCost(held: Numbers, flushed: Numbers, way: string): Cost {
  if (held.length >= MIN_GAPS || flushed.length < MIN_GAPS)
    return ownCost(
      held,
      `${way}, while another CPU that runs no owner has its page tables loaded`,
      'as where no other CPU has them',
    )
  const { samples, fixedNs, n } = measured(flushed, '', 0)
  return { samples, fixedNs, n, basis: 'inferred', from: `${way}, after a flush received` }
}

function ownCost(samples: Numbers, from: string, otherwise = 'as by a kernel thread'): Cost {
  return samples.length >= MIN_GAPS ? measured(samples, from, 0) : fixed(0, 'inferred', otherwise)
}

/** Who unmaps, and whether an owner of memory runs on another CPU meanwhile. */
type By = Pick<Gap, 'isOwner' | 'isRemote'>
const KERNEL: By = { isOwner: false, isRemote: false }
const KERNEL_REMOTE: By = { isOwner: false, isRemote: true }
const OWNER: By = { isOwner: true, isRemote: false }

type Before = 'stored' | 'zero' | 'queued' | 'displaced'

/** Where the page tables of the unmapped memory are loaded beside; `isHeld` absent = either. */
interface Elsewhere {
  readonly isRemote: boolean
  readonly isHeld?: boolean
}

/** Gaps by whose memory, where its owners run, and what was before; batches that were not written whole only where there are too few others. */
class GapKinds {
  readonly #gaps: readonly Gap[]
  readonly #sameBelowNs: number

  constructor(gaps: readonly Gap[], sameBelowNs: number) {
    this.#gaps = gaps
    this.#sameBelowNs = sameBelowNs
  }

  of(by: By, before: Before): Numbers {
    return this.#select(by, (gap) => (this.#before(gap) === before ? gap.ns : -1))
  }

  /** By owners themselves, without what disturbed them. */
  own({ isRemote, isHeld }: Elsewhere, costs: OwnDisturbanceCosts): Numbers {
    const full = new DisturbedSteps()
    const loose = new DisturbedSteps()
    for (const gap of this.#gaps) {
      if (!gap.isOwner || gap.isRemote !== isRemote) continue
      if (isHeld === undefined || (gap.isSure && gap.isHeld === isHeld))
        (gap.isFull ? full : loose).push(
          gap.ns,
          gap.disturbances,
          refills(gap) ? costs.refillNs : 0,
        )
    }
    return (full.length >= MIN_GAPS || loose.length === 0 ? full : loose).bare(costs)
  }

  /** By owners whose page tables are loaded nowhere else, by whether a flush interrupted the store before. */
  ownUndisturbed(isFlushed: boolean): Numbers {
    return this.#select(OWNER, (gap) =>
      !gap.isHeld && gap.flushes > 0 === isFlushed ? gap.ns : -1,
    )
  }

  any(by: By): Numbers {
    return this.#select(by, (gap) => gap.ns)
  }

  /** Where nothing was to be released before; where too few such were seen, any way. */
  bare(by: By, removalNs: number): Numbers {
    const seen = this.#select(by, (gap) => {
      const before = this.#before(gap)
      if (before === 'queued') return gap.ns
      return before === 'zero' ? lessened(gap.ns, removalNs) : -1
    })
    return seen.length >= MIN_GAPS ? seen : this.any(by)
  }

  /** The whole way after a page that kernel threads stored themselves; where it was stored to make place for another, that one stays in the swap cache. */
  afterStore(by: By, removalNs: number): Numbers {
    return this.#select(by, (gap) => {
      const before = this.#before(gap)
      if (before === 'stored') return gap.ns
      return before === 'displaced' ? gap.ns + removalNs : -1
    })
  }

  #before({ after }: Gap): Before {
    if (after === QUEUED) return 'queued'
    if (after === DISPLACED) return 'displaced'
    return after < this.#sameBelowNs ? 'zero' : 'stored'
  }

  /** `read` gives -1 for what is not wanted. */
  #select({ isOwner, isRemote }: By, read: (gap: Gap) => number): Numbers {
    const full = new Numbers()
    const loose = new Numbers()
    for (const gap of this.#gaps) {
      if (gap.isOwner !== isOwner || gap.isRemote !== isRemote || !isUndisturbed(gap)) continue
      const ns = read(gap)
      if (ns >= 0) (gap.isFull ? full : loose).push(ns)
    }
    return full.length >= MIN_GAPS || loose.length === 0 ? full : loose
  }
}
