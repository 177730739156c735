import type { FigureBasis } from '../figure.ts'
import type { Unit } from '../result.ts'

/** `byte_s`: bytes held, times seconds. */
export type MeasureUnit = Unit | 'ratio' | 'byte_s'

/** One number that answers a question, per recording or run. */
export interface Measure {
  readonly name: string
  readonly title: string
  readonly unit: MeasureUnit
  /** Tables (and columns) it is computed from. */
  readonly restsOn: string
  /** What is missing where it has no value, and how to get it. */
  readonly needs: string
  readonly basis?: FigureBasis
  /** Lost events make a recorded value a lower bound. */
  readonly grows?: true
}

/** Measures that one query computes: a row per subject, a column per measure, `n_<measure>` beside it where the number of observations counts. */
export interface Topic {
  readonly measures: readonly Measure[]
  readonly sql: string
}

export const NEEDS_SCHED =
  'needs the events sched:sched_switch and sched:sched_waking in the recording'
export const NEEDS_EVENTS = 'the events that it needs were not recorded (`pstrace info` lists them)'
/** The same of figures of kswapd's lane. */
export const NEEDS_LANE =
  "the events that kswapd's lane needs were not recorded (`pstrace info` lists them)"
export const NEEDS_GATE =
  'needs the begin of each swap-out: a probe at swap_writepage (6.17+: swap_writeout)'
export const NEEDS_ZSWAP = 'needs zswap: `pstrace replay --backend zswap`'
export const NEEDS_QUEUE =
  'needs a run of a policy with a queue: `pstrace replay --policy parallel`'
export const NEEDS_WORKERS =
  'needs a run of a policy with workers: `pstrace replay --policy parallel`'
