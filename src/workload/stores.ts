import { fixed, measured } from './cost-shapes.ts'
import { DisturbedSteps } from './disturbed-steps.ts'
import { Numbers } from './numbers.ts'
import type { SwitchCost } from './threads.ts'
import type { Basis, Cost } from './types.ts'

/** The recorded stores, in the order in which they began. */
export interface Stores {
  readonly length: number
  /** Event that began it. */
  readonly event: Uint32Array
  readonly entry: Float64Array
  /** CPU time of the thread, ns; NaN = a lost store. */
  readonly cpuNs: Float64Array
  readonly isKernel: Uint8Array
  /** Pages of the storing thread's address space unmapped elsewhere meanwhile. */
  readonly flushes: Uint8Array
  /** Switches back to the thread meanwhile. */
  readonly switches: Uint8Array
  /** What these cost, in switches after runs of usual length. */
  readonly switchShare: Float32Array
  /** 1 = taken for a zero or same-filled page. */
  readonly isSame: Uint8Array
  /** 1 = zswap refused the page: at once where its pool was full, or after it was compressed. */
  readonly isRefused: Uint8Array
  /** 1 = the machine stood still meanwhile: what is left of its time is the usual one of all stores, and tells nothing of this one. */
  readonly stoodStill: Uint8Array
}

/** One store as it is read. */
export interface StoreSample {
  readonly event: number
  readonly entry: number
  readonly cpuNs: number
  readonly isKernel: boolean
  /** Seen from its own begin on, not from the gate on. */
  readonly isBeyondGate: boolean
  readonly flushes: number
  readonly switches: number
  readonly switchShare: number
  readonly stoodStill: boolean
}

export interface ClassifiedStores {
  readonly stores: Stores
  /** CPU time below which a store is taken for one of a zero or same-filled page; 0 = none found. */
  readonly sameBelowNs: number
}

const MOST_COUNTED = 255

/** What events tell of the stores' pages; 1 at those that it is true of. */
export interface ToldPages {
  readonly isZero: Uint8Array | undefined
  readonly isRefused: Uint8Array
}

/**
 * In the order of their events. Those below a threshold of CPU time are of zero or same-filled pages, where no event tells them: a page that a
 * full pool refuses takes as little; `sameShare`: how many there are, where counters tell. Where the gate looks for zero pages (`zeroMap`), all are as long as from the gate on: what is beyond it lacks what a zero page
 * takes (of 129 us in a recording that has all steps: 3.5 before, 3.6 after; a zero page 7.3).
 */
export function classifyStores(
  read: readonly StoreSample[],
  { sameShare, zeroMap }: { readonly sameShare: number | undefined; readonly zeroMap: boolean },
  tell?: (stores: Pick<Stores, 'length' | 'event' | 'entry'>) => ToldPages,
): ClassifiedStores {
  const samples = [...read].sort((x, y) => x.event - y.event)
  const cpuNs = Float64Array.from(samples, (store) => store.cpuNs)
  const { below } = findSameThreshold(
    cpuNs.filter((spent) => !Number.isNaN(spent)),
    sameShare,
  )
  const { length } = samples
  const event = Uint32Array.from(samples, (store) => store.event)
  const entry = Float64Array.from(samples, (store) => store.entry)
  const told = tell?.({ length, event, entry })
  const isSame = told?.isZero ?? Uint8Array.from(cpuNs, (spent) => (spent < below ? 1 : 0))
  if (zeroMap) addGate(samples, cpuNs, isSame)
  const counts = (of: (store: StoreSample) => number): Uint8Array =>
    Uint8Array.from(samples, (store) => Math.min(MOST_COUNTED, of(store)))
  return {
    sameBelowNs: below,
    stores: {
      length,
      event,
      entry,
      cpuNs,
      isKernel: counts((store) => (store.isKernel ? 1 : 0)),
      flushes: counts((store) => store.flushes),
      switches: counts((store) => store.switches),
      switchShare: Float32Array.from(samples, (store) => store.switchShare),
      isSame,
      isRefused: told?.isRefused ?? new Uint8Array(length),
      stoodStill: counts((store) => (store.stoodStill ? 1 : 0)),
    },
  }
}

function addGate(samples: readonly StoreSample[], cpuNs: Float64Array, isSame: Uint8Array): void {
  const atGate = new Numbers()
  for (const [k, { isBeyondGate }] of samples.entries())
    if (isSame[k] === 1 && !isBeyondGate) atGate.push(cpuNs[k] ?? 0)
  if (atGate.length < MIN_SAMPLES) return
  const gateNs = atGate.median()
  for (const [k, { isBeyondGate }] of samples.entries())
    if (isBeyondGate && isSame[k] === 0) cpuNs[k] = (cpuNs[k] ?? 0) + gateNs
}

/** A zero page's store ends before compression begins, so it costs a fraction of any other. */
export function findSameThreshold(
  cpuNs: Float64Array,
  share: number | undefined,
): { readonly below: number; readonly basis: Basis } {
  if (cpuNs.length < 20) return { below: 0, basis: 'default' }
  const sorted = Float64Array.from(cpuNs).sort()
  if (share !== undefined) {
    const index = Math.min(sorted.length - 1, Math.round(share * sorted.length))
    return { below: index === 0 ? 0 : (sorted[index] ?? 0), basis: 'snapshot' }
  }
  // The valley between two modes of the logarithm, looked for below the median.
  const median = sorted[sorted.length >> 1] ?? 0
  const bins = new Float64Array(32)
  for (const spent of sorted) {
    if (spent >= median || spent <= 0) continue
    const bin = Math.floor(Math.log2(median / spent) * 4)
    if (bin < bins.length) bins[bin] = (bins[bin] ?? 0) + 1
  }
  let best = -1
  let lowest = Number.POSITIVE_INFINITY
  let above = bins[0] ?? 0
  for (let bin = 1; bin < bins.length - 1; bin++) {
    let beyond = 0
    for (let k = bin + 1; k < bins.length; k++) beyond = Math.max(beyond, bins[k] ?? 0)
    above = Math.max(above, bins[bin - 1] ?? 0)
    const depth = bins[bin] ?? 0
    if (depth * 3 < Math.min(above, beyond) && depth < lowest) {
      lowest = depth
      best = bin
    }
  }
  return best < 0
    ? { below: 0, basis: 'inferred' }
    : { below: median / 2 ** ((best + 0.5) / 4), basis: 'inferred' }
}

/** Fewer samples of a class say nothing of its cost. */
const MIN_SAMPLES = 50
/** Medians of few differ by less than what a switch adds. */
const MIN_SWITCHED = 20
/** Switches that cost less of a usual one say little of it. */
const LEAST_SHARE = 0.4
/** Switches after runs of less than 0.2 ms, and the most that they cost of a usual one in nine of ten recordings (shareOfSwitch). */
const SHORT_RUN_SHARE = 0.4
const MOST_AFTER_SHORT = 0.64

export interface StoreCosts {
  readonly store: Cost
  readonly storeDirect: Cost
  readonly storeSame: Cost
  /** What a flush during a store costs, with what comes after. */
  readonly flushInStore: Cost
  readonly switch: Cost | undefined
  /** Of a switch after a run of any length, besides. */
  readonly switchAnyRun: Cost
  /** Both, where stores show them. */
  readonly switchCost: SwitchCost | undefined
}

/** What the stores say of themselves, and of what disturbed them. */
export function storeCosts(
  stores: Stores,
  {
    isWholeGap,
    refillNs,
  }: {
    readonly isWholeGap: boolean
    /** What flushes during a store add, by mean, to the step after it: the TLB is empty. */
    readonly refillNs: number
  },
): StoreCosts {
  const same = new Numbers()
  const kernel = new StoreClass()
  const user = new StoreClass()
  let parts = 0
  for (let k = 0; k < stores.length; k++) {
    if (k === 0 || stores.event[k] !== stores.event[k - 1]) parts = partsOf(stores, k)
    if (Number.isNaN(stores.cpuNs[k]) || stores.stoodStill[k] === 1) continue
    if (stores.isRefused[k] === 1) continue
    if (stores.isSame[k] === 1) same.push(stores.cpuNs[k] ?? 0)
    else (stores.isKernel[k] === 1 ? kernel : user).add(stores, k, parts)
  }
  const hasKernel = kernel.whole.length >= 2 * MIN_SAMPLES
  const hasUser = user.alone.length >= 2 * MIN_SAMPLES
  const chosen = hasKernel ? kernel : user.whole.length > 0 ? user : kernel
  const tellsFlush = hasKernel && user.alone.length > 0 && user.once.length >= MIN_SAMPLES
  const alone = hasUser ? user.alone : kernel.whole
  // A host's slow stretches make stores longer, which flushes then strike oftener: they are above the lower quartiles. And a flush strikes long stores
  // oftener than short ones, as a moment chosen by chance does.
  const longerNs = tellsFlush ? user.once.lowerQuartile() - alone.lowerQuartileByLength() : 0
  const inStoreNs = Math.max(0, longerNs)
  const flushNs = tellsFlush ? inStoreNs + refillNs * user.flushedPerFlush() : 0
  const switched = switchCosts([kernel, user])
  return {
    store: measured(
      chosen.whole,
      `${isWholeGap ? 'end of one write to the next, unmapping included: ' : ''}stores by ${hasKernel ? 'kernel threads' : 'any thread'}, apart from switches`,
      0,
    ),
    storeDirect:
      hasKernel && hasUser
        ? measured(
            user.all.bare({ flushNs: inStoreNs, switchCost: switched.switchCost }),
            'stores by direct reclaimers, apart from flushes received and switches',
            0,
          )
        : fixed(0, 'inferred', 'as a store by a kernel thread'),
    storeSame: measured(same, 'lowest mode of the stores', 0),
    flushInStore: fixed(
      flushNs,
      tellsFlush ? 'event' : 'default',
      tellsFlush
        ? `lower quartile of stores by direct reclaimers during which one page was unmapped elsewhere, less that by length of those during which none was${refillNs > 0 ? '; and so the step after such a store' : ''}`
        : 'too few stores by direct reclaimers',
      user.once.length,
    ),
    ...switched,
  }
}

/** Pages of the folio whose first one is row `k`. */
function partsOf({ event, length }: Stores, k: number): number {
  let end = k + 1
  while (end < length && event[end] === event[k]) end++
  return end - k
}

/** Stores of pages with data by one kind of thread. */
class StoreClass {
  /** Without a switch inside; and of those the ones that no unmapping interrupted, or one did. */
  readonly whole = new Numbers()
  readonly alone = new Numbers()
  readonly once = new Numbers()
  /** With one switch inside, and its share. */
  readonly switched = new Numbers()
  readonly #switchShares = new Numbers()
  readonly all = new DisturbedSteps()
  #flushes = 0
  #flushed = 0

  /** `parts`: pages of its folio. What disturbed that came to all of them together; what one switch costs is not told by a part. */
  add(stores: Stores, k: number, parts: number): void {
    const spent = stores.cpuNs[k] ?? 0
    const flushes = stores.flushes[k] ?? 0
    const switches = stores.switches[k] ?? 0
    const share = stores.switchShare[k] ?? 0
    this.all.push(spent, {
      flushes: flushes / parts,
      switches: switches / parts,
      switchShares: share / parts,
    })
    if (switches > 0) {
      if (flushes === 0 && switches === 1 && parts === 1) {
        this.switched.push(spent)
        this.#switchShares.push(share)
      }
      return
    }
    this.whole.push(spent)
    this.#flushes += flushes / parts
    this.#flushed += Math.min(1, flushes) / parts
    if (flushes === 0) this.alone.push(spent)
    else if (flushes === 1) this.once.push(spent)
  }

  /** What comes once after a store that flushes met comes so often for each of them. */
  flushedPerFlush(): number {
    return this.#flushes === 0 ? 0 : this.#flushed / this.#flushes
  }

  /** What stores with a switch inside took more than others, each for itself: a switch falls into long stores more often than into short ones. */
  addSwitchCosts(lost: Numbers, shares: Numbers): void {
    if (this.alone.length < MIN_SAMPLES) return
    const usualNs = this.alone.medianByLength()
    for (let k = 0; k < this.switched.length; k++) {
      lost.push(this.switched.at(k) - usualNs)
      shares.push(this.#switchShares.at(k))
    }
  }
}

/**
 * CPU time that a thread loses by being switched away, and back: by the length of the run before it, and besides after any run, where a recording's
 * own short runs show more than others' do; `switch` undefined = no store shows it.
 */
function switchCosts(
  classes: readonly StoreClass[],
): Pick<StoreCosts, 'switch' | 'switchAnyRun' | 'switchCost'> {
  const lost = new Numbers()
  const shares = new Numbers()
  for (const stores of classes) stores.addSwitchCosts(lost, shares)
  const anyRunShare = shareOfAnyRun(lost, shares)
  const usual = new Numbers()
  for (let k = 0; k < lost.length; k++) {
    const share = anyRunShare + (1 - anyRunShare) * shares.at(k)
    if (share >= LEAST_SHARE) usual.push(lost.at(k) / share)
  }
  const isTold = usual.length >= MIN_SWITCHED
  const ns = isTold ? Math.max(0, usual.median()) : 0
  const cost = (share: number, of: string): Cost =>
    fixed(ns * share, 'event', `stores with a switch inside less those without${of}`, usual.length)
  return {
    switchCost: isTold
      ? { usualNs: ns * (1 - anyRunShare), anyRunNs: ns * anyRunShare }
      : undefined,
    switch: isTold ? cost(1 - anyRunShare, '') : undefined,
    switchAnyRun:
      anyRunShare > 0
        ? cost(anyRunShare, ', after the shortest runs')
        : fixed(0, 'default', '0; no more is lost after short runs than is usual'),
  }
}

/** What of a usual switch one costs even after the shortest run; 0 = no more than the spread of recordings, or not told. */
function shareOfAnyRun(lost: Numbers, shares: Numbers): number {
  const short = new Numbers()
  const usual = new Numbers()
  let shareOfShort = 0
  for (let k = 0; k < lost.length; k++) {
    const share = shares.at(k)
    if (share >= 1) usual.push(lost.at(k) / share)
    else if (share < SHORT_RUN_SHARE) {
      short.push(lost.at(k))
      shareOfShort += share
    }
  }
  if (Math.min(short.length, usual.length) < MIN_SWITCHED) return 0
  const ratio = short.median() / usual.median()
  if (!(ratio > MOST_AFTER_SHORT)) return 0
  const byLaw = shareOfShort / short.length
  return Math.min(1, (ratio - byLaw) / (1 - byLaw))
}
