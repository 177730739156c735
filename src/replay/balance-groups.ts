import type { Cpu } from './cpu.ts'

/** imbalance_pct where caches are shared, and between nodes. */
export const IMBALANCE_PCT = 117

/** group_type: what CPUs between which load is balanced could still do. */
export const HAS_SPARE = 0
export const FULLY_BUSY = 1
export const OVERLOADED = 2

/** The CPU that has most, and how much of that is too much: load, or utilization. */
export interface Busiest {
  readonly cpu: Cpu
  readonly imbalance: number
  readonly isUtil?: boolean
}
