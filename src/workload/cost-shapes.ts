import type { Numbers } from './numbers.ts'
import type { Basis, Cost } from './types.ts'

/** A cost with the samples it was measured by; without any, a default, `otherwise` in words. */
export function measured(
  samples: Numbers,
  from: string,
  otherwiseNs: number,
  otherwise = String(otherwiseNs),
): Cost {
  if (samples.length === 0) return fixed(otherwiseNs, 'default', `${otherwise}; no ${from}`)
  return {
    samples: samples.copyValues(),
    fixedNs: samples.mean(),
    basis: 'event',
    n: samples.length,
    from,
  }
}

/** A cost that is the same each time; `n` = samples that tell it. */
export function fixed(ns: number, basis: Basis, from: string, n = 0): Cost {
  return { samples: new Float64Array(0), fixedNs: ns, basis, n, from }
}

/** A step shorter than what is taken for an addition to it is still a step in part. */
const LEAST_BARE_SHARE = 0.25

/** What a step took, less what came on top of it. */
export function lessened(ns: number, addedNs: number): number {
  return Math.max(ns * LEAST_BARE_SHARE, ns - addedNs)
}
