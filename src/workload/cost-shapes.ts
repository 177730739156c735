import type { Numbers } from './numbers.ts'
import type { Basis, Cost } from './types.ts'

/** A cost with the samples it was measured by; without any, a default. */
export function measured(samples: Numbers, from: string, otherwiseNs: number): Cost {
  if (samples.length === 0) return fixed(otherwiseNs, 'default', `no sample: ${from}`)
  return {
    samples: samples.copyValues(),
    fixedNs: samples.mean(),
    basis: 'event',
    n: samples.length,
    from,
  }
}

export function fixed(ns: number, basis: Basis, from: string): Cost {
  return { samples: new Float64Array(0), fixedNs: ns, basis, n: 0, from }
}
