import type { TaskClock } from './clocks.ts'
import type { Demand } from './demand-of-tasks.ts'
import { counterRise } from './machine.ts'
import { readAgain } from './page-cache.ts'
import type { Recording } from './recording.ts'
import type { Residual } from './types.ts'

interface ResidualParts {
  readonly recording: Recording
  readonly demand: Demand
  readonly clocks: readonly TaskClock[]
  readonly identities: { readonly unmatched: number; readonly ofTouch: Int32Array }
  readonly backgroundNs: number
  readonly unseenSwapIns: number
  readonly lostStores: number
  readonly cutNs: number
}

/** What an extraction could not explain. */
export function listResiduals(parts: ResidualParts): readonly Residual[] {
  const { identities, clocks } = parts
  const { balance, knots, allocations } = parts.demand
  return [
    {
      name: 'demand_unplaced',
      value: Math.round((knots[knots.length - 1]?.pages ?? 0) - allocations.length),
      unit: 'pages',
      meaning: 'demand by balance for which no task was running',
    },
    {
      name: 'demand_last_anchor',
      value: Math.round(
        (balance.anchors[balance.anchors.length - 1]?.anon ?? 0) -
          (knots[knots.length - 1]?.pages ?? 0),
      ),
      unit: 'pages',
      meaning: 'balance at the last anchor less the fitted demand',
    },
    ...(balance.residual === undefined
      ? []
      : [
          {
            name: 'pool_line',
            value: Math.round(balance.residual),
            unit: 'pages',
            meaning: 'median distance of exact anchors from available + pool = constant',
          },
        ]),
    {
      name: 'stores_unmatched',
      value: identities.unmatched,
      unit: 'pages',
      meaning: 'stores for which no page was waiting on the LRU',
    },
    {
      name: 'huge_folios',
      value: counterRise(parts.recording, 'vmstat.thp_swpout') ?? 0,
      unit: '',
      meaning:
        'huge pages swapped out whole (vmstat), of which the workload has one base page each',
    },
    {
      name: 'touches_unplaced',
      value: identities.ofTouch.reduce((count, page) => count + (page < 0 ? 1 : 0), 0),
      unit: '',
      meaning: 'faults on pages still in memory for which no page was waiting to be freed',
    },
    {
      name: 'swap_ins_by_counters',
      value: parts.unseenSwapIns,
      unit: 'pages',
      meaning:
        'swap-ins without an event: their number from vmstat, their times by CPU time and the pages drawn',
    },
    {
      name: 'swap_outs_by_counters',
      value: parts.lostStores,
      unit: 'pages',
      meaning:
        'swap-outs among the lost events: their number from vmstat, spread over the gaps in which events were lost',
    },
    {
      name: 'file_refaults',
      value: readAgain(parts.recording),
      unit: 'pages',
      meaning:
        'pages of files that were evicted and read again (vmstat): no demand, a replay reads again what it evicts before its reader comes to it',
    },
    {
      name: 'background_left_out',
      value: parts.backgroundNs,
      unit: 'ns',
      meaning: 'CPU time of tasks too small to be listed',
    },
    {
      name: 'blocked',
      value: clocks.reduce((sum, clock) => sum + clock.blockedNs, 0),
      unit: 'ns',
      meaning:
        'uninterruptible waits of the demand outside direct reclaim: throttling and locked pages, results and not demand',
    },
    {
      name: 'flush_debt',
      value: clocks.reduce((sum, clock) => sum + clock.debtNs, 0),
      unit: 'ns',
      meaning: 'interruptions and switches that did not fit into the own time of their task',
    },
    {
      name: 'time_cut',
      value: parts.cutNs,
      unit: 'ns',
      meaning: 'end of the recording after the last demand',
    },
  ]
}
