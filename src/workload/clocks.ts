import { Numbers } from './numbers.ts'
import { Sleeps } from './sleeps.ts'

/** One task's own time (on CPU, outside reclaim, faults and interruptions) against the wall clock, and what it did on it. */
export class TaskClock {
  readonly tid: number
  firstNs = -1
  lastNs = 0
  ownNs = 0
  /** Own time before the workload's start. */
  beforeNs = 0
  /** CPU time inside swap-in faults and in reclaim. */
  faultCpuNs = 0
  reclaimCpuNs = 0
  blockedNs = 0
  readonly wall = new Numbers()
  readonly own = new Numbers()
  /** Sleeps by its own will. */
  readonly sleepOwn = new Numbers()
  readonly sleeps = new Sleeps()
  /** Swap-ins. */
  readonly readOwn = new Numbers()
  readonly readEvent = new Numbers()
  readonly readAddress = new Numbers()
  /** Reclaim for a memory cgroup, and the pages that it freed. */
  readonly memcgOwn = new Numbers()
  readonly memcgPages = new Numbers()
  /** Time of flushes and switches that was longer than the time it would be taken from. */
  debtNs = 0

  constructor(tid: number) {
    this.tid = tid
  }

  /** Own time at a moment of the wall clock. */
  ownAt(ns: number): number {
    const { own, wall } = this
    const last = wall.length - 1
    if (last < 0 || ns <= wall.at(0)) return 0
    if (ns >= wall.at(last)) return own.at(last)
    const step = stepOf(wall, (at) => at <= ns)
    return valueIn(own, step, shareOf(wall, step, ns))
  }

  /** The first moment of the wall clock at which the own clock shows `own`. */
  wallAt(own: number): number {
    if (this.own.length === 0) return 0
    const step = stepOf(this.own, (at) => at < own)
    return valueIn(this.wall, step, shareOf(this.own, step, own))
  }
}

/** The last value that begins a step and is passed; the first where none is. Those that are passed come first. */
function stepOf(values: Numbers, isPassed: (value: number) => boolean): number {
  let low = 0
  let high = values.length - 1
  while (high - low > 1) {
    const mid = (low + high) >> 1
    if (isPassed(values.at(mid))) low = mid
    else high = mid
  }
  return low
}

/** How much of the step lies before `value`: from 0 to 1. */
function shareOf(values: Numbers, step: number, value: number): number {
  const from = values.at(step)
  const span = values.at(endOf(values, step)) - from
  return span > 0 ? Math.min(1, Math.max(0, (value - from) / span)) : 1
}

function valueIn(values: Numbers, step: number, share: number): number {
  const from = values.at(step)
  return from + share * (values.at(endOf(values, step)) - from)
}

function endOf(values: Numbers, step: number): number {
  return Math.min(step + 1, values.length - 1)
}
