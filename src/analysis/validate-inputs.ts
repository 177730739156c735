import { freePages, medianCost } from '../workload/describe.ts'
import type { Extraction } from '../workload/extract.ts'
import { COSTS, type CostName, type Machine, type Workload } from '../workload/types.ts'
import { halfRangeOfRatios, median } from './validate-figures.ts'

/** Whether recordings of one activity under two policies tell the same input of a replay. */
export interface InputRow {
  readonly input: string
  readonly unit: string
  /** Medians over the recordings; of a cost the median of its samples. */
  readonly a: number
  readonly b: number
  /** b / a, and half the range of the ratios of all pairs of repeats. */
  readonly ratio: number
  readonly spread: number
  /** What |ratio - 1| may be: the input's limit, or the spread where that is more. */
  readonly limit: number
  readonly agrees: boolean
  /** The same of a cost over the recording's median store, which a host's speed is not in; null = no such cost. */
  readonly ratio_in_stores: number | null
  readonly spread_in_stores: number | null
  readonly agrees_in_stores: boolean | null
}

/** What of one recording is compared. */
export interface ReadInputs extends Pick<Extraction, 'anonPages' | 'touches'> {
  readonly workload: Pick<Workload, 'costs'> & { readonly machine: Pick<Machine, 'nodes'> }
}

const LIMITS = { demand: 0.05, touches: 0.1, cost: 0.15 } as const

/** The rule by which inputs are compared. */
export const INPUTS_JUDGED_BY = `agree where |ratio - 1| <= limit = max(${LIMITS.demand} for demand, ${LIMITS.touches} for touches, ${LIMITS.cost} for median costs; spread); demand is what is asked for beyond the memory that is free when it begins; in stores: costs over the median store of their recording`

/** Inputs must not depend on the policy under which they were recorded. Costs that some recording does not tell are left out. */
export function compareInputs(a: readonly ReadInputs[], b: readonly ReadInputs[]): InputRow[] {
  const sets = { a, b }
  const all = [...a, ...b]
  // Each median sorts all samples of its cost: once per recording.
  const medians = new Map(all.map((one) => [one, mediansOf(one)]))
  const medianNs = (one: ReadInputs, name: CostName): number =>
    medians.get(one)?.[name] ?? Number.NaN
  return [
    row({ input: 'demand', unit: 'pages', limit: LIMITS.demand }, sets, pagesBeyondFree),
    row({ input: 'touches', unit: '', limit: LIMITS.touches }, sets, (one) => one.touches),
    ...COSTS.filter((name) => all.every((one) => isTold(one, name))).map((name) => {
      const usualNs = (one: ReadInputs): number => medianNs(one, name)
      const inStores = (one: ReadInputs): number => usualNs(one) / medianNs(one, 'store')
      const told = { input: `cost ${name}`, unit: 'ns', limit: LIMITS.cost }
      return row(told, sets, usualNs, name === 'store' ? undefined : inStores)
    }),
  ]
}

/** The first sign of low memory, with which a workload begins, comes at 700 to 2,800 free pages in recordings of one activity; pages asked for before it are no part of the demand. */
function pagesBeyondFree({ anonPages, workload }: ReadInputs): number {
  return anonPages - freePages(workload.machine)
}

function mediansOf({ workload }: ReadInputs): Readonly<Partial<Record<CostName, number>>> {
  return Object.fromEntries(COSTS.map((name) => [name, medianCost(workload.costs[name])]))
}

function isTold({ workload }: ReadInputs, name: CostName): boolean {
  const { basis, n } = workload.costs[name]
  return basis !== 'default' && n > 0
}

interface Sets {
  readonly a: readonly ReadInputs[]
  readonly b: readonly ReadInputs[]
}

function row(
  told: { readonly input: string; readonly unit: string; readonly limit: number },
  { a, b }: Sets,
  read: (one: ReadInputs) => number,
  inStores?: (one: ReadInputs) => number,
): InputRow {
  const { limit, ...raw } = compare(a.map(read), b.map(read), told.limit)
  const shares =
    inStores === undefined ? undefined : compare(a.map(inStores), b.map(inStores), told.limit)
  return {
    ...told,
    ...raw,
    limit,
    ratio_in_stores: shares?.ratio ?? null,
    spread_in_stores: shares?.spread ?? null,
    agrees_in_stores: shares?.agrees ?? null,
  }
}

function compare(a: readonly number[], b: readonly number[], least: number) {
  const ratio = median(b) / median(a)
  const spread = halfRangeOfRatios(a, b)
  const limit = Math.max(least, spread)
  return { a: median(a), b: median(b), ratio, spread, limit, agrees: Math.abs(ratio - 1) <= limit }
}
