import { lessened } from './cost-shapes.ts'
import { Numbers } from './numbers.ts'
import { type SwitchCost, type Switches, switchedNs } from './threads.ts'

/** What came from outside while a step was under way: pages of the thread's memory unmapped elsewhere, and switches back to it. */
export interface Disturbances extends Switches {
  readonly flushes: number
}

/** What these cost; `switchCost` undefined = that is not known. */
export interface DisturbanceCosts {
  readonly flushNs: number
  readonly switchCost: SwitchCost | undefined
}

export const UNDISTURBED: Disturbances = { flushes: 0, switches: 0, switchShares: 0 }

/** What came to a thread between two moments. */
export function disturbancesBetween(before: Disturbances, now: Disturbances): Disturbances {
  return {
    flushes: now.flushes - before.flushes,
    switches: now.switches - before.switches,
    switchShares: now.switchShares - before.switchShares,
  }
}

/** Steps of one kind with what disturbed each of them. */
export class DisturbedSteps {
  readonly #ns = new Numbers()
  readonly #flushes = new Numbers()
  readonly #switches = new Numbers()
  readonly #switchShares = new Numbers()
  readonly #leftOverNs = new Numbers()

  get length(): number {
    return this.#ns.length
  }

  /** `leftOverNs`: what disturbances of the step before added to it. */
  push(ns: number, { flushes, switches, switchShares }: Disturbances, leftOverNs = 0): void {
    this.#ns.push(ns)
    this.#leftOverNs.push(leftOverNs)
    this.#flushes.push(flushes)
    this.#switches.push(switches)
    this.#switchShares.push(switchShares)
  }

  /**
   * The steps without what disturbances added. Those that none met are the short ones, since a step meets the more the longer it takes: all of them
   * count, and in sum they are shorter by what their disturbances cost in sum, so that a run spends in all what the recording did.
   */
  bare({ flushNs, switchCost }: DisturbanceCosts): Numbers {
    const each = new Numbers()
    let seen = 0
    let added = 0
    let left = 0
    for (let k = 0; k < this.#ns.length; k++) {
      const bySwitches = this.#switchedNs(k, switchCost)
      if (bySwitches === undefined) continue
      const ns = this.#ns.at(k)
      const byThese = this.#leftOverNs.at(k) + this.#flushes.at(k) * flushNs + bySwitches
      const bare = lessened(ns, byThese)
      each.push(bare)
      seen += ns
      added += byThese
      left += bare
    }
    const scale = left > 0 ? lessened(seen, added) / left : 1
    for (let k = 0; k < each.length; k++) each.set(k, each.at(k) * scale)
    return each
  }

  /** Means over the steps without what switches added, by flushes and by time, and the variance of the latter's. */
  means(switchCost: SwitchCost | undefined): StepMeans {
    let count = 0
    let flushes = 0
    let sum = 0
    let squares = 0
    for (let k = 0; k < this.#ns.length; k++) {
      const bySwitches = this.#switchedNs(k, switchCost)
      if (bySwitches === undefined) continue
      const ns = this.#ns.at(k) - bySwitches
      count++
      flushes += this.#flushes.at(k)
      sum += ns
      squares += ns * ns
    }
    const ns = sum / count
    return { count, flushes: flushes / count, ns, variance: (squares / count - ns * ns) / count }
  }

  /** What switches added to a step; undefined = it has some, whose cost is not known. */
  #switchedNs(k: number, cost: SwitchCost | undefined): number | undefined {
    const switches = this.#switches.at(k)
    if (cost === undefined) return switches > 0 ? undefined : 0
    return switchedNs(UNDISTURBED, { switches, switchShares: this.#switchShares.at(k) }, cost)
  }
}

export interface StepMeans {
  readonly count: number
  readonly flushes: number
  readonly ns: number
  readonly variance: number
}
