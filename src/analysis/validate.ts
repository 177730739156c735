import type { RowBuffer } from '../model/rows.ts'
import type { RunResult } from '../replay/replay.ts'
import { type InputsByBasis, inputsByBasis } from '../workload/describe.ts'
import type { Extraction } from '../workload/extract.ts'
import { TASK_OPS, type Workload } from '../workload/types.ts'
import { describeHalfInputs, type HalfInputs, readHalfInputs, withLost } from './recorded-halves.ts'
import {
  type FigureKind,
  type Figures,
  median,
  RunFigures,
  recordedFigures,
  VALIDATED,
  type ValidatedName,
} from './validate-figures.ts'

/** One run to be made: the caller knows policies, backends, codecs and contents. */
export interface ValidationRun {
  readonly workload: Workload
  /** undefined = the recorded policy. */
  readonly policy: string | undefined
  readonly seed: number
  readonly demandScale: number
  readonly sink: (rows: RowBuffer) => void
}

export type Replayer = (run: ValidationRun) => RunResult | Promise<RunResult>

export interface HalfRow {
  readonly trace: string
  readonly metric: ValidatedName
  readonly unit: string
  readonly recorded: number
  /** With what lost events may have been: more than recorded only where events were lost. */
  readonly recorded_hi: number
  /** Median over the seeds, and their range. */
  readonly replayed: number
  readonly lo: number
  readonly hi: number
  /** Relative to the nearest of recorded and recorded_hi, 0 between them; shares as differences. */
  readonly error: number
  /** What the error may be: swap-outs 10 %, stall counts by their chance, total stall 30 %; null = no target. */
  readonly tolerance: number | null
  readonly within: boolean | null
  readonly nothing_changes: number
  readonly nothing_changes_error: number
  readonly open_loop: number
  readonly open_loop_error: number
  readonly better_than_both: boolean
  /** CPU time stolen from the recorded machine, by half. */
  readonly stolen_first_s: number
  readonly stolen_second_s: number
  readonly basis: string
}

const MARK = TASK_OPS.indexOf('mark')
const ALLOC = TASK_OPS.indexOf('alloc')
const TOUCH = TASK_OPS.indexOf('touch')

/** Replays with costs of the first half of the work, and judges the second half. `extraction` must have been made with costsUntilShare 0.5. */
export async function validateHalves(
  extraction: Extraction,
  replayer: Replayer,
  seeds: readonly number[],
): Promise<HalfRow[]> {
  const { workload, recording, startNs, halfNs, endNs } = extraction
  const demand = demandTids(workload)
  const first = recordedFigures(recording, demand, startNs, halfNs)
  const second = recordedFigures(recording, demand, halfNs, endNs)
  const runs: Figures[] = []
  for (const seed of seeds) {
    const collected = new RunFigures()
    const result = await replayer({
      workload,
      policy: undefined,
      seed,
      demandScale: 1,
      sink: collected.sink,
    })
    // As in the recording: when half of the pages had been asked for, whoever asked.
    runs.push(collected.figures(result, Number.isNaN(result.halfNs) ? 0 : result.halfNs))
  }
  const open = openLoop(workload, first)
  const most = withLost(recording, second, halfNs, endNs)
  const inputs = readHalfInputs(extraction)
  return compareHalves(recording.name, { first, second, most, runs, open, inputs }, workload)
}

/** Threads whose stalls and reclaims are compared: all but those that only take CPU time from the others. */
export function demandTids(workload: Workload): Set<number> {
  return new Set(workload.tasks.filter(({ kind }) => kind !== 'background').map(({ tid }) => tid))
}

interface HalfParts {
  readonly first: Figures
  readonly second: Figures
  /** The second half with what was lost in it. */
  readonly most: Figures
  readonly inputs: HalfInputs
  readonly runs: readonly Figures[]
  readonly open: Figures
}

function compareHalves(trace: string, parts: HalfParts, workload: Workload): HalfRow[] {
  const rows: HalfRow[] = []
  for (const { name, unit, kind } of VALIDATED) {
    const recorded = parts.second[name]
    const values = parts.runs.map((run) => run[name]).filter((value) => !Number.isNaN(value))
    if (Number.isNaN(recorded) || values.length === 0) continue
    const replayed = median(values)
    const most = parts.most[name]
    const errorOf = (value: number): number => {
      const nearest = Math.min(Math.max(value, recorded), most)
      return kind === 'share' ? value - nearest : value / nearest - 1
    }
    const error = errorOf(replayed)
    const same = errorOf(parts.first[name])
    const open = errorOf(parts.open[name])
    const tolerance = toleranceOf(name, kind, recorded)
    rows.push({
      trace,
      metric: name,
      unit,
      recorded,
      recorded_hi: most,
      replayed,
      lo: Math.min(...values),
      hi: Math.max(...values),
      error,
      tolerance,
      within: tolerance === null ? null : Math.abs(error) <= tolerance,
      nothing_changes: parts.first[name],
      nothing_changes_error: same,
      open_loop: parts.open[name],
      open_loop_error: open,
      better_than_both: Math.abs(error) < Math.abs(same) && Math.abs(error) < Math.abs(open),
      stolen_first_s: parts.inputs.stolenS[0],
      stolen_second_s: parts.inputs.stolenS[1],
      basis: `${describeInputs(inputsByBasis([workload]))}; ${describeHalfInputs(parts.inputs)}`,
    })
  }
  return rows
}

/** What the inputs of a replay rest on, those that rest on nothing recorded named. */
export function describeInputs(inputs: InputsByBasis): string {
  const { event, snapshot, inferred, default: defaults } = inputs
  return (
    `inputs: ${event.length} from events, ${snapshot.length} from snapshots, ${inferred.length} inferred; ` +
    `defaults: ${defaults.length === 0 ? 'none' : defaults.join(', ')}`
  )
}

/** What `HELD` allows, in words. */
export const HALF_LIMITS =
  'swapouts_per_s 10 %, allocstalls 20 % or 3/sqrt(n) if that is more, stall_total 25 %, kswapd_busy 15 %, pool_peak 5 % of what was recorded'

/** What the replay of a second half may miss, as shares of what was recorded; counts by their chance where that is more. */
export const HELD: {
  readonly [K in ValidatedName]?: (recorded: number) => number
} = {
  swapouts_per_s: () => 0.1,
  allocstalls: (recorded) => Math.max(0.2, recorded > 0 ? 3 / Math.sqrt(recorded) : 1),
  stall_total: () => 0.25,
  kswapd_busy: () => 0.15,
  pool_peak: () => 0.05,
}

/** In the terms of `error`: of shares that is a difference. */
function toleranceOf(name: ValidatedName, kind: FigureKind, recorded: number): number | null {
  const share = HELD[name]?.(recorded)
  if (share === undefined) return null
  return kind === 'share' ? share * recorded : share
}

/**
 * The open loop: every page of the second half costs the stalls of a page of the first, and its time comes on top of what the tasks do
 * for themselves; nothing answers.
 */
function openLoop(workload: Workload, first: Figures): Figures {
  const half = { pages: [0, 0], ownNs: 0 }
  for (const task of workload.tasks) {
    if (task.kind === 'background') continue
    let phase = 0
    let ownNs = 0
    for (let row = 0; row < task.op.length; row++) {
      const op = task.op[row]
      if (phase === 1)
        ownNs += (task.cpuNs[row] ?? 0) + (TASK_OPS[op ?? 0] === 'sleep' ? (task.arg[row] ?? 0) : 0)
      if (op === MARK && task.arg[row] === 1) phase = 1
      if (op === ALLOC || op === TOUCH) half.pages[phase] = (half.pages[phase] ?? 0) + 1
    }
    half.ownNs = Math.max(half.ownNs, ownNs)
  }
  const tasks = Math.max(1, demandTids(workload).size)
  const ratio = (half.pages[1] ?? 0) / Math.max(1, half.pages[0] ?? 0)
  const stall = first.stall_total * ratio
  const work = half.ownNs / 1e9 + stall / tasks
  return {
    swapouts: first.swapouts * ratio,
    swapouts_per_s: (first.swapouts * ratio) / work,
    pgsteal_anon: first.pgsteal_anon * ratio,
    pgsteal_anon_per_s: (first.pgsteal_anon * ratio) / work,
    allocstalls: first.allocstalls * ratio,
    stall_total: stall,
    allocstalls_all: first.allocstalls_all * ratio,
    stall_total_all: first.stall_total_all * ratio,
    stall_p50: first.stall_p50,
    stall_p99: first.stall_p99,
    kswapd_busy: Math.min(1, (first.kswapd_busy * first.work * ratio) / work),
    kswapd_steal_share: first.kswapd_steal_share,
    pool_peak: first.pool_peak,
    work,
  }
}
