import type { Chart } from './chart.ts'
import { compressedSizes } from './compressed-sizes.ts'
import { kswapdSplit } from './kswapd-split.ts'
import { order } from './order.ts'
import { policyComparison } from './policy-comparison.ts'
import { queueDepth } from './queue-depth.ts'
import { stallDistribution } from './stall-distribution.ts'
import { stallsByTask } from './stalls-by-task.ts'
import { swapRates } from './swap-rates.ts'
import { timeline } from './timeline.ts'

/** In the order in which the report shows them. */
export const charts: readonly Chart[] = [
  policyComparison,
  timeline,
  stallsByTask,
  stallDistribution,
  kswapdSplit,
  order,
  queueDepth,
  swapRates,
  compressedSizes,
]

/** Undefined for a name that no chart has: names come from users. */
export function findChart(name: string): Chart | undefined {
  return charts.find((chart) => chart.name === name)
}

export type { Chart, ChartRow, ChartRows, ChartSubject, JsonObject, Theme } from './chart.ts'
