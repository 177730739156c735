import { COLD_SHARE } from '../model/warmth.ts'
import { COSTS, type CostName, type Workload } from '../workload/types.ts'
import { Random } from './random.ts'

/** Recorded costs are correlated in time (a slow host stays slow): the sequence is walked, with a jump once in this many draws. */
const BLOCK = 64

/** Draws the costs of a run: whole nanoseconds of CPU time at speed 1. */
export class CostSampler {
  readonly #samples: Float64Array
  readonly #fixed: number
  readonly #random: Random
  /** NaN = nobody has asked for it: few costs are wanted by it, and some have tens of thousands of samples. */
  #median = Number.NaN
  #next = 0

  constructor(samples: Float64Array, fixedNs: number, scale: number, random: Random) {
    this.#random = random
    this.#fixed = Math.round(fixedNs * scale)
    this.#samples = samples.map((sample) => Math.max(0, Math.round(sample * scale)))
    if (samples.length > 0) this.#next = random.below(samples.length)
  }

  /** Costs nothing, ever: another cost stands for it. */
  get isNone(): boolean {
    return this.#samples.length === 0 && this.#fixed === 0
  }

  get median(): number {
    const samples = this.#samples
    if (Number.isNaN(this.#median))
      this.#median = samples.toSorted()[samples.length >> 1] ?? this.#fixed
    return this.#median
  }

  draw(): number {
    return this.#samples.length === 0 ? this.#fixed : this.#drawSample()
  }

  #drawSample(): number {
    const samples = this.#samples
    const { length } = samples
    if (this.#random.below(BLOCK) === 0) this.#next = this.#random.below(length)
    const value = samples[this.#next] as number
    this.#next++
    if (this.#next === length) this.#next = 0
    return value
  }

  /**
   * The cost of a step that is such a share of a cold one's. The shares are of medians: what few of the cold ones cost beyond (caches of the kernel
   * that are emptied, other threads' locks) is done then, however many warm ones follow. Warm passes of workers over the shrinkers cost 0.1 to
   * 0.2 of a cold one's median, mean as well as median, where the cold ones' mean is 1.1 to 3.5 of it.
   */
  drawAt(share: number): number {
    return Math.round((share < COLD_SHARE ? this.median : this.draw()) * share)
  }
}

/** The cost of so many pages, each drawn for itself. */
export function drawn(sampler: CostSampler, count: number): number {
  let ns = sampler.draw()
  for (let page = 1; page < count; page++) ns += sampler.draw()
  return ns
}

export type CostSamplers = Readonly<Record<CostName, CostSampler>>

/**
 * A sampler per cost, each with a random stream of its own, so that one more draw of one does not move the others. Written out: an object that
 * gets as many properties by computed names becomes a hash table, and every draw a look-up.
 */
export function openCosts(
  workload: Workload,
  seed: number,
  scale: Readonly<Partial<Record<CostName, number>>>,
): CostSamplers {
  const sampler = (name: CostName): CostSampler => {
    const { samples, fixedNs } = workload.costs[name]
    const random = new Random(seed, COSTS.indexOf(name))
    return new CostSampler(samples, fixedNs, scale[name] ?? 1, random)
  }
  return {
    store: sampler('store'),
    storeDirect: sampler('storeDirect'),
    storeSame: sampler('storeSame'),
    unmap: sampler('unmap'),
    unmapRemote: sampler('unmapRemote'),
    unmapDirect: sampler('unmapDirect'),
    unmapDirectRemote: sampler('unmapDirectRemote'),
    unmapAfterStore: sampler('unmapAfterStore'),
    flushReceived: sampler('flushReceived'),
    scanKept: sampler('scanKept'),
    freeClean: sampler('freeClean'),
    batch: sampler('batch'),
    slab: sampler('slab'),
    directEntry: sampler('directEntry'),
    swapIn: sampler('swapIn'),
    fault: sampler('fault'),
    push: sampler('push'),
    wake: sampler('wake'),
    wakeLatency: sampler('wakeLatency'),
    switch: sampler('switch'),
    memcgEntry: sampler('memcgEntry'),
    unmapDirectHeld: sampler('unmapDirectHeld'),
    unmapRemoteAfterStore: sampler('unmapRemoteAfterStore'),
    isolate: sampler('isolate'),
    unmapShared: sampler('unmapShared'),
    switchAnyRun: sampler('switchAnyRun'),
    skip: sampler('skip'),
    flushInReclaim: sampler('flushInReclaim'),
  }
}
