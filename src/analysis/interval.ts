/** NULL = not bounded on that side. */
export interface Interval {
  readonly lo: number | null
  readonly hi: number | null
}

/** An infinite bound is none. */
export function toInterval(lo: number, hi: number): Interval {
  return { lo, hi: Number.isFinite(hi) ? hi : null }
}
