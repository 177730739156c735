import type { Extraction } from '../workload/extract.ts'
import type { Workload } from '../workload/types.ts'
import { demandTids, type Replayer } from './validate.ts'
import {
  type FigureKind,
  type Figures,
  halfRangeOfRatios,
  median,
  RunFigures,
  recordedFigures,
  VALIDATED,
  type ValidatedName,
} from './validate-figures.ts'

/** What of a policy's effect on one figure was predicted. NaN = not known. */
export interface PolicyRow {
  readonly metric: ValidatedName
  readonly unit: string
  /** Medians over the recordings. */
  readonly recorded_a: number
  readonly recorded_b: number
  /** recorded_b / recorded_a, and half the range of the ratios of all pairs of repeats. */
  readonly ratio: number
  readonly spread: number
  /** Medians over recordings and seeds: A replayed under its own policy and under the other. */
  readonly replayed_a: number
  readonly replayed_b: number
  /** replayed_b / replayed_a, and what it misses the recorded ratio by. */
  readonly predicted: number
  readonly error: number
  readonly predicted_demand_low: number
  readonly predicted_demand_high: number
  readonly sign: 'right' | 'wrong' | 'within spread' | 'unknown'
  readonly size: 'right' | 'wrong' | 'unknown'
  /** What `error` may be for the size to be right. */
  readonly size_limit: number
  readonly nothing_changes: number
  readonly nothing_changes_error: number
  readonly formula: number
  readonly formula_error: number
  /** Both null models do worse. */
  readonly predicted_better: boolean
  /** Self-replayed A against recorded A. */
  readonly self_error: number
  /** False: the replayed A misses the recorded A by more than the spread, so the ratio is not to be trusted. */
  readonly trusted: boolean
  readonly verdict: Verdict
  readonly repeats_a: readonly RepeatA[]
  readonly repeats_b: readonly Repeat[]
}

/** The first of these that applies. */
export type Verdict =
  | 'cannot be judged'
  | 'wrong sign'
  | 'wrong size'
  | 'no better than a null model'
  | 'not to be trusted'
  | 'predicted'

/** One recording and its figure. */
export interface Repeat {
  readonly trace: string
  readonly recorded: number
}

/** A recording under the recorded policy and its replays under both, one per seed. */
export interface RepeatA extends Repeat {
  readonly replayed_a: readonly number[]
  readonly replayed_b: readonly number[]
}

export interface PolicyParts {
  /** Recordings under the recorded policy, to be replayed. */
  readonly a: readonly Extraction[]
  /** Recordings of the same activity under the predicted policy: only their figures are used. */
  readonly b: readonly Extraction[]
  readonly policy: string
  readonly seeds: readonly number[]
}

/** Shares of the recorded demand that show how much a prediction hangs on it. */
const DEMAND_LOW = 0.9
const DEMAND_HIGH = 1.1

/** Replays per recording and seed: both policies at the recorded demand, at less and at more. */
export const REPLAYS_PER_SEED = 6

/** The effect may be missed by this share of it, or by the spread if that is more. */
const SIZE_SHARE = 0.25

/** The rules by which a prediction is judged. */
export const JUDGED_BY = {
  sign: 'right where |ratio - 1| > spread and predicted lies on the same side of 1 as ratio; within spread where the recordings show no effect',
  size: `right where |predicted - ratio| <= size_limit = max(${SIZE_SHARE} |ratio - 1|, spread)`,
  null_models:
    'nothing changes: ratio 1; formula: scanning and storing overlap perfectly, (t1 + t3 + t2) / max(t1 + t3, t2) for rates, its inverse for times, 1 for the others',
  trusted: '|self_error| <= spread',
} as const

/** Predicts from recordings under one policy what another does, and compares with recordings under that one. */
export async function validatePolicy(parts: PolicyParts, replayer: Replayer): Promise<PolicyRow[]> {
  const asRecorded = await replayRepeats(parts, replayer, 1)
  const less = await replayRepeats(parts, replayer, DEMAND_LOW)
  const more = await replayRepeats(parts, replayer, DEMAND_HIGH)
  const speedup = formulaSpeedup(parts.a.map(({ workload }) => workload))
  const recorded = { a: parts.a.map(wholeFigures), b: parts.b.map(wholeFigures) }
  return VALIDATED.map(({ name, unit, kind }) => {
    const formula = formulaRatio(kind, speedup)
    const a = medianOf(recorded.a, name)
    const replayedA = medianOf(asRecorded.a.flat(), name)
    const replayedB = medianOf(asRecorded.b.flat(), name)
    const judged = judge({
      ratio: medianOf(recorded.b, name) / a,
      spread: halfRangeOfRatios(
        recorded.a.map((figures) => figures[name]),
        recorded.b.map((figures) => figures[name]),
      ),
      predicted: replayedB / replayedA,
      selfError: replayedA / a - 1,
      formula,
    })
    return {
      metric: name,
      unit,
      recorded_a: a,
      recorded_b: medianOf(recorded.b, name),
      replayed_a: replayedA,
      replayed_b: replayedB,
      predicted_demand_low: ratioOf(less, name),
      predicted_demand_high: ratioOf(more, name),
      nothing_changes: 1,
      formula,
      ...judged,
      repeats_a: parts.a.map(({ recording }, row) => ({
        trace: recording.name,
        recorded: recorded.a[row]?.[name] ?? Number.NaN,
        replayed_a: (asRecorded.a[row] ?? []).map((figures) => figures[name]),
        replayed_b: (asRecorded.b[row] ?? []).map((figures) => figures[name]),
      })),
      repeats_b: parts.b.map(({ recording }, row) => ({
        trace: recording.name,
        recorded: recorded.b[row]?.[name] ?? Number.NaN,
      })),
    }
  })
}

/** Figures of the replays of A: per recording, one per seed. */
interface Replays {
  /** Under the recorded policy and under the other. */
  readonly a: readonly (readonly Figures[])[]
  readonly b: readonly (readonly Figures[])[]
}

async function replayRepeats(
  { a, policy, seeds }: PolicyParts,
  replayer: Replayer,
  demandScale: number,
): Promise<Replays> {
  const under = async (policy: string | undefined): Promise<Figures[][]> => {
    const figures: Figures[][] = []
    for (const { workload } of a) {
      const own: Figures[] = []
      for (const seed of seeds) {
        const collected = new RunFigures()
        const result = await replayer({ workload, policy, seed, demandScale, sink: collected.sink })
        own.push(collected.figures(result, 0))
      }
      figures.push(own)
    }
    return figures
  }
  return { a: await under(undefined), b: await under(policy) }
}

function medianOf(figures: readonly Figures[], name: ValidatedName): number {
  return median(figures.map((figure) => figure[name]))
}

function ratioOf({ a, b }: Replays, name: ValidatedName): number {
  return medianOf(b.flat(), name) / medianOf(a.flat(), name)
}

interface Ratios {
  readonly ratio: number
  readonly spread: number
  readonly predicted: number
  readonly selfError: number
  readonly formula: number
}

function judge({ ratio, spread, predicted, selfError, formula }: Ratios) {
  const effect = Math.abs(ratio - 1)
  const error = predicted - ratio
  const limit = Math.max(SIZE_SHARE * effect, spread)
  const isKnown = Number.isFinite(error) && Number.isFinite(spread)
  const sameSign = Math.sign(predicted - 1) === Math.sign(ratio - 1)
  const sign = effect <= spread ? 'within spread' : sameSign ? 'right' : 'wrong'
  const size = Math.abs(error) <= limit ? 'right' : 'wrong'
  const formulaError = Math.abs(formula - ratio)
  const judged = {
    ratio,
    spread,
    predicted,
    error,
    sign: isKnown ? sign : 'unknown',
    size: isKnown ? size : 'unknown',
    size_limit: limit,
    nothing_changes_error: effect,
    formula_error: formulaError,
    predicted_better: Math.abs(error) < effect && Math.abs(error) < formulaError,
    self_error: selfError,
    trusted: Math.abs(selfError) <= spread,
  } as const
  return { ...judged, verdict: verdictOf(judged) }
}

function verdictOf(
  row: Pick<PolicyRow, 'sign' | 'size' | 'predicted_better' | 'trusted'>,
): Verdict {
  if (row.size === 'unknown') return 'cannot be judged'
  if (row.sign === 'wrong') return 'wrong sign'
  if (row.size === 'wrong') return 'wrong size'
  if (!row.predicted_better) return 'no better than a null model'
  return row.trusted ? 'predicted' : 'not to be trusted'
}

function wholeFigures(extraction: Extraction): Figures {
  const { workload, recording, startNs, endNs } = extraction
  return recordedFigures(recording, demandTids(workload), startNs, endNs)
}

function formulaRatio(kind: FigureKind, speedup: number): number {
  if (kind === 'rate') return speedup
  return kind === 'time' ? 1 / speedup : 1
}

/** max(t1 + t3, t2) against t1 + t2 + t3: what the throughput would gain if scanning and storing overlapped perfectly. */
function formulaSpeedup(workloads: readonly Workload[]): number {
  const of = (name: 'unmap' | 'store'): number =>
    median(
      workloads.map(({ costs }) => {
        const { samples, fixedNs } = costs[name]
        return samples.length === 0
          ? fixedNs
          : samples.reduce((sum, ns) => sum + ns, 0) / samples.length
      }),
    )
  const scan = of('unmap')
  const store = of('store')
  return scan + store === 0 ? 1 : (scan + store) / Math.max(scan, store)
}
