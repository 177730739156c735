import type { Extraction } from '../workload/extract.ts'
import { counterRise } from '../workload/machine.ts'
import { EVENT, type RecordedGap, type Recording } from '../workload/recording.ts'
import { type Cost, TASK_OPS } from '../workload/types.ts'
import { eventAt } from '../workload/work-share.ts'
import { ALLOCSTALLS } from './equations.ts'
import { type Figures, median } from './validate-figures.ts'

/** First and second half of the recorded work. */
export type Halves = readonly [number, number]

/** What the machine did to the tasks beside reclaim, by half: where the halves differ, the first says less of the second. */
export interface HalfInputs {
  readonly stolenS: Halves
  readonly loadS: Halves
  /** Median of kswapd's stores, us: those of the first half and those of both. */
  readonly storeUs: Halves
  /** Gaps that tell no number of lost events, and what they are taken to have lost. */
  readonly guessed: { readonly gaps: number; readonly events: number }
}

/** What the two halves of a recording were given, first half first: stolen and background CPU time in s, and medians of costs in ns. */
export function readHalfInputs(extraction: Extraction): HalfInputs {
  const { workload, recording, wholeCosts, stolenHalvesNs, startNs, halfNs } = extraction
  const untold = (recording.gaps ?? []).filter(({ events }) => events === undefined)
  const load: [number, number] = [0, 0]
  for (const { kind, op, cpuNs, arg } of workload.tasks) {
    if (kind !== 'background') continue
    let at = startNs
    for (let row = 0; row < op.length; row++) {
      const spent = cpuNs[row] ?? 0
      load[at < halfNs ? 0 : 1] += spent / 1e9
      at += spent + (op[row] === SLEEP ? (arg[row] ?? 0) : 0)
    }
  }
  return {
    stolenS: [stolenHalvesNs[0] / 1e9, stolenHalvesNs[1] / 1e9],
    loadS: load,
    storeUs: [medianUs(workload.costs.store), medianUs(wholeCosts.store)],
    guessed: {
      gaps: untold.length,
      events: untold.reduce((sum, gap) => sum + lostIn(recording, gap), 0),
    },
  }
}

const SLEEP = TASK_OPS.indexOf('sleep')

/** One sentence: the inputs of both halves. */
export function describeHalfInputs({ stolenS, loadS, storeUs, guessed }: HalfInputs): string {
  const pair = ([first, second]: Halves, digits: number): string =>
    `${first.toFixed(digits)} and ${second.toFixed(digits)}`
  return (
    `first and second half: ${pair(stolenS, 1)} s of CPU time stolen from the recorded machine, ${pair(loadS, 1)} s of other load; ` +
    `median store of kswapd ${pair(storeUs, 0)} us in the first half and in both` +
    (guessed.gaps === 0
      ? ''
      : `; ${guessed.events} lost events guessed for gaps that tell no number (${guessed.gaps}), by the events of their CPUs around them: no bound`)
  )
}

/** Events lost in a gap: where it does not tell, as many as its CPU recorded in as long a time before or after it, whichever is more. */
function lostIn(recording: Recording, { cpu, startNs, endNs, events }: RecordedGap): number {
  if (events !== undefined) return events
  const length = endNs - startNs
  const countOn = (fromNs: number, toNs: number): number => {
    let count = 0
    const end = eventAt(recording, toNs)
    for (let i = eventAt(recording, fromNs); i < end; i++) if (recording.cpu[i] === cpu) count++
    return count
  }
  return Math.max(countOn(startNs - length, startNs), countOn(endNs, endNs + length))
}

function medianUs({ samples, fixedNs }: Cost): number {
  return (samples.length === 0 ? fixedNs : median(Array.from(samples))) / 1000
}

/**
 * The most that the figures of a stretch may have been: events that were lost there are missing in them. Counters beside the trace tell how
 * many of a kind are missing in all; without them any lost event may have been one.
 */
export function withLost(
  recording: Recording,
  seen: Figures,
  fromNs: number,
  toNs: number,
): Figures {
  let all = 0
  let inside = 0
  for (const gap of recording.gaps ?? []) {
    const { startNs, endNs } = gap
    const events = lostIn(recording, gap)
    all += events
    const overlap = Math.max(0, Math.min(endNs, toNs) - Math.max(startNs, fromNs))
    inside += endNs > startNs ? (events * overlap) / (endNs - startNs) : 0
  }
  if (inside === 0) return seen
  const lost = (counters: readonly string[], kind: number): number => {
    const rises = counters.map((name) => counterRise(recording, `vmstat.${name}`))
    if (rises.every((rise) => rise === undefined)) return inside
    const missing =
      rises.reduce<number>((sum, rise) => sum + (rise ?? 0), 0) - countKind(recording, kind)
    return Math.min(inside, (Math.max(0, missing) * inside) / all)
  }
  const stalls = lost(ALLOCSTALLS, EVENT.directBegin)
  const swapouts = lost(['nr_vmscan_write'], EVENT.written)
  const meanStall = seen.allocstalls > 0 ? seen.stall_total / seen.allocstalls : 0
  return {
    ...seen,
    swapouts: seen.swapouts + swapouts,
    swapouts_per_s: seen.swapouts_per_s + swapouts / seen.work,
    allocstalls: seen.allocstalls + stalls,
    stall_total: seen.stall_total + stalls * meanStall,
    allocstalls_all: seen.allocstalls_all + stalls,
    stall_total_all: seen.stall_total_all + stalls * meanStall,
  }
}

function countKind(recording: Recording, kind: number): number {
  let count = 0
  for (let i = 0; i < recording.length; i++) if (recording.kind[i] === kind) count++
  return count
}
