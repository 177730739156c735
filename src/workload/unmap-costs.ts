import { fixed, measured } from './cost-shapes.ts'
import { Numbers } from './numbers.ts'
import type { Cost } from './types.ts'

/** `after` of a gap whose page before went to a queue: it was not freed by the one who unmaps. DISPLACED = and another one was stored to make place. */
export const QUEUED = -1
export const DISPLACED = -2

/** From the end of one page's write to the gate of the next, by one thread in one batch that nothing disturbed. */
export interface Gap {
  readonly ns: number
  /** Its own memory is unmapped: the flush is its own CPU's too. */
  readonly isOwner: boolean
  /** An owner of memory runs on another CPU. */
  readonly isRemote: boolean
  /** CPU time of the store before, by the same thread, of a page that it then freed; QUEUED, DISPLACED = none. */
  readonly after: number
  /** All pages of the batch were written: nothing else was looked at in between. */
  readonly isFull: boolean
}

export interface UnmapCosts {
  readonly unmap: Cost
  readonly unmapRemote: Cost
  readonly unmapDirect: Cost
  readonly unmapDirectRemote: Cost
  readonly release: Cost
  /** Of a release the part that is the removal from the swap cache. */
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
 * unmapping is read after those, and recordings under both kinds of policy tell the same step. Direct reclaimers store every page themselves:
 * their way is kept whole.
 */
export function unmapCosts(gaps: readonly Gap[], sameBelowNs: number): UnmapCosts {
  const kinds = new GapKinds(gaps, sameBelowNs)
  const afterZero = kinds.of(KERNEL, 'zero').median()
  const afterQueued = kinds.of(KERNEL, 'queued')
  const seesQueue = afterQueued.length >= MIN_GAPS
  const removalNs = Number.isNaN(afterZero)
    ? 0
    : seesQueue
      ? Math.max(0, afterZero - afterQueued.median())
      : afterZero * REMOVAL_IN_ZERO_GAP
  const release = kinds.release(removalNs)
  const releaseNs = release.ns
  const local = kinds.bare(KERNEL, removalNs, releaseNs)
  const remote = kinds.bare(KERNEL_REMOTE, removalNs, releaseNs)
  const own = kinds.any(OWNER)
  const ownRemote = kinds.any(OWNER_REMOTE)
  return {
    unmap: measured(
      local.length > 0 ? local : remote,
      'end of one write to the next by kernel threads, where there was nothing to release before it; no owner of memory running elsewhere',
      0,
    ),
    unmapRemote: measured(
      remote.length > 0 ? remote : local,
      'end of one write to the next by kernel threads, where there was nothing to release before it, while an owner of memory runs elsewhere',
      0,
    ),
    unmapDirect: ownCost(own, 'end of one write to the next by a task that reclaims for itself'),
    unmapDirectRemote: ownCost(
      ownRemote,
      'end of one write to the next by a task that reclaims for itself, while another runs elsewhere',
    ),
    release:
      releaseNs > 0
        ? fixed(
            releaseNs,
            seesQueue ? 'event' : 'inferred',
            `mean way to the next unmapping after a store less that after ${seesQueue ? 'a hand-over or ' : ''}a zero page without its removal`,
            release.n,
          )
        : fixed(0, 'inferred', 'contained in unmapping'),
    removalNs,
  }
}

function ownCost(samples: Numbers, from: string): Cost {
  return samples.length >= MIN_GAPS
    ? measured(samples, from, 0)
    : fixed(0, 'inferred', 'as by a kernel thread')
}

/** Who unmaps, and whether an owner of memory runs on another CPU meanwhile. */
type By = Pick<Gap, 'isOwner' | 'isRemote'>
const KERNEL: By = { isOwner: false, isRemote: false }
const KERNEL_REMOTE: By = { isOwner: false, isRemote: true }
const OWNER: By = { isOwner: true, isRemote: false }
const OWNER_REMOTE: By = { isOwner: true, isRemote: true }

type Before = 'stored' | 'zero' | 'queued' | 'displaced'

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

  any(by: By): Numbers {
    return this.#select(by, (gap) => gap.ns)
  }

  /** Where nothing was to be released before; where that was not seen, less the release. */
  bare(by: By, removalNs: number, releaseNs: number): Numbers {
    const seen = this.#unreleased(by, removalNs)
    if (seen.length >= MIN_GAPS) return seen
    const added: Readonly<Record<Before, number>> = {
      stored: releaseNs,
      zero: removalNs,
      queued: 0,
      displaced: Math.max(0, releaseNs - removalNs),
    }
    return this.#select(by, (gap) => lessened(gap.ns, added[this.#before(gap)]))
  }

  /**
   * What the way after a page that kernel threads stored themselves is longer by, by means: caches full of the codec's work slow the long ways
   * more than the usual ones, and a run must spend in all what the recording did.
   */
  release(removalNs: number): { readonly ns: number; readonly n: number } {
    let sum = 0
    let n = 0
    for (const by of [KERNEL, KERNEL_REMOTE]) {
      const stored = this.of(by, 'stored')
      const bare = this.#unreleased(by, removalNs)
      if (stored.length < MIN_GAPS || bare.length < MIN_GAPS) continue
      sum += (stored.mean() - bare.mean()) * stored.length
      n += stored.length
    }
    return { ns: n === 0 ? 0 : Math.max(0, sum / n), n }
  }

  #unreleased(by: By, removalNs: number): Numbers {
    return this.#select(by, (gap) => {
      const before = this.#before(gap)
      if (before === 'queued') return gap.ns
      return before === 'zero' ? lessened(gap.ns, removalNs) : -1
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
      if (gap.isOwner !== isOwner || gap.isRemote !== isRemote) continue
      const ns = read(gap)
      if (ns >= 0) (gap.isFull ? full : loose).push(ns)
    }
    return full.length >= MIN_GAPS || loose.length === 0 ? full : loose
  }
}

/** A gap shorter than most is still an unmapping in part. */
const LEAST_BARE_SHARE = 0.25

function lessened(ns: number, addedNs: number): number {
  return Math.max(ns * LEAST_BARE_SHARE, ns - addedNs)
}
