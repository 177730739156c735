import type { Unit } from './result.ts'

export type FigureBasis = 'event' | 'snapshot' | 'inferred' | 'default'

/** One number of a recording or run. */
export interface Figure {
  readonly metric: string
  /** NULL = not known: what it needs was not recorded. */
  readonly value: number | null
  /** NULL with a value = no lower bound is known: what was lost may have been anything. */
  readonly lo: number | null
  /** NULL with a value = no upper bound is known. */
  readonly hi: number | null
  readonly basis: FigureBasis
  readonly n: number | null
}

/** What a metric means; also its place in tables. */
export interface Metric {
  readonly name: string
  readonly title: string
  readonly question: string
  readonly unit: Unit
  /** Lost events may hide a part of it, of which nothing tells how much. */
  readonly grows?: true
}
